//! How long after its acknowledgement a logout is visible: the time to the first refusal by an edge that is idle but
//! for the question itself, with the whole product on loopback.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use countersign_tests::{check, log_in, log_out};
use serde_json::json;
use xtask::stack::{Artifacts, Stack, StackOptions};

use crate::report::{Goal, figure, rounded};

const ROUNDS: usize = 100;

pub(crate) fn run() -> Result<()> {
    let artifacts = Artifacts::from_env_or_build()?;
    // With a hub, the isolate that is asked is another than the one that the hub lives in.
    for (way, hub_isolates) in [("direct", 0), ("hub", 2)] {
        let dir = tempfile::tempdir()?;
        let options = StackOptions { hub_isolates, ..StackOptions::new(dir.path().join("stack"), artifacts.clone()) };
        let bound = options.profile.bound();
        let stack = Stack::start(options)?;
        let edge = stack.isolate_urls().pop().unwrap_or_else(|| stack.edge_url());
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            times.push(one(&stack.origin_url(), &edge, bound)?);
        }
        times.sort();
        let at = |percent: usize| times.get((times.len() - 1) * percent / 100).map_or(f64::NAN, milliseconds);
        let detail = json!({ "rounds": ROUNDS, "max": rounded(at(100)), "bound": milliseconds(&bound) });
        figure(&format!("visible_{way}_p50"), at(50), "ms", Some(Goal::AtMost(150.0)), detail.clone());
        figure(&format!("visible_{way}_p99"), at(99), "ms", Some(Goal::AtMost(1000.0)), detail);
    }
    Ok(())
}

fn milliseconds(time: &Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn one(origin: &str, edge: &str, bound: Duration) -> Result<Duration> {
    let token = log_in(origin);
    if check(edge, &token) != 204 {
        bail!("the edge does not accept a new session");
    }
    std::thread::sleep(Duration::from_millis(20));
    log_out(origin, &token);
    let acknowledged = Instant::now();
    loop {
        // When it was asked: the answer comes later.
        let asked = acknowledged.elapsed();
        match check(edge, &token) {
            401 => return Ok(asked),
            204 if asked < bound => std::thread::sleep(Duration::from_millis(1)),
            status => bail!("{status} after {asked:?}"),
        }
    }
}
