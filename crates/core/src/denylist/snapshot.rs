//! The snapshot: the whole set as of one position, for whoever starts far behind.
//!
//! ```text
//! "CSS1" · epoch 16 B · seq 8 B · chain 32 B · slots · marks                                        big-endian
//! slots = number · number × (slots since the one before · count · Rice-coded gaps)                 numbers LEB128
//! marks = number · number × (kind 1 B · fingerprint 8 B · seq · slot)
//! ```
//!
//! The fingerprints of a slot are sorted, and each is told by its distance from the one before, less one. Of `n` random
//! numbers below 2⁶⁴ that takes `65.5 − log₂ n` bits for each; the order in the log, which a segment keeps for the
//! chain hash, would take `log₂ n` more. So a snapshot cannot be proven by the chain, and is named by its hash in a
//! signed heartbeat instead.

use sha2::{Digest as _, Sha256};

use super::bytes::{Reader, put_varint};
use super::{Chain, Denylist, Entry, Epoch, Fingerprint, Kind, Slot};

const MAGIC: &[u8; 4] = b"CSS1";

/// Most entries of a snapshot: 83 MiB of memory as a set. A worker has 128 MB.
pub const MAX_ENTRIES: usize = 12_000_000;

/// SHA-256 of a snapshot's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SnapshotDigest(pub [u8; 32]);

impl SnapshotDigest {
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

/// A decoded snapshot.
pub struct Snapshot {
    pub epoch: Epoch,
    /// The position as of which it is complete.
    pub seq: u64,
    /// The chain value there.
    pub chain: Chain,
    pub list: Denylist,
}

/// Why bytes are not a snapshot. All are the sender's fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SnapshotError {
    /// Without the magic number, cut off, or not in the one form that a set has.
    Framing,
    /// More than [`MAX_ENTRIES`].
    TooLong,
    /// A kind this version does not know.
    UnknownKind(u8),
    /// Not the one that was named.
    Other,
}

impl std::fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Framing => f.write_str("snapshot framing is wrong"),
            Self::TooLong => write!(f, "snapshot has more than {MAX_ENTRIES} entries"),
            Self::Other => f.write_str("snapshot is not the one that was named"),
            Self::UnknownKind(kind) => write!(f, "snapshot has an entry of unknown kind {kind}"),
        }
    }
}

impl std::error::Error for SnapshotError {}

/// Writes the set that is complete up to `seq`; one of more than [`MAX_ENTRIES`] is refused.
pub fn encode(epoch: Epoch, seq: u64, chain: Chain, list: &Denylist) -> Result<Vec<u8>, SnapshotError> {
    if list.len() > MAX_ENTRIES {
        return Err(SnapshotError::TooLong);
    }
    let mut out = Vec::with_capacity(128 + list.len() * 7);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&epoch.0);
    out.extend_from_slice(&seq.to_be_bytes());
    out.extend_from_slice(&chain.0);
    // An undo may leave a slot with nothing in it.
    let families = || list.families().filter(|(_, bucket)| bucket.len() > 0);
    put_varint(&mut out, families().count() as u64);
    let mut last = 0;
    for (slot, bucket) in families() {
        let count = bucket.len();
        put_varint(&mut out, u64::from(slot.0) - last);
        put_varint(&mut out, count as u64);
        last = u64::from(slot.0);
        let rice = rice_bits(count);
        let mut bits = BitWriter { out: &mut out, word: 0, used: 0 };
        let mut next = 0u64;
        for fingerprint in bucket.iter() {
            let gap = fingerprint.wrapping_sub(next);
            bits.unary(gap >> rice);
            bits.put(gap, rice);
            next = fingerprint.wrapping_add(1);
        }
        bits.finish();
    }
    put_varint(&mut out, list.marks().len() as u64);
    for (seq, mark) in list.marks().iter() {
        out.push(mark.kind.code());
        out.extend_from_slice(&mark.fingerprint.0.to_be_bytes());
        put_varint(&mut out, seq);
        put_varint(&mut out, mark.slot.0.into());
    }
    Ok(out)
}

