//! Client-side sessions of AM, read so that whoever comes from there can see what is in a cookie. Nothing of ours is
//! made or accepted by this.
//!
//! AM's tokens have neither our `typ` nor our `kid`, and where both layers are on they are the other way round than
//! ours: a JWE inside a JWS. Which layers there must be, by which algorithms and under which keys, AM's settings say
//! and never the token; of its header is only taken what AM keeps elsewhere, the content's cipher and RSA's padding.

mod cookie;
mod error;
#[cfg(test)]
mod tests;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::jwe::content::Cipher;
use super::jwe::deflate;
use super::jwe::key_wrap::KeyWrap;
use super::jwe::rsa_oaep::RsaOaep;
use super::{MAX_TOKEN, TokenError, open};
use crate::encoding::decode;
use crate::keys::{ContentAlg, KeyAlg, Kid, SigningAlg, VerificationKey};
pub use cookie::Cookie;
pub use error::{Culprit, Fault, Unusable};

/// `statelessEncryptionType`, but for `NONE`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encryption {
    Direct,
    AesKeywrap,
    Rsa,
}

/// A secret, or the encoded form of another key.
pub type KeyBytes = Zeroizing<Vec<u8>>;

/// What AM's global session settings say of its tokens, with the keys.
pub struct Reader {
    layers: Layers,
    inflates: bool,
}

enum Layers {
    Signed(Signing),
    Sealed(Sealing),
    SealedThenSigned(Sealing, Signing),
}

struct Signing {
    alg: SigningAlg,
    keys: Vec<VerificationKey>,
}

struct Sealing(Vec<Key>);

enum Key {
    Direct(KeyBytes),
    Wrap(KeyAlg, KeyWrap),
    Rsa(Box<RsaOaep>),
}

/// A layer that was come by.
#[derive(Clone, PartialEq, Debug)]
pub struct Layer {
    /// `JWS` or `JWE`.
    pub kind: &'static str,
    /// As the token has it; nobody vouches for it while no key fits.
    pub header: Map<String, Value>,
    /// Which of the keys fits, counted from 0.
    pub key: Option<usize>,
}

/// What came of reading a token.
#[derive(Clone, PartialEq, Debug)]
pub struct Reading {
    /// From the outermost to the innermost that could be opened.
    pub layers: Vec<Layer>,
    /// The claims, if every layer holds. Times are not judged here.
    pub claims: Result<Map<String, Value>, Fault>,
}

impl Reader {
    /// Each layer that is on, with the keys to try: HMAC secrets of any length, or what is published of key pairs as
    /// [`VerificationKey::new`] takes it; AES keys, or RSA keys as PKCS#8 DER. `compresses` is whether
    /// `statelessCompressionType` is `DEF`.
    pub fn new(
        signing: Option<(SigningAlg, &[KeyBytes])>,
        encryption: Option<(Encryption, &[KeyBytes])>,
        compresses: bool,
    ) -> Result<Self, Unusable> {
        let signing = signing.map(|(alg, keys)| Signing::new(alg, keys)).transpose()?;
        let is_rsa = matches!(encryption, Some((Encryption::Rsa, _)));
        let sealing = encryption.map(|(encryption, keys)| Sealing::new(encryption, keys)).transpose()?;
        let layers = match (signing, sealing) {
            (None, None) => return Err(Unusable::Unprotected),
            // Whoever knows the public key could have made it.
            (None, Some(_)) if is_rsa => return Err(Unusable::Unsigned),
            (Some(signing), None) => Layers::Signed(signing),
            (None, Some(sealing)) => Layers::Sealed(sealing),
            (Some(signing), Some(sealing)) => Layers::SealedThenSigned(sealing, signing),
        };
        Ok(Self { layers, inflates: compresses })
    }

    pub fn read(&self, token: &[u8]) -> Reading {
        let mut layers = Vec::new();
        let payload = self.open(token, &mut layers);
        let claims = payload.and_then(|json| serde_json::from_slice(&json).map_err(|_| TokenError::Claims.into()));
        Reading { layers, claims }
    }

    fn open(&self, token: &[u8], told: &mut Vec<Layer>) -> Result<Vec<u8>, Fault> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::TooLong.into());
        }
        let (zip, content) = match &self.layers {
            Layers::Signed(signing) => {
                let (zip, payload) = signing.open(token, told)?;
                if zip.is_none() && Compact::read(&payload).is_ok_and(|inner| inner.is_jwe) {
                    return Err(Fault::Layers { wanted: "signed", found: "encrypted and then signed" });
                }
                (zip, payload)
            }
            Layers::Sealed(sealing) => sealing.open(token, told)?,
            Layers::SealedThenSigned(sealing, signing) => {
                let (zip, payload) = signing.open(token, told)?;
                if zip.is_some() || !Compact::read(&payload).is_ok_and(|inner| inner.is_jwe) {
                    return Err(Fault::Layers { wanted: "encrypted and then signed", found: "signed alone" });
                }
                sealing.open(&payload, told)?
            }
        };
        match zip.as_deref() {
            None => Ok(content),
            Some("DEF") if self.inflates => deflate::inflate(&content).ok_or(Fault::Compression),
            Some("DEF") => Err(Fault::Compressed),
            Some(_) => Err(TokenError::Header.into()),
        }
    }
}

