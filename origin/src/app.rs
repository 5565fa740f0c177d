//! Everything that the handlers share.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use countersign_core::denylist::Epoch;
use countersign_core::token::mint::Entropy as MintEntropy;
use countersign_store::{Store, StoreError};

use crate::ambient::{Clock, Entropy};
use crate::keyring::{Keyring, KeyringError};
use crate::passwords::{HashError, Passwords};
use crate::settings::Settings;

pub struct App {
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    pub(crate) keys: Keyring,
    pub(crate) passwords: Passwords,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) entropy: Box<dyn Entropy>,
    /// Of the denylist log; fixed for the life of a database.
    pub(crate) epoch: Epoch,
    /// The realm of a URL that names none, as AM finds it by a DNS alias of the host: the root realm where there is
    /// one, else the only one.
    pub(crate) default_realm: Option<String>,
    /// The denylist log took no entry any more because its writer is gone. It does not come back in this process.
    pub(crate) log_closed: AtomicBool,
}

/// Why the origin cannot start. The operator's fault, or the store's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AppError(String);

impl std::fmt::Display for AppError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for AppError {}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

impl From<KeyringError> for AppError {
    fn from(error: KeyringError) -> Self {
        Self(error.to_string())
    }
}

impl From<HashError> for AppError {
    fn from(error: HashError) -> Self {
        Self(format!("argon2: {error}"))
    }
}

impl App {
    pub async fn new(
        settings: Settings,
        store: Store,
        clock: Box<dyn Clock>,
        entropy: Box<dyn Entropy>,
    ) -> Result<Arc<Self>, AppError> {
        let epoch = store.installation().get().await?.ok_or(StoreError::NotInitialised)?.epoch;
        let keys = Keyring::load(&store, &settings.session).await?;
        let passwords = Passwords::new(&settings.argon2, &*entropy)?;
        let default_realm = match keys.realms.len() {
            1 => keys.realms.keys().next().cloned(),
            _ => keys.realms.contains_key("/").then(|| "/".to_owned()),
        };
        let log_closed = AtomicBool::new(false);
        Ok(Arc::new(Self { settings, store, keys, passwords, clock, entropy, epoch, default_realm, log_closed }))
    }

    /// The form of randomness that minting takes.
    pub(crate) fn dice(&self) -> impl MintEntropy + '_ {
        |out: &mut [u8]| self.entropy.fill(out)
    }
}
