use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// What the journey may know of the HTTP request that moves it on.
#[derive(Clone, Default)]
pub struct Request {
    /// Names in lower case.
    pub headers: BTreeMap<String, Vec<String>>,
    pub parameters: BTreeMap<String, Vec<String>>,
    pub cookies: BTreeMap<String, String>,
    /// As the host trusts it, not as a header claims it.
    pub client_ip: Option<std::net::IpAddr>,
    /// Language tags in the order of `Accept-Language`.
    pub languages: Vec<String>,
    /// The caller's valid session, if it has one.
    pub existing_session: Option<ExistingSession>,
    /// The client does not run scripts that come in callbacks, as pages under a strict content security policy: nodes
    /// send it what the script would have shown.
    pub without_scripts: bool,
}

#[derive(Clone, Default)]
pub struct ExistingSession {
    pub username: String,
    pub properties: Map<String, Value>,
}

impl Request {
    pub fn header(&self, name: &str) -> &[String] {
        self.headers.get(&name.to_lowercase()).map_or(&[], Vec::as_slice)
    }

    /// The tags of an `Accept-Language` header, best first.
    pub fn parse_languages(header: &str) -> Vec<String> {
        const MAX: usize = 16;
        let mut weighted: Vec<(f32, &str)> = Vec::new();
        for part in header.split(',').take(MAX) {
            let (tag, weight) = part.split_once(';').unwrap_or((part, ""));
            let weight = weight.trim().strip_prefix("q=").and_then(|q| q.trim().parse().ok()).unwrap_or(1.0);
            let tag = tag.trim();
            if !tag.is_empty() && weight > 0.0 {
                weighted.push((weight, tag));
            }
        }
        weighted.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        weighted.into_iter().map(|(_, tag)| tag.to_lowercase()).collect()
    }
}
