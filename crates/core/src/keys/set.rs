use serde::{Deserialize, Serialize};

use super::{ContentKey, Kid, VerificationKey};
use crate::token::{Envelope, TokenError};

/// Where a key stands in its life. A key is published (standby) before it is used, and kept (verify-only) until what
/// it made has expired.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    /// Verifies; not yet used to mint.
    Standby,
    /// Verifies; the one that mints.
    Active,
    /// Verifies; no longer used to mint.
    VerifyOnly,
    /// Does nothing any more: what it made is refused.
    Retired,
    /// Retired before its time, because it may be in other hands.
    Revoked,
}

impl KeyState {
    pub const ALL: [Self; 5] = [Self::Standby, Self::Active, Self::VerifyOnly, Self::Retired, Self::Revoked];

    /// As operators read it and the store keeps it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standby => "standby",
            Self::Active => "active",
            Self::VerifyOnly => "verify-only",
            Self::Retired => "retired",
            Self::Revoked => "revoked",
        }
    }

    /// Whether what the key made is accepted.
    pub const fn verifies(self) -> bool {
        matches!(self, Self::Standby | Self::Active | Self::VerifyOnly)
    }
}

/// Keys that must not stand in one set. The fault is with the operator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeySetError {
    /// Two keys of one purpose have the same identifier.
    Duplicate(Kid),
    /// Secrets and public keys verify side by side: what is published of one could be taken for the other.
    Mixed(Kid),
    /// The envelope has no signature, and with RSA whoever knows the public key can seal.
    Unsigned(Kid),
}

impl KeySetError {
    /// The key that cannot be added.
    pub fn kid(&self) -> &Kid {
        match self {
            Self::Duplicate(kid) | Self::Mixed(kid) | Self::Unsigned(kid) => kid,
        }
    }
}

impl std::fmt::Display for KeySetError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Duplicate(kid) => write!(f, "two keys of one purpose have the identifier {kid}"),
            Self::Mixed(kid) => write!(f, "the key {kid} puts secrets and public keys into one set"),
            Self::Unsigned(kid) => write!(f, "the RSA key {kid} cannot seal tokens that are not signed as well"),
        }
    }
}

impl std::error::Error for KeySetError {}

/// The keys that verify and open the tokens of one realm and kind, and the envelope those tokens must have.
#[derive(Clone)]
pub struct KeySet {
    envelope: Envelope,
    verification: Vec<(KeyState, VerificationKey)>,
    content: Vec<(KeyState, ContentKey)>,
    /// Keys that belong here and that this program was built without.
    without: Vec<Kid>,
    others: Vec<KeySet>,
}

impl KeySet {
    pub fn new(
        envelope: Envelope,
        verification: Vec<(KeyState, VerificationKey)>,
        content: Vec<(KeyState, ContentKey)>,
    ) -> Result<Self, KeySetError> {
        refuse_duplicates(verification.iter().map(|(_, key)| key.kid()))?;
        refuse_duplicates(content.iter().map(|(_, key)| key.kid()))?;
        let symmetric = |key: &VerificationKey| key.algorithm().is_symmetric();
        if let Some((_, first)) = verification.first()
            && let Some((_, other)) = verification.iter().find(|(_, key)| symmetric(key) != symmetric(first))
        {
            return Err(KeySetError::Mixed(other.kid().clone()));
        }
        if envelope == Envelope::Encrypt
            && let Some((_, key)) = content.iter().find(|(_, key)| key.alg().is_rsa())
        {
            return Err(KeySetError::Unsigned(key.kid().clone()));
        }
        Ok(Self { envelope, verification, content, without: Vec::new(), others: Vec::new() })
    }

    /// Takes the tokens of another set as well, each set on its own terms: while a realm changes to another format,
    /// tokens of the one before are good until they expire.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        self.others.push(other);
        self
    }

    /// Knows of keys that it cannot use: what is under one of these may be good.
    #[must_use]
    pub(crate) fn without(mut self, kids: Vec<Kid>) -> Self {
        self.without = kids;
        self
    }

    pub(crate) fn others(&self) -> &[Self] {
        &self.others
    }

    pub const fn envelope(&self) -> Envelope {
        self.envelope
    }

    pub(crate) fn verification_key(&self, kid: &str) -> Result<&VerificationKey, TokenError> {
        find(&self.verification, kid, VerificationKey::kid).map_err(|error| self.unless_without(kid, error))
    }

    pub(crate) fn content_key(&self, kid: &str) -> Result<&ContentKey, TokenError> {
        find(&self.content, kid, ContentKey::kid).map_err(|error| self.unless_without(kid, error))
    }

    /// Whether a key is called this, whatever its state and layer.
    pub(crate) fn has(&self, kid: &str) -> bool {
        let mut kids = self.verification.iter().map(|(_, key)| key.kid()).chain(&self.without);
        kids.any(|known| known.as_str() == kid) || self.content.iter().any(|(_, key)| key.kid().as_str() == kid)
    }

    #[cold]
    fn unless_without(&self, kid: &str, error: TokenError) -> TokenError {
        if self.without.iter().any(|key| key.as_str() == kid) { TokenError::UnusableKey } else { error }
    }
}

fn find<'a, K>(keys: &'a [(KeyState, K)], kid: &str, of: impl Fn(&K) -> &Kid) -> Result<&'a K, TokenError> {
    let (state, key) = keys.iter().find(|(_, key)| of(key).as_str() == kid).ok_or(TokenError::UnknownKey)?;
    if state.verifies() { Ok(key) } else { Err(TokenError::RetiredKey) }
}

fn refuse_duplicates<'a>(kids: impl Iterator<Item = &'a Kid>) -> Result<(), KeySetError> {
    let mut seen: Vec<&Kid> = Vec::new();
    for kid in kids {
        if seen.contains(&kid) {
            return Err(KeySetError::Duplicate(kid.clone()));
        }
        seen.push(kid);
    }
    Ok(())
}