/// Reads a snapshot. Only the canonical encoding is accepted. What is allocated is in proportion to `bytes`.
pub fn decode(bytes: &[u8]) -> Result<Snapshot, SnapshotError> {
    let mut reader = Reader(bytes);
    if reader.array() != Some(*MAGIC) {
        return Err(SnapshotError::Framing);
    }
    let epoch = Epoch(reader.array().ok_or(SnapshotError::Framing)?);
    let seq = u64::from_be_bytes(reader.array().ok_or(SnapshotError::Framing)?);
    let chain = Chain(reader.array().ok_or(SnapshotError::Framing)?);
    let mut list = Denylist::default();
    let mut total = 0usize;
    let mut last = None;
    for _ in 0..count(&mut reader)? {
        let step = u32::try_from(reader.varint().ok_or(SnapshotError::Framing)?).map_err(|_| SnapshotError::Framing)?;
        let slot = match last {
            None => step,
            Some(last) if step > 0 => u32::checked_add(last, step).ok_or(SnapshotError::Framing)?,
            Some(_) => return Err(SnapshotError::Framing),
        };
        last = Some(slot);
        let count = count(&mut reader)?;
        total = total.saturating_add(count);
        if total > MAX_ENTRIES {
            return Err(SnapshotError::TooLong);
        }
        let rice = rice_bits(count);
        // So much at least, before anything of that size is allocated.
        if count == 0 || count.saturating_mul(rice as usize + 1).div_ceil(8) > reader.0.len() {
            return Err(SnapshotError::Framing);
        }
        let mut gaps =
            Gaps { bits: BitReader { bytes: reader.0, at: 0, word: 0, left: 0 }, rice, next: Some(0), good: true };
        list.add_families(Slot(slot), count, gaps.by_ref().take(count));
        let rest = gaps.bits.finish().filter(|_| gaps.good).ok_or(SnapshotError::Framing)?;
        reader = Reader(rest);
    }
    let marks = count(&mut reader)?;
    if total.saturating_add(marks) > MAX_ENTRIES {
        return Err(SnapshotError::TooLong);
    }
    let mut last = None;
    for _ in 0..marks {
        let [code] = reader.array().ok_or(SnapshotError::Framing)?;
        let kind = Kind::from_code(code).filter(|kind| kind.is_mark()).ok_or(SnapshotError::UnknownKind(code))?;
        let fingerprint = Fingerprint(u64::from_be_bytes(reader.array().ok_or(SnapshotError::Framing)?));
        let seq = reader.varint().ok_or(SnapshotError::Framing)?;
        let slot = reader.varint().and_then(|slot| u32::try_from(slot).ok()).ok_or(SnapshotError::Framing)?;
        if last.is_some_and(|last| last >= (kind, fingerprint, seq)) {
            return Err(SnapshotError::Framing);
        }
        last = Some((kind, fingerprint, seq));
        if !list.marks_mut().insert(seq, &Entry { kind, slot: Slot(slot), fingerprint }) {
            return Err(SnapshotError::Framing);
        }
    }
    if reader.0.is_empty() { Ok(Snapshot { epoch, seq, chain, list }) } else { Err(SnapshotError::Framing) }
}

/// Whatever is counted takes a byte at least.
fn count(reader: &mut Reader<'_>) -> Result<usize, SnapshotError> {
    let count = reader.varint().and_then(|count| usize::try_from(count).ok()).ok_or(SnapshotError::Framing)?;
    if count > MAX_ENTRIES {
        return Err(SnapshotError::TooLong);
    }
    if count <= reader.0.len() { Ok(count) } else { Err(SnapshotError::Framing) }
}

/// How many low bits of a gap stand as they are. The gaps of `count` random numbers have a mean of 2⁶⁴ ∕ count, and the
/// best number is then ⌊log₂(ln φ · mean)⌋ + 1 (Kiely 2004). Both sides compute it, in whole numbers.
fn rice_bits(count: usize) -> u32 {
    let mean = u64::MAX / (count as u64).max(1);
    (mean / 10_000 * 4_812).max(1).ilog2() + 1
}

struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    word: u128,
    used: u32,
}

