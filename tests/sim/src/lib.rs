//! The denylist under faults.
//!
//! One thread runs origin, relays, edges, network and clocks of a small world in simulated time. Everything that core
//! decides is core's own code: the replica with its leases, the set, the segments and the chain, the signed heartbeats,
//! the gate, the barrier. Around it stand models: of the log service with its crashes, of a network that delays, drops,
//! repeats, reorders, alters and answers from a cache, of clocks that run wrong and jump, of users who log in and out.
//!
//! An [`oracle`] that knows nothing but acknowledgements and accepts judges. What happens follows from the seed alone,
//! so that a failure is had again by its number.
//!
//! What is not modelled: a clock that goes back while its edge does not look at it, by no more than passed meanwhile.
//! With one clock nobody can see that, and it makes the bound longer by as much.

#![allow(clippy::indexing_slicing, clippy::expect_used, reason = "a test program: what is wrong in here is to stop it")]

mod authority;
mod faults;
mod host;
pub mod large;
mod net;
pub mod oracle;
mod plan;
mod rng;
mod time;
mod world;

pub use countersign_core::replica::Mutant;
pub use oracle::Violation;
pub use plan::Plan;
pub use world::{Stats, World};

/// What came of a run.
pub struct Outcome {
    pub violation: Option<Violation>,
    pub stats: Stats,
    pub trace: Vec<String>,
}

/// Runs one seed.
pub fn run(seed: u64, mutant: Option<Mutant>, trace: bool) -> Outcome {
    let mut world = World::new(Plan::new(seed), mutant, trace);
    world.run();
    Outcome { violation: world.violation.take(), stats: world.stats, trace: world.take_trace() }
}

/// Lines of the trace that are shown of a failure.
const SHOWN: usize = 120;

/// A failure as it is told: what, where, and what came before it.
pub fn report(seed: u64, mutant: Option<Mutant>) -> String {
    let Outcome { violation, trace, .. } = run(seed, mutant, true);
    let shown = trace.iter().skip(trace.len().saturating_sub(SHOWN));
    let mut text = format!("seed {seed}: {violation:?}\n{:?}\n", Plan::new(seed));
    for line in shown {
        text.push_str(line);
        text.push('\n');
    }
    let mutant = mutant.map(|mutant| format!(" --mutant {}", mutant.name())).unwrap_or_default();
    text.push_str(&format!("again: cargo xtask sim --seeds 1 --seed {seed}{mutant}\n"));
    text
}
