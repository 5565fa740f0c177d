use aes_gcm::{Aes256Gcm, KeyInit as _};
use ed25519_dalek::{Signature, VerifyingKey};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::Kid;
use crate::encoding::decode_array;
use crate::token::TokenError;

/// Signature algorithms, by their JOSE names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum SigningAlg {
    /// Ed25519 (RFC 8037): whoever verifies cannot mint.
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// HMAC-SHA256: for AM parity, and for journey sessions; whoever verifies can mint.
    #[serde(rename = "HS256")]
    Hs256,
}

impl SigningAlg {
    pub const fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Hs256 => "HS256",
        }
    }
}

/// Why key material is refused. The fault is with the operator who supplied it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyError {
    /// An Ed25519 public key is 32 bytes that name a point of full order.
    BadPublicKey,
    /// An HS256 key has at least 32 bytes (RFC 7518 §3.2).
    ShortSecret,
    /// An A256GCM key has exactly 32 bytes.
    BadContentKey,
}

impl std::fmt::Display for KeyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::BadPublicKey => "not an Ed25519 public key",
            Self::ShortSecret => "an HS256 key must have at least 32 bytes",
            Self::BadContentKey => "an A256GCM key must have exactly 32 bytes",
        })
    }
}

impl std::error::Error for KeyError {}

/// A key that verifies signatures.
#[derive(Clone)]
pub struct VerificationKey {
    kid: Kid,
    material: Verifier,
}

#[derive(Clone)]
enum Verifier {
    Ed25519(Box<VerifyingKey>),
    Hs256(Box<Hmac<Sha256>>),
}

impl VerificationKey {
    pub fn ed25519(kid: Kid, public: &[u8]) -> Result<Self, KeyError> {
        let bytes: &[u8; 32] = public.try_into().map_err(|_| KeyError::BadPublicKey)?;
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::BadPublicKey)?;
        // A small-order key verifies signatures that nobody made.
        if key.is_weak() {
            return Err(KeyError::BadPublicKey);
        }
        Ok(Self { kid, material: Verifier::Ed25519(Box::new(key)) })
    }

    pub fn hs256(kid: Kid, secret: &[u8]) -> Result<Self, KeyError> {
        Ok(Self { kid, material: Verifier::Hs256(Box::new(hmac_key(secret)?)) })
    }

    #[cfg(feature = "mint")]
    pub(super) fn from_hmac(kid: Kid, key: Hmac<Sha256>) -> Self {
        Self { kid, material: Verifier::Hs256(Box::new(key)) }
    }

    pub fn kid(&self) -> &Kid {
        &self.kid
    }

    pub const fn alg(&self) -> &'static str {
        match self.material {
            Verifier::Ed25519(_) => SigningAlg::EdDsa.name(),
            Verifier::Hs256(_) => SigningAlg::Hs256.name(),
        }
    }

    /// Checks a base64url signature over the JWS signing input, in constant time.
    pub(crate) fn verify(&self, signing_input: &[u8], signature: &[u8]) -> Result<(), TokenError> {
        match &self.material {
            Verifier::Ed25519(key) => {
                let bytes: [u8; 64] = decode_array(signature).map_err(|_| TokenError::Format)?;
                // Strict: no small-order R or A, no s ≥ L (RFC 8032 §5.1.7 with its malleability checks).
                key.verify_strict(signing_input, &Signature::from_bytes(&bytes)).map_err(|_| TokenError::Signature)
            }
            Verifier::Hs256(key) => {
                let bytes: [u8; 32] = decode_array(signature).map_err(|_| TokenError::Format)?;
                let mut mac = Hmac::clone(key);
                mac.update(signing_input);
                mac.verify(&bytes.into()).map_err(|_| TokenError::Signature)
            }
        }
    }
}

pub(super) fn hmac_key(secret: &[u8]) -> Result<Hmac<Sha256>, KeyError> {
    if secret.len() < 32 {
        return Err(KeyError::ShortSecret);
    }
    Hmac::new_from_slice(secret).map_err(|_| KeyError::ShortSecret)
}

/// A key that opens (and, at the origin, seals) `dir` / `A256GCM` content.
#[derive(Clone)]
pub struct ContentKey {
    kid: Kid,
    cipher: Box<Aes256Gcm>,
}

impl ContentKey {
    pub fn a256gcm(kid: Kid, key: &[u8]) -> Result<Self, KeyError> {
        let cipher = Aes256Gcm::new_from_slice(key).map_err(|_| KeyError::BadContentKey)?;
        Ok(Self { kid, cipher: Box::new(cipher) })
    }

    pub fn kid(&self) -> &Kid {
        &self.kid
    }

    pub const fn enc(&self) -> &'static str {
        "A256GCM"
    }

    pub(crate) fn cipher(&self) -> &Aes256Gcm {
        &self.cipher
    }
}
