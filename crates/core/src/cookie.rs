//! `Cookie` and `Set-Cookie` by the grammar of RFC 6265 §4 (unchanged in 6265bis), literally: no trimming of exotic
//! white space, no unquoting, no `$Version`, no guessing between two cookies of one name.

/// Longest `Cookie` header that is looked at, in bytes. Common servers stop at 8 to 16 KiB for all headers.
pub const MAX_HEADER: usize = 16 * 1024;

/// Longest `Set-Cookie` header, in bytes, name, value and attributes together: what every browser keeps (6265bis §5.6).
pub const MAX_SET_COOKIE: usize = 4096;

/// What a `Cookie` header holds under one name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lookup<'a> {
    Absent,
    One(&'a [u8]),
    /// Two or more cookies of the name: somebody tossed one, and nobody can tell which.
    Ambiguous,
    /// The value has bytes that no cookie value has.
    Malformed,
}

/// Finds the cookie `name` (compared byte by byte, case and all).
pub fn find<'a>(header: &'a [u8], name: &str) -> Lookup<'a> {
    let mut found = Lookup::Absent;
    for crumb in crumbs(header) {
        let (key, value) = split(crumb);
        if key != name.as_bytes() {
            if hides(crumb, name) {
                return Lookup::Ambiguous;
            }
            continue;
        }
        if found != Lookup::Absent {
            return Lookup::Ambiguous;
        }
        found = if is_value(value) { Lookup::One(value) } else { Lookup::Malformed };
    }
    found
}

/// Whether these bytes can be the value of a cookie that says something.
pub fn is_value(value: &[u8]) -> bool {
    !value.is_empty() && value.len() <= MAX_HEADER && are_cookie_octets(value)
}

/// The header without any cookie of `name`, for the upstream; empty when nothing is left.
pub fn without(header: &[u8], name: &str) -> Vec<u8> {
    let mut rest: Vec<u8> = Vec::with_capacity(header.len());
    for crumb in crumbs(header) {
        let (key, _) = split(crumb);
        if key == name.as_bytes() || hides(crumb, name) || crumb.iter().all(|&byte| is_blank(byte)) {
            continue;
        }
        if !rest.is_empty() {
            rest.extend_from_slice(b"; ");
        }
        rest.extend_from_slice(trim(crumb));
    }
    rest
}

/// What a `Set-Cookie` says beside name and value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attributes {
    /// `Secure`: only over https. Required by the `__Host-` and `__Secure-` prefixes.
    pub secure: bool,
    pub same_site: Option<SameSite>,
    /// `Domain`: sent to the host and everything below it; host-only when absent, as a `__Host-` name demands.
    pub domain: Option<String>,
    /// `Partitioned` (CHIPS): inside another site's page, a jar of its own. Needs `Secure`.
    pub partitioned: bool,
}

impl Attributes {
    /// Host-only and without `Partitioned`.
    pub const fn host_only(secure: bool, same_site: Option<SameSite>) -> Self {
        Self { secure, same_site, domain: None, partitioned: false }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SameSite {
    Lax,
    Strict,
    None,
}

/// Why a cookie is not set. A browser would drop it silently; we say so instead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetCookieError {
    /// The name is not a token, or the value has bytes that no cookie value has.
    Grammar,
    /// Longer than [`MAX_SET_COOKIE`]; the number is the length it would have had.
    TooLong(usize),
    /// A `__Host-` or `__Secure-` name without `Secure`.
    Prefix,
    /// A `__Host-` name with `Domain`.
    HostOnly,
    /// `Domain` is not a host name.
    Domain,
    /// `Partitioned` without `Secure`.
    Partitioned,
}

impl std::fmt::Display for SetCookieError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Grammar => f.write_str("the cookie's name or value has characters that cookies cannot have"),
            Self::TooLong(bytes) => write!(f, "the cookie would take {bytes} bytes; browsers keep {MAX_SET_COOKIE}"),
            Self::Prefix => f.write_str("a cookie with a __Host- or __Secure- name needs https"),
            Self::HostOnly => f.write_str("browsers take no cookie with a __Host- name and a Domain"),
            Self::Domain => f.write_str("a Domain is a host name such as example.com"),
            Self::Partitioned => f.write_str("a partitioned cookie needs https"),
        }
    }
}

