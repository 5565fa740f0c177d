//! `cargo xtask`: see `cargo xtask --help`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xtask::commands::{bench, build_edge, dev, fuzz, sim, test};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Runs, tests and measures Countersign on this machine", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the whole product on loopback until Ctrl-C
    Dev(dev::Args),
    /// Builds everything and runs every test
    Test(test::Args),
    /// Builds everything optimised and runs the benchmarks
    Bench(bench::Args),
    /// Looks for inputs that break the parsers and the decision, with libFuzzer where cargo-fuzz is installed
    Fuzz(fuzz::Args),
    /// Simulates origin, relays and edges under faults, seed by seed
    Sim(sim::Args),
    /// Builds the edge worker into edge/dist
    BuildEdge(build_edge::Args),
}

fn main() -> ExitCode {
    xtask::elapsed();
    let result = match Cli::parse().command {
        Command::Dev(args) => dev::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Sim(args) => sim::run(&args),
        Command::BuildEdge(args) => build_edge::run(&args),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
