//! Cargo as a tool: builds, and where their results are. Cargo's own answers are used, so that a target directory from
//! the environment or the configuration is respected without knowing its rules.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::{child, workspace_root};

pub fn command() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.current_dir(workspace_root());
    command
}

pub fn target_dir() -> Result<&'static Path> {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    if let Some(dir) = DIR.get() {
        return Ok(dir);
    }
    let output = command().args(["metadata", "--no-deps", "--format-version=1"]).stderr(Stdio::inherit()).output();
    let output = output.context("cannot run cargo")?;
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata gave no JSON")?;
    let dir = metadata["target_directory"].as_str().context("cargo metadata names no target directory")?;
    Ok(DIR.get_or_init(|| PathBuf::from(dir)))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    Dev,
    Release,
}

/// Builds programs of the workspace, given as (package, bin), in one run of cargo; the paths come in the same order.
pub fn build_bins(bins: &[(&str, &str)], profile: Profile) -> Result<Vec<PathBuf>> {
    build_bins_with(bins, &[], profile)
}

/// The same with features, given as `package/feature`.
pub fn build_bins_with(bins: &[(&str, &str)], features: &[&str], profile: Profile) -> Result<Vec<PathBuf>> {
    let mut args = Vec::new();
    for (package, bin) in bins {
        args.extend(["--package", package, "--bin", bin]);
    }
    for feature in features {
        args.extend(["--features", feature]);
    }
    if profile == Profile::Release {
        args.push("--release");
    }
    let artifacts = build(&args)?;
    let find = |name: &str| artifacts.iter().find(|artifact| artifact["target"]["name"] == name);
    bins.iter()
        .map(|(_, bin)| {
            let path = find(bin).and_then(|artifact| artifact["executable"].as_str());
            path.map(PathBuf::from).with_context(|| format!("cargo built no program {bin}"))
        })
        .collect()
}

/// Builds the edge crate for wasm32 and gives the module as cargo left it.
pub(crate) fn build_edge(features: &[String]) -> Result<PathBuf> {
    crate::tools::ensure_wasm_target()?;
    let features = features.join(",");
    let mut args = vec!["--package", "countersign-edge", "--lib", "--profile", "edge"];
    if !features.is_empty() {
        args.extend(["--features", &features]);
    }
    let artifacts = build_wasm(&args)?;
    let files = artifacts.iter().filter_map(|artifact| artifact["filenames"].as_array()).flatten();
    let mut wasm = files.filter_map(Value::as_str).filter(|file| file.ends_with("countersign_edge.wasm"));
    wasm.next_back().map(PathBuf::from).context("cargo built no countersign_edge.wasm; is the edge crate a cdylib?")
}

/// Builds an example of a package for wasm32, as the worker is built, and gives the module.
pub fn build_wasm_example(package: &str, example: &str) -> Result<PathBuf> {
    crate::tools::ensure_wasm_target()?;
    let artifacts = build_wasm(&["--package", package, "--example", example, "--profile", "edge"])?;
    let made = artifacts.iter().find(|artifact| artifact["target"]["name"] == example);
    let files = made.and_then(|artifact| artifact["filenames"].as_array()).into_iter().flatten();
    let mut modules = files.filter_map(Value::as_str).filter(|file| file.ends_with(".wasm"));
    modules.next().map(PathBuf::from).with_context(|| format!("cargo built no module of {example}"))
}

fn build(args: &[&str]) -> Result<Vec<Value>> {
    run(command(), args)
}

/// Where the environment has flags of its own they take the place of those in `.cargo/config.toml`, without which the
/// worker works and is slow.
fn build_wasm(args: &[&str]) -> Result<Vec<Value>> {
    let mut command = command();
    if let Some(mut flags) = std::env::var_os("RUSTFLAGS").filter(|flags| !flags.is_empty()) {
        flags.push(" -C target-feature=+simd128");
        command.env("RUSTFLAGS", flags);
    }
    run(command, &[args, &["--target", "wasm32-unknown-unknown"]].concat())
}

/// Cargo's progress and errors go to the terminal; the names of what it made come back.
fn run(mut command: Command, args: &[&str]) -> Result<Vec<Value>> {
    command.arg("build").args(args).arg("--message-format=json-render-diagnostics");
    let output = child::run(command.stdin(Stdio::null()).stdout(Stdio::piped()))?;
    if !output.status.success() {
        bail!("the build failed (see above); the command was: cargo build {}", args.join(" "));
    }
    let lines = output.stdout.split(|byte| *byte == b'\n');
    Ok(lines
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .collect())
}
