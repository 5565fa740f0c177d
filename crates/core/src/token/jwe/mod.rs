//! JWE (RFC 7516): how the content key is come by, and how the content is opened; one file for each kind.

#[cfg(feature = "aes-cbc-hmac")]
mod cbc_hmac;
pub(crate) mod content;
#[cfg(feature = "am")]
pub(crate) mod deflate;
#[cfg(not(all(feature = "simd-aes", not(feature = "mint"), target_arch = "wasm32", target_feature = "simd128")))]
mod gcm;
#[cfg(all(feature = "simd-aes", not(feature = "mint"), target_arch = "wasm32", target_feature = "simd128"))]
use countersign_gcm as gcm;
#[cfg(feature = "aes-kw")]
pub(crate) mod key_wrap;
#[cfg(feature = "rsa")]
pub(crate) mod rsa_oaep;
