//! AES key wrap (RFC 7518 §4.4, RFC 3394).

use aes_kw::{KeyInit as _, KwAes128, KwAes192, KwAes256};
use zeroize::Zeroizing;

use super::content::Cipher;
use crate::encoding::decode;
use crate::keys::{ContentAlg, KeyAlg, KeyError};
use crate::token::TokenError;

/// The longest content key, and its integrity block.
pub(crate) const MAX_WRAPPED: usize = 64 + 8;

#[derive(Clone)]
pub(crate) enum KeyWrap {
    A128(Box<KwAes128>),
    A192(Box<KwAes192>),
    A256(Box<KwAes256>),
}

impl KeyWrap {
    pub(crate) fn new(alg: KeyAlg, key: &[u8]) -> Result<Self, KeyError> {
        let length = |needed| KeyError::KeyLength { alg: alg.name(), needed };
        Ok(match alg {
            KeyAlg::A128Kw => Self::A128(Box::new(KwAes128::new_from_slice(key).map_err(|_| length(16))?)),
            KeyAlg::A192Kw => Self::A192(Box::new(KwAes192::new_from_slice(key).map_err(|_| length(24))?)),
            _ => Self::A256(Box::new(KwAes256::new_from_slice(key).map_err(|_| length(32))?)),
        })
    }

    /// The cipher whose key is wrapped in the base64url `encrypted_key`.
    pub(crate) fn unwrap(&self, enc: ContentAlg, encrypted_key: &[u8]) -> Result<Cipher, TokenError> {
        let wrapped = decode(encrypted_key).map_err(|_| TokenError::Format)?;
        if wrapped.len() != enc.key_len() + 8 {
            return Err(TokenError::Format);
        }
        let mut room = Zeroizing::new([0; MAX_WRAPPED]);
        Cipher::new(enc, self.key(&wrapped, &mut room)?).map_err(|_| TokenError::Decryption)
    }

    pub(crate) fn key<'a>(&self, wrapped: &[u8], room: &'a mut [u8; MAX_WRAPPED]) -> Result<&'a [u8], TokenError> {
        // RFC 3394 §2: a key has at least two blocks.
        if wrapped.len() < 24 {
            return Err(TokenError::Decryption);
        }
        match self {
            Self::A128(kek) => kek.unwrap_key(wrapped, room),
            Self::A192(kek) => kek.unwrap_key(wrapped, room),
            Self::A256(kek) => kek.unwrap_key(wrapped, room),
        }
        .map_err(|_| TokenError::Decryption)
    }

    #[cfg(feature = "mint")]
    pub(crate) fn wrap(&self, content_key: &[u8]) -> Option<Vec<u8>> {
        let mut room = [0; MAX_WRAPPED];
        let wrapped = match self {
            Self::A128(kek) => kek.wrap_key(content_key, &mut room),
            Self::A192(kek) => kek.wrap_key(content_key, &mut room),
            Self::A256(kek) => kek.wrap_key(content_key, &mut room),
        };
        wrapped.ok().map(<[u8]>::to_vec)
    }
}
