//! The npm packages of a directory with a lock file, installed when they are missing or the lock file has changed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::{child, hex_sha256, lock, read, say, workspace_root, write};

/// The oldest Node that wrangler and binaryen run on.
const NODE_MAJOR: u32 = 20;

/// `dir` is relative to the workspace (`edge`, `tests`) or absolute. Gives its `node_modules`.
pub fn ensure(dir: impl AsRef<Path>) -> Result<PathBuf> {
    let dir = workspace_root().join(dir);
    let modules = dir.join("node_modules");
    let stamp = modules.join(".countersign-lock");
    let lock_file = dir.join("package-lock.json");
    let wanted = hex_sha256(&[&read(&lock_file)?]);
    let installed = || std::fs::read_to_string(&stamp).is_ok_and(|found| found == wanted);
    if installed() {
        return Ok(modules);
    }
    node()?;
    let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let _lock = lock(&lock_file)?;
    if installed() {
        return Ok(modules);
    }
    say(format_args!("installing the npm packages of {name}/"));
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(&dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let output = child::run(&mut npm).context("cannot run npm; install Node.js with npm (20 or newer)")?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let reason = reason(&stderr).unwrap_or("no reason given");
        bail!("npm ci failed: {reason}; for the whole output run: cd {} && npm ci", dir.display());
    }
    write(&stamp, &wanted)?;
    Ok(modules)
}

/// A command that runs Node, after a check that it is there and new enough.
pub fn node() -> Result<Command> {
    static CHECKED: std::sync::Once = std::sync::Once::new();
    if !CHECKED.is_completed() {
        let output = Command::new("node").arg("--version").output();
        let output = output.context("cannot run node; install Node.js 20 or newer (https://nodejs.org)")?;
        let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if major(&version).is_none_or(|major| major < NODE_MAJOR) {
            bail!("node is {version}, too old: install Node.js {NODE_MAJOR} or newer (https://nodejs.org)");
        }
        CHECKED.call_once(|| {});
    }
    Ok(Command::new("node"))
}

/// Npm prints a code, a path and so on, each on a line of its own, and the sentence among them.
fn reason(stderr: &str) -> Option<&str> {
    let mut lines = stderr.lines().filter_map(|line| line.strip_prefix("npm error "));
    let field =
        |line: &str| ["code ", "errno ", "path ", "syscall ", "dest "].iter().any(|name| line.starts_with(name));
    lines.find(|line| !field(line))
}

fn major(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{major, reason};

    #[test]
    fn node_versions() {
        assert_eq!(major("v20.20.2"), Some(20));
        assert_eq!(major("v8.1"), Some(8));
        assert_eq!(major("20"), None);
        assert_eq!(major(""), None);
    }

    #[test]
    fn the_sentence_among_the_fields() {
        let stderr = "npm error code ENOTFOUND\nnpm error syscall getaddrinfo\nnpm error network request failed\n";
        assert_eq!(reason(stderr), Some("network request failed"));
        assert_eq!(reason(""), None);
    }
}
