//! `Accept-API-Version`: `protocol=N[.N]`, `resource=N[.N]`, or both.

use axum::http::HeaderMap;

use super::error::Crest;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Version(pub(super) u16, pub(super) u16);

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// The version of the route that answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Negotiated {
    /// As asked for.
    Asked(Version),
    /// Nothing was asked for: the newest.
    Default(Version),
}

impl Negotiated {
    pub(super) const fn version(self) -> Version {
        match self {
            Self::Asked(version) | Self::Default(version) => version,
        }
    }
}

/// What a request's header asks for.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Requested {
    pub(super) protocol: Option<Version>,
    pub(super) resource: Option<Version>,
}

pub(super) fn parse(headers: &HeaderMap) -> Result<Requested, Crest> {
    let mut lines = headers.get_all("accept-api-version").iter();
    let Some(line) = lines.next() else { return Ok(Requested::default()) };
    let text = line.to_str().unwrap_or("?");
    let malformed = || {
        let shown: String = text.chars().take(100).collect();
        Crest::bad_request(format!("Version string is in an invalid format: {shown}"))
    };
    if lines.next().is_some() {
        return Err(malformed());
    }
    let (mut protocol, mut resource) = (None, None);
    for part in text.split(',') {
        let (name, number) = part.trim().split_once('=').ok_or_else(malformed)?;
        let slot = match name {
            "protocol" => &mut protocol,
            "resource" => &mut resource,
            _ => return Err(malformed()),
        };
        if slot.replace(read(number).ok_or_else(malformed)?).is_some() {
            return Err(malformed());
        }
    }
    match protocol {
        None | Some(Version(1, 0) | Version(2, 0..=2)) => Ok(Requested { protocol, resource }),
        Some(Version(1 | 2, minor)) => Err(Crest::bad_request(format!("Unsupported minor version: {minor}"))),
        Some(Version(major, _)) => Err(Crest::bad_request(format!("Unsupported major version: {major}"))),
    }
}

fn read(text: &str) -> Option<Version> {
    let number = |text: &str| if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None };
    match text.split_once('.') {
        Some((major, minor)) => Some(Version(number(major)?, number(minor)?)),
        None => Some(Version(number(text)?, 0)),
    }
}

/// The route of the same major version whose minor is not below the one asked for. `routes` ends with the newest.
pub(super) fn negotiate(requested: Option<Version>, routes: &[Version]) -> Option<Negotiated> {
    match requested {
        None => routes.last().copied().map(Negotiated::Default),
        Some(asked) => {
            routes.iter().find(|route| route.0 == asked.0 && route.1 >= asked.1).copied().map(Negotiated::Asked)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn parsed(text: &str) -> Result<Option<Version>, String> {
        asked(text).map(|asked| asked.resource)
    }

    fn asked(text: &str) -> Result<Requested, String> {
        let mut headers = HeaderMap::new();
        headers.insert("accept-api-version", HeaderValue::from_str(text).unwrap());
        parse(&headers).map_err(|error| error.message)
    }

    #[test]
    fn the_grammar_is_ams() {
        assert_eq!(parse(&HeaderMap::new()), Ok(Requested::default()));
        assert_eq!(asked("resource=1.0, protocol=2.1").map(|asked| asked.protocol), Ok(Some(Version(2, 1))));
        for good in ["resource=2.1", "protocol=1.0,resource=2.1", "resource=2.1, protocol=2.2"] {
            assert_eq!(parsed(good), Ok(Some(Version(2, 1))), "{good}");
        }
        assert_eq!(parsed("resource=4"), Ok(Some(Version(4, 0))));
        assert_eq!(parsed("protocol=2"), Ok(None));
        for bad in
            ["", "2.1", "resource", "resource=", "resource=x", "resource=+1", "version=1", "resource=1,resource=1", ","]
        {
            assert!(parsed(bad).unwrap_err().starts_with("Version string is in an invalid format: "), "{bad}");
        }
        assert_eq!(parsed("protocol=3.0"), Err("Unsupported major version: 3".into()));
        assert_eq!(parsed("protocol=2.9"), Err("Unsupported minor version: 9".into()));
    }

    #[test]
    fn the_route_answers_with_its_own_version() {
        let routes = [Version(1, 2), Version(2, 0), Version(4, 0)];
        assert_eq!(negotiate(None, &routes), Some(Negotiated::Default(Version(4, 0))));
        assert_eq!(negotiate(Some(Version(1, 0)), &routes), Some(Negotiated::Asked(Version(1, 2))));
        assert_eq!(negotiate(Some(Version(2, 1)), &routes), None);
        assert_eq!(negotiate(Some(Version(42, 0)), &routes), None);
    }
}
