//! Bounds on what callers hand in and on what rows hand back.

use countersign_core::time::UnixSeconds;

use crate::StoreError;

/// Most rows that one listing returns, whatever the caller asks for.
pub(crate) const MAX_LISTED: u32 = 1000;
pub(crate) const MAX_NAME: usize = 255;

/// A name: 1 to 255 bytes without control characters, and without white space that nobody sees at either end.
pub(crate) fn name(what: &'static str, text: &str) -> Result<(), StoreError> {
    if text.is_empty() {
        return Err(StoreError::Invalid { what, rule: "must not be empty" });
    }
    if text.trim() != text {
        return Err(StoreError::Invalid { what, rule: "must not begin or end with white space" });
    }
    line(what, text, MAX_NAME)
}

/// Text of at most `max` bytes without control characters; it may be empty.
pub(crate) fn line(what: &'static str, text: &str, max: usize) -> Result<(), StoreError> {
    at_most(what, text.len(), max)?;
    if text.chars().any(char::is_control) {
        return Err(StoreError::Invalid { what, rule: "must not have control characters" });
    }
    Ok(())
}

pub(crate) fn at_most(what: &'static str, length: usize, max: usize) -> Result<(), StoreError> {
    if length > max { Err(StoreError::TooLarge { what, max }) } else { Ok(()) }
}

/// A realm's path: `/`, or segments of `A-Z a-z 0-9 - _ .` that each follow a `/` and mean themselves in a URL.
pub(crate) fn realm_name(text: &str) -> Result<(), StoreError> {
    name("realm name", text)?;
    let segment =
        |s: &str| !matches!(s, "" | "." | "..") && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    let fine = text == "/" || text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(segment));
    if fine { Ok(()) } else { Err(StoreError::Invalid { what: "realm name", rule: "must be a path such as /alpha" }) }
}

/// Words of the addresses that realms are part of: in AM's oldest form, `json/alpha/sessions`, a realm of such a name
/// could not be told from what it stands for, nor be reached.
const PATH_WORDS: [&str; 18] = [
    "agents",
    "authenticate",
    "dashboard",
    "devices",
    "global-config",
    "groups",
    "health",
    "policies",
    "push",
    "realm-config",
    "realms",
    "root",
    "scripts",
    "selfservice",
    "serverinfo",
    "sessions",
    "users",
    "wellknown",
];

/// For new realms: one of before keeps its name.
pub(crate) fn realm_name_is_free(text: &str) -> Result<(), StoreError> {
    let word = |segment: &str| PATH_WORDS.iter().any(|word| word.eq_ignore_ascii_case(segment));
    if text.split('/').any(word) {
        return Err(StoreError::Invalid {
            what: "realm name",
            rule: "must not be a word of the paths, such as sessions",
        });
    }
    Ok(())
}

pub(crate) fn listed(limit: u32) -> i64 {
    i64::from(limit.min(MAX_LISTED))
}

pub(crate) fn time_in(time: UnixSeconds) -> Result<i64, StoreError> {
    i64::try_from(time.0).map_err(|_| StoreError::Invalid { what: "time", rule: "must be below 2^63 seconds" })
}

pub(crate) fn time_out(table: &'static str, seconds: i64) -> Result<UnixSeconds, StoreError> {
    u64::try_from(seconds).map(UnixSeconds).map_err(|_| StoreError::corrupt(table, "a time is negative"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn realm_names_are_plain_paths() {
        for good in ["/", "/alpha", "/alpha/beta-2", "/a.b_c"] {
            assert_eq!(realm_name(good), Ok(()), "{good}");
        }
        for bad in ["", "alpha", "/alpha/", "//", "/../x", "/a//b", "/ä", "/a b", "/a\n", "/.", "/a?b", "/a%2Fb"] {
            assert!(realm_name(bad).is_err(), "{bad}");
        }
        assert_eq!(realm_name(&"/".repeat(256)), Err(StoreError::TooLarge { what: "realm name", max: 255 }));
    }

    #[test]
    fn names_are_bounded_and_printable() {
        assert_eq!(name("username", &"é".repeat(127)), Ok(()));
        assert_eq!(name("username", "Anna Bell"), Ok(()));
        for bad in [" demo", "demo ", " ", "demo\u{a0}", "\u{3000}demo", "demo\n"] {
            let error = name("username", bad).unwrap_err();
            assert_eq!(error.to_string(), "username must not begin or end with white space", "{bad:?}");
        }
        for bad in ["", "a\0", "a\u{85}", "\t", &"a".repeat(256)] {
            assert!(name("username", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn times_outside_the_column_are_refused() {
        assert!(time_in(UnixSeconds(u64::MAX)).is_err());
        assert!(time_out("realms", -1).is_err());
    }
}