/// What of a header counts. Others may be there, and count for nothing; what must be understood is not (RFC 7515
/// §4.1.11), and `b64` would change what is signed.
#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default, deserialize_with = "present")]
    enc: Option<String>,
    #[serde(default, deserialize_with = "present")]
    zip: Option<String>,
    #[serde(default, deserialize_with = "present")]
    crit: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "present")]
    b64: Option<IgnoredAny>,
}

/// A member that may be absent but not null.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// A compact serialization, of which nothing is verified yet.
struct Compact<'a> {
    is_jwe: bool,
    header: Header,
    protected: &'a [u8],
    token: &'a [u8],
}

impl<'a> Compact<'a> {
    fn read(token: &'a [u8]) -> Result<Self, TokenError> {
        let is_jwe = match memchr::memchr_iter(b'.', token).count() {
            2 => false,
            4 => true,
            _ => return Err(TokenError::Format),
        };
        let protected = token.split(|&byte| byte == b'.').next().unwrap_or_default();
        let json = decode(protected).map_err(|_| TokenError::Format)?;
        let mut header: Header = serde_json::from_slice(&json).map_err(|_| TokenError::Header)?;
        if header.crit.is_some() || header.b64.is_some() || header.enc.is_some() != is_jwe {
            return Err(TokenError::Header);
        }
        // AM writes that it did not compress.
        header.zip = header.zip.filter(|zip| zip != "NONE");
        Ok(Self { is_jwe, header, protected, token })
    }

    /// Reads it, and tells of it.
    fn told(token: &'a [u8], layers: &mut Vec<Layer>) -> Result<Self, TokenError> {
        let compact = Self::read(token)?;
        let json = decode(compact.protected).map_err(|_| TokenError::Format)?;
        let header = serde_json::from_slice(&json).map_err(|_| TokenError::Header)?;
        layers.push(Layer { kind: if compact.is_jwe { "JWE" } else { "JWS" }, header, key: None });
        Ok(compact)
    }
}

/// What was opened, and what its header says it is compressed by.
type Content = (Option<String>, Vec<u8>);

fn fits(key: usize, layers: &mut [Layer]) {
    if let Some(layer) = layers.last_mut() {
        layer.key = Some(key);
    }
}

impl Signing {
    fn new(alg: SigningAlg, given: &[KeyBytes]) -> Result<Self, Unusable> {
        let kid = Kid::try_from("am".to_owned()).map_err(|_| Unusable::NoKey(Culprit::SigningKey))?;
        let mut keys = Vec::with_capacity(given.len());
        for (at, bytes) in given.iter().enumerate() {
            // AM takes a secret of any length. One with zeros behind it, up to the hash's block, is the same key
            // (RFC 2104 §2); none at all is none.
            let zeros = if alg.is_symmetric() && !bytes.is_empty() { LONGEST_LEAST } else { 0 };
            let mut padded = Zeroizing::new(Vec::with_capacity(bytes.len().max(zeros)));
            padded.extend_from_slice(bytes);
            padded.resize(bytes.len().max(zeros), 0);
            let key = VerificationKey::new(kid.clone(), alg, &padded);
            keys.push(key.map_err(|error| Unusable::SigningKey(at, error))?);
        }
        if keys.is_empty() { Err(Unusable::NoKey(Culprit::SigningKey)) } else { Ok(Self { alg, keys }) }
    }

    fn open(&self, token: &[u8], layers: &mut Vec<Layer>) -> Result<Content, Fault> {
        let compact = Compact::told(token, layers)?;
        if compact.is_jwe {
            return Err(Fault::Layers { wanted: "signed", found: "encrypted alone" });
        }
        if compact.header.alg != self.alg.name() {
            return Err(Fault::Algorithm { wanted: self.alg.name().to_owned(), found: compact.header.alg });
        }
        let [protected, body, signature] = open::parts(compact.token)?;
        let signing_input = token.get(..protected.len() + 1 + body.len()).ok_or(TokenError::Format)?;
        let mut fault = Fault::Signature;
        for (at, key) in self.keys.iter().enumerate() {
            match key.verify(signing_input, signature) {
                Ok(()) => {
                    fits(at, layers);
                    let payload = decode(body).map_err(|_| TokenError::Format)?;
                    return Ok((compact.header.zip, payload));
                }
                // No signature of this algorithm, whatever the key.
                Err(TokenError::Format) => fault = TokenError::Format.into(),
                Err(_) => {}
            }
        }
        Err(fault)
    }
}

