//! The path below `/am/json`: which realm, which resource. All the forms that clients use.

use axum::http::StatusCode;

use super::super::body::{MAX_BODY, MAX_STEP};
use super::super::log::Route;
use super::error::Crest;
use super::version::Version;
use crate::app::App;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Target<'a> {
    pub(super) realm: RealmPath,
    pub(super) resource: Resource<'a>,
}

/// The realm as the path names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum RealmPath {
    /// It does not.
    Unnamed,
    Named(String),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Resource<'a> {
    Authenticate,
    Sessions {
        token: Option<&'a str>,
    },
    ServerInfo {
        id: &'a str,
    },
    /// `push/sns/message`: where phones answer.
    Push,
    /// `realm-config/authentication`.
    RealmAuthentication,
    /// `…/authenticationtrees/trees`, or one of them.
    Trees {
        id: Option<&'a str>,
    },
    /// `…/authenticationtrees/nodes`, a type of node, or one node.
    Nodes {
        node_type: Option<&'a str>,
        /// Newer servers have the version of the type between it and the id.
        version: Option<&'a str>,
        id: Option<&'a str>,
    },
    /// `scripts`, or one of them.
    Scripts {
        id: Option<&'a str>,
    },
    /// `global-config/services/session`.
    GlobalSession,
    /// `global-config/realms`, or one of them.
    Realms {
        id: Option<&'a str>,
    },
}

impl Resource<'_> {
    /// For the log.
    pub(super) const fn route(self) -> Route {
        Route(match self {
            Self::Authenticate => "/am/json/…/authenticate",
            Self::Sessions { token: None } => "/am/json/…/sessions",
            Self::Sessions { token: Some(_) } => "/am/json/…/sessions/{token}",
            Self::ServerInfo { .. } => "/am/json/…/serverinfo/{id}",
            Self::Push => "/am/json/…/push/sns/message",
            Self::RealmAuthentication => "/am/json/…/realm-config/authentication",
            Self::Trees { id: None } => "/am/json/…/authenticationtrees/trees",
            Self::Trees { .. } => "/am/json/…/authenticationtrees/trees/{id}",
            Self::Nodes { node_type: None, .. } => "/am/json/…/authenticationtrees/nodes",
            Self::Nodes { id: None, .. } => "/am/json/…/authenticationtrees/nodes/{type}",
            Self::Nodes { .. } => "/am/json/…/authenticationtrees/nodes/{type}/{id}",
            Self::Scripts { id: None } => "/am/json/…/scripts",
            Self::Scripts { .. } => "/am/json/…/scripts/{id}",
            Self::GlobalSession => "/am/json/global-config/services/session",
            Self::Realms { id: None } => "/am/json/global-config/realms",
            Self::Realms { .. } => "/am/json/global-config/realms/{id}",
        })
    }

    /// A script in base64, a tree with all its coordinates; a step as its client writes it.
    pub(super) const fn longest_body(self) -> usize {
        match self {
            Self::Trees { .. } | Self::Nodes { .. } | Self::Scripts { .. } => 1024 * 1024,
            Self::Authenticate => MAX_STEP,
            _ => MAX_BODY,
        }
    }

    /// The versions of its routes, oldest first.
    pub(super) const fn versions(self) -> &'static [Version] {
        match self {
            Self::Authenticate => &[Version(1, 1), Version(2, 1)],
            Self::Sessions { .. } => &[Version(1, 2), Version(2, 0), Version(3, 1), Version(4, 0), Version(5, 1)],
            Self::ServerInfo { id } => match id.as_bytes() {
                b"version" => &[Version(1, 0)],
                _ => &[Version(1, 1), Version(2, 0)],
            },
            Self::Trees { .. } | Self::Nodes { .. } => &[Version(3, 0), Version(2, 0), Version(1, 0)],
            Self::Scripts { .. } => &[Version(1, 1)],
            Self::Push | Self::Realms { .. } => &[Version(1, 0)],
            // Who asks for none gets the first, as from AM; some clients ask for the other.
            Self::RealmAuthentication | Self::GlobalSession => &[Version(2, 0), Version(1, 0)],
        }
    }
}

const PREFIX: &str = "/am/json/";
const MAX_SEGMENTS: usize = 32;

