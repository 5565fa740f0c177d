//! Content encryption: AES-GCM here (RFC 7518 §5.3), AES-CBC with HMAC in its own file.

use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::consts::U12;
use aes_gcm::aes::Aes192;
use aes_gcm::{Aes128Gcm, Aes256Gcm, AesGcm, KeyInit as _};

#[cfg(feature = "aes-cbc-hmac")]
use super::cbc_hmac::CbcHmac;
use crate::encoding::decode_array;
use crate::keys::{ContentAlg, KeyError};
use crate::token::TokenError;

type Aes192Gcm = AesGcm<Aes192, U12>;

/// A content key, ready to use: of AES-GCM, or of the other kind.
#[derive(Clone)]
pub(crate) enum Cipher {
    A128(Box<Aes128Gcm>),
    A192(Box<Aes192Gcm>),
    A256(Box<Aes256Gcm>),
    #[cfg(feature = "aes-cbc-hmac")]
    CbcHmac(CbcHmac),
}

impl Cipher {
    pub(crate) fn new(enc: ContentAlg, key: &[u8]) -> Result<Self, KeyError> {
        let length = KeyError::KeyLength { alg: enc.name(), needed: enc.key_len() };
        Ok(match enc {
            ContentAlg::A128Gcm => Self::A128(Box::new(Aes128Gcm::new_from_slice(key).map_err(|_| length)?)),
            ContentAlg::A192Gcm => Self::A192(Box::new(Aes192Gcm::new_from_slice(key).map_err(|_| length)?)),
            ContentAlg::A256Gcm => Self::A256(Box::new(Aes256Gcm::new_from_slice(key).map_err(|_| length)?)),
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
            Self::A128(cipher) => open_gcm(&**cipher, aad, iv, tag, content),
            Self::A192(cipher) => open_gcm(&**cipher, aad, iv, tag, content),
            Self::A256(cipher) => open_gcm(&**cipher, aad, iv, tag, content),
            #[cfg(feature = "aes-cbc-hmac")]
            Self::CbcHmac(cipher) => cipher.open(aad, iv, tag, content),
        }
    }

    /// Seals `content` in place and gives the tag; `None` when it is too long for the cipher.
    #[cfg(feature = "mint")]
    #[cfg_attr(not(feature = "aes-cbc-hmac"), allow(clippy::ptr_arg, reason = "padding comes on"))]
    pub(crate) fn seal(&self, aad: &[u8], iv: &[u8], content: &mut Vec<u8>) -> Option<Vec<u8>> {
        match self {
            Self::A128(cipher) => seal_gcm(&**cipher, aad, iv, content),
            Self::A192(cipher) => seal_gcm(&**cipher, aad, iv, content),
            Self::A256(cipher) => seal_gcm(&**cipher, aad, iv, content),
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

fn open_gcm<C>(cipher: &C, aad: &[u8], iv: &[u8], tag: &[u8], content: &mut [u8]) -> Result<(), TokenError>
where
    C: AeadInOut<NonceSize = U12, TagSize = aes_gcm::aead::consts::U16>,
{
    let iv: [u8; 12] = decode_array(iv).map_err(|_| TokenError::Format)?;
    let tag: [u8; 16] = decode_array(tag).map_err(|_| TokenError::Format)?;
    cipher.decrypt_inout_detached(&iv.into(), aad, content.into(), &tag.into()).map_err(|_| TokenError::Decryption)
}

#[cfg(feature = "mint")]
fn seal_gcm<C>(cipher: &C, aad: &[u8], iv: &[u8], content: &mut [u8]) -> Option<Vec<u8>>
where
    C: AeadInOut<NonceSize = U12, TagSize = aes_gcm::aead::consts::U16>,
{
    let iv: [u8; 12] = iv.try_into().ok()?;
    let tag = cipher.encrypt_inout_detached(&iv.into(), aad, content.into()).ok()?;
    Some(tag.to_vec())
}
