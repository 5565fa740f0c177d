//! `[cors]`: from which other origins' pages browsers may use the REST interface (AM's CORS service).

use serde::Deserialize;
use url::Url;

/// Most origins that are listed.
const MAX_ORIGINS: usize = 100;

#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Section {
    #[serde(rename = "acceptedOrigins")]
    accepted_origins: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Cors {
    origins: Vec<String>,
}

impl Section {
    pub(super) fn check(self) -> Result<Cors, (&'static str, String)> {
        let origins = if self.accepted_origins.len() > MAX_ORIGINS {
            Err(format!("has more than {MAX_ORIGINS} entries"))
        } else {
            self.accepted_origins.iter().map(|text| origin(text)).collect()
        };
        Ok(Cors { origins: origins.map_err(|why| ("cors.acceptedOrigins", why))? })
    }
}

impl Cors {
    /// Whether a page of this `Origin` may read answers, with the user's cookies.
    pub(crate) fn accepts(&self, origin: &[u8]) -> bool {
        self.origins.iter().any(|accepted| accepted.as_bytes() == origin)
    }
}

/// An origin as browsers write it.
fn origin(text: &str) -> Result<String, String> {
    if text.contains('*') {
        return Err(format!("has {text:?}: answers carry sessions, so each origin is named in full"));
    }
    let url = Url::parse(text).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
    let origin = url.map(|url| url.origin().ascii_serialization());
    let same = |origin: &String| text.trim_end_matches('/').eq_ignore_ascii_case(origin);
    origin.filter(same).ok_or_else(|| format!("has {text:?}, which is not an origin such as https://app.example.com"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_named_in_full() {
        let of =
            |list: &[&str]| Section { accepted_origins: list.iter().map(|text| (*text).to_owned()).collect() }.check();
        let cors = of(&["https://app.example.com", "http://localhost:3000/"]).unwrap();
        assert!(cors.accepts(b"https://app.example.com") && cors.accepts(b"http://localhost:3000"));
        for other in ["https://example.com", "http://app.example.com", "https://app.example.com:8443", "null", ""] {
            assert!(!cors.accepts(other.as_bytes()), "{other}");
        }
        for bad in
            ["*", "https://*.example.com", "app.example.com", "https://a.example.com/x", "ftp://a.example.com", "null"]
        {
            assert!(of(&[bad]).is_err(), "{bad}");
        }
        assert!(of(&["https://a.example.com"; MAX_ORIGINS + 1]).is_err());
    }
}
