//! `[session]` and `[journey]`, and the same of a realm: what is written, and what holds for a realm.

use std::path::Path;
use std::sync::Arc;

use countersign_core::keys::{ContentAlg, KeyAlg, SigningAlg};
use serde::Deserialize;

use super::format::{AesKeywrapBits, Compression, EncryptionType, Format, Layers, RsaPadding, SecretFile, SigningType};
use super::server_side::{Constraint, QuotaBehaviour};
use super::{PublicUrl, cookie, sections, server_side, within};

/// A broken rule: the key within its section, and what is wrong.
pub(super) type Wrong = (&'static str, String);

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Debug)]
#[serde(rename_all = "lowercase")]
pub(super) enum SameSite {
    Lax,
    Strict,
    None,
}

/// What becomes of a session whose cookie browsers would not keep.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Debug)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Oversize {
    Refuse,
    Drop,
    ServerSide,
}

/// As written: what is absent is as in the section above this one, and there the default.
#[derive(Clone, Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Session {
    pub(super) max_time_minutes: Option<u64>,
    pub(super) max_idle_minutes: Option<u64>,
    pub(super) auth_level: Option<u32>,
    pub(super) cookie_name: Option<String>,
    pub(super) same_site: Option<SameSite>,
    pub(super) cookie_domains: Option<Vec<String>>,
    pub(super) partitioned: Option<bool>,
    pub(super) oversize: Option<Oversize>,
    pub(super) droppable_properties: Option<Vec<String>>,
    #[serde(rename = "statelessSigningType")]
    pub(super) signing_type: Option<SigningType>,
    #[serde(rename = "statelessSigningHmacSecret")]
    pub(super) hmac_secret: Option<SecretFile>,
    #[serde(rename = "statelessEncryptionType")]
    pub(super) encryption_type: Option<EncryptionType>,
    #[serde(rename = "statelessEncryptionAesKey")]
    pub(super) aes_key: Option<SecretFile>,
    #[serde(rename = "org.forgerock.openam.session.stateless.encryption.method")]
    pub(super) encryption_method: Option<ContentAlg>,
    #[serde(rename = "org.forgerock.openam.session.stateless.rsa.padding")]
    pub(super) rsa_padding: Option<RsaPadding>,
    pub(super) aes_keywrap_bits: Option<AesKeywrapBits>,
    #[serde(rename = "statelessCompressionType")]
    pub(super) compression_type: Option<Compression>,
    #[serde(rename = "statelessSessionsEnabled")]
    pub(super) client_side: Option<bool>,
    pub(super) administrators_server_side: Option<bool>,
    #[serde(rename = "latestAccessTimeUpdateFrequency")]
    pub(super) access_update_seconds: Option<u64>,
    #[serde(rename = "iplanet-am-session-enable-session-constraint")]
    pub(super) constraint: Option<Constraint>,
    #[serde(rename = "quotaLimit")]
    pub(super) quota_limit: Option<u32>,
    #[serde(rename = "behaviourWhenQuotaExhausted")]
    pub(super) quota_behaviour: Option<QuotaBehaviour>,
    #[serde(rename = "sessionPropertyWhitelist")]
    pub(super) property_allowlist: Option<Vec<String>>,
}

/// The names that are AM's and not in this file's own manner, for the environment, where case is lost.
pub(super) const AM_NAMES: [&str; 23] = [
    "statelessSessionsEnabled",
    "latestAccessTimeUpdateFrequency",
    "iplanet-am-session-enable-session-constraint",
    "quotaLimit",
    "behaviourWhenQuotaExhausted",
    "sessionPropertyWhitelist",
    "statelessSigningType",
    "statelessSigningHmacSecret",
    "statelessEncryptionType",
    "statelessEncryptionAesKey",
    "statelessCompressionType",
    "org.forgerock.openam.session.stateless.encryption.method",
    "org.forgerock.openam.session.stateless.rsa.padding",
    "loginFailureLockoutMode",
    "storeInvalidAttemptsInDataStore",
    "loginFailureCount",
    "loginFailureDuration",
    "lockoutDuration",
    "lockoutDurationMultiplier",
    "lockoutWarnUserCount",
    "authenticationSessionsStateManagement",
    "authenticationSessionsWhitelist",
    "suspendedAuthenticationTimeout",
];

macro_rules! over {
    ($own:expr, $above:expr, $($field:ident),* $(,)?) => {
        Self { $($field: $own.$field.or_else(|| $above.$field.clone()),)* }
    };
}
pub(super) use over;

