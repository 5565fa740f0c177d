//! The edge bundle: all key material one edge holds, as the JSON that `countersign edge bundle` prints.
//!
//! It has no key that can mint a session when the realm signs with `EdDSA`. The assertion key (which speaks to the
//! application, not to Countersign) is in a member of its own that the worker hands to the host's WebCrypto and never
//! to this code.

use serde::{Deserialize, Serialize};

use super::{
    ContentAlg, ContentKey, KeyAlg, KeyError, KeySet, KeySetError, KeyState, Kid, SigningAlg, VerificationKey,
};
use crate::denylist::fingerprint::DenylistKey;
use crate::encoding::{decode, decode_array, encode};
use crate::token::Envelope;

/// The wire form of the bundle. Binary members are base64url.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// Always 1.
    pub version: u32,
    pub realm: String,
    /// Layers of the session token.
    pub envelope: Envelope,
    /// Keys that verify the session token.
    pub session_signing: Vec<VerificationJwk>,
    /// Keys that open the session token.
    pub session_content: Vec<ContentJwk>,
    /// Formats that are taken beside that one while the realm changes to another: the one before, the one to come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<SessionFormat>,
    /// Keys that verify heartbeats.
    pub feed: Vec<VerificationJwk>,
    /// The denylist key `k_deny`.
    pub denylist: String,
    /// Another one, under which entries are looked for too: that of before, or the one to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denylist_beside: Option<String>,
}

/// What a session token may look like, and the keys of such tokens.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionFormat {
    pub envelope: Envelope,
    pub session_signing: Vec<VerificationJwk>,
    pub session_content: Vec<ContentJwk>,
}

/// There are five: three envelopes, two of which sign with secrets or with key pairs.
const MAX_FORMATS: usize = 8;

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerificationJwk {
    pub kid: Kid,
    pub alg: SigningAlg,
    pub state: KeyState,
    /// What [`VerificationKey::new`] takes: the public key, or with `HS*` the secret.
    pub key: String,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContentJwk {
    pub kid: Kid,
    #[serde(default, skip_serializing_if = "KeyAlg::is_dir")]
    pub alg: KeyAlg,
    pub enc: ContentAlg,
    pub state: KeyState,
    /// What [`ContentKey::new`] takes.
    pub key: String,
}

/// A bundle, checked and ready to use.
#[derive(Clone)]
pub struct EdgeKeys {
    pub realm: String,
    pub session: KeySet,
    pub feed: KeySet,
    pub denylist: DenylistKey,
}

/// Who verifies signatures of session tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verifiers {
    /// This program, with what it was built with.
    Own,
    /// The host where it can: ECDSA and RSA. The rest this program.
    Host,
}

/// Why a bundle is refused. The fault is with the operator who installed it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BundleError {
    /// Not the JSON expected; the text says where.
    Json(String),
    Version(u32),
    NotBase64Url(&'static str),
    Key(Kid, KeyError),
    Keys(KeySetError),
    /// A layer of the envelope has no key, or the feed has none.
    Missing(&'static str),
    TooManyFormats,
}

impl std::fmt::Display for BundleError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Json(what) => write!(f, "the edge bundle is not as expected: {what}"),
            Self::Version(version) => write!(f, "the edge bundle has version {version}; this edge reads version 1"),
            Self::NotBase64Url(member) => write!(f, "the edge bundle's {member} is not base64url"),
            Self::Key(kid, error) => write!(f, "the edge bundle's key {kid}: {error}"),
            Self::Keys(error) => write!(f, "the edge bundle: {error}"),
            Self::Missing(member) => write!(f, "the edge bundle has no {member} key"),
            Self::TooManyFormats => write!(f, "the edge bundle has more than {MAX_FORMATS} formats of session tokens"),
        }
    }
}

impl std::error::Error for BundleError {}

