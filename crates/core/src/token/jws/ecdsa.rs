//! ECDSA (RFC 7518 §3.4): the signature is R ‖ S at full length, never DER. S above half the order is taken, as the RFC
//! has it; a token is known by its `sid` and by all of its bytes, so a second signature over it gains nothing.

use p521::ecdsa::signature::Verifier as _;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, EcdsaVerificationAlgorithm, UnparsedPublicKey,
};

use crate::encoding::decode_array;
use crate::keys::{KeyError, SigningAlg};
use crate::token::TokenError;

#[derive(Clone)]
pub(crate) enum PublicKey {
    P256(Box<p256::ecdsa::VerifyingKey>),
    P384(Box<p384::ecdsa::VerifyingKey>),
    P521(Box<p521::ecdsa::VerifyingKey>),
}

impl PublicKey {
    /// From an uncompressed point; one that is not on the curve is refused, and so is infinity, which has no such form.
    pub(crate) fn new(alg: SigningAlg, point: &[u8]) -> Result<Self, KeyError> {
        let bad = KeyError::BadPoint { alg: alg.name() };
        if !alg.is_point(point) {
            return Err(bad);
        }
        Ok(match alg {
            SigningAlg::Es384 => {
                Self::P384(Box::new(p384::ecdsa::VerifyingKey::from_sec1_bytes(point).map_err(|_| bad)?))
            }
            SigningAlg::Es512 => {
                Self::P521(Box::new(p521::ecdsa::VerifyingKey::from_sec1_bytes(point).map_err(|_| bad)?))
            }
            _ => Self::P256(Box::new(p256::ecdsa::VerifyingKey::from_sec1_bytes(point).map_err(|_| bad)?)),
        })
    }

    pub(crate) fn verify(&self, signing_input: &[u8], signature: &[u8]) -> Result<(), TokenError> {
        // Zero and numbers from the order up are no signatures (CVE-2022-21449); all three refuse both.
        match self {
            Self::P256(key) => {
                let bytes: [u8; 64] = decode_array(signature).map_err(|_| TokenError::Format)?;
                by_ring(&ECDSA_P256_SHA256_FIXED, key.to_sec1_point(false), signing_input, &bytes)
            }
            Self::P384(key) => {
                let bytes: [u8; 96] = decode_array(signature).map_err(|_| TokenError::Format)?;
                by_ring(&ECDSA_P384_SHA384_FIXED, key.to_sec1_point(false), signing_input, &bytes)
            }
            Self::P521(key) => {
                let bytes: [u8; 132] = decode_array(signature).map_err(|_| TokenError::Format)?;
                let signature = p521::ecdsa::Signature::from_slice(&bytes);
                signature.is_ok_and(|signature| key.verify(signing_input, &signature).is_ok())
            }
        }
        .then_some(())
        .ok_or(TokenError::Signature)
    }
}

/// Three times as fast as the crates of the curves; it has no P-521.
fn by_ring(alg: &'static EcdsaVerificationAlgorithm, point: impl AsRef<[u8]>, input: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(alg, point).verify(input, signature).is_ok()
}

#[cfg(feature = "mint")]
pub(crate) use minting::PrivateKey;

#[cfg(feature = "mint")]
mod minting {
    use p256::ecdsa::signature::Signer as _;

    use crate::keys::{KeyError, SigningAlg};

    /// Nonces are those of RFC 6979, so a signature takes no randomness and cannot lack it.
    pub(crate) enum PrivateKey {
        P256(Box<p256::ecdsa::SigningKey>),
        P384(Box<p384::ecdsa::SigningKey>),
        P521(Box<p521::ecdsa::SigningKey>),
    }

    impl PrivateKey {
        pub(crate) fn new(alg: SigningAlg, scalar: &[u8]) -> Result<Self, KeyError> {
            let bad = KeyError::BadScalar { alg: alg.name() };
            Ok(match alg {
                SigningAlg::Es384 => {
                    let bytes: &[u8; 48] = scalar.try_into().map_err(|_| bad)?;
                    Self::P384(Box::new(p384::ecdsa::SigningKey::from_slice(bytes).map_err(|_| bad)?))
                }
                SigningAlg::Es512 => {
                    let bytes: &[u8; 66] = scalar.try_into().map_err(|_| bad)?;
                    Self::P521(Box::new(p521::ecdsa::SigningKey::from_slice(bytes).map_err(|_| bad)?))
                }
                _ => {
                    let bytes: &[u8; 32] = scalar.try_into().map_err(|_| bad)?;
                    Self::P256(Box::new(p256::ecdsa::SigningKey::from_slice(bytes).map_err(|_| bad)?))
                }
            })
        }

        /// The uncompressed point.
        pub(crate) fn public(&self) -> Vec<u8> {
            match self {
                Self::P256(key) => key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
                Self::P384(key) => key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
                Self::P521(key) => key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
            }
        }

        pub(crate) fn sign(&self, signing_input: &[u8]) -> Option<Vec<u8>> {
            match self {
                Self::P256(key) => {
                    let signature: p256::ecdsa::Signature = key.try_sign(signing_input).ok()?;
                    Some(signature.to_bytes().to_vec())
                }
                Self::P384(key) => {
                    let signature: p384::ecdsa::Signature = key.try_sign(signing_input).ok()?;
                    Some(signature.to_bytes().to_vec())
                }
                Self::P521(key) => {
                    let signature: p521::ecdsa::Signature = key.try_sign(signing_input).ok()?;
                    Some(signature.to_bytes().to_vec())
                }
            }
        }
    }
}
