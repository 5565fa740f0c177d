use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ed25519_dalek::Signer as _;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::material::hmac_key;
use super::{ContentKey, KeyError, Kid, SigningAlg, VerificationKey};
use crate::token::Envelope;
use crate::token::mint::MintError;

/// A key that signs. The edge has no such type: the `mint` feature is off there.
pub struct SigningKey {
    kid: Kid,
    material: Signer,
}

enum Signer {
    Ed25519(Box<ed25519_dalek::SigningKey>),
    Hs256(Box<Hmac<Sha256>>),
}

impl SigningKey {
    /// From the 32-byte seed of RFC 8032 §5.1.5.
    pub fn ed25519(kid: Kid, seed: &[u8; 32]) -> Self {
        Self { kid, material: Signer::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(seed))) }
    }

    pub fn hs256(kid: Kid, secret: &[u8]) -> Result<Self, KeyError> {
        Ok(Self { kid, material: Signer::Hs256(Box::new(hmac_key(secret)?)) })
    }

    pub fn kid(&self) -> &Kid {
        &self.kid
    }

    pub const fn alg(&self) -> &'static str {
        match self.material {
            Signer::Ed25519(_) => SigningAlg::EdDsa.name(),
            Signer::Hs256(_) => SigningAlg::Hs256.name(),
        }
    }

    /// The Ed25519 public key; `None` for a symmetric key, which has none.
    pub fn public(&self) -> Option<[u8; 32]> {
        match &self.material {
            Signer::Ed25519(key) => Some(key.verifying_key().to_bytes()),
            Signer::Hs256(_) => None,
        }
    }

    /// The key that verifies what this one signs.
    pub fn verification_key(&self) -> Result<VerificationKey, KeyError> {
        match &self.material {
            Signer::Ed25519(key) => VerificationKey::ed25519(self.kid.clone(), key.verifying_key().as_bytes()),
            Signer::Hs256(key) => Ok(VerificationKey::from_hmac(self.kid.clone(), Hmac::clone(key))),
        }
    }

    pub(crate) fn sign(&self, signing_input: &[u8]) -> Vec<u8> {
        match &self.material {
            Signer::Ed25519(key) => key.sign(signing_input).to_bytes().to_vec(),
            Signer::Hs256(key) => {
                let mut mac = Hmac::clone(key);
                mac.update(signing_input);
                mac.finalize().into_bytes().to_vec()
            }
        }
    }
}

/// How often a content key may still seal before more is reserved. With random IVs a key must not seal more than 2^32
/// times in all (NIST SP 800-38D §8.3); whoever holds the budget reserves ahead of use, so that no crash loses count.
#[derive(Default, Debug)]
pub struct SealBudget(AtomicU64);

impl SealBudget {
    pub const fn new(seals: u64) -> Self {
        Self(AtomicU64::new(seals))
    }

    pub fn add(&self, seals: u64) {
        self.0.fetch_add(seals, Ordering::Relaxed);
    }

    pub fn left(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Takes one, when there is one.
    fn spend(&self) -> bool {
        self.0.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}

/// The active keys of one realm and kind of token.
pub struct MintingKeys {
    envelope: Envelope,
    signing: Option<SigningKey>,
    content: Option<ContentKey>,
    budget: Option<Arc<SealBudget>>,
}

impl MintingKeys {
    /// Keys that the envelope does not need may be absent.
    pub fn new(
        envelope: Envelope,
        signing: Option<SigningKey>,
        content: Option<ContentKey>,
    ) -> Result<Self, MintError> {
        let (sign, seal) = match envelope {
            Envelope::Sign => (true, false),
            Envelope::Encrypt => (false, true),
            Envelope::SignThenEncrypt => (true, true),
        };
        if sign && signing.is_none() || seal && content.is_none() {
            return Err(MintError::NoActiveKey);
        }
        Ok(Self { envelope, signing, content, budget: None })
    }

    /// Seals only as long as the budget lasts. Without one, as often as asked.
    #[must_use]
    pub fn with_budget(mut self, budget: Arc<SealBudget>) -> Self {
        self.budget = Some(budget);
        self
    }

    /// The identifiers of the keys that mint: of the signing key and of the content key.
    pub fn kids(&self) -> impl Iterator<Item = &Kid> {
        self.signing.iter().map(SigningKey::kid).chain(self.content.iter().map(ContentKey::kid))
    }

    pub const fn envelope(&self) -> Envelope {
        self.envelope
    }

    pub(crate) fn signing_key(&self) -> Result<&SigningKey, MintError> {
        self.signing.as_ref().ok_or(MintError::NoActiveKey)
    }

    /// For sealing once.
    pub(crate) fn spend_content_key(&self) -> Result<&ContentKey, MintError> {
        if self.budget.as_ref().is_some_and(|budget| !budget.spend()) {
            return Err(MintError::Budget);
        }
        self.content.as_ref().ok_or(MintError::NoActiveKey)
    }
}
