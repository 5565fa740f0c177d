//! Signing and sealing: what the origin does and the edge cannot.

use serde::Serialize;

use super::{Envelope, Kind, header};
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

/// An [`Entropy`] as the RSA implementation asks for one.
#[cfg(feature = "rsa")]
pub(crate) struct Rng<'a>(pub(crate) &'a mut dyn Entropy);

#[cfg(feature = "rsa")]
impl rand_core::TryRng for Rng<'_> {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        self.0.fill(out);
        Ok(())
    }
}

#[cfg(feature = "rsa")]
impl rand_core::TryCryptoRng for Rng<'_> {}

/// Why no token was made. The fault is with the caller or the key set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MintError {
    /// The key set has no active key for a layer that its envelope needs.
    NoActiveKey,
    /// The content key has sealed as often as it may (NIST SP 800-38D §8.3), until more is reserved or it is rotated.
    Budget,
    /// The claims do not serialize.
    Claims,
    /// The token would be longer than [`Kind::max_len`].
    TooLong,
    /// The cipher refuses the length, or the key its use.
    Cipher,
    /// Whoever knows an RSA public key can seal with it, so the token must be signed as well.
    Unsigned,
}

impl std::fmt::Display for MintError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoActiveKey => "the key set has no active key",
            Self::Budget => "the content key may not seal any more; it must be rotated",
            Self::Claims => "the claims do not serialize",
            Self::TooLong => "the token would be too long",
            Self::Cipher => "the cipher refused",
            Self::Unsigned => "tokens that are sealed with RSA must be signed too",
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
        Envelope::Sign => sign(&payload, kind, keys.signing_key()?, entropy)?,
        Envelope::Encrypt => seal(payload, kind, None, keys.spend_content_key()?, entropy)?,
        Envelope::SignThenEncrypt => {
            let inner = sign(&payload, kind, keys.signing_key()?, entropy)?;
            seal(inner.into_bytes(), kind, Some(header::NESTED), keys.spend_content_key()?, entropy)?
        }
    };
    if token.len() > kind.max_len() { Err(MintError::TooLong) } else { Ok(token) }
}

fn protected<H: Serialize>(fields: &H) -> Result<String, MintError> {
    serde_json::to_vec(fields).map(|json| encode(&json)).map_err(|_| MintError::Claims)
}

fn sign(payload: &[u8], kind: Kind, key: &SigningKey, entropy: &mut dyn Entropy) -> Result<String, MintError> {
    let header = header::Jws { alg: key.alg(), kid: key.kid().as_str(), typ: kind.typ(), cty: None };
    let mut token = protected(&header)?;
    token.push('.');
    token.push_str(&encode(payload));
    let signature = key.sign(token.as_bytes(), entropy)?;
    token.push('.');
    token.push_str(&encode(&signature));
    Ok(token)
}

fn seal(
    content: Vec<u8>,
    kind: Kind,
    cty: Option<&str>,
    key: &ContentKey,
    entropy: &mut dyn Entropy,
) -> Result<String, MintError> {
    let (alg, enc) = (key.alg().name(), key.enc().name());
    let header = header::Jwe { alg, enc, kid: key.kid().as_str(), typ: kind.typ(), cty };
    let mut token = protected(&header)?;
    key.seal(&mut token, content, entropy)?;
    Ok(token)
}
