//! The session cookie: reading the token that a request presents, setting and clearing it.

use axum::http::header::{COOKIE, HeaderMap, HeaderName, HeaderValue};
use countersign_core::cookie::{self, Lookup, SetCookieError};

use crate::settings::Session as Settings;

/// The session token of a request, by where it was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Presented<'a> {
    Absent,
    Cookie(&'a [u8]),
    /// In a header named like the cookie: not sent by browsers on their own, so not subject to forgery across sites.
    Header(&'a [u8]),
    /// Two cookies of the name, one that no cookie can be, or a cookie and a header that differ.
    Unusable,
}

impl<'a> Presented<'a> {
    pub(crate) fn of(headers: &'a HeaderMap, settings: &Settings) -> Self {
        let mut found = Lookup::Absent;
        for line in headers.get_all(COOKIE) {
            if line.len() > cookie::MAX_HEADER {
                return Self::Unusable;
            }
            match (found, cookie::find(line.as_bytes(), &settings.cookie_name)) {
                (_, Lookup::Absent) => {}
                (Lookup::Absent, here) => found = here,
                _ => found = Lookup::Ambiguous,
            }
        }
        let mut values = HeaderName::from_bytes(settings.cookie_name.as_bytes())
            .map(|name| headers.get_all(name).iter().map(HeaderValue::as_bytes))
            .into_iter()
            .flatten();
        // As the edge has it: core's gate::presented.
        match (found, values.next(), values.next()) {
            (_, _, Some(_)) | (Lookup::Ambiguous | Lookup::Malformed, _, _) => Self::Unusable,
            (Lookup::One(cookie), Some(header), None) if cookie != header => Self::Unusable,
            (Lookup::One(token), _, None) => Self::Cookie(token),
            (Lookup::Absent, Some(token), None) => Self::Header(token),
            (Lookup::Absent, None, None) => Self::Absent,
        }
    }

    pub(crate) fn token(self) -> Option<&'a [u8]> {
        match self {
            Self::Cookie(token) | Self::Header(token) => Some(token),
            Self::Absent | Self::Unusable => None,
        }
    }

    /// Whether a cookie of the name came along, usable or not.
    pub(crate) fn in_cookie(self) -> bool {
        matches!(self, Self::Cookie(_) | Self::Unusable)
    }
}

/// The `Set-Cookie` value for a token.
pub(crate) fn set(settings: &Settings, token: &str) -> Result<HeaderValue, SetCookieError> {
    let value = cookie::set(&settings.cookie_name, token, &settings.cookie)?;
    HeaderValue::try_from(value).map_err(|_| SetCookieError::Grammar)
}

/// The `Set-Cookie` value that takes the cookie away. Name and attributes were checked with the settings.
pub(crate) fn clear(settings: &Settings) -> Option<HeaderValue> {
    cookie::clear(&settings.cookie_name, &settings.cookie).ok().and_then(|value| HeaderValue::try_from(value).ok())
}
