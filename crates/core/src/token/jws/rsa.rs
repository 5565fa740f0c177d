//! RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3), and what every RSA key must be.

use rsa::RsaPublicKey;
use rsa::pkcs1::der::Decode as _;
use rsa::pkcs1::der::asn1::UintRef;
use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::signature::Verifier as _;
use rsa::traits::PublicKeyParts as _;
use sha2::Sha256;

use crate::encoding::decode;
use crate::keys::KeyError;
use crate::token::TokenError;

#[derive(Clone)]
pub(crate) struct PublicKey {
    key: Box<VerifyingKey<Sha256>>,
    modulus_len: usize,
}

impl PublicKey {
    /// From the PKCS#1 DER of `RSAPublicKey`.
    pub(crate) fn new(der: &[u8]) -> Result<Self, KeyError> {
        let (key, modulus_len) = public_key(der)?;
        Ok(Self { key: Box::new(VerifyingKey::new(key)), modulus_len })
    }

    pub(crate) fn verify(&self, signing_input: &[u8], signature: &[u8]) -> Result<(), TokenError> {
        let bytes = decode(signature).map_err(|_| TokenError::Format)?;
        // RFC 8017 §8.2.2 step 1: exactly as long as the modulus.
        if bytes.len() != self.modulus_len {
            return Err(TokenError::Format);
        }
        let signature = Signature::try_from(bytes.as_slice()).map_err(|_| TokenError::Signature)?;
        self.key.verify(signing_input, &signature).map_err(|_| TokenError::Signature)
    }
}

/// The key and the length of its modulus in bytes.
pub(crate) fn public_key(der: &[u8]) -> Result<(RsaPublicKey, usize), KeyError> {
    let parts = rsa::pkcs1::RsaPublicKey::<UintRef<'_>>::from_der(der).map_err(|_| KeyError::BadRsaKey)?;
    let (n, e) = (parts.modulus.as_bytes(), parts.public_exponent.as_bytes());
    check(n, e)?;
    let key = RsaPublicKey::try_from(parts).map_err(|_| KeyError::BadRsaKey)?;
    Ok((key, n.len()))
}

/// From the numbers of a JWK, big-endian.
#[cfg(feature = "foreign")]
pub(crate) fn public_key_of(n: &[u8], e: &[u8]) -> Result<(RsaPublicKey, usize), KeyError> {
    let modulus = UintRef::new(n).map_err(|_| KeyError::BadRsaKey)?;
    let public_exponent = UintRef::new(e).map_err(|_| KeyError::BadRsaKey)?;
    check(modulus.as_bytes(), public_exponent.as_bytes())?;
    let parts = rsa::pkcs1::RsaPublicKey { modulus, public_exponent };
    let key = RsaPublicKey::try_from(parts).map_err(|_| KeyError::BadRsaKey)?;
    Ok((key, modulus.as_bytes().len()))
}

/// Big-endian numbers without leading zeros.
pub(crate) fn check(n: &[u8], e: &[u8]) -> Result<(), KeyError> {
    let leading = n.first().map_or(0, |byte| byte.leading_zeros() as usize);
    let bits = (n.len() * 8).saturating_sub(leading);
    if !(2048..=4096).contains(&bits) || n.last().is_none_or(|byte| byte % 2 == 0) {
        return Err(KeyError::BadModulus { bits });
    }
    // Longer exponents exist, but cost the verifier time that the key's owner chooses.
    if e.len() > 4 {
        return Err(KeyError::BadExponent);
    }
    let e = e.iter().fold(0u32, |number, &byte| number << 8 | u32::from(byte));
    if e < 65_537 || e % 2 == 0 {
        return Err(KeyError::BadExponent);
    }
    if is_roca(n) { Err(KeyError::Roca) } else { Ok(()) }
}

/// Nemec et al., "The Return of Coppersmith's Attack" (2017): the weak generator's moduli are powers of 65537 modulo
/// every small prime. Of other keys about one in 2^27 looks so.
fn is_roca(n: &[u8]) -> bool {
    const PRIMES: [u32; 38] = [
        3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107,
        109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
    ];
    PRIMES.iter().all(|&prime| {
        let residue = n.iter().fold(0, |rest, &byte| (rest << 8 | u32::from(byte)) % prime);
        let mut power = 1;
        (0..prime).any(|_| {
            power = power * (65_537 % prime) % prime;
            power == residue
        })
    })
}

/// From PKCS#8 DER.
pub(crate) fn private_key(der: &[u8]) -> Result<rsa::RsaPrivateKey, KeyError> {
    let key = rsa::RsaPrivateKey::from_pkcs8_der(der).map_err(|_| KeyError::BadRsaKey)?;
    key.validate().map_err(|_| KeyError::BadRsaKey)?;
    check(&key.n_bytes(), &key.e_bytes())?;
    Ok(key)
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

    /// A new key pair, as PKCS#8 DER. It takes a second or so.
    pub fn generate(bits: usize, entropy: &mut dyn Entropy) -> Option<Zeroizing<Vec<u8>>> {
        let key = rsa::RsaPrivateKey::new(&mut Rng(entropy), bits).ok()?;
        super::check(&key.n_bytes(), &key.e_bytes()).ok()?;
        Some(Zeroizing::new(key.to_pkcs8_der().ok()?.as_bytes().to_vec()))
    }

    pub(crate) struct PrivateKey {
        key: Box<SigningKey<Sha256>>,
        public: Vec<u8>,
    }

    impl PrivateKey {
        /// From PKCS#8 DER.
        pub(crate) fn new(der: &[u8]) -> Result<Self, KeyError> {
            let key = super::private_key(der)?;
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
