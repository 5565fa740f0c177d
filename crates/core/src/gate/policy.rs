use serde::Deserialize;

use super::path::{self, AmbiguousPath};

/// What a path asks of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Passed to the origin with its cookies; the origin judges for itself.
    Origin,
    /// Anybody; no identity is stated.
    Public,
    /// A session of at least this `AuthLevel`.
    Session { min_auth_level: u32 },
}

impl Access {
    /// How much is asked; the larger asks more.
    fn strictness(self) -> u64 {
        match self {
            Self::Origin => 0,
            Self::Public => 1,
            Self::Session { min_auth_level } => 2 + u64::from(min_auth_level),
        }
    }
}

/// One line of the route policy, as it is configured.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteSettings {
    /// `/exact`, or `/prefix/*` for `/prefix` and everything below it.
    pub path: String,
    pub access: AccessSettings,
    /// Lowest `AuthLevel` taken; only with `session`.
    pub min_auth_level: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccessSettings {
    Public,
    Session,
}

/// Why a route policy is refused. The fault is with the operator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PolicyError {
    /// Not a path that could ever match.
    Path(String),
    /// At or below `/am` or `/.countersign`, which are not the operator's to open.
    Own(String),
    /// Two routes for one path.
    Duplicate(String),
    /// `min_auth_level` on a public route.
    LevelOnPublic(String),
    /// The realm is not `/` or `/name…`.
    Realm(String),
    /// The cookie name is empty or not a token.
    CookieName(String),
    TooManyRoutes,
}

impl std::fmt::Display for PolicyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(path) => write!(f, "route {path:?}: a route is `/exact` or `/prefix/*`, in plain characters"),
            Self::Own(path) => write!(f, "route {path:?}: /am and /.countersign are Countersign's own"),
            Self::Duplicate(path) => write!(f, "route {path:?} stands twice"),
            Self::LevelOnPublic(path) => write!(f, "route {path:?}: min_auth_level asks for access = \"session\""),
            Self::Realm(realm) => write!(f, "realm {realm:?}: a realm is a path such as \"/alpha\""),
            Self::CookieName(name) => write!(f, "cookie_name {name:?} is not a cookie name"),
            Self::TooManyRoutes => write!(f, "more than {MAX_ROUTES} routes"),
        }
    }
}

impl std::error::Error for PolicyError {}

/// Most routes in a policy: they are compared one by one on every request.
const MAX_ROUTES: usize = 256;

/// Which realm an edge serves, by which cookie, and what each path asks. A path that no route names asks for a session.
#[derive(Clone, Debug)]
pub struct Policy {
    realm: String,
    cookie_name: String,
    /// Longest first, so that the first match is the most specific.
    routes: Vec<Route>,
    /// Whether a route has an upper-case letter, so that a path without any may be meant for it.
    upper_case: bool,
}

#[derive(Clone, Debug)]
struct Route {
    /// Without the `/*`.
    path: String,
    below: bool,
    access: Access,
}

impl Policy {
    pub fn new(realm: String, cookie_name: String, routes: &[RouteSettings]) -> Result<Self, PolicyError> {
        if !realm.starts_with('/') || (realm.len() > 1 && realm.ends_with('/')) {
            return Err(PolicyError::Realm(realm));
        }
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if cookie_name.is_empty() || !cookie_name.bytes().all(token) {
            return Err(PolicyError::CookieName(cookie_name));
        }
        if routes.len() > MAX_ROUTES {
            return Err(PolicyError::TooManyRoutes);
        }
        // The origin's paths, and the edge's own, are not the operator's to open.
        let mut table = vec![
            Route { path: "/am".to_owned(), below: true, access: Access::Origin },
            Route { path: "/.countersign".to_owned(), below: true, access: Access::Session { min_auth_level: 0 } },
        ];
        for route in routes {
            let read = Route::read(route)?;
            if table.iter().take(2).any(|own| own.matches(&read.path, |a, b| a.eq_ignore_ascii_case(b))) {
                return Err(PolicyError::Own(route.path.clone()));
            }
            if table.iter().any(|other| other.path == read.path && other.below == read.below) {
                return Err(PolicyError::Duplicate(route.path.clone()));
            }
            table.push(read);
        }
        table.sort_by_key(|route| (std::cmp::Reverse(route.path.len()), route.below));
        let upper_case = table.iter().any(|route| has_upper_case(&route.path));
        Ok(Self { realm, cookie_name, routes: table, upper_case })
    }

    pub fn realm(&self) -> &str {
        &self.realm
    }

    pub fn cookie_name(&self) -> &str {
        &self.cookie_name
    }

    /// What `path` asks. Where the answer would depend on whether upstream tells upper from lower case, the stricter
    /// one holds.
    pub fn access(&self, path: &str) -> Result<Access, AmbiguousPath> {
        path::check(path)?;
        let exact = self.lookup(|route| route.matches(path, |a, b| a == b));
        if !self.upper_case && !has_upper_case(path) {
            return Ok(exact);
        }
        let folded = self.lookup(|route| route.matches(path, |a, b| a.eq_ignore_ascii_case(b)));
        Ok(if folded.strictness() > exact.strictness() { folded } else { exact })
    }

