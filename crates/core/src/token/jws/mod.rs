//! The signature algorithms, one file each: key material in, yes or no (and with `mint` a signature) out.

#[cfg(feature = "signatures")]
pub(crate) mod ecdsa;
pub(crate) mod ed25519;
pub(crate) mod hmac;
#[cfg(feature = "signatures")]
pub(crate) mod rsa;