impl Bundle {
    pub fn parse(json: &str, verifiers: Verifiers) -> Result<EdgeKeys, BundleError> {
        let bundle: Self = serde_json::from_str(json).map_err(|error| BundleError::Json(error.to_string()))?;
        bundle.check(verifiers)
    }

    pub fn check(&self, verifiers: Verifiers) -> Result<EdgeKeys, BundleError> {
        if self.version != 1 {
            return Err(BundleError::Version(self.version));
        }
        if self.also.len() >= MAX_FORMATS {
            return Err(BundleError::TooManyFormats);
        }
        if self.feed.is_empty() {
            return Err(BundleError::Missing("feed"));
        }
        let first = key_set(self.envelope, &self.session_signing, &self.session_content, verifiers)?;
        let session = self.also.iter().try_fold(first, |keys, format| {
            Ok(keys.or(key_set(format.envelope, &format.session_signing, &format.session_content, verifiers)?))
        })?;
        // The feed is opened between two polls and not in a request: nobody is asked.
        let feed = verification_keys(&self.feed, Verifiers::Own)?;
        let feed = KeySet::new(Envelope::Sign, feed, Vec::new()).map_err(BundleError::Keys)?;
        let secret = |text: &str, member| decode_array(text.as_bytes()).map_err(|_| BundleError::NotBase64Url(member));
        let denylist = DenylistKey::new(&secret(&self.denylist, "denylist")?);
        let denylist = match &self.denylist_beside {
            Some(other) => denylist.beside(&secret(other, "denylist_beside")?),
            None => denylist,
        };
        Ok(EdgeKeys { realm: self.realm.clone(), session, feed, denylist })
    }
}

fn key_set(
    envelope: Envelope,
    signing: &[VerificationJwk],
    content: &[ContentJwk],
    verifiers: Verifiers,
) -> Result<KeySet, BundleError> {
    if envelope.signs() && signing.is_empty() {
        return Err(BundleError::Missing("session_signing"));
    }
    if envelope.encrypts() && content.is_empty() {
        return Err(BundleError::Missing("session_content"));
    }
    let content = content.iter().map(ContentJwk::read).collect::<Result<_, _>>()?;
    KeySet::new(envelope, verification_keys(signing, verifiers)?, content).map_err(BundleError::Keys)
}

fn verification_keys(
    keys: &[VerificationJwk],
    verifiers: Verifiers,
) -> Result<Vec<(KeyState, VerificationKey)>, BundleError> {
    keys.iter().map(|key| key.read(verifiers)).collect()
}

impl VerificationJwk {
    pub fn new(kid: Kid, alg: SigningAlg, state: KeyState, key: &[u8]) -> Self {
        Self { kid, alg, state, key: encode(key) }
    }

    fn read(&self, verifiers: Verifiers) -> Result<(KeyState, VerificationKey), BundleError> {
        let bytes = decode(self.key.as_bytes()).map_err(|_| BundleError::NotBase64Url("key"))?;
        let make = match (verifiers, self.alg) {
            (Verifiers::Host, SigningAlg::Es256 | SigningAlg::Es384 | SigningAlg::Es512 | SigningAlg::Rs256) => {
                VerificationKey::by_host
            }
            _ => VerificationKey::new,
        };
        let key = make(self.kid.clone(), self.alg, &bytes);
        key.map(|key| (self.state, key)).map_err(|error| BundleError::Key(self.kid.clone(), error))
    }
}

impl ContentJwk {
    pub fn new(kid: Kid, alg: KeyAlg, enc: ContentAlg, state: KeyState, key: &[u8]) -> Self {
        Self { kid, alg, enc, state, key: encode(key) }
    }

    fn read(&self) -> Result<(KeyState, ContentKey), BundleError> {
        let bytes = decode(self.key.as_bytes()).map_err(|_| BundleError::NotBase64Url("key"))?;
        ContentKey::new(self.kid.clone(), self.alg, self.enc, &bytes)
            .map(|key| (self.state, key))
            .map_err(|error| BundleError::Key(self.kid.clone(), error))
    }
}
