use url::{Host, Url};

/// The URLs that scripts may send requests to, as prefixes: scheme, host and port must be the same, and the path must
/// lie at or below the prefix's.
#[derive(Clone, Debug, Default)]
pub struct AllowList(Vec<Url>);

impl AllowList {
    /// Refuses what is no `http` or `https` URL or has parts that a prefix cannot have.
    pub fn new<'a>(prefixes: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let read = |prefix: &str| {
            let url = Url::parse(prefix).map_err(|error| format!("{prefix:?} is no URL: {error}"))?;
            let plain = sendable(&url) && url.query().is_none() && url.fragment().is_none();
            if plain { Ok(url) } else { Err(format!("{prefix:?} is not the beginning of an http or https URL")) }
        };
        prefixes.into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn allows(&self, url: &Url) -> bool {
        sendable(url) && self.0.iter().any(|prefix| prefix.origin() == url.origin() && below(prefix.path(), url.path()))
    }
}

/// A user name in front of the host serves only to mislead whoever reads it.
fn sendable(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.username().is_empty()
        && url.password().is_none()
        && matches!(url.host(), Some(Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_)))
}

/// `/a` has `/a` and `/a/b` below it, not `/ab`. The parser has already resolved dots; encoded slashes and dots, which
/// servers read differently, are not let through under a path.
fn below(prefix: &str, path: &str) -> bool {
    let stem = prefix.strip_suffix('/').unwrap_or(prefix);
    if stem.is_empty() {
        return true;
    }
    let lower = path.to_ascii_lowercase();
    let plain = !["%2f", "%5c", "%2e"].iter().any(|odd| lower.contains(odd));
    plain && path.strip_prefix(stem).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_an_origin_and_a_path() {
        let list = AllowList::new(["https://api.example.com/v1", "http://127.0.0.1:8080"]).unwrap();
        let allows = |url: &str| list.allows(&Url::parse(url).unwrap());
        for right in
            ["https://api.example.com/v1", "https://API.example.com:443/v1/users?x=1", "http://127.0.0.1:8080/any"]
        {
            assert!(allows(right), "{right}");
        }
        for wrong in [
            "http://api.example.com/v1",
            "https://api.example.com.evil.test/v1",
            "https://api.example.com@evil.test/v1",
            "https://evil.test/?https://api.example.com/v1",
            "https://api.example.com:8443/v1",
            "https://api.example.com/v10",
            "https://api.example.com/v1/../admin",
            "https://api.example.com/v1/%2e%2e/admin",
            "https://api.example.com/v1/..%2fadmin",
            "https://user@api.example.com/v1",
            "file:///etc/passwd",
        ] {
            assert!(!allows(wrong), "{wrong}");
        }
        assert!(AllowList::new(["ftp://x"]).is_err() && AllowList::new(["https://x/?q"]).is_err());
        assert!(!AllowList::default().allows(&Url::parse("https://api.example.com").unwrap()));
    }
}
