//! An origin in a temporary directory, with a clock that the test moves, reached through the real router.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request};
use countersign_core::denylist::Epoch;
use countersign_core::time::{UnixMillis, UnixSeconds};
use countersign_store::{Attributes, IdentityStatus, MasterKey, NewIdentity, Store};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::http::client_address::Peer;
use crate::{App, Clock, Settings, SystemEntropy, keyring, passwords, router};

pub(crate) const NOW: u64 = 1_800_000_000;
pub(crate) const PASSWORD: &str = "Ch4ng31t";
pub(crate) const COOKIE: &str = "iPlanetDirectoryPro";
pub(crate) const ALPHA: &str = "/am/json/realms/root/realms/alpha";
/// Never for real: the cheapest that argon2 allows.
const CHEAP: &str = "[argon2]\nmemory_kib = 8\niterations = 1\n";

#[derive(Clone)]
pub(crate) struct TestClock(Arc<AtomicU64>);

impl TestClock {
    pub(crate) fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    pub(crate) fn set_back(&self, seconds: u64) {
        self.0.fetch_sub(seconds * 1000, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::Relaxed))
    }
}

pub(crate) struct Origin {
    pub(crate) app: Arc<App>,
    pub(crate) clock: TestClock,
    dir: Arc<TempDir>,
    settings: Settings,
    /// From where requests come.
    peer: Option<IpAddr>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The value that the session cookie is set to.
    pub(crate) fn cookie(&self) -> Option<String> {
        let set = self.headers.get("set-cookie")?.to_str().unwrap();
        let value = set.strip_prefix(COOKIE)?.strip_prefix('=')?.split(';').next()?;
        Some(value.to_owned())
    }

    /// `code` and `message` of AM's error object, whose code is the status.
    pub(crate) fn error(&self) -> (u16, String) {
        let body = self.json();
        assert_eq!(body["code"], self.status, "{body}");
        assert!(self.header("content-type").starts_with("application/json"));
        (self.status, body["message"].as_str().unwrap().to_owned())
    }
}

impl Origin {
    /// Realm `/alpha` on http://localhost:8787 with the active user `demo` and the inactive `gone`.
    pub(crate) async fn new() -> Self {
        Self::with("").await
    }

    /// With more sections of settings.
    pub(crate) async fn with(settings: &str) -> Self {
        Self::at("http://localhost:8787", settings).await
    }

    pub(crate) async fn at(public_url: &str, more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("countersign.toml");
        std::fs::write(&file, format!("[server]\npublic_url = \"{public_url}\"\n{CHEAP}{more}")).unwrap();
        let settings = Settings::load(&file, std::iter::empty()).unwrap();
        let store = open(&dir).await;
        let now = UnixSeconds(NOW);
        store.installation().initialise(Epoch([9; 16]), now).await.unwrap();
        store.realms().create("/alpha", now).await.unwrap();
        keyring::generate(&store, None, now, &SystemEntropy).await.unwrap();
        keyring::generate(&store, Some(("/alpha", settings.realm("/alpha"))), now, &SystemEntropy).await.unwrap();
        let clock = TestClock(Arc::new(AtomicU64::new(NOW * 1000)));
        let app = App::new(settings.clone(), store, Box::new(clock.clone()), Box::new(SystemEntropy)).await.unwrap();
        let origin = Self { app, clock, dir: Arc::new(dir), settings, peer: None };
        let mail = Attributes::from([("mail".to_owned(), vec!["demo@example.com".to_owned()])]);
        origin.add_user("demo", IdentityStatus::Active, &mail).await;
        origin.add_user("gone", IdentityStatus::Inactive, &Attributes::new()).await;
        origin
    }

    /// Another process, so to speak, on the same database and with the same clock.
    pub(crate) async fn second(&self) -> Self {
        let store = open(&self.dir).await;
        let clock = Box::new(self.clock.clone());
        let app = App::new(self.settings.clone(), store, clock, Box::new(SystemEntropy)).await.unwrap();
        self.like(app, self.settings.clone())
    }

