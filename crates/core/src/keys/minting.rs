use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ed25519_dalek::Signer as _;

use super::{ContentKey, KeyError, Kid, SigningAlg, VerificationKey};
use crate::token::Envelope;
use crate::token::jws::hmac::MacKey;
use crate::token::mint::{Entropy, MintError};

/// A key that signs. The edge has no such type: the `mint` feature is off there.
pub struct SigningKey {
    kid: Kid,
    alg: SigningAlg,
    material: Signer,
}

enum Signer {
    Ed25519(Box<ed25519_dalek::SigningKey>),
    Hmac(MacKey),
    #[cfg(feature = "signatures")]
    Ecdsa(crate::token::jws::ecdsa::PrivateKey),
    #[cfg(feature = "signatures")]
    Rsa(crate::token::jws::rsa::PrivateKey),
}

impl SigningKey {
    /// From the secret: the 32-byte seed of RFC 8032 §5.1.5, an HMAC secret, the full-length scalar of an ECDSA key,
    /// the PKCS#8 DER of an RSA key.
    pub fn new(kid: Kid, alg: SigningAlg, secret: &[u8]) -> Result<Self, KeyError> {
        let material = match alg {
            SigningAlg::EdDsa => {
                let seed: &[u8; 32] = secret.try_into().map_err(|_| KeyError::BadSeed)?;
                Signer::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(seed)))
            }
            SigningAlg::Hs256 | SigningAlg::Hs384 | SigningAlg::Hs512 => Signer::Hmac(MacKey::new(alg, secret)?),
            #[cfg(feature = "signatures")]
            SigningAlg::Es256 | SigningAlg::Es384 | SigningAlg::Es512 => {
                Signer::Ecdsa(crate::token::jws::ecdsa::PrivateKey::new(alg, secret)?)
            }
            #[cfg(feature = "signatures")]
            SigningAlg::Rs256 => Signer::Rsa(crate::token::jws::rsa::PrivateKey::new(secret)?),
            #[cfg(not(feature = "signatures"))]
            other => return Err(KeyError::NotBuilt { alg: other.name() }),
        };
        Ok(Self { kid, alg, material })
    }

    /// From the 32-byte seed of RFC 8032 §5.1.5.
    pub fn ed25519(kid: Kid, seed: &[u8; 32]) -> Self {
        let material = Signer::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(seed)));
        Self { kid, alg: SigningAlg::EdDsa, material }
    }

    pub fn hs256(kid: Kid, secret: &[u8]) -> Result<Self, KeyError> {
        Self::new(kid, SigningAlg::Hs256, secret)
    }

    pub fn kid(&self) -> &Kid {
        &self.kid
    }

    pub const fn algorithm(&self) -> SigningAlg {
        self.alg
    }

    pub const fn alg(&self) -> &'static str {
        self.alg.name()
    }

    /// The Ed25519 public key; `None` for a key of another algorithm.
    pub fn public(&self) -> Option<[u8; 32]> {
        match &self.material {
            Signer::Ed25519(key) => Some(key.verifying_key().to_bytes()),
            _ => None,
        }
    }

    /// What may be published of the key, as [`VerificationKey::new`] reads it; `None` for an HMAC secret.
    pub fn public_bytes(&self) -> Option<Vec<u8>> {
        match &self.material {
            Signer::Ed25519(key) => Some(key.verifying_key().to_bytes().to_vec()),
            Signer::Hmac(_) => None,
            #[cfg(feature = "signatures")]
            Signer::Ecdsa(key) => Some(key.public()),
            #[cfg(feature = "signatures")]
            Signer::Rsa(key) => Some(key.public().to_vec()),
        }
    }

    /// The key that verifies what this one signs.
    pub fn verification_key(&self) -> Result<VerificationKey, KeyError> {
        match &self.material {
            Signer::Hmac(key) => Ok(VerificationKey::from_mac(self.kid.clone(), self.alg, key.clone())),
            _ => VerificationKey::new(self.kid.clone(), self.alg, &self.public_bytes().unwrap_or_default()),
        }
    }

    #[cfg_attr(not(feature = "signatures"), allow(unused_variables, reason = "only RSA takes randomness"))]
    pub(crate) fn sign(&self, signing_input: &[u8], entropy: &mut dyn Entropy) -> Result<Vec<u8>, MintError> {
        match &self.material {
            Signer::Ed25519(key) => Ok(key.sign(signing_input).to_bytes().to_vec()),
            Signer::Hmac(key) => Ok(key.sign(signing_input)),
            #[cfg(feature = "signatures")]
            Signer::Ecdsa(key) => key.sign(signing_input).ok_or(MintError::Cipher),
            #[cfg(feature = "signatures")]
            Signer::Rsa(key) => key.sign(signing_input, entropy).ok_or(MintError::Cipher),
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
        if !sign && content.as_ref().is_some_and(|key| key.alg().is_rsa()) {
            return Err(MintError::Unsigned);
        }
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
