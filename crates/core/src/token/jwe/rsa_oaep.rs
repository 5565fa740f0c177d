//! RSA-OAEP with SHA-256, and with SHA-1 for tokens of AM (RFC 7518 §4.3).
//!
//! What a decryption tells by its answer or its time can give the key away (Manger 2001; RUSTSEC-2023-0071). So a key
//! that does not decrypt is replaced by one that nobody can know, and the content fails to open like any other
//! (RFC 7516 §11.5). The exponentiation is constant-time and blinded by the ciphertext's own hash under a secret, there
//! being no randomness here. An edge holds no such key.

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use rsa::traits::{PaddingScheme, PublicKeyParts as _};
use rsa::{Oaep, RsaPrivateKey};
use sha2::{Digest as _, Sha256, Sha512};
use zeroize::Zeroizing;

use super::content::Cipher;
use crate::encoding::decode;
use crate::keys::{ContentAlg, KeyError};
use crate::token::TokenError;
use crate::token::rsa_key::private_key;

#[derive(Clone)]
pub(crate) struct RsaOaep {
    key: Box<RsaPrivateKey>,
    modulus_len: usize,
    /// Hash of the private key: what the substitutes and the blinding are derived from.
    secret: Zeroizing<[u8; 64]>,
}

impl RsaOaep {
    /// From PKCS#8 DER.
    pub(crate) fn new(der: &[u8]) -> Result<Self, KeyError> {
        let key = private_key(der)?;
        Ok(Self { modulus_len: key.size(), key: Box::new(key), secret: Zeroizing::new(Sha512::digest(der).into()) })
    }

    /// The cipher whose key is in the base64url `encrypted_key`, or one that opens nothing.
    pub(crate) fn unwrap(&self, enc: ContentAlg, encrypted_key: &[u8]) -> Result<Cipher, TokenError> {
        self.unwrap_by(Oaep::<Sha256>::new(), enc, encrypted_key)
    }

    #[cfg(feature = "am")]
    pub(crate) fn unwrap_sha1(&self, enc: ContentAlg, encrypted_key: &[u8]) -> Result<Cipher, TokenError> {
        self.unwrap_by(Oaep::<sha1::Sha1>::new(), enc, encrypted_key)
    }

    fn unwrap_by(
        &self,
        padding: impl PaddingScheme,
        enc: ContentAlg,
        encrypted_key: &[u8],
    ) -> Result<Cipher, TokenError> {
        let encrypted = decode(encrypted_key).map_err(|_| TokenError::Format)?;
        if encrypted.len() != self.modulus_len {
            return Err(TokenError::Format);
        }
        let mut rng = Derived::new(&self.secret, &encrypted);
        let substitute = Zeroizing::new(rng.block());
        let decrypted = self.key.decrypt_blinded(&mut rng, padding, &encrypted);
        let fitting = decrypted.ok().map(Zeroizing::new).filter(|key| key.len() == enc.key_len());
        let key = match &fitting {
            Some(key) => key.as_slice(),
            None => substitute.get(..enc.key_len()).unwrap_or_default(),
        };
        Cipher::new(enc, key).map_err(|_| TokenError::Decryption)
    }

    #[cfg(feature = "mint")]
    pub(crate) fn wrap(&self, content_key: &[u8], entropy: &mut dyn crate::token::mint::Entropy) -> Option<Vec<u8>> {
        let mut rng = crate::token::mint::Rng(entropy);
        self.key.to_public_key().encrypt(&mut rng, Oaep::<Sha256>::new(), content_key).ok()
    }
}

/// A generator of bytes that follow from a secret and the ciphertext: SHA-512 in counter mode.
struct Derived {
    hash: Sha512,
    counter: u64,
}

impl Derived {
    fn new(secret: &[u8; 64], ciphertext: &[u8]) -> Self {
        let mut hash = Sha512::new();
        hash.update(secret);
        hash.update(ciphertext);
        Self { hash, counter: 0 }
    }

    fn block(&mut self) -> [u8; 64] {
        let mut hash = self.hash.clone();
        hash.update(self.counter.to_be_bytes());
        self.counter = self.counter.wrapping_add(1);
        hash.finalize().into()
    }
}

impl TryRng for Derived {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes).map(|()| u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes).map(|()| u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for piece in out.chunks_mut(64) {
            for (to, from) in piece.iter_mut().zip(self.block()) {
                *to = from;
            }
        }
        Ok(())
    }
}

/// Unpredictable to whoever lacks the private key, which is whom blinding is for.
impl TryCryptoRng for Derived {}
