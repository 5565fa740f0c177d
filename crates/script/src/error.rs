use std::fmt;

/// Why a script decided nothing. All but the last three are the script's doing; its author reads them in the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ScriptError {
    /// It is no JavaScript.
    Syntax { message: String, line: Option<u32> },
    /// It threw and did not catch.
    Threw { message: String, line: Option<u32> },
    /// It ran longer than it may.
    Time,
    /// It asked for more memory than it may have.
    Memory,
    /// Its calls, or its data, nest too deep.
    Stack,
    /// It ended without an action or an outcome. A script that only decorates a page does that once it is answered.
    NoOutcome,
    /// What it left is no decision.
    Result(String),
    /// The source is longer than it may be.
    Length { bytes: usize },
    /// The engine could not be started, or a host panicked: ours or the operator's.
    Engine(String),
    /// The sandbox has shut down.
    Closed,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |out: &mut fmt::Formatter<'_>, line: &Option<u32>| match line {
            Some(line) => write!(out, " (line {line})"),
            None => Ok(()),
        };
        match self {
            Self::Syntax { message, line } => write!(out, "cannot be compiled: {message}").and_then(|()| at(out, line)),
            Self::Threw { message, line } => write!(out, "threw {message}").and_then(|()| at(out, line)),
            Self::Time => out.write_str("ran out of time"),
            Self::Memory => out.write_str("ran out of memory"),
            Self::Stack => out.write_str("ran out of stack"),
            Self::NoOutcome => out.write_str("left no outcome: neither an action nor a text in \"outcome\""),
            Self::Result(why) => write!(out, "left no decision: {why}"),
            Self::Length { bytes } => write!(out, "is too long: {bytes} bytes"),
            Self::Engine(why) => write!(out, "could not be run: {why}"),
            Self::Closed => out.write_str("could not be run: the sandbox has shut down"),
        }
    }
}

impl std::error::Error for ScriptError {}
