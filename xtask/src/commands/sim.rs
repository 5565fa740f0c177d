use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use super::foreground;
use crate::cargo::{self, Profile};
use crate::{say, workspace_root};

#[derive(clap::Args)]
pub struct Args {
    /// How many seeds
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A known-bad variant that is to be found: A2, A3t, A5, A7, A8, B3, C1, D1
    #[arg(long)]
    mutant: Option<String>,
    /// Prints the whole course of the first seed
    #[arg(long)]
    trace: bool,
    /// Instead: so many edges watch a storm of logouts, without faults; how soon they know, and at what cost
    #[arg(long, value_name = "EDGES")]
    large: Option<usize>,
    /// How many sessions end in it, within ten seconds
    #[arg(long, default_value_t = 100_000, requires = "large")]
    logouts: usize,
}

/// Many seeds are worth an optimised build.
const MANY: u64 = 2_000;

pub fn run(args: &Args) -> Result<ExitCode> {
    let profile = if args.seeds > MANY || args.large.is_some() { Profile::Release } else { Profile::Dev };
    say("building the simulator");
    let bins = cargo::build_bins(&[("countersign-sim", "sim")], profile)?;
    let mut sim = Command::new(bins.first().context("cargo built no sim")?);
    sim.args(["--seeds", &args.seeds.to_string(), "--seed", &args.seed.to_string()]);
    if let Some(mutant) = &args.mutant {
        sim.args(["--mutant", mutant]);
    }
    if let Some(edges) = args.large {
        sim.args(["--large", &edges.to_string(), "--logouts", &args.logouts.to_string()]);
    }
    if args.trace {
        sim.arg("--trace");
    }
    foreground(sim.current_dir(workspace_root()))
}
