//! The denylist at scale: memory, lookups, bytes on the wire, and how long a copy takes to be complete.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use countersign_core::denylist::{Chain, Denylist, Entry, Epoch, Fingerprint, Gathered, Kind, Slot, segment, snapshot};
use serde_json::json;

use crate::report::{Goal, Quartiles, figure};

const EPOCH: Epoch = Epoch([7; 16]);
const FIRST_SLOT: u32 = 2_000_000;

/// Sessions of two hours, and of a day.
const TWO_HOURS: u32 = 8;
const DAY: u32 = 96;

const REPEATS: usize = 9;
const LOOKUPS: u64 = 1 << 21;
/// So many are made and looked up in turn: what the clock costs does not show, and the set stays in the cache.
const PIECE: u64 = 1 << 14;

pub(crate) fn run() -> Result<()> {
    for (name, count, slots) in [
        ("100k", 100_000, TWO_HOURS),
        ("1m", 1_000_000, TWO_HOURS),
        ("1m_day", 1_000_000, DAY),
        ("10m_day", 10_000_000, DAY),
    ] {
        at_size(name, count, slots)?;
    }
    deltas()?;
    storm()
}

/// HMAC spreads its results over all 64 bits; so does this, and it costs less than what is measured.
fn fingerprint(number: u64) -> Fingerprint {
    let z = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    Fingerprint(z ^ z >> 31)
}

fn entry(number: u64, slots: u32) -> Entry {
    let slot = Slot(FIRST_SLOT + u32::try_from(number % u64::from(slots)).unwrap_or(0));
    Entry { kind: Kind::Family, slot, fingerprint: fingerprint(number) }
}

fn at_size(name: &str, count: u64, slots: u32) -> Result<()> {
    let detail = || json!({ "entries": count, "slots": slots });
    // Nearly all come at once, as to a copy that starts, and then one by one, as to a copy at work.
    let singly = count / 50;
    let started = Instant::now();
    let mut gathered = Gathered::default();
    for number in 0..count - singly {
        gathered.add(number + 1, &entry(number, slots));
    }
    let mut list = Denylist::default();
    list.absorb(gathered);
    let seconds = started.elapsed().as_secs_f64();
    figure(&format!("denylist.{name}.gather"), seconds * 1e9 / f(count - singly)?, "ns per entry", None, detail());
    let started = Instant::now();
    for number in count - singly..count {
        list.apply(number + 1, &entry(number, slots));
    }
    let seconds = started.elapsed().as_secs_f64();
    figure(&format!("denylist.{name}.apply"), seconds * 1e9 / f(singly)?, "ns per entry", None, detail());
    let entries = list.len() as u64;
    ensure!(entries == count, "entries are missing");
    let bits = f(list.memory() as u64 * 8)? / f(count)?;
    figure(&format!("denylist.{name}.memory"), bits, "bits per entry", Some(Goal::AtMost(55.0)), detail());

    // What is there, and what is not; of a slot that is there.
    let goal = (count <= 1_000_000).then_some(Goal::AtMost(50.0));
    for (kind, base) in [("listed", 0), ("unlisted", count)] {
        let right = if base == 0 { LOOKUPS } else { 0 };
        let mut samples = Vec::new();
        for repeat in 0..REPEATS as u64 {
            let (mut seconds, mut found) = (0.0, 0);
            for piece in 0..LOOKUPS / PIECE {
                // From all over, in no order that memory likes; made before the time is taken.
                let numbers = (piece * PIECE..(piece + 1) * PIECE).map(|number| number.wrapping_mul(2_654_435_761));
                let wanted: Vec<Entry> =
                    numbers.map(|number| entry(base + number.wrapping_add(repeat) % count, slots)).collect();
                let started = Instant::now();
                found += black_box(&wanted)
                    .iter()
                    .map(|entry| u64::from(list.family_ended(entry.slot, entry.fingerprint)))
                    .sum::<u64>();
                seconds += started.elapsed().as_secs_f64();
            }
            ensure!(found == right, "the set is not what was put in");
            samples.push(seconds * 1e9 / f(LOOKUPS)?);
        }
        let quartiles = Quartiles::of(samples);
        let detail = json!({ "entries": count, "slots": slots, "quartiles": quartiles.to_json() });
        figure(&format!("denylist.{name}.lookup.{kind}"), quartiles.median, "ns", goal, detail);
    }

    let started = Instant::now();
    let bytes = snapshot::encode(EPOCH, count, Chain::genesis(EPOCH), &list)?;
    let encoded = started.elapsed().as_secs_f64();
    let goal = (name == "100k").then_some(Goal::AtMost(6.5));
    let each = f(bytes.len() as u64)? / f(count)?;
    figure(&format!("denylist.{name}.snapshot"), each, "bytes per entry", goal, detail());
    figure(&format!("denylist.{name}.snapshot.encode"), encoded * 1e3, "ms", None, detail());
    let started = Instant::now();
    let decoded = snapshot::decode(&bytes)?;
    let seconds = started.elapsed().as_secs_f64();
    ensure!(decoded.list.len() as u64 == count, "the snapshot lacks entries");
    figure(&format!("denylist.{name}.snapshot.decode"), seconds * 1e3, "ms", None, detail());
    if count <= 1_000_000 {
        catch_up(name, count, slots)?;
    }
    Ok(())
}

