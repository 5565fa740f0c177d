//! One layer under one key, for published test vectors: their headers lack our `typ`, and their keys our `kid`. All
//! else is what [`crate::token::open`] does, by the same code below the header.

use serde::Deserialize;

use crate::encoding::decode;
use crate::keys::{ContentAlg, ContentKey, VerificationKey};
use crate::token::jwe::rsa_oaep::RsaOaep;
use crate::token::{TokenError, compact_parts};

/// Other members than those are refused, as in our own tokens.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    enc: Option<String>,
    zip: Option<String>,
    #[serde(rename = "kid")]
    _kid: Option<String>,
    #[serde(rename = "typ")]
    _typ: Option<String>,
}

fn header(protected: &[u8]) -> Result<Header, TokenError> {
    serde_json::from_slice(&decode(protected).map_err(|_| TokenError::Format)?).map_err(|_| TokenError::Header)
}

/// Verifies a JWS in compact serialization and gives its payload.
pub fn verify(token: &[u8], key: &VerificationKey) -> Result<Vec<u8>, TokenError> {
    let [protected, body, signature] = compact_parts(token)?;
    let header = header(protected)?;
    if header.alg != key.alg() || header.enc.is_some() || header.zip.is_some() {
        return Err(TokenError::Algorithm);
    }
    let signing_input = token.get(..protected.len() + 1 + body.len()).ok_or(TokenError::Format)?;
    key.verify(signing_input, signature)?;
    decode(body).map_err(|_| TokenError::Format)
}

/// Opens a JWE in compact serialization and gives its plaintext.
pub fn open(token: &[u8], key: &ContentKey) -> Result<Vec<u8>, TokenError> {
    let [protected, encrypted_key, iv, ciphertext, tag] = compact_parts(token)?;
    let header = header(protected)?;
    if header.alg != key.alg().name() || header.enc.as_deref() != Some(key.enc().name()) {
        return Err(TokenError::Algorithm);
    }
    let mut content = decode(ciphertext).map_err(|_| TokenError::Format)?;
    key.open(protected, encrypted_key, iv, tag, &mut content)?;
    match header.zip.as_deref() {
        None => Ok(content),
        Some("DEF") => crate::token::jwe::deflate::inflate(&content).ok_or(TokenError::Header),
        Some(_) => Err(TokenError::Header),
    }
}

/// The same with RSA-OAEP and SHA-1, under an RSA key in PKCS#8, as only tokens of AM are opened.
pub fn open_sha1(token: &[u8], pkcs8: &[u8]) -> Result<Vec<u8>, TokenError> {
    let [protected, encrypted_key, iv, ciphertext, tag] = compact_parts(token)?;
    let header = header(protected)?;
    let enc = header.enc.as_deref().and_then(ContentAlg::named).filter(|_| header.alg == "RSA-OAEP");
    let key = RsaOaep::new(pkcs8).map_err(|_| TokenError::UnknownKey)?;
    let cipher = key.unwrap_sha1(enc.ok_or(TokenError::Algorithm)?, encrypted_key)?;
    let mut content = decode(ciphertext).map_err(|_| TokenError::Format)?;
    cipher.open(protected, iv, tag, &mut content)?;
    Ok(content)
}

/// The primitives on their own.
pub mod primitive {
    use crate::encoding::encode;
    use crate::keys::{ContentKey, VerificationKey};
    use crate::token::TokenError;

    /// A detached signature, in the form JOSE gives it.
    pub fn verify(key: &VerificationKey, message: &[u8], signature: &[u8]) -> Result<(), TokenError> {
        key.verify(message, encode(signature).as_bytes())
    }

    /// Content encryption (`dir`), or with an encrypted key what wraps it.
    pub fn open(
        key: &ContentKey,
        aad: &[u8],
        encrypted_key: &[u8],
        iv: &[u8],
        ciphertext: &[u8],
        tag: &[u8],
    ) -> Result<Vec<u8>, TokenError> {
        let mut content = ciphertext.to_vec();
        let [encrypted_key, iv, tag] = [encrypted_key, iv, tag].map(encode);
        key.open(aad, encrypted_key.as_bytes(), iv.as_bytes(), tag.as_bytes(), &mut content)?;
        Ok(content)
    }

    /// The key inside a wrapped one, of whatever length.
    #[cfg(feature = "aes-kw")]
    pub fn unwrap_key(alg: crate::keys::KeyAlg, key: &[u8], wrapped: &[u8]) -> Option<Vec<u8>> {
        use crate::token::jwe::key_wrap::{KeyWrap, MAX_WRAPPED};
        let mut room = [0; MAX_WRAPPED];
        KeyWrap::new(alg, key).ok()?.key(wrapped, &mut room).ok().map(<[u8]>::to_vec)
    }
}
