//! The settings: one TOML file, each concern a struct of its own, unknown keys refused; then overrides from the
//! environment (`COUNTERSIGN__SECTION__KEY`); then the rules that concern more than one key.

mod address;
mod changes;
mod cookie;
mod cors;
mod format;
mod load;
mod lockout;
mod nodes;
mod passwords;
mod sections;
mod server_side;
mod services;
mod session;
mod template;
#[cfg(test)]
mod tests;
mod webauthn;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use countersign_core::cookie::Attributes;
use countersign_store::Location;
use url::Url;

pub(crate) use address::ClientAddress;
pub(crate) use cors::Cors;
pub(crate) use format::Format;
pub use load::SettingsError;
pub(crate) use lockout::Lockout;
pub(crate) use nodes::Nodes;
pub(crate) use passwords::PasswordPolicy;
pub(crate) use sections::{Argon2, LogFormat};
pub(crate) use server_side::{ServerSide, behaviour};
pub(crate) use services::{Identities, Mail, MailSecurity, Rate, RateLimits, Scripts};
pub(crate) use session::{MAX_TIME_MINUTES, Scheme};
pub(crate) use template::template;
pub(crate) use webauthn::RelyingParty;

use crate::goto::Destinations;
use sections::Document;

/// The settings, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) listen: SocketAddr,
    /// What browsers and clients use. No request header is believed about it.
    pub(crate) public_url: PublicUrl,
    pub(crate) shutdown_grace: Duration,
    pub(crate) max_connections: usize,
    pub(crate) client_address: ClientAddress,
    pub(crate) database: Location,
    /// Where the database's URL was read from.
    pub(crate) database_url_file: Option<PathBuf>,
    pub(crate) master_key_file: PathBuf,
    pub(crate) argon2: Argon2,
    /// Of every realm that has none of its own.
    everywhere: Realm,
    /// By name.
    realms: BTreeMap<String, Realm>,
    pub(crate) denylist: Denylist,
    pub(crate) audit_seconds: u64,
    /// For the operator alone.
    pub(crate) metrics_listen: Option<SocketAddr>,
    pub(crate) keys: Keys,
    pub(crate) destinations: Destinations,
    pub(crate) cors: Cors,
    /// `None`: no mail is sent.
    pub(crate) mail: Option<Arc<Mail>>,
    pub(crate) scripts: Scripts,
    pub(crate) rate_limits: RateLimits,
    pub(crate) log_format: LogFormat,
    pub(crate) log_filter: String,
}

/// What may differ between realms.
#[derive(Clone, Debug)]
pub(crate) struct Realm {
    pub(crate) session: Session,
    pub(crate) journey: Journey,
    pub(crate) passwords: Arc<PasswordPolicy>,
    pub(crate) relying_party: Arc<RelyingParty>,
    /// `None`: no account is ever locked by failures.
    pub(crate) lockout: Option<Lockout>,
    pub(crate) identities: Arc<Identities>,
    pub(crate) nodes: Arc<Nodes>,
}

#[derive(Clone, Debug)]
pub(crate) struct Journey {
    pub(crate) max_seconds: u64,
    pub(crate) scheme: Scheme,
    /// A step can be answered once.
    pub(crate) allowlisting: bool,
    /// How long a suspended journey waits for its link to be opened.
    pub(crate) suspended_seconds: u64,
    /// Of the `authId`, and of the sealed state inside: two tokens, each of one layer.
    pub(crate) format: Format,
}

