use super::{ContentAlg, KeyAlg, KeyError, Kid};
use crate::token::TokenError;
use crate::token::jwe::content::Cipher;

/// A key that opens (and, at the origin, seals) content of one pair of `alg` and `enc`.
#[derive(Clone)]
pub struct ContentKey {
    kid: Kid,
    alg: KeyAlg,
    enc: ContentAlg,
    material: Material,
}

#[derive(Clone)]
enum Material {
    Direct(Cipher),
    #[cfg(feature = "aes-kw")]
    Wrap(crate::token::jwe::key_wrap::KeyWrap),
    #[cfg(feature = "rsa")]
    Rsa(crate::token::jwe::rsa_oaep::RsaOaep),
}

impl ContentKey {
    /// From the content key (`dir`), the wrapping key (`A…KW`) or the PKCS#8 DER of an RSA private key.
    pub fn new(kid: Kid, alg: KeyAlg, enc: ContentAlg, key: &[u8]) -> Result<Self, KeyError> {
        // Whether this program has the content's algorithm must be known before a token comes.
        #[cfg(not(feature = "aes-cbc-hmac"))]
        if matches!(enc, ContentAlg::A128CbcHs256 | ContentAlg::A192CbcHs384 | ContentAlg::A256CbcHs512) {
            return Err(KeyError::NotBuilt { alg: enc.name() });
        }
        let material = match alg {
            KeyAlg::Dir => Material::Direct(Cipher::new(enc, key)?),
            #[cfg(feature = "aes-kw")]
            KeyAlg::A128Kw | KeyAlg::A192Kw | KeyAlg::A256Kw => {
                Material::Wrap(crate::token::jwe::key_wrap::KeyWrap::new(alg, key)?)
            }
            #[cfg(feature = "rsa")]
            KeyAlg::RsaOaep256 => Material::Rsa(crate::token::jwe::rsa_oaep::RsaOaep::new(key)?),
            #[cfg(not(all(feature = "aes-kw", feature = "rsa")))]
            other => return Err(KeyError::NotBuilt { alg: other.name() }),
        };
        Ok(Self { kid, alg, enc, material })
    }

    /// The pair of a new realm: `dir` and `A256GCM`.
    pub fn a256gcm(kid: Kid, key: &[u8]) -> Result<Self, KeyError> {
        Self::new(kid, KeyAlg::Dir, ContentAlg::A256Gcm, key)
    }

    pub fn kid(&self) -> &Kid {
        &self.kid
    }

    pub const fn alg(&self) -> KeyAlg {
        self.alg
    }

    pub const fn enc(&self) -> ContentAlg {
        self.enc
    }

    /// Opens `content` in place; the other parts are base64url.
    pub(crate) fn open(
        &self,
        aad: &[u8],
        encrypted_key: &[u8],
        iv: &[u8],
        tag: &[u8],
        content: &mut Vec<u8>,
    ) -> Result<(), TokenError> {
        match &self.material {
            // RFC 7518 §4.5: with `dir` the encrypted key is empty.
            Material::Direct(_) if !encrypted_key.is_empty() => Err(TokenError::Format),
            Material::Direct(cipher) => cipher.open(aad, iv, tag, content),
            #[cfg(feature = "aes-kw")]
            Material::Wrap(kek) => kek.unwrap(self.enc, encrypted_key)?.open(aad, iv, tag, content),
            #[cfg(feature = "rsa")]
            Material::Rsa(key) => key.unwrap(self.enc, encrypted_key)?.open(aad, iv, tag, content),
        }
    }
}

#[cfg(feature = "mint")]
mod minting {
    use super::{ContentKey, Material};
    use crate::encoding::encode;
    use crate::token::jwe::content::Cipher;
    use crate::token::mint::{Entropy, MintError};

    impl ContentKey {
        /// Appends the four parts after the protected header to it.
        pub(crate) fn seal(
            &self,
            token: &mut String,
            content: Vec<u8>,
            entropy: &mut dyn Entropy,
        ) -> Result<(), MintError> {
            match &self.material {
                Material::Direct(cipher) => seal(cipher, &[], token, content, entropy),
                #[cfg(feature = "aes-kw")]
                Material::Wrap(kek) => {
                    let (cipher, wrapped) = fresh(self.enc, entropy, |key, _| kek.wrap(key))?;
                    seal(&cipher, &wrapped, token, content, entropy)
                }
                #[cfg(feature = "rsa")]
                Material::Rsa(public) => {
                    let (cipher, wrapped) = fresh(self.enc, entropy, |key, entropy| public.wrap(key, entropy))?;
                    seal(&cipher, &wrapped, token, content, entropy)
                }
            }
        }
    }

    fn seal(
        cipher: &Cipher,
        encrypted_key: &[u8],
        token: &mut String,
        mut content: Vec<u8>,
        entropy: &mut dyn Entropy,
    ) -> Result<(), MintError> {
        let mut iv = vec![0; cipher.iv_len()];
        entropy.fill(&mut iv);
        let tag = cipher.seal(token.as_bytes(), &iv, &mut content).ok_or(MintError::Cipher)?;
        for part in [encrypted_key, &iv, &content, &tag] {
            token.push('.');
            token.push_str(&encode(part));
        }
        Ok(())
    }

    /// A content key for one token, and that key wrapped.
    #[cfg(any(feature = "aes-kw", feature = "rsa"))]
    fn fresh(
        enc: super::ContentAlg,
        entropy: &mut dyn Entropy,
        wrap: impl FnOnce(&[u8], &mut dyn Entropy) -> Option<Vec<u8>>,
    ) -> Result<(Cipher, Vec<u8>), MintError> {
        let mut key = zeroize::Zeroizing::new(vec![0; enc.key_len()]);
        entropy.fill(&mut key);
        let wrapped = wrap(&key, entropy).ok_or(MintError::Cipher)?;
        Ok((Cipher::new(enc, &key).map_err(|_| MintError::Cipher)?, wrapped))
    }
}
