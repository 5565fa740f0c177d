//! The commands of the README, and the same machinery as a library for the tests and benchmarks: npm packages, the
//! edge build, a local workerd, and the whole product on loopback.

pub mod capnp;
pub mod cargo;
pub mod child;
pub mod commands;
pub mod edge_build;
pub mod npm;
pub mod ports;
pub mod stack;
pub mod tools;
pub mod workerd;
pub mod wrangler;

use std::fmt::Display;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

pub use wrangler::wrangler_dry_run;

pub fn workspace_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// Since the first call, which `main` makes.
pub fn elapsed() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

/// A progress line for people, on stderr with the seconds since the start: stdout belongs to results.
pub fn say(message: impl Display) {
    eprintln!("{:6.1}s  {message}", elapsed().as_secs_f32());
}

/// Held while one of several processes (parallel tests, two terminals) makes what the others then find made. The lock
/// is on a file or directory of the tree itself, which all of them see, wherever each has its target directory.
pub(crate) struct Lock(#[expect(dead_code, reason = "held for its drop")] File);

pub(crate) fn lock(path: &Path) -> Result<Lock> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(Lock(file))
}

pub(crate) fn hex_sha256(parts: &[&[u8]]) -> String {
    use sha2::{Digest as _, Sha256};
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

pub(crate) fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Where a command keeps what only it needs, relative names being the workspace's.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}
