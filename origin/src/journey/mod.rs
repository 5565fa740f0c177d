//! Logins in progress: the engine's journeys between two HTTP requests, and what they end in.
//!
//! REST and the pages run the same code. [`run`] takes a journey one request further; [`journey_sessions`] keeps it
//! until the next one, with the client, in the store or in memory.

mod auth_id;
mod claim;
mod credentials;
pub(crate) mod documents;
#[cfg(test)]
mod hostile_tests;
mod journey_sessions;
pub(crate) mod library;
#[cfg(test)]
mod lockout_tests;
#[cfg(any(test, feature = "measure"))]
pub(crate) mod measure;
mod memory;
mod methods;
#[cfg(test)]
mod names_tests;
#[cfg(test)]
mod once_tests;
mod outcome;
mod progress;
mod run;
#[cfg(test)]
mod second_factor_tests;
pub(crate) mod services;
#[cfg(test)]
pub(crate) mod tests;

use countersign_core::token::mint::MintError;
use countersign_journey::StepError;
use countersign_journey::host::HostError;
use countersign_store::StoreError;

use crate::rate_limits::Quota;

pub(crate) use auth_id::AuthIdError;
pub(crate) use claim::Claims;
pub(crate) use credentials::Credentials;
pub(crate) use journey_sessions::{Opened, is_suspended, open, park, unpark};
pub(crate) use library::Libraries;
pub(crate) use memory::Memory;
pub(crate) use outcome::{Failed, Outcome, Shown, Succeeded};
pub(crate) use progress::Destinations;
pub(crate) use run::{advance, begin, fill, resume};

/// The journey that every realm has.
pub(crate) const DEFAULT_TREE: &str = "Login";

/// Longest user name that is looked up, in bytes: the store has no longer one.
pub(crate) const MAX_USERNAME: usize = 255;

/// Why a request took the journey nowhere. It stays where it was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum JourneyError {
    AuthId(AuthIdError),
    /// No such journey, or callbacks that were not asked for.
    Step(StepError),
    /// A link that was used, is too old, or never was.
    NotSuspended,
    /// There is too much to do at the moment.
    Overloaded,
    /// The user was tried too often, whoever that is.
    Limited(Quota),
    /// A service that a node needs did not do its work.
    Host(HostError),
    Store(StoreError),
    Mint(MintError),
    NoSuchRealm,
}

impl std::fmt::Display for JourneyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AuthId(error) => write!(f, "authId: {error:?}"),
            Self::Step(error) => error.fmt(f),
            Self::NotSuspended => f.write_str("there is no such suspended journey"),
            Self::Overloaded => f.write_str("too many logins at once"),
            Self::Limited(_) => f.write_str("too many logins of one user"),
            Self::Host(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::Mint(error) => error.fmt(f),
            Self::NoSuchRealm => f.write_str("the realm has no keys"),
        }
    }
}

impl From<StoreError> for JourneyError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<StepError> for JourneyError {
    fn from(error: StepError) -> Self {
        Self::Step(error)
    }
}

impl From<MintError> for JourneyError {
    fn from(error: MintError) -> Self {
        Self::Mint(error)
    }
}
