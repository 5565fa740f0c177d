//! Scripts of Scripted Decision nodes, in a sandbox. A script gets what its node may see by value, reaches the world
//! only through [`Host`], and ends within [`Limits`] whatever it does; what it decided comes back as a [`Decision`].
//!
//! Every run has an engine of its own (a few hundred kilobytes), so that nothing of one run is there in another; a
//! thread that has nothing to do builds the next one ahead. Sources are compiled once and kept as bytecode. [`Sandbox`]
//! is the pool of threads for asynchronous hosts; it needs no runtime.
//!
//! What legacy scripts find different from AM: texts are JavaScript's, with Java's methods beside their own, and
//! `length()` in a source is read as `length` and `for each (… in …)` as `for (… of …)`; E4X and the `JavaAdapter` of
//! Rhino are no JavaScript and fail to compile; classes beyond those of the shim are named in the error when they are
//! used, not when they are imported; dates are formatted in UTC. In both generations `eval` and the `Function`
//! constructor are refused, and there is no `Proxy`.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unreachable)
)]

mod bytecode;
mod decision;
mod door;
mod engine;
mod error;
mod host;
mod http;
mod input;
mod jose;
mod jwe;
mod limits;
mod program;
mod run;
mod sandbox;
mod source;

pub use decision::{Action, Callback, Decision, Identified};
pub use error::ScriptError;
pub use host::{FoundIdentity, Host, HostError, HttpRequest, HttpResponse};
pub use http::AllowList;
pub use input::{Generation, Input, Journey, Script};
pub use limits::Limits;
pub use run::{Level, LogLine, Report};
pub use sandbox::{Busy, Sandbox, Ticket};
