use std::process::{Command, ExitCode, Stdio};

use anyhow::Result;
use countersign_test_postgres::Cluster;

use super::foreground;
use crate::cargo::{self, Profile};
use crate::edge_build::{self, BuildOptions};
use crate::stack::Artifacts;
use crate::tools::{ensure_chromium, ensure_postgres, ensure_wasm_target, which};
use crate::{npm, say, workspace_root};

#[derive(clap::Args)]
pub struct Args {
    /// Passed to the runner (cargo nextest, or cargo test where nextest is not installed)
    #[arg(last = true)]
    runner: Vec<String>,
}

/// Everything the tests need is made first, so that no test waits for a build or fails for want of a tool.
pub fn run(args: &Args) -> Result<ExitCode> {
    ensure_wasm_target()?;
    npm::ensure("edge")?;
    npm::ensure("tests")?;
    let chromium = ensure_chromium()?;
    ensure_postgres()?;
    say("building the origin, the demo application, the edge and the benchmarks");
    let artifacts = Artifacts::build(Profile::Dev)?;
    // The tests ask for this one by the same options and find it made.
    edge_build::build(&BuildOptions::for_tests()?)?;
    cargo::build_wasm_example("countersign-gcm", "self_check")?;
    // Nobody runs the benchmarks here, and nothing else would tell that they no longer build.
    cargo::build_bins_with(&[("countersign-tests", "bench")], &["countersign-tests/bench"], Profile::Dev)?;

    let nextest = which("cargo-nextest").is_some();
    let mut runner = cargo::command();
    if nextest {
        runner.args(["nextest", "run"]);
    } else {
        say("cargo-nextest is not installed: running cargo test");
        runner.arg("test");
    }
    // The edge crate exists for wasm32 alone; its tests are those that drive it in workerd.
    runner.args(["--workspace", "--exclude", "countersign-edge"]).args(&args.runner);
    runner.envs(artifacts.env()).env("COUNTERSIGN_CHROMIUM", chromium);
    // One server for all tests of the run: without it each would start its own.
    let postgres = Cluster::start()?;
    runner.env(countersign_test_postgres::ENV, postgres.socket_dir());
    let code = foreground(&mut runner)?;
    let missing = left_out();
    if !missing.is_empty() {
        say(format_args!("NOT run here, for want of what does not come with the repository: {}", missing.join("; ")));
    }
    Ok(code)
}

/// Tests of these pass with a word in their output, which a runner shows to nobody.
fn left_out() -> Vec<&'static str> {
    let root = workspace_root();
    let beside = |path: &str| root.parent().is_some_and(|parent| parent.join("shared").join(path).is_dir());
    let python = root.join("target/venv-joserfc/bin/python");
    let joserfc = Command::new(python).args(["-c", "import joserfc"]).stderr(Stdio::null()).status();
    let all = [
        (beside("vectors/wycheproof"), "Wycheproof's vectors (../shared/vectors/wycheproof)"),
        (beside("journeys"), "real journeys and their scripts (../shared/journeys)"),
        (which("valgrind").is_some(), "the count of instructions of a refusal (valgrind)"),
        (joserfc.is_ok_and(|status| status.success()), "tokens to and from joserfc (python3 with venv and pip)"),
        (which("rustfmt").is_some(), "the form of the nodes' files (rustfmt)"),
    ];
    all.into_iter().filter(|(there, _)| !there).map(|(_, what)| what).collect()
}
