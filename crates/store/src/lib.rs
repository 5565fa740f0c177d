//! The durable store of the origin: installation, realms, identities, sealed keys and the denylist log, on SQLite.
//!
//! One file belongs to one installation. Several processes on one machine may open it (the server and a command of the
//! operator), never several machines: WAL needs shared memory. Signing keys are sealed under the [`MasterKey`], which
//! is kept elsewhere; without it a stolen file mints nothing.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unreachable)
)]

mod administrators;
mod check;
pub mod denylist;
mod error;
mod identities;
mod installation;
mod keys;
mod master_key;
mod realms;
mod store;

pub use administrators::Administrators;
pub use error::{Fault, StoreError};
pub use identities::{Attributes, Identities, Identity, IdentityStatus, NewIdentity};
pub use installation::{Installation, InstallationRow};
pub use keys::{Change, KeyEvent, KeyRows, Keys, LiveTokens, NewKey, StoredKey};
pub use master_key::MasterKey;
pub use realms::{Realm, Realms};
pub use store::Store;
