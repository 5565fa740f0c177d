//! Microseconds per decision in native code: what the same crate costs at the origin.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use countersign_core::gate::{Facts, Gate, Policy, SessionCache, Verdict};
use countersign_core::keys::{EdgeKeys, SigningAlg, Verifiers};
use countersign_core::replica::{Nonce, Replica, Step};
use countersign_core::session::SessionClaims;
use countersign_core::token::{self, Kind, Scratch};
use serde_json::json;
use xtask::say;

use crate::feed;
use crate::peers::{Buffers, with_aws_lc, with_ring};
use crate::report::{Goal, Quartiles, figure};
use crate::tokens::{self, Format, Mint};
use crate::workers::{CHECK, COOKIE};

const REPEATS: usize = 21;
const TURNS: usize = 64;

pub(crate) fn run() -> Result<()> {
    say("native");
    for alg in [SigningAlg::Hs256, SigningAlg::EdDsa] {
        decisions(alg)?;
    }
    for alg in [SigningAlg::Hs256, SigningAlg::EdDsa, SigningAlg::Es256] {
        openings(alg)?;
    }
    Format::all().into_iter().try_for_each(pair)
}

/// Opening a token of one pair of algorithms.
fn pair(format: Format) -> Result<()> {
    let mut mint = Mint::new(format)?;
    let claims = mint.claims_for(COOKIE)?;
    let batch: Vec<String> = (0..TURNS).map(|_| mint.token(&claims)).collect::<Result<_>>()?;
    let keys = tokens::bundle(format)?.check(Verifiers::Own)?.session;
    let mut scratch = Scratch::default();
    let mut samples = Vec::new();
    for repeat in 0..=REPEATS / 3 {
        let time = per_token(&batch, |token| {
            Ok(token::open::<SessionClaims>(token, Kind::Session, &keys, &mut scratch)?.into_claims())
        })?;
        samples.extend((repeat > 0).then_some(time));
    }
    let quartiles = Quartiles::of(samples);
    let detail = json!({ "cookie_bytes": batch.first().map(String::len), "quartiles": quartiles.to_json() });
    figure(&format!("native.pairs.{}.open", format.name()), quartiles.median, "us per token", None, detail);
    Ok(())
}

/// Whole decisions, as the origin and the edge make them.
fn decisions(alg: SigningAlg) -> Result<()> {
    let mut mint = Mint::new(alg)?;
    let claims = mint.claims_for(COOKIE)?;
    let cookies: Vec<String> = (0..TURNS).map(|_| Ok(tokens::cookie(&mint.token(&claims)?))).collect::<Result<_>>()?;
    for (name, places, cookies) in [("cold", 0, &cookies[..]), ("cached", 16, &cookies[..1])] {
        let keys = tokens::bundle(alg)?.check(Verifiers::Own)?;
        let replica = fresh(&keys)?;
        let policy = Policy::new(tokens::REALM.to_owned(), tokens::COOKIE_NAME.to_owned(), &[])?;
        let mut gate = Gate::new(policy, keys.session, keys.denylist, SessionCache::new(places));
        let times = 64 * TURNS;
        let mut samples = Vec::new();
        for repeat in 0..=REPEATS {
            let started = Instant::now();
            for cookie in cookies.iter().cycle().take(times) {
                let facts = Facts { path: CHECK, cookie: black_box(cookie.as_bytes()), header: None };
                if !matches!(gate.decide(&facts, &replica, feed::now), Verdict::Allow(_)) {
                    bail!("a good session is refused");
                }
            }
            let seconds = started.elapsed().as_secs_f64();
            if repeat > 0 {
                samples.push(seconds * 1e6 / f64::from(u32::try_from(times)?));
            }
        }
        ensure!((gate.cache().hits() == 0) == (places == 0), "the cache is not as it should be");
        let quartiles = Quartiles::of(samples);
        let bytes = cookies.first().map_or(0, String::len);
        let detail = json!({ "cookie_bytes": bytes, "repeats": REPEATS, "quartiles": quartiles.to_json() });
        let name = format!("native.{}.{name}", alg.name().to_lowercase());
        figure(&name, quartiles.median, "us per decision", None, detail);
    }
    Ok(())
}

/// Opening a token alone, in turns with `ring` and `aws-lc-rs` on the same bytes: base64, both layers, headers, claims.
fn openings(alg: SigningAlg) -> Result<()> {
    let mut mint = Mint::new(alg)?;
    let claims = mint.claims_for(COOKIE)?;
    let batch: Vec<String> = (0..TURNS).map(|_| mint.token(&claims)).collect::<Result<_>>()?;
    let keys = tokens::bundle(alg)?.check(Verifiers::Own)?.session;
    let (ring, aws_lc) = (with_ring::Peer::new(alg)?, with_aws_lc::Peer::new(alg)?);
    let (mut scratch, mut buffers) = (Scratch::default(), Buffers::default());
    let mut samples = [Vec::new(), Vec::new(), Vec::new()];
    for repeat in 0..=REPEATS {
        let times = [
            per_token(&batch, |token| {
                Ok(token::open::<SessionClaims>(token, Kind::Session, &keys, &mut scratch)?.into_claims())
            })?,
            per_token(&batch, |token| ring.open(token, &mut buffers))?,
            per_token(&batch, |token| aws_lc.open(token, &mut buffers))?,
        ];
        for (time, samples) in times.into_iter().zip(&mut samples).filter(|_| repeat > 0) {
            samples.push(time);
        }
    }
    let [own, ring, aws_lc] = &samples;
    let name = format!("native.{}-a256gcm.open", alg.name().to_lowercase());
    for (who, samples) in [("", own), (".ring", ring), (".aws_lc", aws_lc)] {
        let quartiles = Quartiles::of(samples.iter().copied());
        let detail = json!({ "cookie_bytes": batch.first().map(String::len), "quartiles": quartiles.to_json() });
        figure(&format!("{name}{who}"), quartiles.median, "us per token", None, detail);
    }
    let beside = Quartiles::of(own.iter().zip(ring).zip(aws_lc).map(|((own, ring), aws_lc)| own / ring.min(*aws_lc)));
    let detail = json!({ "quartiles": beside.to_json() });
    let goal = Goal::AtMost(1.5);
    figure(&format!("{name}.beside_fastest"), beside.median, "of the faster one's time", Some(goal), detail);
    Ok(())
}

/// Microseconds, over several rounds of a batch. By the clock: the CPU time of a thread is told by the tick, some
/// milliseconds, which is coarser than what is compared.
fn per_token(batch: &[String], mut open: impl FnMut(&[u8]) -> Result<SessionClaims>) -> Result<f64> {
    let rounds = 8;
    let started = Instant::now();
    for token in batch.iter().cycle().take(rounds * batch.len()) {
        black_box(open(black_box(token.as_bytes()))?);
    }
    Ok(started.elapsed().as_secs_f64() * 1e6 / f64::from(u32::try_from(rounds * batch.len())?))
}

/// A copy of an empty denylist within its lease.
fn fresh(keys: &EdgeKeys) -> Result<Replica> {
    let mut replica = Replica::new(Some(feed::KEYS));
    let (nonce, now) = (Nonce([6; 16]), feed::now());
    replica.poll(nonce, now);
    let heartbeat = feed::heartbeat(nonce, now)?;
    match replica.heartbeat(heartbeat.as_bytes(), &keys.feed, &mut Scratch::default(), now)? {
        Step::Fresh => Ok(replica),
        Step::FetchKeys => bail!("the keys are the right ones"),
        Step::Fetch { .. } | Step::FetchSnapshot(_) => bail!("an empty log has nothing to fetch"),
    }
}