impl std::error::Error for SetCookieError {}

/// A `Set-Cookie` value: `Path=/`, `HttpOnly`, without `Max-Age`, so that it ends with the browser session.
pub fn set(name: &str, value: &str, attributes: &Attributes) -> Result<String, SetCookieError> {
    build(name, value, attributes, "")
}

/// Likewise, for a cookie that browsers keep for so many seconds.
pub fn set_for(name: &str, value: &str, attributes: &Attributes, seconds: u64) -> Result<String, SetCookieError> {
    build(name, value, attributes, &format!("; Max-Age={seconds}"))
}

/// The `Set-Cookie` value that takes the cookie away, with the same attributes as it was set with.
pub fn clear(name: &str, attributes: &Attributes) -> Result<String, SetCookieError> {
    build(name, "", attributes, "; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT")
}

fn build(name: &str, value: &str, attributes: &Attributes, expiry: &str) -> Result<String, SetCookieError> {
    let token = |byte: u8| byte.is_ascii_graphic() && !br#"()<>@,;:\"/[]?={}"#.contains(&byte);
    if name.is_empty() || !name.bytes().all(token) || !are_cookie_octets(value.as_bytes()) {
        return Err(SetCookieError::Grammar);
    }
    if (name.starts_with("__Host-") || name.starts_with("__Secure-")) && !attributes.secure {
        return Err(SetCookieError::Prefix);
    }
    if attributes.partitioned && !attributes.secure {
        return Err(SetCookieError::Partitioned);
    }
    let mut cookie = format!("{name}={value}; Path=/{expiry}");
    if let Some(domain) = &attributes.domain {
        if name.starts_with("__Host-") {
            return Err(SetCookieError::HostOnly);
        }
        if !is_host_name(domain) {
            return Err(SetCookieError::Domain);
        }
        cookie.push_str("; Domain=");
        cookie.push_str(domain);
    }
    if attributes.secure {
        cookie.push_str("; Secure");
    }
    cookie.push_str("; HttpOnly");
    cookie.push_str(match attributes.same_site {
        Some(SameSite::Lax) => "; SameSite=Lax",
        Some(SameSite::Strict) => "; SameSite=Strict",
        Some(SameSite::None) => "; SameSite=None",
        None => "",
    });
    if attributes.partitioned {
        cookie.push_str("; Partitioned");
    }
    if cookie.len() > MAX_SET_COOKIE { Err(SetCookieError::TooLong(cookie.len())) } else { Ok(cookie) }
}

/// Two labels or more: browsers take no cookie for a whole top-level domain.
fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=63).contains(&label.len()) && label.bytes().all(inside) && !label.starts_with('-') && !label.ends_with('-')
    };
    text.len() <= 253 && text.contains('.') && text.split('.').all(label)
}

/// Whether a cookie of the name stands behind a comma: HTTP joins two headers of one name with `, `, and what is one
/// crumb to us may be two cookies to whoever split them.
fn hides(crumb: &[u8], name: &str) -> bool {
    memchr::memchr_iter(b',', crumb).any(|comma| {
        let after = crumb.get(comma + 1..).map_or(&[][..], trim);
        after.strip_prefix(name.as_bytes()).is_some_and(|rest| trim(rest).first() == Some(&b'='))
    })
}

/// What stands between semicolons. The session cookie is long, so this looks at many bytes at a time.
fn crumbs(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(header);
    std::iter::from_fn(move || {
        let bytes = rest?;
        let (crumb, after) = bytes.split_at(memchr::memchr(b';', bytes).unwrap_or(bytes.len()));
        rest = after.get(1..);
        Some(crumb)
    })
}