    /// The same with requests from this address.
    pub(crate) fn from(&self, peer: &str) -> Self {
        Self { peer: Some(peer.parse().unwrap()), ..self.like(Arc::clone(&self.app), self.settings.clone()) }
    }

    fn like(&self, app: Arc<App>, settings: Settings) -> Self {
        Self { app, clock: self.clock.clone(), dir: Arc::clone(&self.dir), settings, peer: self.peer }
    }

    /// Another process on the same database, whose settings have these sections.
    pub(crate) async fn again_with(&self, more: &str) -> Self {
        let file = self.dir.path().join("other.toml");
        std::fs::write(&file, format!("[server]\npublic_url = \"http://localhost:8787\"\n{CHEAP}{more}")).unwrap();
        let settings = Settings::load(&file, std::iter::empty()).unwrap();
        let store = open(&self.dir).await;
        let clock = Box::new(self.clock.clone());
        let app = App::new(settings.clone(), store, clock, Box::new(SystemEntropy)).await.unwrap();
        self.like(app, settings)
    }

    pub(crate) fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    pub(crate) async fn add_user(&self, username: &str, status: IdentityStatus, attributes: &Attributes) {
        let argon2 = passwords::hasher(&self.settings.argon2).unwrap();
        let hash = passwords::hash(&argon2, PASSWORD.as_bytes(), &SystemEntropy).unwrap();
        let new = NewIdentity { realm: "/alpha", username, password_hash: &hash, status, attributes };
        self.app.store.identities().create(new, UnixSeconds(NOW)).await.unwrap();
    }

    pub(crate) async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, value.as_bytes());
        }
        let mut request = request.body(Body::from(body.to_owned())).unwrap();
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(Peer(peer));
        }
        let response = router(Arc::clone(&self.app)).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    pub(crate) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(Method::GET, path, headers, "").await
    }

    /// A POST of JSON, as clients of the REST interface send it.
    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut all = vec![("content-type", "application/json"), ("accept-api-version", "protocol=1.0,resource=2.1")];
        if path.contains("/sessions") {
            all[1].1 = "resource=4.0";
        }
        all.retain(|(name, _)| !headers.iter().any(|(other, _)| other == name));
        all.extend_from_slice(headers);
        self.send(Method::POST, path, &all, body).await
    }

    /// A token for `demo`.
    pub(crate) async fn log_in(&self) -> String {
        let headers = [("x-openam-username", "demo"), ("x-openam-password", PASSWORD)];
        let answer = self.post(&format!("{ALPHA}/authenticate"), &headers, "{}").await;
        answer.json()["tokenId"].as_str().unwrap().to_owned()
    }

    /// The `authId` of a login that begins.
    pub(crate) async fn auth_id(&self) -> String {
        let answer = self.post(&format!("{ALPHA}/authenticate"), &[], "").await;
        answer.json()["authId"].as_str().unwrap().to_owned()
    }

    /// Whether a login can go on.
    pub(crate) async fn goes_on(&self, auth_id: &str) -> bool {
        crate::journey::open(&self.app, "/alpha", auth_id).await.is_ok()
    }

    pub(crate) async fn log_out(&self, token: &str) {
        let answer = self.post(&format!("{ALPHA}/sessions?_action=logout"), &[(COOKIE, token)], "").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    pub(crate) async fn is_valid(&self, token: &str) -> bool {
        let body = serde_json::json!({"tokenId": token}).to_string();
        let answer = self.post("/am/json/sessions?_action=validate", &[], &body).await;
        assert_eq!(answer.status, 200);
        answer.json()["valid"].as_bool().unwrap()
    }
}

async fn open(dir: &TempDir) -> Store {
    Store::open(&dir.path().join("countersign.db"), MasterKey::from_bytes(&[7; 32])).await.unwrap()
}
