//! Countersign's decision, in one crate that the origin and the edge both compile.
//!
//! Bytes, facts and the time go in; a verdict and bytes come out. There is no I/O, no clock and no randomness in here
//! (`clippy.toml` beside this crate forbids reading them), and nothing that comes from outside can make it panic.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unreachable)
)]

pub mod cookie;
pub mod denylist;
pub mod encoding;
pub mod gate;
pub mod keys;
pub mod replica;
pub mod session;
pub mod time;
pub mod token;
#[cfg(feature = "test-vectors")]
pub mod vectors;
