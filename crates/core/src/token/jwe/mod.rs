//! JWE (RFC 7516): how the content key is come by, and how the content is opened; one file for each kind.

#[cfg(feature = "aes-cbc-hmac")]
mod cbc_hmac;
pub(crate) mod content;
#[cfg(feature = "deflate")]
pub(crate) mod deflate;
#[cfg(feature = "aes-kw")]
pub(crate) mod key_wrap;
#[cfg(feature = "rsa")]
pub(crate) mod rsa_oaep;