impl Session {
    /// With what `above` says where this says nothing.
    pub(super) fn over(self, above: &Self) -> Self {
        let mut above = above.clone();
        // A secret is of one algorithm: whoever names another one does not mean it.
        above.hmac_secret = above.hmac_secret.filter(|_| self.signing_type.is_none());
        above.aes_key = above.aes_key.filter(|_| self.encryption_type.is_none() && self.encryption_method.is_none());
        over!(
            self,
            above,
            max_time_minutes,
            max_idle_minutes,
            auth_level,
            cookie_name,
            same_site,
            cookie_domains,
            partitioned,
            oversize,
            droppable_properties,
            signing_type,
            hmac_secret,
            encryption_type,
            aes_key,
            encryption_method,
            rsa_padding,
            aes_keywrap_bits,
            compression_type,
            client_side,
            administrators_server_side,
            access_update_seconds,
            constraint,
            quota_limit,
            quota_behaviour,
            property_allowlist,
        )
    }

    pub(super) fn check(&self, public_url: &PublicUrl, base: &Path) -> Result<super::Session, Wrong> {
        let (cookie_name, cookie) = cookie::check(self, public_url)?;
        let droppable = self.droppable()?;
        let (max_time, max_idle) = (self.max_time_minutes.unwrap_or(120), self.max_idle_minutes.unwrap_or(30));
        within("session.max_time_minutes", max_time, 1, MAX_TIME_MINUTES)?;
        within("session.max_idle_minutes", max_idle, 0, MAX_TIME_MINUTES)?;
        // An idle time that never comes before the end is none.
        let has_idle = (1..max_time).contains(&max_idle);
        let format = Layers {
            section: "session",
            signing: self.signing_type.unwrap_or(SigningType::EdDsa),
            encryption: self.encryption_type.unwrap_or(EncryptionType::Direct),
            method: self.encryption_method.unwrap_or(ContentAlg::A256Gcm),
            keywrap_bits: self.aes_keywrap_bits.unwrap_or(AesKeywrapBits::B256),
            padding: self.rsa_padding.unwrap_or(RsaPadding::OaepSha256),
            compression: self.compression_type.unwrap_or(Compression::None),
        }
        .check()?;
        if self.hmac_secret.is_some() && !format.signing.is_some_and(SigningAlg::is_symmetric) {
            return Err(("session.statelessSigningHmacSecret", "is for HS256, HS384 and HS512 only".to_owned()));
        }
        if self.aes_key.is_some() && format.content.is_none_or(|(alg, _)| alg.is_rsa()) {
            return Err(("session.statelessEncryptionAesKey", "is for DIRECT and AES_KEYWRAP only".to_owned()));
        }
        let path = |secret: &Option<SecretFile>| secret.as_ref().map(|secret| base.join(&secret.file));
        Ok(super::Session {
            max_seconds: max_time * 60,
            max_idle_seconds: u32::try_from(max_idle * 60).ok().filter(|_| has_idle),
            auth_level: self.auth_level.unwrap_or(0),
            cookie_name,
            cookie,
            cookie_domains: cookie::domains(self),
            droppable,
            oversize_server_side: self.oversize == Some(Oversize::ServerSide),
            server_side: server_side::check(self)?,
            format,
            hmac_secret_file: path(&self.hmac_secret),
            aes_key_file: path(&self.aes_key),
        })
    }

    fn droppable(&self) -> Result<Vec<String>, Wrong> {
        let names = self.droppable_properties.clone().unwrap_or_default();
        match self.oversize.unwrap_or(Oversize::Refuse) {
            Oversize::Refuse | Oversize::ServerSide if names.is_empty() => Ok(names),
            Oversize::Refuse | Oversize::ServerSide => {
                Err(("session.droppable_properties", "is for oversize = \"drop\" only".to_owned()))
            }
            Oversize::Drop if (1..=MAX_DROPPABLE).contains(&names.len()) => Ok(names),
            Oversize::Drop => {
                Err(("session.droppable_properties", format!("must name 1 to {MAX_DROPPABLE} properties to drop")))
            }
        }
    }
}

/// Where the state of a login in progress is between two requests: AM's Authentication session state management scheme.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Debug)]
pub(crate) enum Scheme {
    /// With the client, sealed in its `authId`.
    #[serde(rename = "JWT")]
    Jwt,
    /// In the token store, sealed.
    #[serde(rename = "CTS", alias = "SERVER")]
    Cts,
    /// In the memory of this process.
    #[serde(rename = "In-Memory", alias = "IN_MEMORY")]
    InMemory,
}

