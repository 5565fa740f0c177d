//! Everything that the handlers share.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use countersign_core::denylist::Epoch;
use countersign_core::time::UnixMillis;
use countersign_core::token::mint::Entropy as MintEntropy;
use countersign_script::Sandbox;
use countersign_store::denylist::Head;
use countersign_store::{Store, StoreError};

use crate::ambient::{Clock, Entropy};
use crate::audit_log::AuditLog;
use crate::http::News;
use crate::journey::services::Realms;
use crate::journey::{Claims, Libraries, Memory};
use crate::key_plan::Times;
use crate::key_upkeep::Issued;
use crate::keyring::{self, Keyring, KeyringError};
use crate::metrics::Metrics;
use crate::outbox::Outbox;
use crate::password_mix::Mixes;
use crate::passwords::{HashError, Passwords};
use crate::rate_limits::Limiter;
use crate::seal_budgets::SealBudgets;
use crate::settings::{Settings, SettingsError};
use crate::snapshots::Snapshots;

pub struct App {
    settings: RwLock<Arc<Settings>>,
    pub(crate) store: Store,
    keys: RwLock<Arc<Keyring>>,
    /// Leases of before the last change of settings that edges may still hold, and until when.
    old_leases: Mutex<Vec<(u64, UnixMillis)>>,
    /// Held while the key ring is loaded, so that it is done once.
    loading: tokio::sync::Mutex<()>,
    pub(crate) budgets: SealBudgets,
    pub(crate) issued: Issued,
    pub(crate) passwords: Passwords,
    pub(crate) mixes: Mixes,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) entropy: Box<dyn Entropy>,
    /// Of the denylist log, as far as it is known: a command may begin another one.
    epoch: RwLock<Epoch>,
    /// What polls of the feed that are held wait for.
    pub(crate) news: News,
    pub(crate) metrics: Metrics,
    /// Where scripts of journeys run; its threads begin with the first of them.
    sandbox: OnceLock<Result<Sandbox, String>>,
    pub(crate) outbox: Outbox,
    pub(crate) limiter: Limiter,
    pub(crate) audit_log: AuditLog,
    pub(crate) libraries: Libraries,
    pub(crate) realms: Realms,
    /// Logins in progress that are kept here.
    pub(crate) memory: Arc<Memory>,
    pub(crate) claims: Arc<Claims>,
    pub(crate) snapshots: Snapshots,
}

/// Why the origin cannot start, or go on with other settings. The operator's fault, or the store's.
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

impl From<SettingsError> for AppError {
    fn from(error: SettingsError) -> Self {
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
        let budgets = SealBudgets::new(settings.keys.max_seals);
        Self::with_budgets(settings, store, budgets, clock, entropy).await
    }

    /// For a command that looks at sessions and makes none: it reserves nothing of what content keys may seal.
    pub(crate) async fn read_only(
        settings: Settings,
        store: Store,
        clock: Box<dyn Clock>,
        entropy: Box<dyn Entropy>,
    ) -> Result<Arc<Self>, AppError> {
        Self::with_budgets(settings, store, SealBudgets::none(), clock, entropy).await
    }

    async fn with_budgets(
        settings: Settings,
        store: Store,
        budgets: SealBudgets,
        clock: Box<dyn Clock>,
        entropy: Box<dyn Entropy>,
    ) -> Result<Arc<Self>, AppError> {
        let epoch = store.installation().get().await?.ok_or(StoreError::NotInitialised)?.epoch;
        keyring::complete(&store, clock.now().seconds(), &*entropy).await?;
        let keys = Keyring::load(&store, &settings, &budgets).await?;
        let passwords = Passwords::new(&settings.argon2, &*entropy)?;
        let keys = RwLock::new(Arc::new(keys));
        // Whoever waits holds a connection: a quarter of them stays free for those who do not.
        let news = News::new(settings.max_connections / 2);
        let limiter = Limiter::new(&settings.rate_limits, settings.max_connections / 4);
        let outbox = Outbox::new(settings.mail.clone());
        let libraries = Libraries::load(&store).await?;
        let (loading, issued) = (tokio::sync::Mutex::default(), Issued::default());
        Ok(Arc::new(Self {
            settings: RwLock::new(Arc::new(settings)),
            store,
            keys,
            old_leases: Mutex::default(),
            loading,
            budgets,
            issued,
            passwords,
            mixes: Mixes::default(),
            clock,
            entropy,
            epoch: RwLock::new(epoch),
            news,
            metrics: Metrics::default(),
            sandbox: OnceLock::new(),
            outbox,
            limiter,
            audit_log: AuditLog::default(),
            libraries,
            realms: Realms::default(),
            memory: Arc::default(),
            claims: Arc::default(),
            snapshots: Snapshots::default(),
        }))
    }

