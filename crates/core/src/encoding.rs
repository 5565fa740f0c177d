//! base64url without padding (RFC 4648 §5), canonical only: other spellings of the same bytes are refused, so that a
//! token has exactly one form for caches and denylists to know it by.
//!
//! Read with `base64-simd`, many characters at a time: with `base64`, which writes, decoding took an eighth of what a
//! session that is not cached costs the worker.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64_simd::{AsOut as _, URL_SAFE_NO_PAD as READER};

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
    READER.decode_to_vec(text).map_err(|_| NotBase64Url)
}

pub fn decode_array<const N: usize>(text: &[u8]) -> Result<[u8; N], NotBase64Url> {
    // Checked first: without room for all of it the engine panics.
    if text.len() != (N * 4).div_ceil(3) {
        return Err(NotBase64Url);
    }
    let mut out = [0; N];
    READER.decode(text, out.as_mut_slice().as_out()).map_err(|_| NotBase64Url)?;
    Ok(out)
}

/// Decodes into `out`, replacing what it held and keeping its allocation.
pub fn decode_into(text: &[u8], out: &mut Vec<u8>) -> Result<(), NotBase64Url> {
    out.clear();
    READER.decode_append(text, out).map_err(|_| NotBase64Url)
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
    use proptest::prelude::*;

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

    proptest! {
        /// The reader and `base64` take the same texts for the same bytes: of all lengths and, at any place, with any
        /// character in them.
        #[test]
        fn two_readers_agree(bytes in prop::collection::vec(any::<u8>(), 0..200), at in any::<usize>(), with: u8) {
            let mut text = encode(&bytes).into_bytes();
            prop_assert_eq!(&decode(&text), &Ok(bytes));
            if let Some(place) = at.checked_rem(text.len()) {
                text[place] = with;
            }
            for text in [&text[..], text.split_last().map_or(&[], |(_, rest)| rest)] {
                let other = URL_SAFE_NO_PAD.decode(text).map_err(|_| NotBase64Url);
                prop_assert_eq!(&decode(text), &other);
                let mut kept = b"before".to_vec();
                prop_assert_eq!(decode_into(text, &mut kept).map(|()| kept), other);
            }
        }
    }
}
