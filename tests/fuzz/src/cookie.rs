//! The `Cookie` header: `<name> LF <header>`. What is found is compared with a plain reader, and with a careless one
//! that another server might be.

use countersign_core::cookie::{self, Attributes, Lookup, MAX_SET_COOKIE, SameSite};
use countersign_core::gate::{Facts, presented};

pub(crate) const WORDS: &[&str] = &[
    "sess",
    "__Host-sess",
    "sess=",
    "; sess=a",
    ", sess=b",
    "=",
    ";",
    ",",
    "\"",
    "\\",
    "\n",
    "\t",
    " ",
    "$Version=1",
    "\u{2000}",
    "\u{a0}",
    "x=1",
];

pub(crate) fn run(data: &[u8]) {
    let at = data.iter().position(|&byte| byte == b'\n').unwrap_or(0);
    let header = data.get(at + 1..).unwrap_or_default();
    let is_name = |name: &&str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let name = std::str::from_utf8(&data[..at]).ok().filter(is_name).unwrap_or("sess");

    let values = plain(header, name);
    let found = cookie::find(header, name);
    match found {
        Lookup::Absent => assert!(values.is_empty(), "overlooked"),
        Lookup::One(value) => {
            assert_eq!(values, [value]);
            assert!(cookie::is_value(value));
            let careless = careless(header, name);
            assert!(careless.iter().all(|other| *other == value), "another reader finds another session");
        }
        Lookup::Ambiguous => assert!(values.len() > 1 || header.contains(&b','), "one is one"),
        Lookup::Malformed => assert!(values.len() == 1 && !cookie::is_value(values[0]), "refused without need"),
    }

    let rest = cookie::without(header, name);
    assert!(rest.len() <= header.len() * 2);
    assert_eq!(cookie::find(&rest, name), Lookup::Absent);
    assert_eq!(cookie::without(&rest, name), rest, "removing twice removes no more");
    assert!(careless(&rest, name).is_empty(), "a session goes upstream");

    for (header_line, expected) in [(None, found), (Some(header), Lookup::Absent)] {
        let cookies = if header_line.is_some() { &[][..] } else { header };
        let facts = Facts { path: "/", cookie: cookies, header: header_line };
        match (presented(&facts, name), expected) {
            (Ok(token), Lookup::One(value)) => assert_eq!(token, value),
            (Ok(token), _) => assert!(Some(token) == header_line && cookie::is_value(token)),
            (Err(_), Lookup::One(_)) => assert!(cookies.len() > cookie::MAX_HEADER),
            (Err(_), _) => {}
        }
    }
    set(name, header);
}

/// What is set is found again, and adds nothing beside itself.
fn set(name: &str, value: &[u8]) {
    let Ok(value) = std::str::from_utf8(value) else { return };
    let attributes = Attributes::host_only(true, Some(SameSite::Lax));
    if let Ok(line) = cookie::set(name, value, &attributes) {
        assert!(line.len() <= MAX_SET_COOKIE && line.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '));
        assert_eq!(line, format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax"));
        assert_eq!(line.split(';').count(), 5);
        let pair = line.split(';').next().unwrap_or_default();
        let expected = if value.is_empty() { Lookup::Malformed } else { Lookup::One(value.as_bytes()) };
        assert_eq!(cookie::find(pair.as_bytes(), name), expected);
    }
}

fn trim(bytes: &[u8]) -> &[u8] {
    let blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let Some(start) = bytes.iter().position(|byte| !blank(byte)) else { return &[] };
    let end = bytes.iter().rposition(|byte| !blank(byte)).map_or(0, |at| at + 1);
    &bytes[start..end]
}

fn pair(crumb: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = crumb.iter().position(|&byte| byte == b'=')?;
    Some((trim(&crumb[..at]), trim(&crumb[at + 1..])))
}

/// By the letter of RFC 6265.
fn plain<'a>(header: &'a [u8], name: &str) -> Vec<&'a [u8]> {
    let pairs = header.split(|&byte| byte == b';').filter_map(pair);
    pairs.filter(|(key, _)| *key == name.as_bytes()).map(|(_, value)| value).collect()
}

/// Takes a comma for an end too, as whoever splits joined headers does.
fn careless<'a>(header: &'a [u8], name: &str) -> Vec<&'a [u8]> {
    let pairs = header.split(|&byte| byte == b';' || byte == b',').filter_map(pair);
    pairs.filter(|(key, _)| *key == name.as_bytes()).map(|(_, value)| value).collect()
}
