//! AES-GCM (RFC 7518 §5.3) by the crate `aes-gcm`, whose type says which AES it is.

use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::consts::{U12, U16};
use aes_gcm::aes::Aes192;
use aes_gcm::{Aes128Gcm, Aes256Gcm, AesGcm, KeyInit as _};

type Aes192Gcm = AesGcm<Aes192, U12>;

#[derive(Clone)]
pub(crate) enum Gcm {
    A128(Aes128Gcm),
    A192(Aes192Gcm),
    A256(Aes256Gcm),
}

pub(crate) struct NotAuthentic;

impl Gcm {
    /// Which AES, the length of the key says.
    pub(super) fn new(key: &[u8]) -> Option<Box<Self>> {
        let made = match key.len() {
            16 => Aes128Gcm::new_from_slice(key).ok().map(Self::A128),
            24 => Aes192Gcm::new_from_slice(key).ok().map(Self::A192),
            32 => Aes256Gcm::new_from_slice(key).ok().map(Self::A256),
            _ => None,
        };
        made.map(Box::new)
    }

    pub(super) fn open(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        content: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), NotAuthentic> {
        fn open<C>(
            cipher: &C,
            nonce: &[u8; 12],
            aad: &[u8],
            content: &mut [u8],
            tag: &[u8; 16],
        ) -> Result<(), NotAuthentic>
        where
            C: AeadInOut<NonceSize = U12, TagSize = U16>,
        {
            let (nonce, tag) = ((*nonce).into(), (*tag).into());
            cipher.decrypt_inout_detached(&nonce, aad, content.into(), &tag).map_err(|_| NotAuthentic)
        }
        match self {
            Self::A128(cipher) => open(cipher, nonce, aad, content, tag),
            Self::A192(cipher) => open(cipher, nonce, aad, content, tag),
            Self::A256(cipher) => open(cipher, nonce, aad, content, tag),
        }
    }

    /// Seals `content` in place; `None` when it is too long for one nonce.
    #[cfg(feature = "mint")]
    pub(super) fn seal(&self, nonce: &[u8; 12], aad: &[u8], content: &mut [u8]) -> Option<[u8; 16]> {
        let nonce = (*nonce).into();
        let tag = match self {
            Self::A128(cipher) => cipher.encrypt_inout_detached(&nonce, aad, content.into()),
            Self::A192(cipher) => cipher.encrypt_inout_detached(&nonce, aad, content.into()),
            Self::A256(cipher) => cipher.encrypt_inout_detached(&nonce, aad, content.into()),
        };
        tag.ok().map(Into::into)
    }
}
