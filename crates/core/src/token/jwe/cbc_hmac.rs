//! AES-CBC with HMAC-SHA2 (RFC 7518 §5.2): encrypt, then MAC. The MAC is checked first and in constant time, so that
//! padding is only ever looked at when a holder of the key made it; every failure is the one error.

use aes::{Aes128, Aes192, Aes256};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt as _, KeyIvInit as _};
use hmac::{Hmac, KeyInit as _, Mac};
use sha2::{Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::encoding::{decode, decode_array};
use crate::keys::ContentAlg;
use crate::token::TokenError;

#[derive(Clone)]
pub(crate) struct CbcHmac {
    enc: ContentAlg,
    /// RFC 7518 §5.2.2.1: the first half is for the MAC, the second for the cipher.
    key: Zeroizing<Vec<u8>>,
}

impl CbcHmac {
    /// `None` when the key has not the length of the algorithm.
    pub(crate) fn new(enc: ContentAlg, key: &[u8]) -> Option<Self> {
        (key.len() == enc.key_len()).then(|| Self { enc, key: Zeroizing::new(key.to_vec()) })
    }

    pub(crate) fn open(&self, aad: &[u8], iv: &[u8], tag: &[u8], content: &mut Vec<u8>) -> Result<(), TokenError> {
        let iv: [u8; 16] = decode_array(iv).map_err(|_| TokenError::Format)?;
        let given = decode(tag).map_err(|_| TokenError::Format)?;
        let expected = self.tag(aad, &iv, content).ok_or(TokenError::Decryption)?;
        if given.len() != expected.len() {
            return Err(TokenError::Format);
        }
        if !bool::from(given.ct_eq(&expected)) {
            return Err(TokenError::Decryption);
        }
        let (_, key) = self.halves();
        let length = match self.enc {
            ContentAlg::A192CbcHs384 => cbc::Decryptor::<Aes192>::new_from_slices(key, &iv)
                .ok()
                .and_then(|cipher| cipher.decrypt_padded::<Pkcs7>(content).ok().map(<[u8]>::len)),
            ContentAlg::A256CbcHs512 => cbc::Decryptor::<Aes256>::new_from_slices(key, &iv)
                .ok()
                .and_then(|cipher| cipher.decrypt_padded::<Pkcs7>(content).ok().map(<[u8]>::len)),
            _ => cbc::Decryptor::<Aes128>::new_from_slices(key, &iv)
                .ok()
                .and_then(|cipher| cipher.decrypt_padded::<Pkcs7>(content).ok().map(<[u8]>::len)),
        };
        content.truncate(length.ok_or(TokenError::Decryption)?);
        Ok(())
    }

    #[cfg(feature = "mint")]
    pub(crate) fn seal(&self, aad: &[u8], iv: &[u8], content: &mut Vec<u8>) -> Option<Vec<u8>> {
        use cbc::cipher::BlockModeEncrypt as _;
        let (_, key) = self.halves();
        let length = content.len();
        content.resize(length - length % 16 + 16, 0);
        match self.enc {
            ContentAlg::A192CbcHs384 => {
                cbc::Encryptor::<Aes192>::new_from_slices(key, iv)
                    .ok()?
                    .encrypt_padded::<Pkcs7>(content, length)
                    .ok()?;
            }
            ContentAlg::A256CbcHs512 => {
                cbc::Encryptor::<Aes256>::new_from_slices(key, iv)
                    .ok()?
                    .encrypt_padded::<Pkcs7>(content, length)
                    .ok()?;
            }
            _ => {
                cbc::Encryptor::<Aes128>::new_from_slices(key, iv)
                    .ok()?
                    .encrypt_padded::<Pkcs7>(content, length)
                    .ok()?;
            }
        }
        self.tag(aad, iv, content)
    }

    fn halves(&self) -> (&[u8], &[u8]) {
        self.key.split_at(self.key.len() / 2)
    }

    /// The first half of the MAC over AAD, IV, ciphertext and the length of the AAD in bits.
    fn tag(&self, aad: &[u8], iv: &[u8], ciphertext: &[u8]) -> Option<Vec<u8>> {
        fn tag<M: Mac>(mut mac: M, parts: [&[u8]; 4]) -> Vec<u8> {
            for part in parts {
                mac.update(part);
            }
            let full = mac.finalize().into_bytes();
            full.iter().copied().take(full.len() / 2).collect()
        }
        let bits = (u64::try_from(aad.len()).ok()?).checked_mul(8)?.to_be_bytes();
        let parts = [aad, iv, ciphertext, &bits];
        let (key, _) = self.halves();
        Some(match self.enc {
            ContentAlg::A192CbcHs384 => tag(Hmac::<Sha384>::new_from_slice(key).ok()?, parts),
            ContentAlg::A256CbcHs512 => tag(Hmac::<Sha512>::new_from_slice(key).ok()?, parts),
            _ => tag(Hmac::<Sha256>::new_from_slice(key).ok()?, parts),
        })
    }
}
