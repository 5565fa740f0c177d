//! Where a login or logout may lead: `goto`, the classic open redirect (AM's Validation Service).

use url::{Origin, Url};

use crate::settings::PublicUrl;

/// AM's limit.
const MAX_GOTO: usize = 2000;
const MAX_DESTINATIONS: usize = 100;

/// The own origin and the ones that the operator listed.
#[derive(Clone, Debug)]
pub(crate) struct Destinations {
    public_url: PublicUrl,
    others: Vec<Destination>,
    apps: Vec<AppDestination>,
}

/// An app on the user's device, by a scheme of its own.
#[derive(Clone, Debug)]
struct AppDestination {
    scheme: String,
    /// The whole address, or how it begins.
    address: String,
    is_prefix: bool,
}

#[derive(Clone, Debug)]
struct Destination {
    origin: Origin,
    /// Ends in `/`.
    prefix: Option<String>,
}

impl Destinations {
    pub(crate) fn parse(public_url: &PublicUrl, others: &[String]) -> Result<Self, String> {
        if others.len() > MAX_DESTINATIONS {
            return Err(format!("has more than {MAX_DESTINATIONS} entries"));
        }
        let (mut origins, mut apps) = (Vec::new(), Vec::new());
        for text in others {
            match AppDestination::parse(text)? {
                Some(app) => apps.push(app),
                None => origins.push(Destination::parse(text)?),
            }
        }
        Ok(Self { public_url: public_url.clone(), others: origins, apps })
    }

    /// What a journey's own setting leads to, by the same rules; a path stays one.
    pub(crate) fn check_own(&self, url: &str) -> Option<String> {
        let checked = self.check(url)?;
        Some(if url.starts_with('/') { url.to_owned() } else { checked })
    }

    /// The schemes of listed apps.
    pub(crate) fn app_schemes(&self) -> impl Iterator<Item = &str> {
        self.apps.iter().map(|app| app.scheme.as_str())
    }

    /// The absolute URL to send the browser to, or nothing: an invalid `goto` is ignored. What is returned is what was
    /// checked, spelled canonically, so that a browser cannot read it in another way.
    pub(crate) fn check(&self, goto: &str) -> Option<String> {
        if goto.len() > MAX_GOTO || goto.chars().any(|c| c.is_control() || c == '\\') {
            return None;
        }
        // Of the many relative forms only the plain one is taken: "https:x" and "x" mean what nobody expects.
        let rooted = goto.starts_with('/') && !goto.starts_with("//");
        let absolute = ["http://", "https://"]
            .iter()
            .any(|scheme| goto.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
        if !rooted && !absolute {
            let url = Url::parse(goto).ok().filter(|_| !goto.starts_with(char::is_whitespace))?;
            return self.apps.iter().any(|app| app.admits(&url)).then(|| url.into());
        }
        let url = self.public_url.url().join(goto).ok()?;
        let plain = matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
        let own = url.origin() == self.public_url.url().origin();
        (plain && (own || self.others.iter().any(|other| other.admits(&url)))).then(|| url.into())
    }

    /// The listed origins: Chrome applies the CSP's `form-action` to the redirects after a form too.
    pub(crate) fn other_origins(&self) -> impl Iterator<Item = String> {
        let apps = self.apps.iter().map(|app| format!("{}:", app.scheme));
        self.others.iter().map(|other| other.origin.ascii_serialization()).chain(apps)
    }
}

impl AppDestination {
    /// `None` for an entry of http or https, or of no scheme at all.
    fn parse(text: &str) -> Result<Option<Self>, String> {
        let Ok(url) = Url::parse(text) else { return Ok(None) };
        if matches!(url.scheme(), "http" | "https") {
            return Ok(None);
        }
        let refused = |rule: &str| Err(format!("has {text:?}, which {rule}"));
        // What the browser itself runs, shows or reads (`javascript:`, `data:`, `file:`, …) has no dot in its scheme;
        // and one without may be a mistake, such as a host with a port.
        if !url.scheme().contains('.') {
            return refused("is neither http or https nor the scheme of an app such as com.example.app");
        }
        let (scheme, address) = (url.scheme().to_owned(), url.as_str().to_owned());
        let (address, is_prefix) = match address.strip_suffix('*') {
            Some(prefix) => (prefix.to_owned(), true),
            None => (address, false),
        };
        if address.contains('*') {
            return refused("has a * that is not at its end");
        }
        Ok(Some(Self { scheme, address, is_prefix }))
    }

