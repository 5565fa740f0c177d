//! `zip: DEF` (RFC 7516 §4.1.3), of AM's tokens alone: compressing what an attacker partly chooses tells them the rest by
//! its length.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

/// Longest plaintext, in bytes. AM's own bound.
pub(crate) const MAX_INFLATED: usize = 32 * 1024;

/// What the stream inflates to, if it is whole, alone and within the bound. All that is ever allocated is the output, at
/// its bound, and the decompressor's tables.
pub(crate) fn inflate(content: &[u8]) -> Option<Vec<u8>> {
    let mut out = vec![0; MAX_INFLATED];
    let mut state = Box::<DecompressorOxide>::default();
    let (status, read, written) =
        decompress(&mut state, content, &mut out, 0, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF);
    if status != TINFLStatus::Done || read != content.len() {
        return None;
    }
    out.truncate(written);
    Some(out)
}

#[cfg(test)]
mod tests {
    use miniz_oxide::deflate::compress_to_vec;

    use super::*;

    #[test]
    fn j19_output_is_bounded() {
        for length in [0, 1, 1000, MAX_INFLATED] {
            let plain = vec![b'x'; length];
            assert_eq!(inflate(&compress_to_vec(&plain, 9)), Some(plain));
        }
        for length in [MAX_INFLATED + 1, 1 << 20, 16 << 20] {
            assert_eq!(inflate(&compress_to_vec(&vec![0; length], 9)), None, "{length}");
        }
    }

    #[test]
    fn a_stream_is_whole_and_alone() {
        let whole = compress_to_vec(b"forty-two", 9);
        let mut longer = whole.clone();
        longer.push(0);
        for wrong in [&longer[..], &whole[..whole.len() - 1], b"", b"\x07", b"forty-two"] {
            assert_eq!(inflate(wrong), None, "{wrong:?}");
        }
    }
}
