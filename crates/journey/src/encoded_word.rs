//! RFC 2047 encoded words, which clients use to put names and passwords beyond ASCII into headers.

use base64::Engine as _;

/// The text of a header's value: `=?UTF-8?B?..?=` and `=?UTF-8?Q?..?=` decoded, anything else as it is.
pub(crate) fn decode(value: &str) -> String {
    word(value.trim()).unwrap_or_else(|| value.to_owned())
}

fn word(value: &str) -> Option<String> {
    let inner = value.strip_prefix("=?")?.strip_suffix("?=")?;
    let mut parts = inner.splitn(3, '?');
    let (charset, encoding, text) = (parts.next()?, parts.next()?, parts.next()?);
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    let bytes = match encoding {
        "B" | "b" => base64::engine::general_purpose::STANDARD.decode(text).ok()?,
        "Q" | "q" => quoted(text)?,
        _ => return None,
    };
    String::from_utf8(bytes).ok()
}

fn quoted(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'_' => b' ',
            b'=' => {
                let (high, low) = (char::from(bytes.next()?), char::from(bytes.next()?));
                u8::try_from(high.to_digit(16)? * 16 + low.to_digit(16)?).ok()?
            }
            other => other,
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn words() {
        assert_eq!(decode("=?UTF-8?B?w6TDtsO8?="), "äöü");
        assert_eq!(decode("=?utf-8?q?J=C3=BCrg_X?="), "Jürg X");
        for plain in ["demo", "=?UTF-8?B?***?=", "=?latin1?Q?x?=", "=??=", "=?UTF-8?Q?=C?="] {
            assert_eq!(decode(plain), plain);
        }
    }
}