/// Name and value of one crumb. A crumb without `=` is a value without a name, and no name we look for is empty.
fn split(crumb: &[u8]) -> (&[u8], &[u8]) {
    let crumb = trim(crumb);
    match memchr::memchr(b'=', crumb) {
        Some(at) => {
            let (name, value) = crumb.split_at(at);
            (trim(name), trim(value.get(1..).unwrap_or_default()))
        }
        None => (&[], crumb),
    }
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Trims the blanks of HTTP (RFC 9110 §5.6.3), not those of Unicode (attack C02).
fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is_blank(*first)
    {
        bytes = rest;
    }
    while let [rest @ .., last] = bytes
        && is_blank(*last)
    {
        bytes = rest;
    }
    bytes
}

/// Whether all are cookie-octet (RFC 6265 §4.1.1). Without an early end or a branch, so that the compiler takes many
/// bytes at a time.
fn are_cookie_octets(bytes: &[u8]) -> bool {
    // Those of tokens take fewer questions; as signed numbers, what is beyond ASCII is below them too.
    let plain = bytes.iter().fold(true, |fine, &byte| {
        fine & (byte.cast_signed() > b','.cast_signed()) & (byte != b';') & (byte != b'\\') & (byte != 0x7f)
    });
    plain
        || bytes.iter().fold(true, |fine, &byte| {
            fine & byte.is_ascii_graphic() & (byte != b'"') & (byte != b',') & (byte != b';') & (byte != b'\\')
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NAME: &str = "__Host-sess";

    #[test]
    fn one_cookie_is_found() {
        for header in
            ["__Host-sess=a.b_c-1", "x=1; __Host-sess=a.b_c-1; y=2", "x=1;__Host-sess=a.b_c-1", " __Host-sess=a.b_c-1 "]
        {
            assert_eq!(find(header.as_bytes(), NAME), Lookup::One(b"a.b_c-1"), "{header}");
        }
    }

    #[test]
    fn a_value_has_cookie_octets_only() {
        for byte in 0..=u8::MAX {
            let is_octet = matches!(byte, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e);
            for length in [1, 16, 33] {
                for at in [0, length / 2, length - 1] {
                    for other in [b'a', b'!'] {
                        let mut value = vec![other; length];
                        value[at] = byte;
                        assert_eq!(is_value(&value), is_octet, "{value:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn c01_other_names_are_ignored() {
        for header in ["sess=a", "__Secure-sess=a", "__host-sess=a", "x__Host-sess=a", "__Host-sess2=a"] {
            assert_eq!(find(header.as_bytes(), NAME), Lookup::Absent, "{header}");
        }
    }

    #[test]
    fn c02_exotic_blanks_are_not_trimmed() {
        for blank in ["\u{2000}", "\u{a0}", "\u{85}", "\u{b}", "\u{c}"] {
            assert_eq!(find(format!("{blank}__Host-sess=a").as_bytes(), NAME), Lookup::Absent, "{blank:?}");
        }
    }

    #[test]
    fn c03_legacy_syntax_is_literal() {
        assert_eq!(find(br#"$Version=1; __Host-sess="a"; $Path=/"#, NAME), Lookup::Malformed);
    }

    #[test]
    fn c04_two_values_are_ambiguous_in_any_order() {
        for header in
            ["__Host-sess=a; __Host-sess=b", "__Host-sess=a; x=1; __Host-sess=a", "__Host-sess=; __Host-sess=b"]
        {
            assert_eq!(find(header.as_bytes(), NAME), Lookup::Ambiguous, "{header}");
        }
    }

    #[test]
    fn c05_two_headers_joined_by_a_comma_hide_nothing() {
        assert_eq!(find(b"__Host-sess=a, __Host-sess=b", NAME), Lookup::Malformed);
        for header in [
            "x=1, __Host-sess=a",
            "x=1,__Host-sess =a; y=2",
            "__Host-sess=a; x=1, __Host-sess=b",
            // The first of the two headers has a value without a name.
            "x, __Host-sess=a",
            "x, __Host-sess=a; __Host-sess=b",
            ", __Host-sess=a",
        ] {
            assert_eq!(find(header.as_bytes(), NAME), Lookup::Ambiguous, "{header}");
            assert!(!String::from_utf8(without(header.as_bytes(), NAME)).unwrap().contains("__Host-sess"), "{header}");
        }
        assert_eq!(find(b"x=1, not__Host-sess=a", NAME), Lookup::Absent);
    }

    #[test]
    fn c06_nameless_crumbs_are_not_the_session() {
        assert_eq!(find(b"=__Host-sess=evil", NAME), Lookup::Absent);
        assert_eq!(find(b"__Host-sess", NAME), Lookup::Absent);
    }

    #[test]
    fn c07_quotes_do_not_hide_separators() {
        assert_eq!(find(br#"x="; __Host-sess=evil; y=""#, NAME), Lookup::One(b"evil"));
        assert_eq!(find(br#"__Host-sess="a b""#, NAME), Lookup::Malformed);
    }

    #[test]
    fn c12_attributes_are_complete() {
        let secure = Attributes::host_only(true, Some(SameSite::Lax));
        assert_eq!(set(NAME, "a", &secure).unwrap(), "__Host-sess=a; Path=/; Secure; HttpOnly; SameSite=Lax");
        let plain = Attributes::host_only(false, None);
        assert_eq!(set("iPlanetDirectoryPro", "a", &plain).unwrap(), "iPlanetDirectoryPro=a; Path=/; HttpOnly");
        assert_eq!(set(NAME, "a", &plain), Err(SetCookieError::Prefix));
        assert_eq!(set("a b", "a", &plain), Err(SetCookieError::Grammar));
        assert_eq!(set("a", "a;b", &plain), Err(SetCookieError::Grammar));
        assert!(set("a", &"x".repeat(4000), &plain).is_ok());
        assert_eq!(set("a", &"x".repeat(4096), &plain), Err(SetCookieError::TooLong(4096 + 20)));
    }

    #[test]
    fn domain_and_partitioned_have_their_conditions() {
        let wide = Attributes {
            domain: Some("example.com".into()),
            partitioned: true,
            ..Attributes::host_only(true, Some(SameSite::None))
        };
        let rest = "Domain=example.com; Secure; HttpOnly; SameSite=None; Partitioned";
        assert_eq!(set("sess", "a", &wide).unwrap(), format!("sess=a; Path=/; {rest}"));
        // C14: browsers tell cookies apart by Domain and partition, so both are repeated.
        assert!(clear("sess", &wide).unwrap().starts_with("sess=; Path=/; Max-Age=0;"));
        assert!(clear("sess", &wide).unwrap().ends_with(rest));
        assert_eq!(set(NAME, "a", &wide), Err(SetCookieError::HostOnly));
        assert_eq!(set("sess", "a", &Attributes { secure: false, ..wide.clone() }), Err(SetCookieError::Partitioned));
        for domain in ["", "com", ".example.com", "a..b", "a b.c", "a.b;", "-a.b", "a-.b", &"a.".repeat(127)] {
            let wrong = Attributes { domain: Some((*domain).to_owned()), ..wide.clone() };
            assert_eq!(set("sess", "a", &wrong), Err(SetCookieError::Domain), "{domain}");
        }
    }

    #[test]
    fn c14_clearing_repeats_the_attributes() {
        let secure = Attributes::host_only(true, Some(SameSite::Lax));
        let cleared = clear(NAME, &secure).unwrap();
        assert_eq!(
            cleared,
            "__Host-sess=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; SameSite=Lax"
        );
    }

    #[test]
    fn the_upstream_does_not_see_the_session() {
        assert_eq!(without(b"a=1; __Host-sess=x; b=2", NAME), b"a=1; b=2");
        assert_eq!(without(b"__Host-sess=x", NAME), b"");
        assert_eq!(without(b"__Host-sess=x; __Host-sess=y;; a", NAME), b"a");
    }

    proptest! {
        #[test]
        fn nothing_panics_and_removal_is_complete(header in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = find(&header, "a");
            let rest = without(&header, "a");
            prop_assert_eq!(find(&rest, "a"), Lookup::Absent);
        }
    }
}
