//! What a journey may know of the HTTP request that moves it on.

use std::collections::BTreeMap;

use axum::http::header::{ACCEPT_LANGUAGE, COOKIE, HeaderMap};
use countersign_core::session::Session;
use countersign_journey::{ExistingSession, Request};
use serde_json::Value;

use super::client_address;
use super::query::Query;

/// Most cookies that are looked at.
const MAX_COOKIES: usize = 64;

pub(super) fn request(headers: &HeaderMap, query: &Query, session: Option<&Session>) -> Request {
    let mut by_name: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        if client_address::is_own(name) {
            continue;
        }
        // Values that are UTF-8 though they need not be are taken as they are.
        let Ok(value) = std::str::from_utf8(value.as_bytes()) else { continue };
        by_name.entry(name.as_str().to_owned()).or_default().push(value.to_owned());
    }
    let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in query.iter() {
        parameters.entry(name.to_owned()).or_default().push(value.to_owned());
    }
    // AM's parameter goes before the header.
    let asked = query.filled("locale").map(|locale| locale.replace('_', "-").to_lowercase());
    let accepted = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    Request {
        headers: by_name,
        parameters,
        cookies: cookies(headers),
        client_ip: client_address::of(headers),
        languages: asked.into_iter().chain(Request::parse_languages(accepted)).collect(),
        existing_session: session.map(existing),
        without_scripts: false,
    }
}

/// The first of a name counts, as browsers send the most specific one first.
fn cookies(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut cookies = BTreeMap::new();
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    for (name, value) in
        lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('=')).take(MAX_COOKIES)
    {
        cookies.entry(name.trim().to_owned()).or_insert_with(|| value.trim().trim_matches('"').to_owned());
    }
    cookies
}

fn existing(session: &Session) -> ExistingSession {
    let claims = session.claims();
    let mut properties: serde_json::Map<String, Value> =
        claims.properties.iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    properties.insert("AuthLevel".to_owned(), claims.auth_level.to_string().into());
    ExistingSession { username: claims.sub.clone(), properties }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_request_is_seen_as_it_came() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-a", "1"),
            ("x-a", "2"),
            ("cookie", "a=1; b=\"2\"; a=3"),
            ("cookie", "c=4=5"),
            ("accept-language", "fr;q=0.5, de"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let query = Query::parse(b"locale=en_GB&x=1&x=2");
        let request = request(&headers, &query, None);
        assert_eq!(request.header("X-A"), ["1", "2"]);
        assert_eq!(request.parameters["x"], ["1", "2"]);
        let cookies: Vec<_> = request.cookies.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(cookies, [("a", "1"), ("b", "2"), ("c", "4=5")]);
        assert_eq!(request.languages, ["en-gb", "de", "fr"]);
        assert!(request.existing_session.is_none());
    }
}
