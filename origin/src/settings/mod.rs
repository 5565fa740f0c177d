//! The settings: one TOML file, each concern a struct of its own, unknown keys refused; then overrides from the
//! environment (`COUNTERSIGN__SECTION__KEY`); then the rules that concern more than one key.

mod cookie;
mod load;
mod sections;
mod template;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign_core::cookie::Attributes;
use countersign_core::keys::SigningAlg;
use countersign_core::token::Envelope;
use url::Url;

pub use load::SettingsError;
pub(crate) use sections::{Argon2, LogFormat};
pub(crate) use template::template;

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
    pub(crate) database: PathBuf,
    pub(crate) master_key_file: PathBuf,
    pub(crate) argon2: Argon2,
    pub(crate) session: Session,
    pub(crate) journey_max_seconds: u64,
    pub(crate) denylist: Denylist,
    pub(crate) keys: Keys,
    pub(crate) destinations: Destinations,
    pub(crate) log_format: LogFormat,
    pub(crate) log_filter: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) max_seconds: u64,
    /// None: sessions have no idle time.
    pub(crate) max_idle_seconds: Option<u32>,
    pub(crate) auth_level: u32,
    pub(crate) cookie_name: String,
    pub(crate) cookie: Attributes,
    /// Properties that are left out, in this order, of a session whose cookie would be too long.
    pub(crate) droppable: Vec<String>,
    pub(crate) signing: SigningAlg,
    pub(crate) envelope: Envelope,
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
        let document = load::document(path, environment)?;
        let base = path.parent().unwrap_or(Path::new(""));
        Self::check(document, base).map_err(|(key, rule)| SettingsError::Rule { key, rule })
    }

    /// The rules that are not of one key's type. Relative paths are relative to `base`.
    fn check(document: Document, base: &Path) -> Result<Self, (&'static str, String)> {
        let Document { server, database, secrets, argon2, session, journey, denylist, keys, validation, log } =
            document;
        let said = |key: &'static str| move |rule: &str| (key, rule.to_owned());

        let public_url = server.public_url.ok_or(("server.public_url", "is missing".to_owned()))?;
        let public_url = PublicUrl::parse(&public_url).map_err(said("server.public_url"))?;
        let listen = server.listen.parse().map_err(|_| {
            ("server.listen", "must be an address and a port, such as 127.0.0.1:8080 or [::1]:8080".to_owned())
        })?;
        let (cookie_name, cookie) = cookie::check(&session, &public_url)?;
        let droppable = droppable(&session)?;
        within("session.max_time_minutes", session.max_time_minutes, 1, MAX_TIME_MINUTES)?;
        within("session.max_idle_minutes", session.max_idle_minutes, 0, MAX_TIME_MINUTES)?;
        // An idle time that never comes before the end is none.
        let has_idle = (1..session.max_time_minutes).contains(&session.max_idle_minutes);
        let max_idle_seconds = u32::try_from(session.max_idle_minutes * 60).ok().filter(|_| has_idle);
        within("journey.max_duration_minutes", journey.max_duration_minutes, 1, 24 * 60)?;
        within("server.shutdown_grace_seconds", server.shutdown_grace_seconds, 0, 3600)?;
        within("server.max_connections", u64::from(server.max_connections), 1, 65536)?;
        // Core reads and mints with more; the origin makes keys for these.
        if !matches!(session.signing, SigningAlg::EdDsa | SigningAlg::Hs256) {
            return Err(("session.signing", "must be EdDSA or HS256: there are no keys for others yet".to_owned()));
        }
        if session.envelope == Envelope::EncryptThenSign {
            return Err(("session.envelope", "encrypt-then-sign is read for migration and not minted".to_owned()));
        }
        argon2.check()?;
        let denylist = denylist.check()?;
        let keys = keys.check()?;
        let destinations = Destinations::parse(&public_url, &validation.valid_goto_destinations)
            .map_err(|rule| ("validation.valid_goto_destinations", rule))?;
        Ok(Self {
            listen,
            public_url,
            shutdown_grace: Duration::from_secs(server.shutdown_grace_seconds),
            max_connections: server.max_connections as usize,
            database: base.join(database.path),
            master_key_file: base.join(secrets.master_key_file),
            argon2,
            session: Session {
                max_seconds: session.max_time_minutes * 60,
                max_idle_seconds,
                auth_level: session.auth_level,
                cookie_name,
                cookie,
                droppable,
                signing: session.signing,
                envelope: session.envelope,
            },
            journey_max_seconds: journey.max_duration_minutes * 60,
            denylist,
            keys,
            destinations,
            log_format: log.format,
            log_filter: log.filter,
        })
    }
}

const MAX_TIME_MINUTES: u64 = 60 * 24 * 400;

/// Most properties that may be named: each is a token minted in vain.
const MAX_DROPPABLE: usize = 32;

fn droppable(session: &sections::Session) -> Result<Vec<String>, (&'static str, String)> {
    let names = session.droppable_properties.clone();
    match session.oversize {
        sections::Oversize::ServerSide => Err((
            "session.oversize",
            "\"server-side\" needs server-side sessions, which this version does not have: use \"refuse\" or \"drop\""
                .to_owned(),
        )),
        sections::Oversize::Refuse if names.is_empty() => Ok(names),
        sections::Oversize::Refuse => {
            Err(("session.droppable_properties", "is for oversize = \"drop\" only".to_owned()))
        }
        sections::Oversize::Drop if (1..=MAX_DROPPABLE).contains(&names.len()) => Ok(names),
        sections::Oversize::Drop => {
            Err(("session.droppable_properties", format!("must name 1 to {MAX_DROPPABLE} properties to drop")))
        }
    }
}

pub(super) fn within(key: &'static str, value: u64, least: u64, most: u64) -> Result<(), (&'static str, String)> {
    if (least..=most).contains(&value) { Ok(()) } else { Err((key, format!("must be from {least} to {most}"))) }
}
