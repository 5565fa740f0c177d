//! `GET /am/realms/root/realms/alpha/.well-known/jwks.json`: the keys with which the applications of a realm verify what
//! its edges assert (RFC 7517). `/am/.well-known/jwks.json` and `/.well-known/jwks.json` are those of the realm that
//! addresses without one lead to.
//!
//! Each realm has its own: an application that took another realm's keys would believe the edges of that realm.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse as _, Response};

use super::pages;
use crate::app::App;

const BEFORE: &str = "/am/realms/root";
const AFTER: &str = "/.well-known/jwks.json";

/// Where the keys of a realm are, below the public origin.
pub(crate) fn path_of(realm: &str) -> String {
    let names = realm.split('/').filter(|name| !name.is_empty());
    let names: String = names.map(|name| format!("/realms/{name}")).collect();
    format!("{BEFORE}{names}{AFTER}")
}

/// The realm of such a path.
fn realm_of(path: &str) -> Option<String> {
    let names = path.strip_prefix(BEFORE)?.strip_suffix(AFTER)?;
    if names.is_empty() {
        return Some("/".to_owned());
    }
    let mut segments = names.strip_prefix('/')?.split('/');
    let mut realm = String::new();
    while let Some(word) = segments.next() {
        let name = segments.next().filter(|name| word == "realms" && !name.is_empty())?;
        realm.push('/');
        realm.push_str(name);
    }
    Some(realm)
}

pub(super) async fn get(State(app): State<Arc<App>>) -> Response {
    let realm = app.keys().default_realm.clone();
    keys(&app, &realm)
}

pub(super) async fn of_realm(State(app): State<Arc<App>>, uri: Uri) -> Response {
    match realm_of(uri.path()).filter(|realm| app.keys().realms.contains_key(realm)) {
        Some(realm) => keys(&app, &realm),
        None => pages::not_found(State(app)).await,
    }
}

fn keys(app: &App, realm: &str) -> Response {
    let max_age = format!("public, max-age={}", app.settings().keys.jwks_max_age_seconds);
    ([(CACHE_CONTROL, max_age)], Json(app.keys().jwks(realm))).into_response()
}

#[cfg(test)]
mod tests {
    use countersign_core::time::UnixSeconds;

    use super::*;
    use crate::testing::{NOW, Origin};
    use crate::{SystemEntropy, keyring};

    #[tokio::test]
    async fn only_the_public_half_is_published() {
        let origin = Origin::new().await;
        for path in ["/.well-known/jwks.json", "/am/.well-known/jwks.json", &path_of("/alpha")] {
            let set = origin.get(path).await.json();
            let [key] = set["keys"].as_array().unwrap().as_slice() else { panic!("one key") };
            let mut members: Vec<_> = key.as_object().unwrap().keys().collect();
            members.sort();
            assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"]);
            assert_eq!(key["kid"].as_str().unwrap().len(), 16);
        }
    }

    #[tokio::test]
    async fn each_realm_has_its_own() {
        let origin = Origin::new().await;
        let (store, settings) = (&origin.app.store, origin.app.settings());
        for (age, realm) in [(1, "/beta"), (2, "/beta/gamma")] {
            let now = UnixSeconds(NOW).plus(age);
            store.realms().create(realm, now).await.unwrap();
            keyring::generate(store, Some((realm, settings.realm(realm))), now, &SystemEntropy).await.unwrap();
        }
        origin.app.keys_current().await.unwrap();
        let mut all = Vec::new();
        for realm in ["/alpha", "/beta", "/beta/gamma"] {
            let answer = origin.get(&path_of(realm)).await;
            assert_eq!((answer.status, answer.header("cache-control")), (200, "public, max-age=60"));
            let set = answer.json();
            let [key] = set["keys"].as_array().unwrap().as_slice() else { panic!("one key") };
            let used = origin.app.keys().host_delivery(realm).unwrap();
            assert_eq!(key["kid"], used["assertion"]["kid"], "{realm}");
            assert!(!all.contains(&key["x"]), "{realm}");
            all.push(key["x"].clone());
            let bundle = origin.app.keys().edge_bundle(realm, &settings).unwrap();
            assert_eq!(bundle["assertion"], used["assertion"], "{realm}");
        }
        let unnamed = origin.get("/.well-known/jwks.json").await.json();
        assert_eq!(unnamed["keys"][0]["x"], all[0], "the realm that was made first");
        for path in [
            "/am/realms/root/.well-known/jwks.json",
            "/am/realms/root/realms/delta/.well-known/jwks.json",
            "/am/realms/root/realms/.well-known/jwks.json",
            "/am/realms/root/realms//alpha/.well-known/jwks.json",
            "/am/realms/root/alpha/.well-known/jwks.json",
            "/am/realms/rootx/.well-known/jwks.json",
            "/am/realms/root/realms/alpha/.well-known/jwks.json/",
            "/am/realms/root/realms/alpha",
            "/am/realms/",
        ] {
            assert_eq!(origin.get(path).await.status, 404, "{path}");
        }
        assert_eq!(realm_of("/am/realms/root/.well-known/jwks.json").as_deref(), Some("/"));
        assert_eq!(path_of("/"), "/am/realms/root/.well-known/jwks.json");
    }
}