    fn admits(&self, url: &Url) -> bool {
        let address = url.as_str();
        url.scheme() == self.scheme && (address == self.address || self.is_prefix && address.starts_with(&self.address))
    }
}

impl Destination {
    fn parse(text: &str) -> Result<Self, String> {
        let refused = |rule: &str| format!("has {text:?}, which {rule}");
        let url = Url::parse(text).map_err(|_| refused("is not an absolute URL"))?;
        let tuple = matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
        let extra = !url.username().is_empty() || url.password().is_some() || url.query().is_some();
        if !tuple || extra || url.fragment().is_some() {
            return Err(refused("is not an http or https origin with an optional path"));
        }
        if url.host_str().is_some_and(|host| host.contains('*')) {
            return Err(refused("has a wildcard in its host; list each host"));
        }
        let prefix = match url.path() {
            "/" | "/*" => None,
            path => match path.strip_suffix('*') {
                Some(prefix) if prefix.ends_with('/') && !prefix.contains('*') => Some(prefix.to_owned()),
                _ => return Err(refused("has a path that does not end in /*")),
            },
        };
        Ok(Self { origin: url.origin(), prefix })
    }

    fn admits(&self, url: &Url) -> bool {
        let path = url.path().to_ascii_lowercase();
        // Some servers read an encoded separator as one, and then the dot segments behind it.
        let tricky = path.contains("%2f") || path.contains("%5c");
        let within = self.prefix.as_ref().is_none_or(|prefix| !tricky && url.path().starts_with(prefix));
        url.origin() == self.origin && within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destinations(public_url: &str, others: &[&str]) -> Destinations {
        let others: Vec<String> = others.iter().map(|text| (*text).to_owned()).collect();
        Destinations::parse(&PublicUrl::parse(public_url).unwrap(), &others).unwrap()
    }

    #[test]
    fn s13_only_own_and_listed_destinations_are_taken() {
        let list = destinations(
            "https://login.example.com",
            &["https://app.example.com", "https://shop.example.com:8443/basket/*"],
        );
        for (goto, expected) in [
            ("/", "https://login.example.com/"),
            ("/a?b=c#d", "https://login.example.com/a?b=c#d"),
            ("/a/../b", "https://login.example.com/b"),
            ("/ä", "https://login.example.com/%C3%A4"),
            ("https://login.example.com/x", "https://login.example.com/x"),
            ("HTTPS://LOGIN.example.com:443/x", "https://login.example.com/x"),
            ("https://app.example.com", "https://app.example.com/"),
            ("https://app.example.com/any?x=//evil.example", "https://app.example.com/any?x=//evil.example"),
            ("https://shop.example.com:8443/basket/1", "https://shop.example.com:8443/basket/1"),
        ] {
            assert_eq!(list.check(goto).as_deref(), Some(expected), "{goto}");
        }
        for goto in [
            "",
            " ",
            "x",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https:evil.example",
            "https:/evil.example",
            "https:///evil.example",
            "http:evil.example",
            "https://evil.example/",
            "https://login.example.com.evil.example/",
            "https://evil.example/login.example.com",
            "https://login.example.com@evil.example/",
            "https://user@login.example.com/",
            "https://user:pass@login.example.com/",
            "https://login.example.com:444/",
            "http://login.example.com/",
            "http://app.example.com/",
            "https://app.example.com:8443/",
            "https://sub.app.example.com/",
            "https://login.exam\u{ff50}le.com.evil.example/",
            "https://lоgin.example.com/", // a Cyrillic о
            "https://shop.example.com:8443/",
            "https://shop.example.com:8443/basket",
            "https://shop.example.com:8443/basketball",
            "https://shop.example.com:8443/basket/../admin",
            "https://shop.example.com:8443/basket/%2e%2e/admin",
            "https://shop.example.com:8443/basket/..%2fadmin",
            "https://shop.example.com:8443/basket/%5c..%5cadmin",
            "javascript:alert(1)",
            "java\nscript:alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "file:///etc/passwd",
            "about:blank",
            "blob:https://login.example.com/x",
            "ftp://login.example.com/",
            "wss://login.example.com/",
            " https://login.example.com/",
            "/\t/evil.example",
            "/\n/evil.example",
            "/\r\nSet-Cookie:x=y",
            "\u{0}/x",
            "/\u{7f}",
            "@evil.example",
            "?x",
            "#x",
            ".",
        ] {
            assert_eq!(list.check(goto), None, "{goto:?}");
        }
        assert_eq!(list.check(&format!("/{}", "x".repeat(1999))).map(|url| url.len()), Some(25 + 2000));
        assert_eq!(list.check(&format!("/{}", "x".repeat(2000))), None);
        assert_eq!(list.check(&"/".repeat(10_000)), None);
    }

    #[test]
    fn a_full_width_host_is_the_host_it_folds_to() {
        let list = destinations("https://login.example.com", &[]);
        assert_eq!(
            list.check("https://login.exam\u{ff50}le.com/x").as_deref(),
            Some("https://login.example.com/x"),
            "what is returned is the host that was compared"
        );
    }

    #[test]
    fn s13_apps_are_led_to_when_they_are_listed() {
        let list = destinations("https://login.example.com", &["com.example.app:/done", "org.example.other://in/*"]);
        for (goto, expected) in [
            ("com.example.app:/done", Some("com.example.app:/done")),
            ("COM.example.app:/done", Some("com.example.app:/done")),
            ("org.example.other://in/a?b", Some("org.example.other://in/a?b")),
            ("com.example.app:/done/x", None),
            ("com.example.app:/", None),
            ("org.example.other://elsewhere/a", None),
            ("org.example.other://in/../../x", None),
            ("com.example.evil:/done", None),
            ("javascript:alert(1)", None),
            (" com.example.app:/done", None),
        ] {
            // A URL's dot segments are gone before it is compared.
            let found = list.check(goto).filter(|url| !url.ends_with("/in/x"));
            assert_eq!(found.as_deref(), expected, "{goto}");
        }
        assert_eq!(list.other_origins().collect::<Vec<_>>(), ["com.example.app:", "org.example.other:"]);
        let public_url = PublicUrl::parse("https://login.example.com").unwrap();
        for bad in ["javascript:*", "data:*", "localhost:80", "myapp:/x", "com.example.app:/*/x"] {
            assert!(Destinations::parse(&public_url, &[bad.to_owned()]).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_a_journey_says_is_held_to_the_same() {
        let list = destinations("https://login.example.com", &["https://app.example.com"]);
        for (own, expected) in [
            ("/am/console", Some("/am/console")),
            ("https://app.example.com/x", Some("https://app.example.com/x")),
            ("https://login.example.com", Some("https://login.example.com/")),
            ("https://evil.example/", None),
            ("//evil.example/", None),
            ("javascript:alert(1)", None),
            ("data:text/html,x", None),
        ] {
            assert_eq!(list.check_own(own).as_deref(), expected, "{own}");
        }
    }

    #[test]
    fn lists_are_checked() {
        for bad in [
            "app.example.com",
            "https://*.example.com",
            "https://a.example/x",
            "https://a.example/x*",
            "https://u@a.example",
            "ftp://a.example",
            "https://a.example/?x",
            "*",
        ] {
            let public_url = PublicUrl::parse("https://login.example.com").unwrap();
            assert!(Destinations::parse(&public_url, &[bad.to_owned()]).is_err(), "{bad}");
        }
        let list = destinations("http://localhost:8787", &["http://127.0.0.1:9000/*"]);
        assert!(list.check("http://127.0.0.1:9000/deep/path").is_some());
        assert!(list.check("http://localhost:8787/x").is_some());
        assert!(list.check("http://localhost/x").is_none());
        assert_eq!(list.other_origins().collect::<Vec<_>>(), ["http://127.0.0.1:9000"]);
    }
}
