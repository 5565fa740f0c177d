//! Ed25519 (RFC 8032, RFC 8037).

use ed25519_dalek::{Signature, VerifyingKey};

use crate::encoding::decode_array;
use crate::keys::KeyError;
use crate::token::TokenError;

#[derive(Clone)]
pub(crate) struct PublicKey(Box<VerifyingKey>);

impl PublicKey {
    pub(crate) fn new(public: &[u8]) -> Result<Self, KeyError> {
        let bytes: &[u8; 32] = public.try_into().map_err(|_| KeyError::BadPublicKey)?;
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::BadPublicKey)?;
        // A small-order key verifies signatures that nobody made.
        if key.is_weak() { Err(KeyError::BadPublicKey) } else { Ok(Self(Box::new(key))) }
    }

    pub(crate) fn verify(&self, signing_input: &[u8], signature: &[u8]) -> Result<(), TokenError> {
        let bytes: [u8; 64] = decode_array(signature).map_err(|_| TokenError::Format)?;
        // Strict: no small-order R or A, no s ≥ L (RFC 8032 §5.1.7 with its malleability checks).
        self.0.verify_strict(signing_input, &Signature::from_bytes(&bytes)).map_err(|_| TokenError::Signature)
    }
}