#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) max_seconds: u64,
    /// None: sessions have no idle time.
    pub(crate) max_idle_seconds: Option<u32>,
    pub(crate) auth_level: u32,
    pub(crate) cookie_name: String,
    pub(crate) cookie: Attributes,
    /// Those for which the cookie may be set. Which of them it is, is in the attributes.
    pub(crate) cookie_domains: Vec<String>,
    /// Properties that are left out, in this order, of a session whose cookie would be too long.
    pub(crate) droppable: Vec<String>,
    /// Such a session is kept in the store instead.
    pub(crate) oversize_server_side: bool,
    pub(crate) server_side: ServerSide,
    pub(crate) format: Format,
    /// Files with keys to bring into use.
    pub(crate) hmac_secret_file: Option<PathBuf>,
    pub(crate) aes_key_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Denylist {
    pub(crate) poll_ms: u64,
    pub(crate) lease_ms: u64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Keys {
    /// Age at which a key is followed by another; `None` for never.
    pub(crate) rotate_after_seconds: Option<u64>,
    /// How often one key may encrypt.
    pub(crate) max_seals: u64,
    /// For how long applications and caches may keep the keys that verify assertions.
    pub(crate) jwks_max_age_seconds: u64,
}

/// Scheme, host and port, without a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct PublicUrl(Url);

impl PublicUrl {
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text).map_err(|_| "must be an absolute URL such as https://login.example.com")?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err("must be an http or https URL");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must not have a user name or password");
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err("must be scheme, host and port only: the paths below it are fixed");
        }
        Ok(Self(url))
    }

    pub(crate) fn url(&self) -> &Url {
        &self.0
    }

    pub(crate) fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// As in an `Origin` header.
    pub(crate) fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// The issuer of assertions.
    pub(crate) fn issuer(&self) -> String {
        format!("{}/am", self.origin())
    }
}

impl Settings {
    /// Reads the file at `path`, then the overrides among `environment`.
    pub fn load(path: &Path, environment: impl Iterator<Item = (String, String)>) -> Result<Self, SettingsError> {
        Self::build(load::document(path, environment)?, path.parent().unwrap_or(Path::new("")))
    }

    fn build(mut document: Document, base: &Path) -> Result<Self, SettingsError> {
        let of_realms = std::mem::take(&mut document.realm);
        let above = document.everywhere();
        let mut settings =
            Self::check(document, base).map_err(|(key, rule)| SettingsError::Rule { key: key.to_owned(), rule })?;
        for (name, own) in of_realms {
            let wrong = |key: &str, rule| SettingsError::Rule { key: format!("realm.{name:?}{key}"), rule };
            let named = name == "/" || name.len() > 1 && name.starts_with('/') && !name.ends_with('/');
            if !named {
                return Err(wrong("", "must be named like \"/alpha\", with a slash in front".to_owned()));
            }
            let realm = session::realm(&own.over(&above), &settings.public_url, base)
                .map_err(|(key, rule)| wrong(&format!(".{key}"), rule))?;
            settings.realms.insert(name, realm);
        }
        Ok(settings)
    }

    /// Settings that are in no file yet, for one in the directory `base`.
    pub(crate) fn of_text(
        text: &str,
        base: &Path,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        Self::build(load::overridden(text, Path::new(""), environment)?, base)
    }

    /// What holds in a realm.
    pub(crate) fn realm(&self, name: &str) -> &Realm {
        self.realms.get(name).unwrap_or(&self.everywhere)
    }

    /// Whether some settings are for this realm alone.
    pub(crate) fn names_realm(&self, name: &str) -> bool {
        self.realms.contains_key(name)
    }

