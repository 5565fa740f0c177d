//! Signing and sealing: what the origin does and the edge cannot.

use aes_gcm::aead::AeadInOut;
use serde::Serialize;

use super::{Envelope, Kind, MAX_TOKEN, header};
use crate::encoding::encode;
use crate::keys::{ContentKey, MintingKeys, SigningKey};

/// A source of unpredictable bytes, passed in. It must be a cryptographic one: a repeated IV breaks AES-GCM.
pub trait Entropy {
    fn fill(&mut self, out: &mut [u8]);
}

impl<F: FnMut(&mut [u8])> Entropy for F {
    fn fill(&mut self, out: &mut [u8]) {
        self(out);
    }
}

/// Why no token was made. The fault is with the caller or the key set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MintError {
    /// The key set has no active key for a layer that its envelope needs.
    NoActiveKey,
    /// The content key has sealed as often as it may (NIST SP 800-38D §8.3), until more is reserved or it is rotated.
    Budget,
    /// The claims do not serialize.
    Claims,
    /// The token would be longer than [`MAX_TOKEN`].
    TooLong,
    /// The cipher refuses the length.
    Cipher,
}

impl std::fmt::Display for MintError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoActiveKey => "the key set has no active key",
            Self::Budget => "the content key may not seal any more; it must be rotated",
            Self::Claims => "the claims do not serialize",
            Self::TooLong => "the token would be too long",
            Self::Cipher => "the cipher refused the length",
        })
    }
}

impl std::error::Error for MintError {}

/// Makes a token of `kind` with the active keys, in the layers of the key set's envelope.
pub fn mint<T: Serialize>(
    claims: &T,
    kind: Kind,
    keys: &MintingKeys,
    entropy: &mut impl Entropy,
) -> Result<String, MintError> {
    let payload = serde_json::to_vec(claims).map_err(|_| MintError::Claims)?;
    let token = match keys.envelope() {
        Envelope::Sign => sign(&payload, kind, keys.signing_key()?)?,
        Envelope::Encrypt => seal(payload, kind, None, keys.spend_content_key()?, entropy)?,
        Envelope::SignThenEncrypt => {
            let inner = sign(&payload, kind, keys.signing_key()?)?;
            seal(inner.into_bytes(), kind, Some(header::NESTED), keys.spend_content_key()?, entropy)?
        }
    };
    if token.len() > MAX_TOKEN { Err(MintError::TooLong) } else { Ok(token) }
}

fn protected<H: Serialize>(fields: &H) -> Result<String, MintError> {
    serde_json::to_vec(fields).map(|json| encode(&json)).map_err(|_| MintError::Claims)
}

fn sign(payload: &[u8], kind: Kind, key: &SigningKey) -> Result<String, MintError> {
    let header = header::Jws { alg: key.alg(), kid: key.kid().as_str(), typ: kind.typ() };
    let mut token = protected(&header)?;
    token.push('.');
    token.push_str(&encode(payload));
    let signature = key.sign(token.as_bytes());
    token.push('.');
    token.push_str(&encode(&signature));
    Ok(token)
}

fn seal(
    mut content: Vec<u8>,
    kind: Kind,
    cty: Option<&str>,
    key: &ContentKey,
    entropy: &mut impl Entropy,
) -> Result<String, MintError> {
    let header = header::Jwe { alg: header::DIR, enc: key.enc(), kid: key.kid().as_str(), typ: kind.typ(), cty };
    let mut token = protected(&header)?;
    let mut iv = [0; 12];
    entropy.fill(&mut iv);
    let tag = key
        .cipher()
        .encrypt_inout_detached(&iv.into(), token.as_bytes(), content.as_mut_slice().into())
        .map_err(|_| MintError::Cipher)?;
    token.push_str("..");
    token.push_str(&encode(&iv));
    token.push('.');
    token.push_str(&encode(&content));
    token.push('.');
    token.push_str(&encode(&tag));
    Ok(token)
}
