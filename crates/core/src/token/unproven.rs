use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::open::{Verified, parts, read};
use super::{Scratch, TokenError};
use crate::encoding::{decode, decode_into};
use crate::keys::{HostKey, Kid};

/// A token whose layers, headers and keys are as they must be, and whose signature the host is to verify. Nothing of
/// its payload is read before that.
#[derive(Clone)]
pub struct Unproven {
    key: Arc<HostKey>,
    kids: [Option<Kid>; 2],
    /// The JWS without its signature.
    signing_input: Vec<u8>,
    signature: Vec<u8>,
}

impl Unproven {
    pub(super) fn new(
        key: &Arc<HostKey>,
        kids: [Option<Kid>; 2],
        signing_input: &[u8],
        signature: &[u8],
    ) -> Result<Self, TokenError> {
        let signature = decode(signature).map_err(|_| TokenError::Format)?;
        if key.signature_len().is_some_and(|length| length != signature.len()) {
            return Err(TokenError::Format);
        }
        Ok(Self { key: Arc::clone(key), kids, signing_input: signing_input.to_vec(), signature })
    }

    /// The key that the signature must be of.
    pub fn key(&self) -> &HostKey {
        &self.key
    }

    /// What was signed.
    pub fn signing_input(&self) -> &[u8] {
        &self.signing_input
    }

    /// As JOSE has it (RFC 7518 §3.4): of ECDSA `R ‖ S`, which is WebCrypto's form too.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// Takes the host's word on whether [`Unproven::signature`] is one of [`Unproven::key`] over
    /// [`Unproven::signing_input`].
    pub(crate) fn answered<T: DeserializeOwned>(
        self,
        valid: bool,
        scratch: &mut Scratch,
    ) -> Result<Verified<T>, TokenError> {
        if !valid {
            return Err(TokenError::Signature);
        }
        let [_, body] = parts(&self.signing_input)?;
        decode_into(body, &mut scratch.inner).map_err(|_| TokenError::Format)?;
        read(&scratch.inner, self.kids)
    }
}
