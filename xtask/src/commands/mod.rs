//! One file for each command of the README.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::child;

pub mod bench;
pub mod build_edge;
pub mod dev;
mod form;
pub mod fuzz;
pub mod sim;
pub mod smoke;
pub mod test;

/// Runs a program in the foreground and gives its exit code as ours.
fn foreground(command: &mut Command) -> Result<ExitCode> {
    let status = child::run(command)?.status;
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}
