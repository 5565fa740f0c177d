//! Journeys: trees of nodes that ask for callbacks and leave by an outcome, as in AM.
//!
//! * [`import`] reads the exports that operators have (seven shapes on disk) and keeps what it does not know, so that
//!   [`Export::to_value`] gives it back.
//! * [`Library`] is what a realm runs: compiled journeys, scripts, mail templates. [`validate`] says of each journey
//!   whether it runs, and if not, at which node and why.
//! * [`Engine`] takes a journey one step further: a serialisable [`JourneyState`] and the client's callbacks in, the
//!   next callbacks or the end out. It does no I/O: what nodes need comes in as a [`host::Host`].
//! * `nodes` has one file per node type; [`node_types`] gives their declarations, from which schemas, validation and
//!   documentation are made.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unreachable)
)]

mod binding;
mod callback;
mod config;
mod devices;
mod document;
mod encoded_word;
mod engine;
mod filter;
pub mod graph;
pub mod host;
pub mod import;
mod journey;
mod key_attestation;
mod library;
mod locale;
mod mail;
mod node;
mod nodes;
mod oath;
mod oauth;
mod outbound;
mod profile;
mod push;
pub mod qr;
mod request;
mod scripting;
mod social;
mod social_settings;
mod state;
mod step;
pub mod validate;
mod variables;
mod webauthn;

pub use callback::{Callback, CallbackError, CallbackType, MessageType, NOT_PRESSED, Validation};
pub use config::{ConfigError, Field, Kind};
pub use document::{Document, Export};
pub use engine::{
    Answer, Effects, Engine, Failure, FailureCause, Identified, JourneyState, Limits, Page, PersistentCookie,
    StepError, Success, is_own_property,
};
pub use filter::{Filter, Operator};
pub use journey::{FAILURE_NODE, Journey, NodeSpec, SUCCESS_NODE, truth};
pub use library::{Language, Library, Script};
pub use locale::Localised;
pub use mail::{EmailTemplate, Mail};
pub use node::{Key, NodeError, NodeType, OutcomeIds};
pub use nodes::{node_type, node_types};
pub use request::{ExistingSession, Request};
pub use state::Stores;
pub use variables::Variables;
