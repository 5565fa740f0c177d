use std::sync::Arc;

use super::{HostKey, KeyError, Kid, SigningAlg};
use crate::token::TokenError;
use crate::token::jws::ed25519::PublicKey;
use crate::token::jws::hmac::MacKey;

/// A key that verifies signatures of one algorithm.
#[derive(Clone)]
pub struct VerificationKey {
    kid: Kid,
    alg: SigningAlg,
    material: Verifier,
}

#[derive(Clone)]
enum Verifier {
    Ed25519(PublicKey),
    Hmac(MacKey),
    #[cfg(feature = "signatures")]
    Ecdsa(crate::token::jws::ecdsa::PublicKey),
    #[cfg(feature = "signatures")]
    Rsa(crate::token::jws::rsa::PublicKey),
    /// Not verified here: see [`crate::token::open_or_ask`].
    Host(Arc<HostKey>),
}

impl VerificationKey {
    /// From what is published of the key: the 32 bytes of an Ed25519 key (RFC 8032 §5.1.5), an HMAC secret, the
    /// uncompressed point of an ECDSA key (SEC 1 §2.3.3), the PKCS#1 DER of an RSA key.
    pub fn new(kid: Kid, alg: SigningAlg, key: &[u8]) -> Result<Self, KeyError> {
        let material = match alg {
            SigningAlg::EdDsa => Verifier::Ed25519(PublicKey::new(key)?),
            SigningAlg::Hs256 | SigningAlg::Hs384 | SigningAlg::Hs512 => Verifier::Hmac(MacKey::new(alg, key)?),
            #[cfg(feature = "signatures")]
            SigningAlg::Es256 | SigningAlg::Es384 | SigningAlg::Es512 => {
                Verifier::Ecdsa(crate::token::jws::ecdsa::PublicKey::new(alg, key)?)
            }
            #[cfg(feature = "signatures")]
            SigningAlg::Rs256 => Verifier::Rsa(crate::token::jws::rsa::PublicKey::new(key)?),
            #[cfg(not(feature = "signatures"))]
            other => return Err(KeyError::NotBuilt { alg: other.name() }),
        };
        Ok(Self { kid, alg, material })
    }

    /// From the same bytes, for a program whose host verifies what this key signed: `ES*` and `RS256`.
    pub fn by_host(kid: Kid, alg: SigningAlg, key: &[u8]) -> Result<Self, KeyError> {
        Ok(Self { kid, alg, material: Verifier::Host(Arc::new(HostKey::new(alg, key)?)) })
    }

    pub fn ed25519(kid: Kid, public: &[u8]) -> Result<Self, KeyError> {
        Self::new(kid, SigningAlg::EdDsa, public)
    }

    pub fn hs256(kid: Kid, secret: &[u8]) -> Result<Self, KeyError> {
        Self::new(kid, SigningAlg::Hs256, secret)
    }

    #[cfg(feature = "mint")]
    pub(super) fn from_mac(kid: Kid, alg: SigningAlg, key: MacKey) -> Self {
        Self { kid, alg, material: Verifier::Hmac(key) }
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

    /// The key as the host takes it, if it is the host that verifies.
    pub(crate) fn host_key(&self) -> Option<&Arc<HostKey>> {
        match &self.material {
            Verifier::Host(key) => Some(key),
            _ => None,
        }
    }

    /// Checks a base64url signature over the JWS signing input. With a key of the host's nothing verifies here.
    pub(crate) fn verify(&self, signing_input: &[u8], signature: &[u8]) -> Result<(), TokenError> {
        match &self.material {
            Verifier::Ed25519(key) => key.verify(signing_input, signature),
            Verifier::Hmac(key) => key.verify(signing_input, signature),
            #[cfg(feature = "signatures")]
            Verifier::Ecdsa(key) => key.verify(signing_input, signature),
            #[cfg(feature = "signatures")]
            Verifier::Rsa(key) => key.verify(signing_input, signature),
            Verifier::Host(_) => Err(TokenError::Algorithm),
        }
    }
}
