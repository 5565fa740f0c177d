//! Requests per second, of one worker relative to another in the same round.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use xtask::say;

use crate::load::{Load, Run};
use crate::report::{Goal, Quartiles, figure, rounded};
use crate::tokens::{self, Mint};
use crate::workers::{APPLICATION, CACHE, CHECK, COOKIE, Family, Workers, get};

/// Sessions in turn: so many more than the cache has places that none is found there.
const SESSIONS: usize = 20 * CACHE;

#[derive(Clone, Copy)]
pub(crate) struct Rounds {
    pub(crate) count: usize,
    pub(crate) each: Duration,
}

/// What takes part in a comparison.
struct Entrant {
    name: String,
    load: Load,
    runs: Vec<Run>,
}

impl Entrant {
    fn new(name: &str, load: Load) -> Self {
        Self { name: name.to_owned(), load, runs: Vec::new() }
    }
}

/// The check of a session: `HS256` and `EdDSA` inside `A256GCM`, cold and cached, beside the empty worker and `jose`.
pub(crate) fn requests(workers: &Workers, rounds: Rounds) -> Result<()> {
    for family in &workers.families {
        let alg = family.alg.name();
        say(format_args!("requests: {alg}"));
        let cookies = cookies(family)?;
        let to = |addr, cookies: &[String]| {
            Load::new(addr, cookies.iter().map(|cookie| get(addr, CHECK, cookie)).collect(), 204)
        };
        let mut entrants = [
            Entrant::new("empty", to(workers.empty, &cookies)),
            Entrant::new("cold", to(family.edge, &cookies)),
            Entrant::new("cached", to(family.edge, &cookies[..1])),
            Entrant::new("jose", to(family.jose, &cookies)),
        ];
        compete(&mut entrants, rounds, workers.pid())?;
        let [empty, cold, cached, jose] = &entrants;
        let alg = alg.to_lowercase();
        // The goals are set for HS256, AM's own; a signature that an edge cannot forge costs what it costs.
        let goal = |bound| (alg == "hs256").then_some(Goal::AtLeast(bound));
        compare(&format!("requests.{alg}.cold"), cold, empty, goal(0.85));
        compare(&format!("requests.{alg}.cached"), cached, empty, goal(0.9));
        compare(&format!("requests.{alg}.cold_beside_jose"), cold, jose, goal(2.4));
        compare(&format!("requests.{alg}.cached_beside_jose"), cached, jose, goal(2.4));
        compare(&format!("requests.{alg}.jose"), jose, empty, None);
    }
    Ok(())
}

/// Passing a request on to an application, with an identity.
pub(crate) fn forwarding(workers: &Workers, rounds: Rounds) -> Result<()> {
    let [family, _] = &workers.families;
    say("forwarding");
    let cookies = cookies(family)?;
    let to = |addr, cookies: &[String], expected| {
        Load::new(addr, cookies.iter().map(|cookie| get(addr, APPLICATION, cookie)).collect(), expected)
    };
    let mut entrants = [
        Entrant::new("empty", to(workers.empty, &cookies, 204)),
        Entrant::new("forward", to(workers.forward, &cookies, 200)),
        Entrant::new("cold", to(family.edge, &cookies, 200)),
        Entrant::new("cached", to(family.edge, &cookies[..1], 200)),
    ];
    compete(&mut entrants, rounds, workers.pid())?;
    let [empty, forward, cold, cached] = &entrants;
    compare("forwarding.cached", cached, forward, None);
    compare("forwarding.cold", cold, forward, None);
    compare("forwarding.cached_beside_empty", cached, empty, None);
    compare("forwarding.cold_beside_empty", cold, empty, None);
    compare("forwarding.plain_beside_empty", forward, empty, None);
    Ok(())
}

fn cookies(family: &Family) -> Result<Vec<String>> {
    let mut mint = Mint::new(family.alg)?;
    let claims = mint.claims_for(COOKIE)?;
    (0..SESSIONS).map(|_| Ok(tokens::cookie(&mint.token(&claims)?))).collect()
}

/// Every entrant in every round, there and back, after one that does not count: compilers warm up.
fn compete(entrants: &mut [Entrant], rounds: Rounds, server: u32) -> Result<()> {
    for entrant in entrants.iter_mut() {
        entrant.load.run(rounds.each, server)?;
    }
    for round in 0..rounds.count {
        let mut order: Vec<&mut Entrant> = entrants.iter_mut().collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for entrant in order {
            let run = entrant.load.run(rounds.each, server)?;
            entrant.runs.push(run);
        }
        let rates = entrants.iter().filter_map(|e| Some(format!("{} {:.0}/s", e.name, e.runs.last()?.per_second)));
        say(format_args!("round {} of {}: {}", round + 1, rounds.count, rates.collect::<Vec<_>>().join(", ")));
    }
    Ok(())
}

fn compare(name: &str, one: &Entrant, other: &Entrant, goal: Option<Goal>) {
    let pairs = || one.runs.iter().zip(&other.runs);
    let ratio = Quartiles::of(pairs().map(|(one, other)| one.per_second / other.per_second));
    // Less CPU is more; as a ratio of what a CPU could serve it reads like the first.
    let cpu = Quartiles::of(pairs().filter_map(|(one, other)| Some(other.server_cpu? / one.server_cpu?)));
    let median =
        |of: &Entrant, pick: fn(&Run) -> Option<f64>| rounded(Quartiles::of(of.runs.iter().filter_map(pick)).median);
    let side = |of: &Entrant| {
        json!({
            "worker": of.name,
            "requests_per_second": median(of, |run| Some(run.per_second)),
            "cpu_us_per_request": median(of, |run| run.server_cpu),
            "client_cpu_share": median(of, |run| run.client_cpu),
        })
    };
    let detail = json!({
        "quartiles": ratio.to_json(),
        "by_cpu": rounded(cpu.median),
        "by_cpu_quartiles": cpu.to_json(),
        "rounds": one.runs.len(),
        "one": side(one),
        "other": side(other),
    });
    figure(name, ratio.median, &format!("requests/s relative to {}", other.name), goal, detail);
}