impl Scheme {
    /// As AM tells it over REST.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Jwt => "JWT",
            Self::Cts => "CTS",
            Self::InMemory => "In-Memory",
        }
    }
}

/// A login in progress: `authId` is signed, and the state is sealed wherever it is kept.
#[derive(Clone, Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Journey {
    pub(super) max_duration_minutes: Option<u64>,
    #[serde(rename = "authenticationSessionsStateManagement")]
    pub(super) scheme: Option<Scheme>,
    #[serde(rename = "authenticationSessionsWhitelist")]
    pub(super) allowlisting: Option<bool>,
    #[serde(rename = "suspendedAuthenticationTimeout")]
    pub(super) suspended_minutes: Option<u64>,
    #[serde(rename = "statelessSigningType")]
    pub(super) signing_type: Option<SigningType>,
    #[serde(rename = "statelessEncryptionType")]
    pub(super) encryption_type: Option<EncryptionType>,
    #[serde(rename = "org.forgerock.openam.session.stateless.encryption.method")]
    pub(super) encryption_method: Option<ContentAlg>,
    pub(super) aes_keywrap_bits: Option<AesKeywrapBits>,
}

impl Journey {
    /// With what `above` says where this says nothing.
    pub(super) fn over(self, above: &Self) -> Self {
        over!(
            self,
            above,
            max_duration_minutes,
            scheme,
            allowlisting,
            suspended_minutes,
            signing_type,
            encryption_type,
            encryption_method,
            aes_keywrap_bits,
        )
    }

    pub(super) fn check(&self) -> Result<super::Journey, Wrong> {
        let max = self.max_duration_minutes.unwrap_or(5);
        within("journey.max_duration_minutes", max, 1, 24 * 60)?;
        let suspended = self.suspended_minutes.unwrap_or(5);
        within("journey.suspendedAuthenticationTimeout", suspended, 1, MAX_SUSPENDED_MINUTES)?;
        let layers = Layers {
            section: "journey",
            signing: self.signing_type.unwrap_or(SigningType::Hs256),
            encryption: self.encryption_type.unwrap_or(EncryptionType::Direct),
            method: self.encryption_method.unwrap_or(ContentAlg::A256Gcm),
            keywrap_bits: self.aes_keywrap_bits.unwrap_or(AesKeywrapBits::B256),
            padding: RsaPadding::OaepSha256,
            compression: Compression::None,
        };
        let format = layers.check()?;
        match format {
            Format { signing: None, .. } => {
                Err(("journey.statelessSigningType", "cannot be NONE: whoever logs in carries the authId".to_owned()))
            }
            Format { content: None, .. } => Err((
                "journey.statelessEncryptionType",
                "cannot be NONE: the state of a login is not for whoever logs in".to_owned(),
            )),
            Format { content: Some((KeyAlg::RsaOaep256, _)), .. } => Err((
                "journey.statelessEncryptionType",
                "cannot be RSA: the state inside the authId is sealed on its own, and with RSA whoever knows the public \
                 key could seal one"
                    .to_owned(),
            )),
            format => Ok(super::Journey {
                max_seconds: max * 60,
                scheme: self.scheme.unwrap_or(Scheme::Jwt),
                allowlisting: self.allowlisting.unwrap_or(true),
                suspended_seconds: suspended * 60,
                format,
            }),
        }
    }
}

pub(crate) const MAX_TIME_MINUTES: u64 = 60 * 24 * 400;

/// A link in a mailbox is good for a month at most.
const MAX_SUSPENDED_MINUTES: u64 = 60 * 24 * 31;

/// Most properties that may be named: each is a token minted in vain.
const MAX_DROPPABLE: usize = 32;

/// What a realm's sections come to.
pub(super) fn realm(sections: &sections::Realm, public_url: &PublicUrl, base: &Path) -> Result<super::Realm, Wrong> {
    Ok(super::Realm {
        session: sections.session.check(public_url, base)?,
        journey: sections.journey.check()?,
        passwords: Arc::new(sections.passwords.check()?),
        relying_party: Arc::new(sections.webauthn.check(public_url)?),
        lockout: sections.accountlockout.check()?,
        identities: Arc::new(sections.identities.check(base)?),
        nodes: Arc::new(sections.nodes.check(base)?),
    })
}
