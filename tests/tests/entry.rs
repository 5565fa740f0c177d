//! `entry.mjs` in real workerd, with a module in place of the edge's that brings about what the real one does rarely.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use countersign_core::encoding::encode;
use countersign_tests::send;
use serde_json::json;
use xtask::ports::Port;
use xtask::workerd::{Hub, Service, Workerd, WorkerdOptions};
use xtask::workspace_root;
use xtask::wrangler::ModuleKind;

struct Scripted {
    url: String,
    _workerd: Workerd,
    _ports: [Port; 2],
    _dir: tempfile::TempDir,
}

impl Scripted {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let dist = dir.path().join("dist");
        fs::create_dir(&dist).unwrap();
        let copied = |from: &str| {
            let from = workspace_root().join(from);
            let to = dist.join(from.file_name().unwrap());
            fs::copy(from, &to).unwrap();
            (ModuleKind::EsModule, to)
        };
        let mut modules: Vec<(ModuleKind, PathBuf)> =
            ["tests/entry/main.mjs", "edge/entry.mjs", "edge/hub.mjs", "tests/entry/countersign_edge.js"]
                .map(copied)
                .into();
        // A module with nothing in it.
        let wasm = dist.join("countersign_edge_bg.wasm");
        fs::write(&wasm, b"\0asm\x01\0\0\0").unwrap();
        modules.push((ModuleKind::Wasm, wasm));

        let ports = [Port::free().unwrap(), Port::free().unwrap()];
        let url = format!("http://{}", ports[0].addr());
        let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
        let (x, d) = (encode(key.verifying_key().as_bytes()), encode(&key.to_bytes()));
        let bundle = json!({
            "assertion": { "kid": "a", "jwk": { "kty": "OKP", "crv": "Ed25519", "x": x, "d": d } },
        });
        let settings = json!({ "upstream": url, "origin": url, "public_url": url, "cookie_name": "sess" });
        let options = WorkerdOptions {
            dir: dir.path().join("workerd"),
            dist,
            listen: ports[1].addr(),
            settings: settings.clone(),
            bundle: bundle.to_string(),
            hub: Hub::None,
            services: vec![Service {
                name: "scripted".to_owned(),
                listen: ports[0].addr(),
                modules,
                json: BTreeMap::from([("SETTINGS".to_owned(), settings)]),
                text: BTreeMap::from([("BUNDLE".to_owned(), bundle.to_string())]),
            }],
            log: dir.path().join("workerd.log"),
        };
        Self { url, _workerd: Workerd::start(&options).expect("workerd starts"), _ports: ports, _dir: dir }
    }

    fn get(&self, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let answer = send("GET", &format!("{}{path}", self.url), headers, "");
        (answer.status, answer.body)
    }
}

/// The origin is gone, nobody watches, and what the host verified is gone at the second look: it is looked at again,
/// but not for as long as the lease lasts.
#[test]
fn a_look_for_news_is_taken_once() {
    let scripted = Scripted::start();
    assert_eq!(scripted.get("/forgotten", &[]).0, 204);
    assert_eq!(scripted.get("/forgotten", &[]).0, 204);
}

/// Two requests look for news side by side: the one that decides last does not lend the other its user.
#[test]
fn an_identity_is_that_of_its_own_request() {
    let scripted = Scripted::start();
    assert_eq!(scripted.get("/two-users", &[]), (200, r#"["ada","bob"]"#.to_owned()));
}

/// Between the looks at the cookie and at the header the module's memory has grown.
#[test]
fn memory_that_grows_between_two_decisions_is_found_again() {
    let scripted = Scripted::start();
    assert_eq!(scripted.get("/grows", &[("sess", "good")]).0, 204);
    assert_eq!(scripted.get("/grows", &[("sess", "bad")]).0, 401);
    assert_eq!(scripted.get("/grows", &[]).0, 401);
}

/// What the host verified and refused is not looked at again, and is told apart: a wrong signature, and a good one of what
/// is no session. People are sent to log in and come back.
#[test]
fn what_the_host_refuses_is_refused_as_what_it_is() {
    let scripted = Scripted::start();
    for why in ["wrong", "unreadable"] {
        assert_eq!(scripted.get(&format!("/{why}?a=b"), &[]), (401, why.to_owned()));
        let navigation = [("sec-fetch-mode", "navigate"), ("accept", "text/html")];
        let sent = send("GET", &format!("{}/{why}?a=b", scripted.url), &navigation, "");
        assert_eq!(sent.status, 302);
        assert_eq!(sent.header("location"), format!("/login?why={why}&goto=%2F{why}%3Fa%3Db"));
    }
    // The next decision's refusal is its own.
    assert_eq!(scripted.get("/nothing", &[]), (401, "decided".to_owned()));
}
