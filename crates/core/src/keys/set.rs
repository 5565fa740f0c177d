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
    /// Whether what the key made is accepted.
    pub const fn verifies(self) -> bool {
        matches!(self, Self::Standby | Self::Active | Self::VerifyOnly)
    }
}

/// Two keys of one purpose have the same identifier. The fault is with the operator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DuplicateKid(pub Kid);

impl std::fmt::Display for DuplicateKid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "two keys of one purpose have the identifier {}", self.0)
    }
}

impl std::error::Error for DuplicateKid {}

/// The keys that verify and open the tokens of one realm and kind, and the envelope those tokens must have.
#[derive(Clone)]
pub struct KeySet {
    envelope: Envelope,
    verification: Vec<(KeyState, VerificationKey)>,
    content: Vec<(KeyState, ContentKey)>,
}

impl KeySet {
    pub fn new(
        envelope: Envelope,
        verification: Vec<(KeyState, VerificationKey)>,
        content: Vec<(KeyState, ContentKey)>,
    ) -> Result<Self, DuplicateKid> {
        refuse_duplicates(verification.iter().map(|(_, key)| key.kid()))?;
        refuse_duplicates(content.iter().map(|(_, key)| key.kid()))?;
        Ok(Self { envelope, verification, content })
    }

    pub const fn envelope(&self) -> Envelope {
        self.envelope
    }

    pub(crate) fn verification_key(&self, kid: &str) -> Result<&VerificationKey, TokenError> {
        find(&self.verification, kid, VerificationKey::kid)
    }

    pub(crate) fn content_key(&self, kid: &str) -> Result<&ContentKey, TokenError> {
        find(&self.content, kid, ContentKey::kid)
    }
}

fn find<'a, K>(keys: &'a [(KeyState, K)], kid: &str, of: impl Fn(&K) -> &Kid) -> Result<&'a K, TokenError> {
    let (state, key) = keys.iter().find(|(_, key)| of(key).as_str() == kid).ok_or(TokenError::UnknownKey)?;
    if state.verifies() { Ok(key) } else { Err(TokenError::RetiredKey) }
}

fn refuse_duplicates<'a>(kids: impl Iterator<Item = &'a Kid>) -> Result<(), DuplicateKid> {
    let mut seen: Vec<&Kid> = Vec::new();
    for kid in kids {
        if seen.contains(&kid) {
            return Err(DuplicateKid(kid.clone()));
        }
        seen.push(kid);
    }
    Ok(())
}
