//! HMAC with SHA-2 (RFC 7518 §3.2).

use hmac::{Hmac, KeyInit as _, Mac};
use sha2::{Sha256, Sha384, Sha512};

use crate::encoding::decode_array;
use crate::keys::{KeyError, SigningAlg};
use crate::token::TokenError;

/// A secret with the first block of its hash done.
#[derive(Clone)]
pub(crate) enum MacKey {
    Sha256(Box<Hmac<Sha256>>),
    Sha384(Box<Hmac<Sha384>>),
    Sha512(Box<Hmac<Sha512>>),
}

impl MacKey {
    pub(crate) fn new(alg: SigningAlg, secret: &[u8]) -> Result<Self, KeyError> {
        let least = match alg {
            SigningAlg::Hs384 => 48,
            SigningAlg::Hs512 => 64,
            _ => 32,
        };
        let short = KeyError::ShortSecret { alg: alg.name(), least };
        if secret.len() < least {
            return Err(short);
        }
        Ok(match alg {
            SigningAlg::Hs384 => Self::Sha384(Box::new(Hmac::new_from_slice(secret).map_err(|_| short)?)),
            SigningAlg::Hs512 => Self::Sha512(Box::new(Hmac::new_from_slice(secret).map_err(|_| short)?)),
            _ => Self::Sha256(Box::new(Hmac::new_from_slice(secret).map_err(|_| short)?)),
        })
    }

    /// In constant time.
    pub(crate) fn verify(&self, signing_input: &[u8], signature: &[u8]) -> Result<(), TokenError> {
        match self {
            Self::Sha256(key) => verify::<_, 32>(Hmac::clone(key), signing_input, signature),
            Self::Sha384(key) => verify::<_, 48>(Hmac::clone(key), signing_input, signature),
            Self::Sha512(key) => verify::<_, 64>(Hmac::clone(key), signing_input, signature),
        }
    }

    #[cfg(feature = "mint")]
    pub(crate) fn sign(&self, signing_input: &[u8]) -> Vec<u8> {
        fn sign(mut mac: impl Mac, signing_input: &[u8]) -> Vec<u8> {
            mac.update(signing_input);
            mac.finalize().into_bytes().to_vec()
        }
        match self {
            Self::Sha256(key) => sign(Hmac::clone(key), signing_input),
            Self::Sha384(key) => sign(Hmac::clone(key), signing_input),
            Self::Sha512(key) => sign(Hmac::clone(key), signing_input),
        }
    }
}

fn verify<M: Mac, const N: usize>(mut mac: M, signing_input: &[u8], signature: &[u8]) -> Result<(), TokenError> {
    let bytes: [u8; N] = decode_array(signature).map_err(|_| TokenError::Format)?;
    mac.update(signing_input);
    mac.verify_slice(&bytes).map_err(|_| TokenError::Signature)
}