/// What HS512 wants at least, which is not longer than the blocks of any of the three hashes.
const LONGEST_LEAST: usize = 64;

impl Sealing {
    fn new(encryption: Encryption, given: &[KeyBytes]) -> Result<Self, Unusable> {
        let mut keys = Vec::with_capacity(given.len());
        for (at, bytes) in given.iter().enumerate() {
            let wrong = |error| Unusable::EncryptionKey(at, error);
            let length = Unusable::AesLength { key: at, bytes: bytes.len() };
            keys.push(match (encryption, bytes.len()) {
                (Encryption::Direct, 16 | 24 | 32 | 48 | 64) => Key::Direct(bytes.clone()),
                (Encryption::AesKeywrap, 16 | 24 | 32) => {
                    let alg = match bytes.len() {
                        16 => KeyAlg::A128Kw,
                        24 => KeyAlg::A192Kw,
                        _ => KeyAlg::A256Kw,
                    };
                    Key::Wrap(alg, KeyWrap::new(alg, bytes).map_err(wrong)?)
                }
                (Encryption::Direct | Encryption::AesKeywrap, _) => return Err(length),
                (Encryption::Rsa, _) => Key::Rsa(Box::new(RsaOaep::new(bytes).map_err(wrong)?)),
            });
        }
        if keys.is_empty() { Err(Unusable::NoKey(Culprit::EncryptionKey)) } else { Ok(Self(keys)) }
    }

    fn open(&self, token: &[u8], layers: &mut Vec<Layer>) -> Result<Content, Fault> {
        let compact = Compact::told(token, layers)?;
        if !compact.is_jwe {
            return Err(Fault::Layers { wanted: "encrypted", found: "signed" });
        }
        let header = compact.header;
        if header.alg == "RSA1_5" {
            return Err(Fault::Rsa15);
        }
        let named = header.enc.unwrap_or_default();
        let Some(enc) = ContentAlg::named(&named) else {
            return Err(Fault::Algorithm { wanted: "one of AM's".to_owned(), found: named });
        };
        let parts = open::parts(compact.token)?;
        let mut fault = None;
        for (at, key) in self.0.iter().enumerate() {
            match key.open(&header.alg, enc, parts) {
                Ok(content) => {
                    fits(at, layers);
                    return Ok((header.zip, content));
                }
                // A key that could have been the one says more than one that could not.
                Err(next) if fault.is_none() || next == Fault::Decryption => fault = Some(next),
                Err(_) => {}
            }
        }
        Err(fault.unwrap_or(Fault::Decryption))
    }
}

impl Key {
    fn open(
        &self,
        alg: &str,
        enc: ContentAlg,
        [protected, encrypted_key, iv, ciphertext, tag]: [&[u8]; 5],
    ) -> Result<Vec<u8>, Fault> {
        let other = |wanted: &str| Err(Fault::Algorithm { wanted: wanted.to_owned(), found: alg.to_owned() });
        let cipher = match self {
            Self::Direct(key) if alg == KeyAlg::Dir.name() => {
                // RFC 7518 §4.5: with `dir` the encrypted key is empty.
                if !encrypted_key.is_empty() {
                    return Err(TokenError::Format.into());
                }
                Cipher::new(enc, key).map_err(|_| Fault::KeyLength { enc, bytes: key.len() })?
            }
            Self::Wrap(of, key) if alg == of.name() => key.unwrap(enc, encrypted_key).map_err(Fault::of_sealed)?,
            Self::Rsa(key) if alg == KeyAlg::RsaOaep256.name() => {
                key.unwrap(enc, encrypted_key).map_err(Fault::of_sealed)?
            }
            Self::Rsa(key) if alg == RSA_OAEP => key.unwrap_sha1(enc, encrypted_key).map_err(Fault::of_sealed)?,
            Self::Direct(_) => return other(KeyAlg::Dir.name()),
            Self::Wrap(of, _) => return other(of.name()),
            Self::Rsa(_) => return other("RSA-OAEP-256 or RSA-OAEP"),
        };
        let mut content = decode(ciphertext).map_err(|_| TokenError::Format)?;
        cipher.open(protected, iv, tag, &mut content).map_err(Fault::of_sealed)?;
        Ok(content)
    }
}

/// With SHA-1, and for that no name of ours.
const RSA_OAEP: &str = "RSA-OAEP";
