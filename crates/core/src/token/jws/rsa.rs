//! RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3).

use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use rsa::pkcs1::der::Decode as _;
use rsa::pkcs1::der::asn1::UintRef;

use crate::encoding::decode;
use crate::keys::KeyError;
use crate::token::TokenError;
use crate::token::rsa_key;

/// The numbers of the key, big-endian.
#[derive(Clone)]
pub(crate) struct PublicKey(RsaPublicKeyComponents<Box<[u8]>>);

impl PublicKey {
    /// From the PKCS#1 DER of `RSAPublicKey`.
    pub(crate) fn new(der: &[u8]) -> Result<Self, KeyError> {
        let parts = rsa::pkcs1::RsaPublicKey::<UintRef<'_>>::from_der(der).map_err(|_| KeyError::BadRsaKey)?;
        let (n, e) = (parts.modulus.as_bytes(), parts.public_exponent.as_bytes());
        rsa_key::check_signing(n, e)?;
        Ok(Self(RsaPublicKeyComponents { n: n.into(), e: e.into() }))
    }

    pub(crate) fn verify(&self, signing_input: &[u8], signature: &[u8]) -> Result<(), TokenError> {
        let Self(key) = self;
        let bytes = decode(signature).map_err(|_| TokenError::Format)?;
        // RFC 8017 §8.2.2 step 1: exactly as long as the modulus.
        if bytes.len() != key.n.len() {
            return Err(TokenError::Format);
        }
        key.verify(&RSA_PKCS1_2048_8192_SHA256, signing_input, &bytes).map_err(|_| TokenError::Signature)
    }
}

#[cfg(feature = "mint")]
pub(crate) use minting::PrivateKey;
#[cfg(feature = "mint")]
pub use minting::generate;

#[cfg(feature = "mint")]
mod minting {
    use rsa::pkcs1::EncodeRsaPublicKey as _;
    use rsa::pkcs1v15::SigningKey;
    use rsa::pkcs8::EncodePrivateKey as _;
    use rsa::signature::{RandomizedSigner as _, SignatureEncoding as _};
    use rsa::traits::PublicKeyParts as _;
    use sha2::Sha256;
    use zeroize::Zeroizing;

    use crate::keys::KeyError;
    use crate::token::mint::{Entropy, Rng};
    use crate::token::rsa_key;

    /// A new key pair, as PKCS#8 DER. It takes a second or so.
    pub fn generate(bits: usize, entropy: &mut dyn Entropy) -> Option<Zeroizing<Vec<u8>>> {
        let key = rsa::RsaPrivateKey::new(&mut Rng(entropy), bits).ok()?;
        rsa_key::check_signing(&key.n_bytes(), &key.e_bytes()).ok()?;
        Some(Zeroizing::new(key.to_pkcs8_der().ok()?.as_bytes().to_vec()))
    }

    pub(crate) struct PrivateKey {
        key: Box<SigningKey<Sha256>>,
        public: Vec<u8>,
    }

    impl PrivateKey {
        /// From PKCS#8 DER.
        pub(crate) fn new(der: &[u8]) -> Result<Self, KeyError> {
            let key = rsa_key::private_key(der)?;
            rsa_key::check_signing(&key.n_bytes(), &key.e_bytes())?;
            let public = key.to_public_key().to_pkcs1_der().map_err(|_| KeyError::BadRsaKey)?.as_bytes().to_vec();
            Ok(Self { key: Box::new(SigningKey::new(key)), public })
        }

        /// PKCS#1 DER.
        pub(crate) fn public(&self) -> &[u8] {
            &self.public
        }

        /// The randomness blinds the exponentiation; the signature does not depend on it.
        pub(crate) fn sign(&self, signing_input: &[u8], entropy: &mut dyn Entropy) -> Option<Vec<u8>> {
            let signature = self.key.try_sign_with_rng(&mut Rng(entropy), signing_input).ok()?;
            Some(signature.to_vec())
        }
    }
}
