use serde::Deserialize;
use url::Host;

use super::PublicUrl;

const MAX_ORIGINS: usize = 32;

/// Who asks for WebAuthn credentials.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RelyingParty {
    pub(crate) id: String,
    pub(crate) origins: Vec<String>,
}

/// The section as it is written.
#[derive(Clone, Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WebAuthn {
    pub(super) relying_party_id: Option<String>,
    pub(super) origins: Option<Vec<String>>,
}

impl WebAuthn {
    /// With what `above` says where this says nothing.
    pub(super) fn over(self, above: &Self) -> Self {
        Self {
            relying_party_id: self.relying_party_id.or_else(|| above.relying_party_id.clone()),
            origins: self.origins.or_else(|| above.origins.clone()),
        }
    }

    pub(super) fn check(&self, public_url: &PublicUrl) -> Result<RelyingParty, (&'static str, String)> {
        let host = public_url.url().host_str().unwrap_or_default();
        let id = self.relying_party_id.clone().unwrap_or_else(|| host.to_owned());
        // Browsers refuse others for the pages that we serve.
        let above = host.strip_suffix(&id).is_some_and(|rest| rest.ends_with('.')) && id.contains('.');
        let domain = matches!(public_url.url().host(), Some(Host::Domain(_)));
        if id != host && !(above && domain) {
            let rule = format!("must be the host of server.public_url, which is {host}, or a domain above it");
            return Err(("webauthn.relying_party_id", rule));
        }
        let origins = match &self.origins {
            None => vec![public_url.origin()],
            Some(origins) => origins.iter().map(|origin| origin.trim_end_matches('/').to_owned()).collect(),
        };
        if origins.is_empty() || origins.len() > MAX_ORIGINS || !origins.iter().all(|origin| is_origin(origin)) {
            let rule = "must be origins such as https://login.example.com or android:apk-key-hash:...";
            return Err(("webauthn.origins", rule.to_owned()));
        }
        Ok(RelyingParty { id, origins })
    }
}

fn is_origin(text: &str) -> bool {
    let web = || url::Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == text);
    text.strip_prefix("android:apk-key-hash:").is_some_and(|hash| !hash.is_empty()) || web()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(public_url: &str, id: Option<&str>, origins: Option<&[&str]>) -> Result<RelyingParty, &'static str> {
        let origins = origins.map(|origins| origins.iter().map(|origin| (*origin).to_owned()).collect());
        let section = WebAuthn { relying_party_id: id.map(str::to_owned), origins };
        section.check(&PublicUrl::parse(public_url).unwrap()).map_err(|(key, _)| key)
    }

    #[test]
    fn by_default_it_is_the_installations_own_host() {
        let own = check("https://login.example.com:8443", None, None).unwrap();
        assert_eq!(
            (own.id.as_str(), own.origins),
            ("login.example.com", vec!["https://login.example.com:8443".to_owned()])
        );
    }

    #[test]
    fn a_domain_above_it_and_other_origins_may_be_named() {
        let origins = ["https://a.example.com/", "android:apk-key-hash:abc"];
        let named = check("https://login.example.com", Some("example.com"), Some(&origins)).unwrap();
        assert_eq!((named.id.as_str(), named.origins[0].as_str()), ("example.com", "https://a.example.com"));
        for id in ["com", "ample.com", "other.com", "sub.login.example.com", ""] {
            assert_eq!(check("https://login.example.com", Some(id), None), Err("webauthn.relying_party_id"), "{id}");
        }
        assert_eq!(check("https://127.0.0.1", Some("0.0.1"), None), Err("webauthn.relying_party_id"));
        for origins in [&[][..], &["example.com"], &["https://x/path"], &["HTTPS://x"], &["android:apk-key-hash:"]] {
            assert_eq!(check("https://x", None, Some(origins)), Err("webauthn.origins"), "{origins:?}");
        }
    }
}
