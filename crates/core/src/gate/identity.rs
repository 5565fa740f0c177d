use serde::Serialize;

use crate::session::{Session, SessionClaims};
use crate::time::UnixSeconds;

/// The headers by which the edge states an identity to the application, in lower case.
pub const IDENTITY_HEADERS: &[&str] =
    &["remote-user", "remote-name", "remote-email", "remote-groups", "x-countersign-assertion"];

/// Header families that applications, frameworks or proxies take for facts about who asks, or for what; none of them
/// may come from outside. Prefixes, in lower case with hyphens.
const RESERVED: &[&str] = &[
    "remote-",
    "x-countersign-",
    "x-auth-",
    "x-authenticated-",
    "x-remote-user",
    "x-webauth-",
    "cf-access-",
    // Where the edge states what it knows, and what steers routing elsewhere (attacks H08, H09).
    "x-forwarded",
    "forwarded",
    "x-original-",
    "x-rewrite-url",
    "x-http-method",
    "x-method-override",
    "x-middleware-",
    // Where a request came from is for the edge to say, if it knows.
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    // CGI makes HTTP_PROXY of it, which programs take for their own setting.
    "proxy",
];

/// Whether a header may not come in from outside: an identity header in any spelling that some server would take for
/// one. Letter case does not matter, and whatever is no letter or digit stands for `-`, because CGI-like interfaces
/// fold it to `_` (attacks H01, H02).
pub fn is_reserved_header(name: &str) -> bool {
    let folded: String =
        name.trim().chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    RESERVED.iter().any(|family| folded.starts_with(family))
}

/// Lifetime of an assertion, in seconds.
pub const ASSERTION_SECONDS: u64 = 60;

/// The claims of the signed assertion that the application verifies: who is behind this request, said by the edge.
/// `typ` is `assertion+jwt`; the key is in the JWKS that the origin publishes.
#[derive(Serialize)]
pub struct Assertion<'a> {
    pub iss: &'a str,
    pub aud: &'a str,
    pub sub: &'a str,
    pub iat: UnixSeconds,
    pub exp: UnixSeconds,
    pub jti: String,
    pub sid: String,
    pub realm: &'a str,
    pub auth_time: UnixSeconds,
    pub auth_level: u32,
    pub amr: &'a [String],
    pub properties: &'a crate::session::Properties,
}

impl<'a> Assertion<'a> {
    /// `jti` is that of the session token with `iat` appended: one for each assertion, which several requests may
    /// share.
    pub fn new(session: &'a Session, iss: &'a str, aud: &'a str, now: UnixSeconds) -> Self {
        let claims: &SessionClaims = session.claims();
        Self {
            iss,
            aud,
            sub: &claims.sub,
            iat: now,
            // Never beyond the session itself.
            exp: now.plus(ASSERTION_SECONDS).min(claims.exp).min(claims.fexp),
            jti: format!("{}-{}", claims.jti, now.0),
            sid: claims.sid.to_string(),
            realm: &claims.realm,
            auth_time: claims.auth_time(),
            auth_level: claims.auth_level,
            amr: &claims.amr,
            properties: &claims.properties,
        }
    }
}

/// A header value in plain ASCII: bytes outside `!`…`~` and space, `%`, and blanks at the ends are percent-encoded
/// (RFC 3986 §2.1) as UTF-8, so that a name with umlauts arrives, one with a line break adds no header, and one that
/// ends in a blank is not trimmed into somebody else's.
pub fn percent_encode(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let last = value.len().saturating_sub(1);
    for (at, byte) in value.bytes().enumerate() {
        let inner_blank = byte == b' ' && at != 0 && at != last;
        if (byte.is_ascii_graphic() || inner_blank) && byte != b'%' {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h02_every_spelling_of_a_reserved_header_is_one() {
        for name in [
            "Remote-User",
            "remote_user",
            "REMOTE.USER",
            "Remote-User ",
            "X-Countersign-Assertion",
            "x_countersign_anything",
            "X-Forwarded-User",
            "X-Auth-Request-Email",
            "X_Forwarded_Preferred_Username",
            "X-Forwarded-For",
            "X-Remote-User",
            "Forwarded",
            "X-Original-URL",
            "x-middleware-subrequest",
            "X.HTTP.Method.Override",
            "Remote~User",
            "Remote!User",
            "X_Countersign~Assertion",
            "Remote\u{ad}User",
            "CF-Connecting-IP",
            "Proxy",
            "X-Forwarded",
        ] {
            assert!(is_reserved_header(name), "{name}");
        }
        for name in ["Accept", "X-Requested-With", "User-Agent", "Cookie", "Upgrade"] {
            assert!(!is_reserved_header(name), "{name}");
        }
        for name in IDENTITY_HEADERS {
            assert!(is_reserved_header(name), "{name}");
        }
    }

    #[test]
    fn h18_a_value_adds_no_header() {
        assert_eq!(percent_encode("J\u{fc}rgen\r\nX: 100%"), "J%C3%BCrgen%0D%0AX: 100%25");
        assert_eq!(percent_encode(" ada b "), "%20ada b%20");
        assert_eq!(percent_encode("ada  "), "ada %20");
    }
}
