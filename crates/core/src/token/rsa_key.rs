//! What every RSA key must be, whether it signs or opens.

#[cfg(feature = "foreign")]
use rsa::RsaPublicKey;
#[cfg(feature = "foreign")]
use rsa::pkcs1::der::asn1::UintRef;
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::traits::PublicKeyParts as _;

use crate::keys::KeyError;

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

/// Of a key that signs: WebCrypto, by which edges verify, imports four exponents alone, three of which are too small.
#[cfg(feature = "signatures")]
pub(crate) fn check_signing(n: &[u8], e: &[u8]) -> Result<(), KeyError> {
    check(n, e)?;
    if e == [1, 0, 1] { Ok(()) } else { Err(KeyError::BadExponent) }
}

/// From PKCS#8 DER.
pub(crate) fn private_key(der: &[u8]) -> Result<rsa::RsaPrivateKey, KeyError> {
    let key = rsa::RsaPrivateKey::from_pkcs8_der(der).map_err(|_| KeyError::BadRsaKey)?;
    key.validate().map_err(|_| KeyError::BadRsaKey)?;
    check(&key.n_bytes(), &key.e_bytes())?;
    Ok(key)
}
