use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use super::foreground;
use crate::cargo::{self, Profile};
use crate::{say, workspace_root};

#[derive(clap::Args)]
pub struct Args {
    /// Builds it optimised: worth it for more than some thousand seeds, and for `--large`
    #[arg(long)]
    release: bool,
    /// Passed to the simulator; `-- --help` shows what it takes
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    sim: Vec<String>,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let profile = if args.release { Profile::Release } else { Profile::Dev };
    say("building the simulator");
    let bins = cargo::build_bins(&[("countersign-sim", "sim")], profile)?;
    let sim = bins.first().context("cargo built no sim")?;
    foreground(Command::new(sim).args(&args.sim).current_dir(workspace_root()))
}
