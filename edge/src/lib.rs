//! The edge worker. `entry.mjs` copies a request's URL and cookie into this module's memory and calls [`decide`], which
//! answers a number; JavaScript objects are made only for what leaves. What is not hot is written against workers-rs:
//! the denylist refresh, the refusals and the status route. Whether a request passes is decided in `core::gate` alone.

#![cfg(target_arch = "wasm32")]
#![allow(unreachable_pub, reason = "wasm-bindgen exports `pub` functions to JavaScript")]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod ask;
mod check;
mod clock;
mod decide;
mod ended;
mod forward;
mod hub;
#[cfg(feature = "measure")]
mod measure;
mod metrics;
mod refresh;
mod refuse;
mod renew;
mod settings;
mod state;
mod status;
mod verify;
