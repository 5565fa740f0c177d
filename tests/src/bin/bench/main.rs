//! Countersign's figures: what a request through the edge costs, beside the goals. Run by `cargo xtask bench`.
//!
//! One JSON line per figure goes to stdout, progress to stderr. Whatever is compared runs in turns in one process, so
//! that a slow moment of the machine hits all alike, and ratios are taken within a round.

mod denylist;
mod feed;
mod journeys;
mod load;
mod log;
mod lookups;
mod native;
mod peers;
mod report;
mod scripts;
mod sizes;
mod throughput;
mod tokens;
mod verification;
mod visible;
mod workers;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Parser;
use xtask::edge_build::{self, BuildOptions, EdgeBuild};
use xtask::stack::Artifacts;

use crate::feed::Feed;
use crate::throughput::Rounds;
use crate::workers::Workers;

#[derive(Parser)]
struct Args {
    /// Only these groups of figures
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Group>,
    /// Rounds of each comparison
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Milliseconds for each worker in a round
    #[arg(long, default_value_t = 1500)]
    milliseconds: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Group {
    /// Requests per second beside an empty worker and npm `jose`
    Requests,
    /// Requests per second of forwarding to an application
    Forwarding,
    /// Microseconds per verification inside the worker
    Worker,
    /// Microseconds per verification in native code
    Native,
    /// Bytes of cookies
    Cookies,
    /// Bytes of the worker
    Wasm,
    /// Acknowledged logouts per second
    Log,
    /// Milliseconds from the acknowledgement of a logout to the first refusal
    Visible,
    /// The denylist at scale
    Denylist,
    /// Nanoseconds of a lookup in the denylist, inside the worker
    Lookups,
    /// Steps of journeys per second, microseconds of a step and of a script, and bytes of `authId`
    Journeys,
}

fn main() -> Result<()> {
    xtask::elapsed();
    let args = Args::parse();
    let wanted = |group: Group| args.only.is_empty() || args.only.contains(&group);
    if wanted(Group::Log) {
        log::run(args.rounds, Duration::from_millis(args.milliseconds))?;
    }
    if wanted(Group::Denylist) {
        denylist::run()?;
    }
    if wanted(Group::Journeys) {
        scripts::run()?;
        journeys::run(args.rounds, Duration::from_millis(args.milliseconds))?;
    }
    if wanted(Group::Lookups) {
        lookups::run()?;
    }
    let alone = [Group::Log, Group::Denylist, Group::Journeys, Group::Lookups];
    if !args.only.is_empty() && args.only.iter().all(|group| alone.contains(group)) {
        return Ok(());
    }
    let build = edge()?;
    if wanted(Group::Cookies) {
        sizes::cookies()?;
    }
    if wanted(Group::Wasm) {
        sizes::wasm(&build)?;
    }
    if wanted(Group::Native) {
        native::run()?;
    }
    if wanted(Group::Visible) {
        visible::run()?;
    }
    if [Group::Requests, Group::Forwarding, Group::Worker].into_iter().any(wanted) {
        let dir = tempfile::tempdir()?;
        let feed = Feed::start()?;
        let mut workers = Workers::start(dir.path(), &build.dist, &feed)?;
        let rounds = Rounds { count: args.rounds, each: Duration::from_millis(args.milliseconds) };
        let done = served(&workers, rounds, wanted);
        // A runtime that died says more than the connection it left behind.
        if let (Err(error), Some(casualty)) = (&done, workers.casualty()) {
            bail!("{casualty} ({error:#})");
        }
        done?;
    }
    Ok(())
}

/// What needs the runtime.
fn served(workers: &Workers, rounds: Rounds, wanted: impl Fn(Group) -> bool) -> Result<()> {
    if wanted(Group::Worker) {
        verification::run(workers)?;
    }
    if wanted(Group::Requests) {
        throughput::requests(workers, rounds)?;
    }
    if wanted(Group::Forwarding) {
        throughput::forwarding(workers, rounds)?;
    }
    Ok(())
}

/// What `xtask bench` has built, else a build.
fn edge() -> Result<EdgeBuild> {
    match std::env::var_os(Artifacts::EDGE_ENV) {
        Some(dist) => edge_build::existing(&PathBuf::from(dist)),
        None => edge_build::build(&BuildOptions::default()),
    }
}