impl BitWriter<'_> {
    /// The low `bits` (at most 64) of `value`, lowest first.
    fn put(&mut self, value: u64, bits: u32) {
        if bits > 0 {
            self.word |= u128::from(value & u64::MAX >> (64 - bits)) << self.used;
            self.used += bits;
        }
        if self.used >= 64 {
            let [low, _] = halves(self.word);
            self.out.extend_from_slice(&low.to_le_bytes());
            self.word >>= 64;
            self.used -= 64;
        }
    }

    /// So many zeros, and a one.
    fn unary(&mut self, mut zeros: u64) {
        while zeros >= 32 {
            self.put(0, 32);
            zeros -= 32;
        }
        let zeros = u32::try_from(zeros).unwrap_or(0);
        self.put(1 << zeros, zeros + 1);
    }

    fn finish(self) {
        let [low, _] = halves(self.word);
        let bytes = low.to_le_bytes();
        self.out.extend(bytes.iter().take(self.used.div_ceil(8) as usize));
    }
}

const fn halves(word: u128) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = word.to_le_bytes();
    [u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes([i, j, k, l, m, n, o, p])]
}

struct BitReader<'a> {
    bytes: &'a [u8],
    /// How many bytes have gone into the word.
    at: usize,
    word: u64,
    left: u32,
}

impl<'a> BitReader<'a> {
    /// The next bits, up to 32.
    fn few(&mut self, bits: u32) -> Option<u64> {
        self.fill(bits)?;
        let value = self.word & ((1 << bits) - 1);
        self.word >>= bits;
        self.left -= bits;
        Some(value)
    }

    fn take(&mut self, bits: u32) -> Option<u64> {
        if bits <= 32 { self.few(bits) } else { Some(self.few(32)? | self.few(bits - 32)? << 32) }
    }

    /// How many zeros come before the next one.
    fn unary(&mut self) -> Option<u64> {
        let mut zeros = 0u64;
        loop {
            self.fill(1)?;
            if self.word != 0 {
                let here = self.word.trailing_zeros();
                self.word >>= here;
                self.word >>= 1;
                self.left -= here + 1;
                return Some(zeros + u64::from(here));
            }
            zeros += u64::from(self.left);
            self.left = 0;
        }
    }

    /// Has at least so many bits, up to 32, in the word.
    fn fill(&mut self, bits: u32) -> Option<()> {
        if self.left >= bits {
            return Some(());
        }
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if let Some(word) = rest.first_chunk() {
            self.word |= u64::from(u32::from_le_bytes(*word)) << self.left;
            self.left += 32;
            self.at += 4;
            return Some(());
        }
        for byte in rest {
            self.word |= u64::from(*byte) << self.left;
            self.left += 8;
            self.at += 1;
        }
        (self.left >= bits).then_some(())
    }

    /// What follows the byte in which the last bit was. The bits that fill that byte up are zero.
    fn finish(self) -> Option<&'a [u8]> {
        let read = self.at * 8 - self.left as usize;
        let (own, rest) = self.bytes.split_at_checked(read.div_ceil(8))?;
        let padding = if read.is_multiple_of(8) { 0 } else { own.last()? >> (read % 8) };
        (padding == 0).then_some(rest)
    }
}

/// Fingerprints from their gaps; ends early, and not `good`, where there are none.
struct Gaps<'a> {
    bits: BitReader<'a>,
    rice: u32,
    /// The least that the next can be; `None` after the greatest of all.
    next: Option<u64>,
    good: bool,
}

