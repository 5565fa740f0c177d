//! Questions to whoever sits at the terminal. They go to stderr: stdout is for the result.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::super::Failure;

const MAX_LINE: u64 = 64 * 1024;

/// One line; what is hidden is not shown while it is typed.
pub(super) fn ask(prompt: &str, hidden: bool) -> Result<Zeroizing<String>, Failure> {
    eprint!("{}: ", printable(prompt));
    std::io::stderr().flush()?;
    let _quiet = if hidden && std::io::stdin().is_terminal() { Some(Quiet::new()?) } else { None };
    let mut line = Zeroizing::new(String::new());
    let read = std::io::stdin().lock().take(MAX_LINE).read_line(&mut line)?;
    if read == 0 {
        return Err(Failure("there is nobody to answer: standard input ended".into()));
    }
    Ok(Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}

/// What a server sent, without what would steer the terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control() || *letter == '\n').collect()
}

/// Holds the terminal's echo off.
struct Quiet(Termios);

impl Quiet {
    fn new() -> Result<Self, Failure> {
        let before = tcgetattr(std::io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
        eprintln!();
    }
}
