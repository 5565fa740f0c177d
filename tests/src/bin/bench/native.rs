//! Microseconds per decision in native code: what the same crate costs at the origin.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use countersign_core::gate::{Facts, Gate, Policy, SessionCache, Verdict};
use countersign_core::keys::{EdgeKeys, SigningAlg};
use countersign_core::replica::{Nonce, Replica, Step};
use countersign_core::token::Scratch;
use serde_json::json;
use xtask::say;

use crate::feed;
use crate::report::{Quartiles, figure};
use crate::tokens::{self, Mint};
use crate::workers::{CHECK, COOKIE};

const REPEATS: usize = 21;
const TURNS: usize = 64;

pub(crate) fn run() -> Result<()> {
    say("native");
    for alg in [SigningAlg::Hs256, SigningAlg::EdDsa] {
        let mut mint = Mint::new(alg)?;
        let claims = mint.claims_for(COOKIE)?;
        let cookies: Vec<String> =
            (0..TURNS).map(|_| Ok(tokens::cookie(&mint.token(&claims)?))).collect::<Result<_>>()?;
        for (name, places, cookies) in [("cold", 0, &cookies[..]), ("cached", 16, &cookies[..1])] {
            let keys = tokens::bundle(alg)?.check()?;
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
    }
    Ok(())
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
        Step::Fetch { .. } => bail!("an empty log has nothing to fetch"),
    }
}