impl Iterator for Gaps<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let fingerprint = (|| {
            let high = self.bits.unary()?;
            let low = self.bits.take(self.rice)?;
            let gap = (high <= u64::MAX >> self.rice).then(|| high << self.rice | low)?;
            self.next?.checked_add(gap)
        })();
        self.good &= fingerprint.is_some();
        self.next = fingerprint.and_then(|fingerprint| fingerprint.checked_add(1));
        fingerprint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::denylist::{Entry, Gathered};
    use proptest::prelude::*;

    const EPOCH: Epoch = Epoch([5; 16]);

    fn list(entries: impl IntoIterator<Item = (u8, u32, u64)>) -> Denylist {
        let mut list = Denylist::default();
        for (seq, (kind, slot, fingerprint)) in (1..).zip(entries) {
            let kind = Kind::from_code(kind).unwrap();
            list.apply(seq, &Entry { kind, slot: Slot(slot), fingerprint: Fingerprint(fingerprint) });
        }
        list
    }

    fn spread(number: u64) -> u64 {
        number.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ number.rotate_left(31)
    }

    fn written(list: &Denylist) -> Vec<u8> {
        encode(EPOCH, 1 << 40, Chain([7; 32]), list).unwrap()
    }

    fn entries() -> impl Strategy<Value = Vec<(u8, u32, u64)>> {
        let fingerprint = prop_oneof![any::<u64>(), 0u64..200, u64::MAX - 200..=u64::MAX];
        prop::collection::vec((1u8..4, prop_oneof![any::<u32>(), 0u32..4], fingerprint), 0..200)
    }

    proptest! {
        #[test]
        fn decode_inverts_encode(entries in entries()) {
            let list = list(entries);
            let bytes = written(&list);
            let snapshot = decode(&bytes).unwrap();
            prop_assert_eq!((snapshot.epoch, snapshot.seq, snapshot.chain), (EPOCH, 1 << 40, Chain([7; 32])));
            prop_assert_eq!(snapshot.list.len(), list.len());
            prop_assert_eq!(written(&snapshot.list), bytes);
            for (slot, bucket) in list.families() {
                prop_assert!(bucket.iter().all(|own| snapshot.list.family_ended(slot, Fingerprint(own))));
            }
            prop_assert!(snapshot.list.marks().iter().eq(list.marks().iter()));
        }

        /// R07: what is not exactly what `encode` writes is refused, and never panics.
        #[test]
        fn r07_a_snapshot_has_one_form(entries in entries(), at: prop::sample::Index, bit in 0u32..8, cut in 0usize..20) {
            let mut bytes = written(&list(entries));
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            bytes.truncate(bytes.len() - cut.min(bytes.len()));
            if let Ok(snapshot) = decode(&bytes) {
                prop_assert_eq!(encode(snapshot.epoch, snapshot.seq, snapshot.chain, &snapshot.list).unwrap(), bytes);
            }
        }

        #[test]
        fn decode_never_panics(tail in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = written(&Denylist::default());
            bytes.truncate(bytes.len() - 2);
            bytes.extend_from_slice(&tail);
            let _ = decode(&bytes);
        }
    }

    #[test]
    fn a_slot_of_which_all_was_taken_back_is_left_out() {
        let (mut list, mut gathered) = (list([(1, 5, 7), (1, 6, 8)]), Gathered::default());
        let undo = |slot, fingerprint| Entry { kind: Kind::UndoFamily, slot: Slot(slot), fingerprint };
        list.apply(3, &undo(5, Fingerprint(7)));
        gathered.add(4, &Entry { kind: Kind::Family, ..undo(9, Fingerprint(9)) });
        gathered.add(5, &undo(9, Fingerprint(9)));
        list.absorb(gathered);
        let bytes = written(&list);
        let snapshot = decode(&bytes).unwrap();
        assert_eq!((snapshot.list.len(), written(&snapshot.list)), (1, bytes));
    }

    #[test]
    fn r07_two_marks_at_one_position_are_refused() {
        let mut bytes = written(&Denylist::default());
        *bytes.last_mut().unwrap() = 2;
        for kind in [Kind::User, Kind::Realm] {
            bytes.push(kind.code());
            bytes.extend_from_slice(&[7; 8]);
            bytes.extend_from_slice(&[5, 1]);
        }
        assert_eq!(decode(&bytes).err(), Some(SnapshotError::Framing));
        let at = bytes.len() - 2;
        bytes[at] = 6;
        assert_eq!(decode(&bytes).unwrap().list.len(), 2);
    }

    #[test]
    fn r21_a_count_without_its_entries_is_refused_before_anything_is_allocated() {
        let mut bytes = written(&Denylist::default());
        bytes.truncate(bytes.len() - 2);
        for claim in [1_000_000, MAX_ENTRIES as u64 + 1, u64::MAX] {
            let mut forged = bytes.clone();
            put_varint(&mut forged, 1);
            put_varint(&mut forged, 5);
            put_varint(&mut forged, claim);
            assert!(decode(&forged).is_err());
        }
    }

    #[test]
    fn a_hundred_thousand_entries_take_less_than_six_and_a_half_bytes_each() {
        let count = 100_000;
        // Sessions of two hours end in eight slots.
        let list = list((0..count).map(|n| (1, 2_000_000 + u32::try_from(n % 8).unwrap(), spread(n))));
        let bytes = written(&list);
        assert!(bytes.len() <= 650_000, "{}", bytes.len());
        assert_eq!(decode(&bytes).unwrap().list.len(), list.len());
    }
}
