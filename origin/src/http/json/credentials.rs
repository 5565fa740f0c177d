//! `X-OpenAM-Username` and `X-OpenAM-Password`, which may be encoded words (RFC 2047) for what is not ASCII.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::journey::Credentials;

/// Both headers, or nothing: they fill a step whole or not at all.
pub(super) fn from_headers(headers: &HeaderMap) -> Option<Credentials> {
    let one = |name: &str| {
        let mut values = headers.get_all(name).iter();
        let text = values.next().filter(|_| values.next().is_none())?;
        // Header values that are UTF-8 though they are not encoded are taken as they are.
        decode(std::str::from_utf8(text.as_bytes()).ok()?)
    };
    let username = one("x-openam-username")?;
    Some(Credentials { username, password: Zeroizing::new(one("x-openam-password")?) })
}

/// Text that may consist of encoded words (`=?UTF-8?B?…?=`), which blanks between them do not part (RFC 2047 §6.2).
fn decode(text: &str) -> Option<String> {
    let trimmed = text.trim_matches([' ', '\t']);
    if !trimmed.starts_with("=?") || !trimmed.ends_with("?=") {
        return Some(text.to_owned());
    }
    let mut bytes = Vec::new();
    for word in trimmed.split([' ', '\t']).filter(|word| !word.is_empty()) {
        match encoded_word(word) {
            Some(decoded) => bytes.extend(decoded),
            // Not encoded words after all: a password may look like one.
            None => return Some(text.to_owned()),
        }
    }
    String::from_utf8(bytes).ok()
}

fn encoded_word(word: &str) -> Option<Vec<u8>> {
    let mut parts = word.strip_prefix("=?")?.strip_suffix("?=")?.split('?');
    let (charset, encoding, content) = (parts.next()?, parts.next()?, parts.next()?);
    let charset = charset.split('*').next().unwrap_or_default(); // a language tag may follow (RFC 2231 §5)
    if parts.next().is_some() || !["utf-8", "us-ascii"].iter().any(|known| charset.eq_ignore_ascii_case(known)) {
        return None;
    }
    match encoding {
        "B" | "b" => STANDARD.decode(content).ok(),
        "Q" | "q" => quoted(content.as_bytes()),
        _ => None,
    }
}

fn quoted(content: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(content.len());
    let mut rest = content;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'_' => out.push(b' '),
            b'=' => {
                let (hex, after) = rest.split_at_checked(2)?;
                out.push(u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?);
                rest = after;
            }
            other => out.push(other),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_words_are_decoded() {
        for (text, expected) in [
            ("demo", "demo"),
            ("", ""),
            (" x ", " x "),
            ("=?UTF-8?B?ZMOpbW8=?=", "démo"),
            ("=?utf-8?b?ZMOpbW8=?=", "démo"),
            ("=?UTF-8*en?B?ZMOpbW8=?=", "démo"),
            ("=?UTF-8?Q?d=C3=A9_mo?=", "dé mo"),
            ("=?UTF-8?B?ZMM=?= =?UTF-8?B?qW1v?=", "démo"),
            ("=?nonsense?=", "=?nonsense?="),
            ("=?UTF-8?B?***?=", "=?UTF-8?B?***?="),
            ("=?KOI8-R?B?ZA==?=", "=?KOI8-R?B?ZA==?="),
        ] {
            assert_eq!(decode(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(decode("=?UTF-8?B?/w==?="), None);
    }
}