    fn lookup(&self, matches: impl Fn(&Route) -> bool) -> Access {
        self.routes
            .iter()
            .find(|route| matches(route))
            .map_or(Access::Session { min_auth_level: 0 }, |route| route.access)
    }
}

impl Route {
    fn read(settings: &RouteSettings) -> Result<Self, PolicyError> {
        let (path, below) = match settings.path.strip_suffix("/*") {
            Some(path) => (path, true),
            None => (settings.path.as_str(), false),
        };
        // `/*` has an empty path before it: everything.
        if !(path.is_empty() && below)
            && (path::check(path).is_err() || path.contains('*') || below && path.ends_with('/'))
        {
            return Err(PolicyError::Path(settings.path.clone()));
        }
        let access = match (settings.access, settings.min_auth_level) {
            (AccessSettings::Public, None) => Access::Public,
            (AccessSettings::Public, Some(_)) => return Err(PolicyError::LevelOnPublic(settings.path.clone())),
            (AccessSettings::Session, level) => Access::Session { min_auth_level: level.unwrap_or(0) },
        };
        Ok(Self { path: path.to_owned(), below, access })
    }

    fn matches(&self, path: &str, same: impl Fn(&[u8], &[u8]) -> bool) -> bool {
        match path.as_bytes().split_at_checked(self.path.len()) {
            Some((head, rest)) if same(head, self.path.as_bytes()) => {
                rest.is_empty() || self.below && rest.starts_with(b"/")
            }
            _ => false,
        }
    }
}

fn has_upper_case(path: &str) -> bool {
    path.bytes().any(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(routes: serde_json::Value) -> Result<Policy, PolicyError> {
        let routes: Vec<RouteSettings> = serde_json::from_value(routes).unwrap();
        Policy::new("/alpha".to_owned(), "sess".to_owned(), &routes)
    }

    #[test]
    fn the_most_specific_route_holds_and_the_rest_asks_for_a_session() {
        let policy = policy(serde_json::json!([
            {"path": "/public/*", "access": "public"},
            {"path": "/public/secret", "access": "session"},
            {"path": "/admin/*", "access": "session", "min_auth_level": 10},
            {"path": "/health", "access": "public"},
        ]))
        .unwrap();
        let session = |min_auth_level| Ok(Access::Session { min_auth_level });
        assert_eq!(policy.access("/"), session(0));
        assert_eq!(policy.access("/public"), Ok(Access::Public));
        assert_eq!(policy.access("/public/"), Ok(Access::Public));
        assert_eq!(policy.access("/public/a/b"), Ok(Access::Public));
        assert_eq!(policy.access("/publicity"), session(0));
        assert_eq!(policy.access("/public/secret"), session(0));
        assert_eq!(policy.access("/health"), Ok(Access::Public));
        assert_eq!(policy.access("/health/x"), session(0));
        assert_eq!(policy.access("/admin"), session(10));
        assert_eq!(policy.access("/am"), Ok(Access::Origin));
        assert_eq!(policy.access("/am/json/x"), Ok(Access::Origin));
        assert_eq!(policy.access("/amx"), session(0));
    }

    #[test]
    fn h11_letter_case_never_asks_less() {
        let policy = policy(serde_json::json!([
            {"path": "/public/*", "access": "public"},
            {"path": "/admin/*", "access": "session", "min_auth_level": 10},
            {"path": "/public/Secret", "access": "session", "min_auth_level": 5},
        ]))
        .unwrap();
        assert_eq!(policy.access("/ADMIN/x"), Ok(Access::Session { min_auth_level: 10 }));
        assert_eq!(policy.access("/PUBLIC/x"), Ok(Access::Session { min_auth_level: 0 }));
        assert_eq!(policy.access("/AM/json"), Ok(Access::Session { min_auth_level: 0 }));
        assert_eq!(policy.access("/public/secret"), Ok(Access::Session { min_auth_level: 5 }));
    }

    #[test]
    fn a_route_for_everything() {
        let policy = policy(serde_json::json!([{"path": "/*", "access": "public"}])).unwrap();
        assert_eq!(policy.access("/x/y"), Ok(Access::Public));
        assert_eq!(policy.access("/"), Ok(Access::Public));
    }

    #[test]
    fn mistakes_are_named() {
        let wrong = |path: &str, access: &str, level: serde_json::Value| {
            policy(serde_json::json!([{"path": path, "access": access, "min_auth_level": level}])).unwrap_err()
        };
        let null = serde_json::Value::Null;
        for path in ["x", "/a/*/b", "/a*", "/a/../b", "", "/a//*"] {
            assert!(matches!(wrong(path, "public", null.clone()), PolicyError::Path(_)), "{path}");
        }
        assert!(matches!(wrong("/a", "public", 1.into()), PolicyError::LevelOnPublic(_)));
        let twice = serde_json::json!([{"path": "/a", "access": "public"}, {"path": "/a", "access": "session"}]);
        assert!(matches!(policy(twice).unwrap_err(), PolicyError::Duplicate(_)));
        for own in ["/am/*", "/am", "/AM/json", "/.countersign/check", "/.countersign/*"] {
            assert!(matches!(wrong(own, "public", serde_json::Value::Null), PolicyError::Own(_)), "{own}");
        }
        assert!(Policy::new("alpha".into(), "a".into(), &[]).is_err());
        assert!(Policy::new("/alpha".into(), "a b".into(), &[]).is_err());
    }
}
