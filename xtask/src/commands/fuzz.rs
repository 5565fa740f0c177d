use std::fs;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

use super::foreground;
use crate::cargo::{self, Profile};
use crate::tools::which;
use crate::{say, workspace_root};

#[derive(clap::Args)]
pub struct Args {
    /// bundle, cookie, denylist, gate or token; one after the other when absent
    target: Option<String>,
    /// How long, for each target
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Without libFuzzer, which sees the branches that an input takes and so finds more
    #[arg(long)]
    in_process: bool,
}

/// Each directory of seeds is a target.
fn targets() -> Result<Vec<String>> {
    let dir = workspace_root().join("tests/fuzz/seeds");
    let entries = fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let mut names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let mut targets = targets()?;
    if let Some(asked) = &args.target {
        if !targets.contains(asked) {
            bail!("there is no fuzz target {asked}; there are {}", targets.join(", "));
        }
        targets = vec![asked.clone()];
    }
    let libfuzzer = !args.in_process && which("cargo-fuzz").is_some();
    if !libfuzzer && !args.in_process {
        say("cargo-fuzz is not installed (cargo install cargo-fuzz --locked): running the driver without libFuzzer");
    }
    for target in &targets {
        let code = if libfuzzer { with_libfuzzer(target, args.seconds)? } else { in_process(target, args.seconds)? };
        if code != ExitCode::SUCCESS {
            return Ok(code);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn in_process(target: &str, seconds: u64) -> Result<ExitCode> {
    let bins = cargo::build_bins(&[("countersign-fuzz", "fuzz")], Profile::Release)?;
    let fuzz = bins.first().context("cargo built no fuzz")?;
    foreground(Command::new(fuzz).args([target, &seconds.to_string()]).current_dir(workspace_root()))
}

fn with_libfuzzer(target: &str, seconds: u64) -> Result<ExitCode> {
    let root = workspace_root();
    let dir = root.join("tests/fuzz/libfuzzer");
    // What is fuzzed has the versions of what is shipped; cargo adds libFuzzer to them.
    fs::copy(root.join("Cargo.lock"), dir.join("Cargo.lock")).context("cannot copy Cargo.lock")?;
    let build = cargo::target_dir()?.join("fuzz");
    // What libFuzzer finds worth keeping goes here; the seeds beside it are only read.
    let corpus = build.join("corpus").join(target);
    fs::create_dir_all(&corpus).with_context(|| format!("cannot create {}", corpus.display()))?;
    let mut fuzz = cargo::command();
    fuzz.args(["fuzz", "run", "--release", "--fuzz-dir"]).arg(&dir).arg("--target-dir").arg(&build).arg(target);
    fuzz.arg(&corpus).arg(root.join("tests/fuzz/seeds").join(target));
    fuzz.args(["--", &format!("-max_total_time={seconds}"), "-max_len=4096", "-print_final_stats=1"]);
    // The sanitizer's flags are unstable ones, and the toolchain is a stable one.
    foreground(fuzz.env("RUSTC_BOOTSTRAP", "1").env_remove("CARGO_TARGET_DIR"))
}