    /// The settings that are another in `new` and are read at the start only.
    pub(crate) fn needing_a_start(&self, new: &Self) -> Vec<&'static str> {
        let argon2 = |settings: &Self| format!("{:?}", settings.argon2);
        let scripts = |settings: &Self| {
            let it = &settings.scripts;
            (it.threads, it.queue, it.limits)
        };
        let log = |settings: &Self| format!("{:?} {}", settings.log_format, settings.log_filter);
        [
            ("server.listen", self.listen != new.listen),
            ("metrics.listen", self.metrics_listen != new.metrics_listen),
            ("server.max_connections", self.max_connections != new.max_connections),
            ("server.shutdown_grace_seconds", self.shutdown_grace != new.shutdown_grace),
            ("database", self.database.to_string() != new.database.to_string()),
            ("secrets.master_key_file", self.master_key_file != new.master_key_file),
            ("argon2", argon2(self) != argon2(new)),
            ("mail", self.mail != new.mail),
            ("scripts", scripts(self) != scripts(new)),
            ("rate_limits.tracked", self.rate_limits.tracked != new.rate_limits.tracked),
            ("keys.max_seals", self.keys.max_seals != new.keys.max_seals),
            ("log", log(self) != log(new)),
        ]
        .into_iter()
        .filter_map(|(name, differs)| differs.then_some(name))
        .collect()
    }

    /// What holds where a realm says nothing.
    pub(crate) fn everywhere(&self) -> &Realm {
        &self.everywhere
    }

    /// The realms that have settings of their own.
    pub(crate) fn realm_names(&self) -> impl Iterator<Item = &str> {
        self.realms.keys().map(String::as_str)
    }

    /// All that may hold somewhere.
    pub(crate) fn all_realms(&self) -> impl Iterator<Item = &Realm> {
        std::iter::once(&self.everywhere).chain(self.realms.values())
    }

    /// The rules that are not of one key's type. Relative paths are relative to `base`.
    fn check(document: Document, base: &Path) -> Result<Self, (&'static str, String)> {
        let sections = document.everywhere();
        let Document { server, database, secrets, argon2, denylist, audit, metrics, keys, validation, .. } = document;
        let Document { cors, mail, scripts, rate_limits, log, .. } = document;
        let said = |key: &'static str| move |rule: &str| (key, rule.to_owned());

        let public_url = server.public_url.ok_or(("server.public_url", "is missing".to_owned()))?;
        let public_url = PublicUrl::parse(&public_url).map_err(said("server.public_url"))?;
        let listen = server.listen.parse().map_err(|_| {
            ("server.listen", "must be an address and a port, such as 127.0.0.1:8080 or [::1]:8080".to_owned())
        })?;
        let metrics_listen = metrics.listen.map(|text| text.parse()).transpose();
        let metrics_listen = metrics_listen
            .map_err(|_| ("metrics.listen", "must be an address and a port, such as 127.0.0.1:9464".to_owned()))?;
        let everywhere = session::realm(&sections, &public_url, base)?;
        within("server.shutdown_grace_seconds", server.shutdown_grace_seconds, 0, 3600)?;
        within("server.max_connections", u64::from(server.max_connections), 1, 65536)?;
        argon2.check()?;
        let denylist = denylist.check()?;
        within("audit.keep_days", audit.keep_days, 1, 36500)?;
        let (database, database_url_file) = database.check(base)?;
        let keys = keys.check()?;
        let destinations = Destinations::parse(&public_url, &validation.valid_goto_destinations)
            .map_err(|rule| ("validation.valid_goto_destinations", rule))?;
        Ok(Self {
            listen,
            public_url,
            shutdown_grace: Duration::from_secs(server.shutdown_grace_seconds),
            max_connections: server.max_connections as usize,
            client_address: ClientAddress::check(server.client_address.as_deref(), &server.trusted_proxies)?,
            database,
            database_url_file,
            master_key_file: base.join(secrets.master_key_file),
            argon2,
            everywhere,
            realms: BTreeMap::new(),
            denylist,
            metrics_listen,
            audit_seconds: audit.keep_days * 24 * 3600,
            keys,
            destinations,
            cors: cors.check()?,
            mail: mail.check(base)?,
            scripts: scripts.check()?,
            rate_limits: rate_limits.check()?,
            log_format: log.format,
            log_filter: log.filter,
        })
    }
}

pub(super) fn within(key: &'static str, value: u64, least: u64, most: u64) -> Result<(), (&'static str, String)> {
    if (least..=most).contains(&value) { Ok(()) } else { Err((key, format!("must be from {least} to {most}"))) }
}