pub(super) fn parse(path: &str) -> Option<Target<'_>> {
    let path = path.strip_prefix(PREFIX)?;
    let path = path.strip_suffix('/').unwrap_or(path);
    let segments: Vec<&str> = path.split('/').take(MAX_SEGMENTS + 1).collect();
    if segments.len() > MAX_SEGMENTS || segments.iter().any(|segment| segment.is_empty()) {
        return None;
    }
    let mut rest = segments.as_slice();
    let mut names = Vec::new();
    if rest.first() == Some(&"realms") {
        while let ["realms", name, after @ ..] = rest {
            names.push(*name);
            rest = after;
        }
    } else {
        // AM's oldest form: the realm's name stands right after `json`.
        let at = rest.iter().position(|segment| {
            matches!(
                *segment,
                "authenticate" | "sessions" | "serverinfo" | "realm-config" | "global-config" | "scripts" | "push"
            )
        })?;
        let (before, after) = rest.split_at_checked(at)?;
        names.extend_from_slice(before);
        rest = after;
    }
    let resource = match rest {
        ["authenticate"] => Resource::Authenticate,
        ["sessions"] => Resource::Sessions { token: None },
        ["sessions", token] => Resource::Sessions { token: Some(token) },
        ["serverinfo", "%2A" | "%2a"] => Resource::ServerInfo { id: "*" },
        ["push", "sns", "message"] => Resource::Push,
        ["realm-config", "authentication"] => Resource::RealmAuthentication,
        ["realm-config", "authentication", "authenticationtrees", below @ ..] => match below {
            ["trees"] => Resource::Trees { id: None },
            ["trees", id] => Resource::Trees { id: Some(id) },
            ["nodes"] => Resource::Nodes { node_type: None, version: None, id: None },
            ["nodes", node_type] => Resource::Nodes { node_type: Some(node_type), version: None, id: None },
            ["nodes", node_type, id] => Resource::Nodes { node_type: Some(node_type), version: None, id: Some(id) },
            ["nodes", node_type, version, id] => {
                Resource::Nodes { node_type: Some(node_type), version: Some(version), id: Some(id) }
            }
            _ => return None,
        },
        ["scripts"] => Resource::Scripts { id: None },
        ["scripts", id] => Resource::Scripts { id: Some(id) },
        // Of no realm.
        ["global-config", "services", "session"] if names.is_empty() => Resource::GlobalSession,
        ["global-config", "realms"] if names.is_empty() => Resource::Realms { id: None },
        ["global-config", "realms", id] if names.is_empty() => Resource::Realms { id: Some(id) },
        ["serverinfo", id] => Resource::ServerInfo { id },
        _ => return None,
    };
    let realm = match names.split_first() {
        None => RealmPath::Unnamed,
        Some((first, below)) if first.eq_ignore_ascii_case("root") => RealmPath::Named(format!("/{}", below.join("/"))),
        Some(_) => RealmPath::Named(format!("/{}", names.join("/"))),
    };
    Some(Target { realm, resource })
}

/// The root realm exists always, if only to hold no journeys: clients ask it for `serverinfo` and `sessions`.
pub(super) fn resolve(app: &App, realm: RealmPath) -> Result<String, Crest> {
    match realm {
        RealmPath::Unnamed => Ok(app.keys().default_realm.clone()),
        RealmPath::Named(name) if name == "/" || app.keys().realms.contains_key(&name) => Ok(name),
        RealmPath::Named(name) => {
            let shown: String = name.chars().take(255).collect();
            Err(Crest::new(StatusCode::NOT_FOUND, format!("Realm \"{shown}\" not found")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_of_realms_are_read() {
        for (path, realm) in [
            ("authenticate", None),
            ("authenticate/", None),
            ("realms/root/authenticate", Some("/")),
            ("realms/ROOT/authenticate", Some("/")),
            ("realms/root/realms/alpha/authenticate", Some("/alpha")),
            ("realms/root/realms/a/realms/b/authenticate/", Some("/a/b")),
            ("realms/alpha/authenticate", Some("/alpha")),
            ("alpha/authenticate", Some("/alpha")),
            ("root/authenticate", Some("/")),
            ("realms/root/realms/sessions/authenticate", Some("/sessions")),
        ] {
            let path = format!("/am/json/{path}");
            let target = parse(&path).unwrap();
            assert_eq!(target.resource, Resource::Authenticate);
            let expected = realm.map_or(RealmPath::Unnamed, |name| RealmPath::Named(name.to_owned()));
            assert_eq!(target.realm, expected, "{path}");
        }
    }

    #[test]
    fn other_resources_and_nonsense() {
        let of = |path: &'static str| parse(path).map(|target| target.resource);
        assert_eq!(of("/am/json/serverinfo/*"), Some(Resource::ServerInfo { id: "*" }));
        assert_eq!(of("/am/json/serverinfo/%2A"), Some(Resource::ServerInfo { id: "*" }));
        assert_eq!(of("/am/json/realms/root/sessions/"), Some(Resource::Sessions { token: None }));
        assert_eq!(of("/am/json/sessions/abc"), Some(Resource::Sessions { token: Some("abc") }));
        let trees = "/am/json/realms/root/realms/a/realm-config/authentication/authenticationtrees";
        for (below, resource) in [
            ("/trees/", Resource::Trees { id: None }),
            ("/trees/Log%20in", Resource::Trees { id: Some("Log%20in") }),
            ("/nodes", Resource::Nodes { node_type: None, version: None, id: None }),
            ("/nodes/PageNode", Resource::Nodes { node_type: Some("PageNode"), version: None, id: None }),
            ("/nodes/PageNode/1", Resource::Nodes { node_type: Some("PageNode"), version: None, id: Some("1") }),
            (
                "/nodes/PageNode/2.0/1",
                Resource::Nodes { node_type: Some("PageNode"), version: Some("2.0"), id: Some("1") },
            ),
        ] {
            assert_eq!(parse(&format!("{trees}{below}")).unwrap().resource, resource);
        }
        assert_eq!(of("/am/json/alpha/scripts/"), Some(Resource::Scripts { id: None }));
        for nonsense in [
            "/am/json/realm-config/authentication/authenticationtrees",
            "/am/json/realm-config/authentication/authenticationtrees/nodes/a/b/c/d",
            "/am/json/",
            "/am/json/x",
            "/am/json//authenticate",
            "/am/json/realms/root",
            "/am/json/realms",
            "/am/json/authenticate/x",
            "/am/json/serverinfo",
        ] {
            assert_eq!(of(nonsense), None, "{nonsense}");
        }
        assert_eq!(parse(&format!("/am/json{}/authenticate", "/realms/a".repeat(20))), None);
    }
}