    /// The settings in force. Take them once per request.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts other settings in force, with a key ring that goes with them; or neither. Edges keep the leases they were
    /// given under the old ones.
    pub(crate) async fn take_settings(&self, settings: Settings) -> Result<(), AppError> {
        let _loading = self.loading.lock().await;
        let keys = Keyring::load(&self.store, &settings, &self.budgets).await?;
        let (old, new) = (self.settings().denylist.lease_ms, settings.denylist.lease_ms);
        if new < old {
            // A poll that is under way was answered with the old one.
            let until = UnixMillis(self.clock.now().0.saturating_add(2 * old));
            self.old_leases.lock().unwrap_or_else(PoisonError::into_inner).push((old, until));
        }
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(())
    }

    /// The longest lease that any edge may hold.
    pub(crate) fn longest_lease_ms(&self) -> u64 {
        let now = self.clock.now();
        let mut old = self.old_leases.lock().unwrap_or_else(PoisonError::into_inner);
        old.retain(|(_, until)| now < *until);
        old.iter().map(|(lease, _)| *lease).fold(self.settings().denylist.lease_ms, u64::max)
    }

    /// The waiting times of keys.
    pub(crate) fn times(&self) -> Times {
        Times::of(&self.settings()).with_lease(self.longest_lease_ms())
    }

    /// The key ring, at most a second old. Take it once per request.
    pub(crate) fn keys(&self) -> Arc<Keyring> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The key ring as it is in the database now.
    pub(crate) async fn keys_current(&self) -> Result<Arc<Keyring>, KeyringError> {
        let generation = self.store.keys().generation().await?;
        let known = self.keys();
        if known.generation == generation {
            return Ok(known);
        }
        let _loading = self.loading.lock().await;
        let known = self.keys();
        if known.generation == generation {
            return Ok(known); // another task loaded it while this one waited
        }
        let loaded = Arc::new(Keyring::load(&self.store, &self.settings(), &self.budgets).await?);
        tracing::info!(generation = loaded.generation, keys = loaded.len(), "the key ring was loaded anew");
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&loaded);
        Ok(loaded)
    }

    /// Where scripts run; `Err` says why none can.
    pub(crate) fn sandbox(&self) -> Result<&Sandbox, String> {
        let started = self.sandbox.get_or_init(|| {
            let scripts = &self.settings().scripts;
            Sandbox::new(scripts.limits, scripts.threads, scripts.queue).map_err(|error| error.to_string())
        });
        started.as_ref().map_err(Clone::clone)
    }

    /// The epoch of the log, as of the last look at it.
    pub(crate) fn epoch(&self) -> Epoch {
        *self.epoch.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what a look at the log has shown. A new epoch has ended all sessions, and goes on by itself.
    pub(crate) fn saw(&self, head: &Head) {
        if self.epoch() != head.epoch {
            *self.epoch.write().unwrap_or_else(PoisonError::into_inner) = head.epoch;
            tracing::warn!(
                seq = head.seq,
                "the denylist log has begun a new epoch; all sessions made before it are over"
            );
        }
    }

    /// The form of randomness that minting takes.
    pub(crate) fn dice(&self) -> impl MintEntropy + '_ {
        |out: &mut [u8]| self.entropy.fill(out)
    }
}
