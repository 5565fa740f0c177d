//! Content encryption: AES-GCM (RFC 7518 §5.3) and AES-CBC with HMAC (§5.2), each in its own file.

#[cfg(feature = "aes-cbc-hmac")]
use super::cbc_hmac::CbcHmac;
use super::gcm::Gcm;
use crate::encoding::decode_array;
use crate::keys::{ContentAlg, KeyError};
use crate::token::TokenError;

/// A content key, ready to use.
#[derive(Clone)]
pub(crate) enum Cipher {
    Gcm(Box<Gcm>),
    #[cfg(feature = "aes-cbc-hmac")]
    CbcHmac(CbcHmac),
}

impl Cipher {
    pub(crate) fn new(enc: ContentAlg, key: &[u8]) -> Result<Self, KeyError> {
        let length = KeyError::KeyLength { alg: enc.name(), needed: enc.key_len() };
        Ok(match enc {
            ContentAlg::A128Gcm | ContentAlg::A192Gcm | ContentAlg::A256Gcm if key.len() != enc.key_len() => {
                return Err(length);
            }
            ContentAlg::A128Gcm | ContentAlg::A192Gcm | ContentAlg::A256Gcm => Self::Gcm(Gcm::new(key).ok_or(length)?),
            #[cfg(feature = "aes-cbc-hmac")]
            _ => Self::CbcHmac(CbcHmac::new(enc, key).ok_or(length)?),
            #[cfg(not(feature = "aes-cbc-hmac"))]
            other => return Err(KeyError::NotBuilt { alg: other.name() }),
        })
    }

    /// Opens `content` in place. `iv` and `tag` are base64url; a wrong length of either is no question of the key.
    #[cfg_attr(not(feature = "aes-cbc-hmac"), allow(clippy::ptr_arg, reason = "padding comes off"))]
    pub(crate) fn open(&self, aad: &[u8], iv: &[u8], tag: &[u8], content: &mut Vec<u8>) -> Result<(), TokenError> {
        match self {
            Self::Gcm(cipher) => {
                let iv = decode_array(iv).map_err(|_| TokenError::Format)?;
                let tag = decode_array(tag).map_err(|_| TokenError::Format)?;
                cipher.open(&iv, aad, content, &tag).map_err(|_| TokenError::Decryption)
            }
            #[cfg(feature = "aes-cbc-hmac")]
            Self::CbcHmac(cipher) => cipher.open(aad, iv, tag, content),
        }
    }

    /// Seals `content` in place and gives the tag; `None` when it is too long for the cipher.
    #[cfg(feature = "mint")]
    #[cfg_attr(not(feature = "aes-cbc-hmac"), allow(clippy::ptr_arg, reason = "padding comes on"))]
    pub(crate) fn seal(&self, aad: &[u8], iv: &[u8], content: &mut Vec<u8>) -> Option<Vec<u8>> {
        match self {
            Self::Gcm(cipher) => cipher.seal(iv.try_into().ok()?, aad, content).map(Vec::from),
            #[cfg(feature = "aes-cbc-hmac")]
            Self::CbcHmac(cipher) => cipher.seal(aad, iv, content),
        }
    }

    #[cfg(feature = "mint")]
    pub(crate) const fn iv_len(&self) -> usize {
        match self {
            #[cfg(feature = "aes-cbc-hmac")]
            Self::CbcHmac(_) => 16,
            _ => 12,
        }
    }
}
