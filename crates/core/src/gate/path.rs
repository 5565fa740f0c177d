/// A path that two readers may read differently. It is refused before any policy is asked: a rule that holds for one
/// reading would be stepped around by the other (attack H11).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AmbiguousPath;

/// Refuses empty and dot segments, path parameters, backslashes, control and non-ASCII bytes, and their encoded or
/// twice encoded forms.
pub(super) fn check(path: &str) -> Result<(), AmbiguousPath> {
    // Byte by byte: a search for a text costs more than most paths are long.
    let bytes = path.as_bytes();
    let [b'/', segments @ ..] = bytes else { return Err(AmbiguousPath) };
    let plain = |&byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b';' | b'#' | b'?');
    let dots = |segment: &[u8]| matches!(segment, b"." | b"..");
    let is_empty = |pair: &[u8]| pair == b"//";
    if !segments.iter().all(plain) || bytes.windows(2).any(is_empty) || segments.split(|&byte| byte == b'/').any(dots) {
        return Err(AmbiguousPath);
    }
    let mut decoded = Vec::new();
    let mut rest = bytes;
    while let Some(at) = memchr::memchr(b'%', rest) {
        let (plain, from_percent) = rest.split_at(at);
        let (high, low) = match from_percent {
            [_, high, low, ..] => (hex(*high)?, hex(*low)?),
            _ => return Err(AmbiguousPath),
        };
        let byte = high << 4 | low;
        // `%25` would be decoded again by a reader that decodes twice.
        if byte.is_ascii_control() || matches!(byte, b'.' | b'/' | b';' | b'\\' | b'%') {
            return Err(AmbiguousPath);
        }
        decoded.extend_from_slice(plain);
        decoded.push(byte);
        rest = from_percent.get(3..).unwrap_or_default();
    }
    // Overlong forms of the characters above are not UTF-8.
    if std::str::from_utf8(&decoded).is_err() {
        return Err(AmbiguousPath);
    }
    Ok(())
}

fn hex(digit: u8) -> Result<u8, AmbiguousPath> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(AmbiguousPath),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths_pass() {
        for path in ["/", "/a/b.c", "/a%20b", "/..a/b..", "/%C3%BC", "/a:b@c,d=e&f+g!$'()*~"] {
            assert_eq!(check(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn h11_paths_with_two_readings_are_refused() {
        for path in [
            "",
            "a",
            "//admin",
            "/a//b",
            "/public/../admin",
            "/public/./admin",
            "/public/..;/admin",
            "/a;jsessionid=1",
            "/public/%2e%2e/admin",
            "/public/%2E./admin",
            "/admin%2f",
            "/admin%5C",
            "/a\\b",
            "/a%00",
            "/a%252fb",
            "/a%3Bx",
            "/a%",
            "/..%c0%af",
            "/a%0d%0aX:1",
            "/a%0A",
            "/a%7f",
            "/a%ff",
            "/a%2",
            "/a%zz",
            "/a b",
            "/a\u{7f}",
            "/ü",
            "/a#b",
            "/a?b",
        ] {
            assert_eq!(check(path), Err(AmbiguousPath), "{path}");
        }
    }
}
