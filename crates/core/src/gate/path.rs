/// A path that two readers may read differently. It is refused before any policy is asked: a rule that holds for one
/// reading would be stepped around by the other (attack H11).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AmbiguousPath;

/// Refuses empty and dot segments, path parameters, backslashes, control and non-ASCII bytes, and their encoded or
/// twice encoded forms.
pub(super) fn check(path: &str) -> Result<(), AmbiguousPath> {
    if !path.starts_with('/') || path.contains("//") {
        return Err(AmbiguousPath);
    }
    let bytes = path.as_bytes();
    let plain = |&byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b';' | b'#' | b'?');
    if !bytes.iter().all(plain) || path.split('/').any(|segment| segment == "." || segment == "..") {
        return Err(AmbiguousPath);
    }
    for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%') {
        match bytes.get(at + 1..at + 3).map(<[u8]>::to_ascii_lowercase).as_deref() {
            // . / ; \ % and NUL; `%25` would be decoded again by a reader that decodes twice.
            Some(b"2e" | b"2f" | b"3b" | b"5c" | b"25" | b"00") | None => return Err(AmbiguousPath),
            Some(hex) if !hex.iter().all(u8::is_ascii_hexdigit) => return Err(AmbiguousPath),
            Some(_) => {}
        }
    }
    Ok(())
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