/// A cold copy without the network: every segment decoded, hashed and gathered, then all of them believed.
fn catch_up(name: &str, count: u64, slots: u32) -> Result<()> {
    let entries: Vec<Entry> = (0..count).map(|number| entry(number, slots)).collect();
    let pieces: Vec<Vec<u8>> = (0u64..)
        .zip(entries.chunks(segment::MAX_ENTRIES))
        .map(|(piece, entries)| segment::encode(EPOCH, piece * segment::MAX_ENTRIES as u64, entries))
        .collect::<Result<_, _>>()?;
    let started = Instant::now();
    let (mut chain, mut gathered) = (Chain::genesis(EPOCH), Gathered::default());
    for piece in &pieces {
        let piece = segment::decode(piece)?;
        for (seq, entry) in (piece.from + 1..).zip(&piece.entries) {
            chain = chain.append(seq, entry);
            gathered.add(seq, entry);
        }
    }
    let mut list = Denylist::default();
    list.absorb(gathered);
    let seconds = started.elapsed().as_secs_f64();
    ensure!(list.len() as u64 == count, "entries are missing");
    let bytes: usize = pieces.iter().map(Vec::len).sum();
    let detail = json!({ "entries": count, "slots": slots, "bytes": bytes, "chain": chain.0[0] });
    figure(&format!("denylist.{name}.cold_start.compute"), seconds * 1e3, "ms", None, detail);
    Ok(())
}

fn deltas() -> Result<()> {
    for count in [1u64, 16, 100, 4096] {
        let entries: Vec<Entry> = (0..count).map(|number| entry(number, TWO_HOURS)).collect();
        let bytes = segment::encode(EPOCH, 1 << 40, &entries)?.len() as u64;
        let goal = (count >= 16).then_some(Goal::AtMost(12.0));
        let each = f(bytes)? / f(count)?;
        figure(&format!("denylist.delta.of_{count}"), each, "bytes per entry", goal, json!({ "segment_bytes": bytes }));
    }
    Ok(())
}

/// A hundred thousand logouts as they come to a copy that is being read: in pieces of a poll each.
fn storm() -> Result<()> {
    let mut list = Denylist::default();
    let count = 100_000u64;
    let mut worst = 0f64;
    let started = Instant::now();
    for piece in 0..count / 5_000 {
        let began = Instant::now();
        let mut gathered = Gathered::default();
        for number in piece * 5_000..(piece + 1) * 5_000 {
            gathered.add(number + 1, &entry(number, TWO_HOURS));
        }
        list.absorb(gathered);
        worst = worst.max(began.elapsed().as_secs_f64());
    }
    let seconds = started.elapsed().as_secs_f64();
    ensure!(list.len() as u64 == count, "entries are missing");
    let detail = json!({ "entries": count, "longest_piece_ms": worst * 1e3 });
    // They come within ten seconds; a hundredth of that may go into applying them.
    figure("denylist.storm.apply", seconds * 1e3, "ms", Some(Goal::AtMost(100.0)), detail);
    Ok(())
}

fn f(count: u64) -> Result<f64> {
    u32::try_from(count).map(f64::from).or_else(|_| count.to_string().parse().context("not a number"))
}
