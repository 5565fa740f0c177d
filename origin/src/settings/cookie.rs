//! The rules about the session cookie's name and attributes.

use countersign_core::cookie::{self, Attributes, SameSite, SetCookieError};
use countersign_core::gate::is_reserved_header;

use super::PublicUrl;
use super::session::{self, Session};

/// Headers that requests have for something else. REST clients present a session in a header named like the cookie, and
/// an edge takes that header off.
const HEADERS: [&str; 20] = [
    "accept",
    "accept-api-version",
    "accept-encoding",
    "accept-language",
    "authorization",
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "if-match",
    "if-none-match",
    "origin",
    "range",
    "referer",
    "upgrade",
    "user-agent",
    "x-openam-username",
    "x-requested-with",
];

pub(super) fn check(session: &Session, public_url: &PublicUrl) -> Result<(String, Attributes), (&'static str, String)> {
    let https = public_url.is_https();
    let same_site = session.same_site.unwrap_or(session::SameSite::Lax);
    if same_site == session::SameSite::None && !https {
        return Err(("session.same_site", "none needs Secure, hence an https public_url".to_owned()));
    }
    let same_site = match same_site {
        session::SameSite::Lax => SameSite::Lax,
        session::SameSite::Strict => SameSite::Strict,
        session::SameSite::None => SameSite::None,
    };
    let attributes = Attributes {
        secure: https,
        same_site: Some(same_site),
        domain: domain(session.cookie_domains.as_deref().unwrap_or_default(), public_url)?,
        partitioned: session.partitioned.unwrap_or(false),
    };
    let name = session.cookie_name.clone().unwrap_or_else(|| match (https, &attributes.domain) {
        // A `__Host-` cookie has no Domain; nobody has to say so twice.
        (true, None) => "__Host-iPlanetDirectoryPro".to_owned(),
        (true, Some(_)) => "__Secure-iPlanetDirectoryPro".to_owned(),
        (false, _) => "iPlanetDirectoryPro".to_owned(),
    });
    if name.len() > 128 {
        return Err(("session.cookie_name", "must have at most 128 characters".to_owned()));
    }
    if HEADERS.iter().any(|header| name.eq_ignore_ascii_case(header)) || is_reserved_header(&name) {
        return Err(("session.cookie_name", format!("cannot be {name}: a session may come in a header of that name")));
    }
    cookie::clear(&name, &attributes).map_err(|error| {
        let key = match error {
            SetCookieError::HostOnly | SetCookieError::Domain => "session.cookie_domains",
            SetCookieError::Partitioned => "session.partitioned",
            _ => "session.cookie_name",
        };
        (key, error.to_string())
    })?;
    Ok((name, attributes))
}

/// The one of AM's list that browsers would take from `public_url`. Others would be dropped in silence, and with two
/// that fit a browser would send two cookies of one name, which nobody can tell apart: both are said at the start.
fn domain(domains: &[String], public_url: &PublicUrl) -> Result<Option<String>, (&'static str, String)> {
    let wrong = |what: String| ("session.cookie_domains", what);
    let host = public_url.url().host_str().unwrap_or_default();
    match domains {
        [] => Ok(None),
        [domain] => {
            let domain = domain.strip_prefix('.').unwrap_or(domain).to_ascii_lowercase();
            let parent = host.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
            if !parent {
                return Err(wrong(format!("{domain:?} is neither {host} nor above it: browsers would not take it")));
            }
            Ok(Some(domain))
        }
        _ => Err(wrong("can name one domain only: with two, browsers would send two cookies of one name".to_owned())),
    }
}
