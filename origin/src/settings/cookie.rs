//! The rules about the session cookie's name and attributes.

use std::net::Ipv4Addr;

use countersign_core::cookie::{self, Attributes, SameSite, SetCookieError};
use countersign_core::gate::is_reserved_header;
use url::{Host, Url};

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

/// Most domains that may be named.
const MAX_DOMAINS: usize = 64;

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
        domain: domain(&checked_domains(session)?, public_url.url())?,
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
            SetCookieError::HostOnly => "session.cookie_domains",
            SetCookieError::Partitioned => "session.partitioned",
            _ => "session.cookie_name",
        };
        (key, error.to_string())
    })?;
    Ok((name, attributes))
}

fn checked_domains(session: &Session) -> Result<Vec<String>, (&'static str, String)> {
    let wrong = |what: String| ("session.cookie_domains", what);
    let domains = domains(session);
    if domains.len() > MAX_DOMAINS {
        return Err(wrong(format!("must be at most {MAX_DOMAINS}")));
    }
    for domain in &domains {
        if domain.parse::<Ipv4Addr>().is_ok() {
            return Err(wrong(format!("has {domain:?}: there is nothing below an address")));
        }
        let with = Attributes { domain: Some(domain.clone()), ..Attributes::host_only(false, None) };
        cookie::clear("any", &with).map_err(|error| wrong(format!("has {domain:?}: {error}")))?;
    }
    Ok(domains)
}

/// AM's list, in the form that browsers compare: it may have a dot in front there.
pub(super) fn domains(session: &Session) -> Vec<String> {
    let named = session.cookie_domains.iter().flatten();
    named.map(|domain| domain.strip_prefix('.').unwrap_or(domain).to_ascii_lowercase()).collect()
}

/// The longest of the domains that `public_url` is in; `None`, a host-only cookie, where none is named. One, because
/// with two a browser would send two cookies of one name, which nobody can tell apart. And by `public_url`, since that
/// is how browsers reach this origin: what a request says of its host is believed about nothing else either.
fn domain(domains: &[String], public_url: &Url) -> Result<Option<String>, (&'static str, String)> {
    let host = match public_url.host() {
        Some(Host::Domain(host)) => host,
        _ => "",
    };
    // RFC 6265 section 5.1.3.
    let is_below = |domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    let matching = domains.iter().filter(|domain| is_below(domain)).max_by_key(|domain| domain.len());
    if matching.is_none() && !domains.is_empty() {
        let what = format!("must name a domain that public_url ({public_url}) is in");
        return Err(("session.cookie_domains", what));
    }
    Ok(matching.cloned())
}
