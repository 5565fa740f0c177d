use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use super::foreground;
use crate::cargo::{self, Profile};
use crate::stack::Artifacts;
use crate::{npm, say, workspace_root};

#[derive(clap::Args)]
pub struct Args {
    /// Passed to the benchmark program
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    bench: Vec<String>,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    npm::ensure("edge")?;
    npm::ensure("tests")?;
    say("building everything optimised (the first time takes some minutes)");
    let artifacts = Artifacts::build(Profile::Release)?;
    let bins: Vec<PathBuf> =
        cargo::build_bins_with(&[("countersign-tests", "bench")], &["countersign-tests/bench"], Profile::Release)?;
    let bench = bins.first().context("cargo built no bench")?;
    foreground(Command::new(bench).args(&args.bench).envs(artifacts.env()).current_dir(workspace_root()))
}
