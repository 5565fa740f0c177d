//! The file's sections as they are written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use countersign_store::Location;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::lockout::AccountLockout;
use super::nodes::NodesSection;
use super::passwords::Passwords;
use super::services::{IdentitiesSection, MailSection, RateLimitsSection, ScriptsSection};
use super::session::{Journey, Session};
use super::webauthn::WebAuthn;
use super::within;

/// Longest text in `url_file`.
const MAX_URL: u64 = 4096;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Document {
    pub(super) server: Server,
    pub(super) database: Database,
    pub(super) secrets: Secrets,
    pub(super) argon2: Argon2,
    pub(super) session: Session,
    pub(super) journey: Journey,
    pub(super) passwords: Passwords,
    pub(super) webauthn: WebAuthn,
    pub(super) accountlockout: AccountLockout,
    pub(super) identities: IdentitiesSection,
    pub(super) nodes: NodesSection,
    pub(super) mail: MailSection,
    pub(super) scripts: ScriptsSection,
    pub(super) rate_limits: RateLimitsSection,
    /// By name, such as "/alpha".
    pub(super) realm: BTreeMap<String, Realm>,
    pub(super) denylist: Denylist,
    pub(super) audit: Audit,
    pub(super) metrics: Metrics,
    pub(super) keys: Keys,
    pub(super) validation: Validation,
    pub(super) cors: super::cors::Section,
    pub(super) log: Log,
}

impl Document {
    /// What holds for realms that say nothing.
    pub(super) fn everywhere(&self) -> Realm {
        Realm {
            session: self.session.clone(),
            journey: self.journey.clone(),
            passwords: self.passwords.clone(),
            webauthn: self.webauthn.clone(),
            accountlockout: self.accountlockout.clone(),
            identities: self.identities.clone(),
            nodes: self.nodes.clone(),
        }
    }
}

/// What a realm has of its own; the rest is as in the sections of these names.
#[derive(Clone, Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Realm {
    pub(super) session: Session,
    pub(super) journey: Journey,
    pub(super) passwords: Passwords,
    pub(super) webauthn: WebAuthn,
    pub(super) accountlockout: AccountLockout,
    pub(super) identities: IdentitiesSection,
    pub(super) nodes: NodesSection,
}

