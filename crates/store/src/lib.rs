//! The durable store of the origin: installation, realms, settings, identities, sealed keys, the token store (CTS) with
//! the denylist log, and the audit; on SQLite or on PostgreSQL, which a [`Location`] tells.
//!
//! One database belongs to one installation. Several processes on one machine may open a file (the server and a command
//! of the operator), never several machines: WAL needs shared memory. PostgreSQL serves any number of origins. Signing
//! keys are sealed under the [`MasterKey`], which is kept elsewhere; without it a stolen database mints nothing.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unreachable)
)]

mod administrators;
mod agents;
mod answers;
mod attempts;
mod audit;
mod check;
mod counters;
mod db;
pub mod denylist;
mod devices;
mod error;
mod identities;
mod installation;
mod journey_documents;
mod journey_sessions;
mod keys;
mod location;
mod master_key;
mod names;
mod once;
mod realms;
mod recovery_codes;
mod sessions;
mod settings;
mod store;
mod terms;
#[cfg(test)]
mod testing;
mod transfer;

/// Whether a text may be the name of a realm.
pub fn check_realm_name(name: &str) -> Result<(), StoreError> {
    check::realm_name(name)
}

/// Whether somebody new may have this name, which is in the form in which names are kept ([`normal_name`]).
pub fn check_new_name(name: &str) -> Result<(), StoreError> {
    names::new_name(name)
}

pub use administrators::Administrators;
pub use agents::{Agent, Agents};
pub use answers::{Answer, Answers};
pub use attempts::{AttemptCounters, Attempts, Held, Rules};
pub use audit::{Audit, AuditEvent, AuditFilter, AuditLine};
pub use counters::Counters;
pub use devices::{Device, Devices, NewDevice};
pub use error::{Fault, StoreError};
pub use identities::{
    Attributes, CANARY, ForeignHashes, Identities, Identity, IdentityStatus, NewIdentity, NewPassword, PasswordState,
};
pub use installation::{Installation, InstallationRow};
pub use journey_documents::{
    DocumentChange, DocumentKey, DocumentKind, DocumentRows, JourneyDocument, JourneyDocuments,
};
pub use journey_sessions::{JourneySession, Journeys};
pub use keys::{Change, KeyEvent, KeyRows, Keys, LiveTokens, NewKey, StoredKey};
pub use location::Location;
pub use master_key::MasterKey;
pub use names::{name_key, normal_name};
pub use once::Once;
pub use realms::{Realm, RealmContents, Realms};
pub use recovery_codes::RecoveryCodes;
pub use sessions::{Quota, QuotaAction, ServerSession, Sessions};
pub use settings::{Settings, SettingsDocument};
pub use store::Store;
pub use terms::{AcceptedTerms, TermsOfUse};
pub use transfer::{Imported, Report};
