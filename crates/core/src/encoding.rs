//! base64url without padding (RFC 4648 §5), canonical only: other spellings of the same bytes are refused, so that a
//! token has exactly one form for caches and denylists to know it by.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Not canonical base64url.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotBase64Url;

impl std::fmt::Display for NotBase64Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not canonical base64url")
    }
}

impl std::error::Error for NotBase64Url {}

pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn decode(text: &[u8]) -> Result<Vec<u8>, NotBase64Url> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| NotBase64Url)
}

pub fn decode_array<const N: usize>(text: &[u8]) -> Result<[u8; N], NotBase64Url> {
    let mut out = [0; N];
    // The length is checked first: the engine asks for room by a conservative estimate, not by the exact length.
    if text.len() != (N * 4).div_ceil(3) {
        return Err(NotBase64Url);
    }
    match URL_SAFE_NO_PAD.decode_slice(text, &mut out) {
        Ok(written) if written == N => Ok(out),
        _ => Err(NotBase64Url),
    }
}

/// Decodes into `out`, replacing what it held and keeping its allocation.
pub fn decode_into(text: &[u8], out: &mut Vec<u8>) -> Result<(), NotBase64Url> {
    out.clear();
    URL_SAFE_NO_PAD.decode_vec(text, out).map_err(|_| NotBase64Url)
}

/// A serde form for fixed-size byte strings: `#[serde(with = "encoding::bytes")]`.
pub mod bytes {
    use serde::de::Error;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub fn serialize<const N: usize, S: Serializer>(bytes: &[u8; N], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&super::encode(bytes))
    }

    pub fn deserialize<'de, const N: usize, D: Deserializer<'de>>(from: D) -> Result<[u8; N], D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        super::decode_array(text.as_bytes()).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_spelling_is_read() {
        assert_eq!(decode(b"AQ").unwrap(), [1]);
        for wrong in ["AR", "AQ==", "AQ=", "A", "A Q", "AQ\n", "-_+/", "%2E"] {
            assert_eq!(decode(wrong.as_bytes()), Err(NotBase64Url), "{wrong:?}");
        }
        assert_eq!(decode_array::<1>(b"AQ"), Ok([1]));
        assert_eq!(decode_array::<2>(b"AQ"), Err(NotBase64Url));
        assert_eq!(decode_array::<16>(encode(&[7; 16]).as_bytes()), Ok([7; 16]));
    }
}