impl Realm {
    /// With what `above` says where this says nothing.
    pub(super) fn over(self, above: &Self) -> Self {
        Self {
            session: self.session.over(&above.session),
            journey: self.journey.over(&above.journey),
            passwords: self.passwords.over(&above.passwords),
            webauthn: self.webauthn.over(&above.webauthn),
            accountlockout: self.accountlockout.over(&above.accountlockout),
            identities: self.identities.over(&above.identities),
            nodes: self.nodes.over(&above.nodes),
        }
    }
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Server {
    pub(super) listen: String,
    pub(super) public_url: Option<String>,
    pub(super) shutdown_grace_seconds: u64,
    /// Connections at the same time; beyond, new ones wait until one ends.
    pub(super) max_connections: u32,
    pub(super) client_address: Option<String>,
    pub(super) trusted_proxies: Vec<String>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            public_url: None,
            shutdown_grace_seconds: 10,
            max_connections: 1024,
            client_address: None,
            trusted_proxies: Vec::new(),
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Database {
    pub(super) path: Option<PathBuf>,
    pub(super) url: Option<String>,
    pub(super) url_file: Option<PathBuf>,
}

impl Database {
    /// Where it is, and the file that says so when there is one.
    pub(super) fn check(self, base: &Path) -> Result<(Location, Option<PathBuf>), (&'static str, String)> {
        let Self { path, url, url_file } = self;
        match (path, url, url_file) {
            (None, Some(url), None) => Ok((location("database.url", &url)?, None)),
            (None, None, Some(file)) => {
                let key = "database.url_file";
                let file = base.join(file);
                let cannot = |error: std::io::Error| (key, format!("cannot be read, {}: {error}", file.display()));
                if std::fs::metadata(&file).map_err(cannot)?.len() > MAX_URL {
                    return Err((key, format!("names a file above {MAX_URL} bytes")));
                }
                let text = Zeroizing::new(std::fs::read_to_string(&file).map_err(cannot)?);
                Ok((location(key, text.trim())?, Some(file)))
            }
            (path, None, None) => {
                let path = path.unwrap_or_else(|| "countersign.db".into());
                Ok((Location::from(&base.join(path)), None))
            }
            _ => Err(("database", "must have one of path, url and url_file".to_owned())),
        }
    }
}

/// The text is never quoted: it may have a password.
fn location(key: &'static str, url: &str) -> Result<Location, (&'static str, String)> {
    let wrong = "must be postgres://user:password@host:port/database with special characters percent-encoded";
    match Location::parse(url) {
        Ok(location) if location.file().is_none() => Ok(location),
        _ => Err((key, wrong.to_owned())),
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Metrics {
    pub(super) listen: Option<String>,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Audit {
    pub(super) keep_days: u64,
}

impl Default for Audit {
    fn default() -> Self {
        Self { keep_days: 365 }
    }
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Secrets {
    pub(super) master_key_file: PathBuf,
}

impl Default for Secrets {
    fn default() -> Self {
        Self { master_key_file: "master.key".into() }
    }
}

/// Cost of a password check; the defaults are OWASP's.
#[derive(Clone, Copy, Deserialize, Debug)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Argon2 {
    pub(crate) memory_kib: u32,
    pub(crate) iterations: u32,
    pub(crate) parallelism: u32,
    /// Checks at the same time.
    pub(crate) workers: u32,
    /// Checks that wait for a worker; beyond, logins are answered 503.
    pub(crate) queue: u32,
}

impl Default for Argon2 {
    fn default() -> Self {
        Self { memory_kib: 19456, iterations: 2, parallelism: 1, workers: 2, queue: 64 }
    }
}

impl Argon2 {
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        within("argon2.parallelism", self.parallelism.into(), 1, 64)?;
        within("argon2.memory_kib", self.memory_kib.into(), 8 * u64::from(self.parallelism), 4 << 20)?;
        within("argon2.iterations", self.iterations.into(), 1, 1000)?;
        within("argon2.workers", self.workers.into(), 1, 1024)?;
        within("argon2.queue", self.queue.into(), 0, 65536)
    }
}

#[derive(Clone, Copy, Deserialize, Debug)]
#[serde(rename_all = "lowercase")]
pub(super) enum Profile {
    Default,
    Strict,
    Relaxed,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Denylist {
    pub(super) profile: Profile,
    pub(super) poll_ms: Option<u64>,
    pub(super) lease_ms: Option<u64>,
}

impl Default for Denylist {
    fn default() -> Self {
        Self { profile: Profile::Default, poll_ms: None, lease_ms: None }
    }
}

impl Denylist {
    pub(super) fn check(&self) -> Result<super::Denylist, (&'static str, String)> {
        let (poll_ms, lease_ms) = match self.profile {
            Profile::Default => (2_000, 10_000),
            Profile::Strict => (500, 2_000),
            Profile::Relaxed => (15_000, 60_000),
        };
        let (poll_ms, lease_ms) = (self.poll_ms.unwrap_or(poll_ms), self.lease_ms.unwrap_or(lease_ms));
        within("denylist.poll_ms", poll_ms, 50, 5 * 60 * 1000)?;
        // Edges believe no longer lease, whatever is said.
        within("denylist.lease_ms", lease_ms, 100, 10 * 60 * 1000)?;
        if lease_ms < 2 * poll_ms {
            return Err(("denylist.lease_ms", format!("must be at least twice poll_ms, which is {poll_ms}")));
        }
        Ok(super::Denylist { poll_ms, lease_ms })
    }
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Keys {
    pub(super) rotate_after_days: u64,
    pub(super) max_seals: u64,
    pub(super) jwks_max_age_seconds: u64,
}

impl Default for Keys {
    fn default() -> Self {
        Self { rotate_after_days: 0, max_seals: 1 << 32, jwks_max_age_seconds: 60 }
    }
}

impl Keys {
    pub(super) fn check(&self) -> Result<super::Keys, (&'static str, String)> {
        within("keys.rotate_after_days", self.rotate_after_days, 0, 3650)?;
        // More would break the bound of NIST SP 800-38D section 8.3 for random IVs.
        within("keys.max_seals", self.max_seals, 64, 1 << 32)?;
        within("keys.jwks_max_age_seconds", self.jwks_max_age_seconds, 5, 24 * 3600)?;
        let after = Some(self.rotate_after_days * 24 * 3600).filter(|after| *after > 0);
        Ok(super::Keys {
            rotate_after_seconds: after,
            max_seals: self.max_seals,
            jwks_max_age_seconds: self.jwks_max_age_seconds,
        })
    }
}

#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Validation {
    pub(super) valid_goto_destinations: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Debug)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Log {
    pub(super) format: LogFormat,
    pub(super) filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned() }
    }
}
