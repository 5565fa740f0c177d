//! The login journey: one page that asks for user name and password.
//!
//! REST and the pages run the same code. The state of a login under way travels in `authId`; the origin keeps none.

mod auth_id;
mod login;
pub(crate) mod services;

pub(crate) use auth_id::AuthIdError;
pub(crate) use login::{
    Advance, Answers, Authenticated, CALLBACKS, JourneyError, MAX_USERNAME, advance, check, complete, start,
};

/// The realm's default tree, and the only one there is.
pub(crate) const DEFAULT_TREE: &str = "Login";
