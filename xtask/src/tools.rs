//! Tools that are not Rust crates: found, or one line that says how to get them.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::say;

const WASM_TARGET: &str = "wasm32-unknown-unknown";

pub fn which(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}

/// rust-toolchain.toml names the target, so rustup installs it by itself; a toolchain from elsewhere may lack it.
pub fn ensure_wasm_target() -> Result<()> {
    let rustc = Command::new("rustc").args(["--print", "target-libdir", "--target", WASM_TARGET]).output();
    let rustc = rustc.context("cannot run rustc; install Rust with rustup")?;
    let dir = String::from_utf8_lossy(&rustc.stdout);
    if rustc.status.success() && Path::new(dir.trim()).is_dir() {
        return Ok(());
    }
    if which("rustup").is_none() {
        bail!(
            "this Rust cannot build for {WASM_TARGET}; install Rust with rustup, or that target with your package manager"
        );
    }
    say(format_args!("installing the Rust target {WASM_TARGET}"));
    let status =
        Command::new("rustup").args(["target", "add", WASM_TARGET]).current_dir(crate::workspace_root()).status();
    if !status.context("cannot run rustup")?.success() {
        bail!("cannot install the Rust target; run: rustup target add {WASM_TARGET}");
    }
    Ok(())
}

/// A Chromium for the browser tests: `COUNTERSIGN_CHROMIUM`, one on the PATH, or (root on Debian) a fresh install.
pub fn ensure_chromium() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("COUNTERSIGN_CHROMIUM").map(PathBuf::from) {
        if path.is_file() {
            return Ok(path);
        }
        bail!("COUNTERSIGN_CHROMIUM names {}, which is no file; unset it or name a browser", path.display());
    }
    if let Some(path) = find_chromium() {
        return Ok(path);
    }
    let root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    if root && which("apt-get").is_some() {
        say("installing chromium for the browser tests (apt-get)");
        apt_get(&["update", "--quiet"])?;
        apt_get(&["install", "--quiet", "--yes", "--no-install-recommends", "chromium"])?;
        if let Some(path) = find_chromium() {
            return Ok(path);
        }
    }
    bail!(
        "the browser tests need Chromium; run: sudo apt-get install chromium (or set COUNTERSIGN_CHROMIUM to its path)"
    )
}

/// A PostgreSQL server for the store's tests: on this machine, or (root on Debian) a fresh install.
pub fn ensure_postgres() -> Result<()> {
    if countersign_test_postgres::find().is_some() {
        return Ok(());
    }
    let root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    if root && which("apt-get").is_some() {
        say("installing postgresql for the tests of the store (apt-get)");
        apt_get(&["update", "--quiet"])?;
        apt_get(&["install", "--quiet", "--yes", "--no-install-recommends", "postgresql"])?;
        if countersign_test_postgres::find().is_some() {
            return Ok(());
        }
    }
    bail!("{}", countersign_test_postgres::MISSING)
}

fn find_chromium() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let on_path = names.into_iter().find_map(which);
    let mac = Path::new("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome");
    on_path.or_else(|| mac.is_file().then(|| mac.to_path_buf()))
}

fn apt_get(args: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command.args(args).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).stdout(Stdio::null());
    if !command.status().context("cannot run apt-get")?.success() {
        bail!("apt-get {} failed (see above); do that by hand", args.join(" "));
    }
    Ok(())
}
