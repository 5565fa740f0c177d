//! The origin: it logs people in, mints session tokens, is the authority of the denylist, and has the login pages.
//!
//! Handlers take the time and randomness from [`App`], never from the system, so that tests move the clock.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unreachable)
)]

mod am_session;
mod ambient;
mod app;
mod audit_log;
mod background;
mod barrier;
mod canary;
pub mod cli;
mod edge_bundle;
mod endings;
#[cfg(test)]
mod endings_tests;
mod explain;
#[cfg(test)]
mod faults_tests;
mod goto;
mod http;
mod journey;
mod key_files;
mod key_plan;
mod key_purpose;
mod key_upkeep;
mod keyring;
mod metrics;
mod outbox;
mod password_mix;
mod password_schemes;
mod passwords;
mod prune;
mod rate_limits;
mod reload;
mod seal_budgets;
mod server;
mod server_side;
mod session_cookie;
mod sessions;
mod settings;
mod snapshots;
#[cfg(test)]
mod testing;
mod universal_id;
mod user_import;

pub use ambient::{Clock, Entropy, SystemClock, SystemEntropy};
pub use app::{App, AppError};
pub use explain::{Explanation, Key, Layer, explain};
pub use http::router;
#[cfg(any(test, feature = "measure"))]
pub use journey::measure::{Step as MeasuredStep, Took};
pub use settings::{Settings, SettingsError};
