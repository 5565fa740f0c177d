//! `cargo xtask sim`: runs seeds of the simulation, and shows the first that fails.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use countersign_sim::{Mutant, Stats, large, report, run};

#[derive(Parser)]
#[command(name = "sim", about = "Simulates origin, relays and edges under faults")]
struct Args {
    /// How many seeds
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A known-bad variant that is to be found: A2, A3t, A5, A7, A8, B3, C1, D1
    #[arg(long, value_parser = mutant)]
    mutant: Option<Mutant>,
    /// Prints the whole course of a single seed
    #[arg(long)]
    trace: bool,
    /// Instead: so many edges watch a storm of logouts, without faults; how soon they know, and at what cost
    #[arg(long, value_name = "EDGES")]
    large: Option<usize>,
    /// How many sessions end in it, within ten seconds
    #[arg(long, default_value_t = 100_000, requires = "large")]
    logouts: usize,
}

/// How long the storm lasts.
const STORM_MS: u64 = 10_000;

fn storm(edges: usize, logouts: usize) -> ExitCode {
    let started = Instant::now();
    match large::run(edges, logouts, STORM_MS) {
        Ok(figures) => {
            println!("{edges} edges, {logouts} logouts in {} s: {figures:#?}", STORM_MS / 1000);
            eprintln!("{:.1} s", started.elapsed().as_secs_f64());
            ExitCode::SUCCESS
        }
        Err(violation) => {
            println!("{violation:?}");
            ExitCode::FAILURE
        }
    }
}

fn mutant(name: &str) -> Result<Mutant, String> {
    Mutant::ALL.into_iter().find(|mutant| mutant.name() == name).ok_or_else(|| "no such variant".to_owned())
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(edges) = args.large {
        return storm(edges, args.logouts);
    }
    if args.trace {
        for line in run(args.seed, args.mutant, true).trace {
            println!("{line}");
        }
    }
    let started = Instant::now();
    let next = AtomicU64::new(args.seed);
    let (failed, stop) = (Mutex::new(None::<u64>), AtomicBool::new(false));
    let total = Mutex::new(Stats::default());
    let end = args.seed.saturating_add(args.seeds);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, Into::into) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let outcome = run(seed, args.mutant, false);
                    if let Ok(mut total) = total.lock() {
                        total.add(&outcome.stats);
                    }
                    if outcome.violation.is_some() {
                        stop.store(true, Ordering::Relaxed);
                        if let Ok(mut failed) = failed.lock() {
                            *failed = Some(failed.map_or(seed, |other| other.min(seed)));
                        }
                    }
                }
            });
        }
    });
    let total = total.into_inner().unwrap_or_default();
    eprintln!(
        "{} seeds in {:.1} s: {total:?}",
        next.into_inner().min(end) - args.seed,
        started.elapsed().as_secs_f64()
    );
    match failed.into_inner().ok().flatten() {
        Some(seed) => {
            println!("{}", report(seed, args.mutant));
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}
