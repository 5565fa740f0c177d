//! The REST contract and the login form, as one table of scenarios that runs twice: through the origin's router in this
//! process, and through the edge in workerd to an origin in another.

use std::io::Write as _;
use std::process::{Command, Stdio};

use axum::Router;
use axum::body::Body;
use countersign_origin::{App, Settings, SystemClock, SystemEntropy, router};
use countersign_store::{MasterKey, Store};
use countersign_tests::{Answer, World, cookie, json_path, send};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use xtask::stack::{Artifacts, COOKIE_NAME, DEMO_PASSWORD, DEMO_USER, DenylistProfile};

const PUBLIC_URL: &str = "http://localhost:8787";

enum Way {
    Router { runtime: tokio::runtime::Runtime, router: Router, _dir: tempfile::TempDir },
    Edge(Box<World>),
}

impl Way {
    fn router() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let binary = Artifacts::from_env_or_build().unwrap().origin;
        let init = ["init", "--realm", "alpha", "--public-url", PUBLIC_URL, "--listen", "127.0.0.1:0", "--dir"];
        assert!(Command::new(&binary).args(init).arg(&state).status().unwrap().success());
        let config = state.join("countersign.toml");
        let mut add = Command::new(&binary)
            .arg("--config")
            .arg(&config)
            .args(["user", "add", "--realm", "alpha", "--username", DEMO_USER, "--password-stdin"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(add.stdin.take().unwrap(), "{DEMO_PASSWORD}").unwrap();
        assert!(add.wait().unwrap().success());

        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let router = runtime.block_on(async {
            let settings = Settings::load(&config, std::iter::empty()).unwrap();
            let master = MasterKey::from_text(&std::fs::read_to_string(state.join("master.key")).unwrap()).unwrap();
            let store = Store::open(&state.join("countersign.db"), master).await.unwrap();
            router(App::new(settings, store, Box::new(SystemClock), Box::new(SystemEntropy)).await.unwrap())
        });
        Self::Router { runtime, router, _dir: dir }
    }

    fn public_url(&self) -> String {
        match self {
            Self::Router { .. } => PUBLIC_URL.to_owned(),
            Self::Edge(world) => world.stack.edge_url(),
        }
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        match self {
            Self::Edge(world) => send(method, &world.edge(path), headers, body),
            Self::Router { runtime, router, .. } => runtime.block_on(async {
                let mut request = axum::http::Request::builder().method(method).uri(path);
                for (name, value) in headers {
                    request = request.header(*name, *value);
                }
                let request = request.body(Body::from(body.to_owned())).unwrap();
                let response = router.clone().oneshot(request).await.unwrap();
                let (parts, body) = response.into_parts();
                let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
                let headers = parts.headers.iter();
                Answer {
                    status: parts.status.as_u16(),
                    headers: headers.map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned())).collect(),
                    body: String::from_utf8(body.to_vec()).unwrap(),
                }
            }),
        }
    }

    fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        if !headers.iter().any(|(name, _)| *name == "accept-api-version") {
            all.push(("accept-api-version", if path.contains("sessions") { "resource=4.0" } else { "resource=2.1" }));
        }
        self.send("POST", path, &all, &if body.is_null() { String::new() } else { body.to_string() })
    }

    fn log_in(&self) -> String {
        let credentials = [("x-openam-username", DEMO_USER), ("x-openam-password", DEMO_PASSWORD)];
        let answer = self.post(&json_path("authenticate"), &credentials, &json!({}));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["tokenId"].as_str().unwrap().to_owned()
    }
}

type Scenario = (&'static str, fn(&Way));

const SCENARIOS: &[Scenario] = &[
    ("login by headers, session info, logout", life_of_a_session),
    ("login by callbacks", login_by_callbacks),
    ("failures look alike", failures_look_alike),
    ("an authId that was touched", touched_auth_id),
    ("the token in a header named like the cookie", header_form),
    ("CSRF rule", csrf_rule),
    ("serverinfo", serverinfo),
    ("versions", versions),
    ("login form", login_form),
    ("goto", goto),
];

fn run(way: &Way) {
    for (name, scenario) in SCENARIOS {
        println!("{name}");
        scenario(way);
    }
}

#[test]
fn through_the_router() {
    run(&Way::router());
}

#[test]
fn through_workerd() {
    run(&Way::Edge(Box::new(World::new(DenylistProfile::Default))));
}

fn life_of_a_session(way: &Way) {
    let answer = way.post(
        &json_path("authenticate"),
        // RFC 2047 for names that are not ASCII; this one could do without.
        &[("x-openam-username", "=?UTF-8?B?ZGVtbw==?="), ("x-openam-password", DEMO_PASSWORD)],
        &json!({}),
    );
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("content-api-version"), "resource=2.1");
    let body = answer.json();
    assert_eq!(body["realm"], "/alpha");
    assert!(!body["successUrl"].as_str().unwrap().is_empty());
    let token = body["tokenId"].as_str().unwrap();
    assert_eq!(answer.header("set-cookie"), format!("{COOKIE_NAME}={token}; Path=/; HttpOnly; SameSite=Lax"));

    let named = json!({ "tokenId": token });
    let info = way.post(&json_path("sessions/?_action=getSessionInfo"), &[], &named).json();
    assert_eq!(info["username"], "demo", "{info}");
    assert_eq!(info["realm"], "/alpha");
    assert!(info["maxSessionExpirationTime"].as_str().unwrap().ends_with('Z'));
    let valid = way.post(&json_path("sessions?_action=validate"), &[], &named).json();
    assert_eq!((&valid["valid"], &valid["uid"], &valid["realm"]), (&json!(true), &json!("demo"), &json!("/alpha")));

    let with_cookie = [("cookie", &*cookie(token))];
    let out = way.post(&json_path("sessions?_action=logout"), &with_cookie, &Value::Null);
    assert_eq!((out.status, out.json()), (200, json!({ "result": "Successfully logged out" })));
    assert!(out.header("set-cookie").starts_with(&format!("{COOKIE_NAME}=; Path=/; Max-Age=0;")), "C14: {out:?}");
    let valid = way.post(&json_path("sessions?_action=validate"), &[], &named);
    assert_eq!((valid.status, valid.json()), (200, json!({ "valid": false })));
    let again = way.post(&json_path("sessions?_action=logout"), &with_cookie, &Value::Null);
    assert_eq!(again.status, 401, "the dead token was the only credential");
    assert!(again.header("set-cookie").starts_with(&format!("{COOKIE_NAME}=;")), "C14: also when it is dead already");
}

fn login_by_callbacks(way: &Way) {
    for start in [Value::Null, json!({}), json!("")] {
        let mut step =
            way.post(&json_path("authenticate?authIndexType=service&authIndexValue=Login"), &[], &start).json();
        let types: Vec<_> = step["callbacks"].as_array().unwrap().iter().map(|c| c["type"].as_str().unwrap()).collect();
        assert_eq!(types, ["NameCallback", "PasswordCallback"]);
        assert_eq!(step["callbacks"][1]["input"][0]["name"], "IDToken2");
        // Answers are positional; names and members that the SDK adds are not looked at.
        step["callbacks"][0]["input"][0] = json!({ "name": "IDToken9", "value": DEMO_USER });
        step["callbacks"][1]["input"][0]["value"] = json!(DEMO_PASSWORD);
        step["status"] = json!(200);
        step["ok"] = json!(true);
        let done = way.post(&json_path("authenticate"), &[], &step);
        assert_eq!(done.status, 200, "{done:?}");
        assert!(done.json()["tokenId"].is_string());
    }
}

fn failures_look_alike(way: &Way) {
    let attempt = |username: &str, password: &str| {
        let credentials = [("x-openam-username", username), ("x-openam-password", password)];
        let answer = way.post(&json_path("authenticate"), &credentials, &json!({}));
        (answer.status, answer.body, answer.headers.iter().any(|(name, _)| name == "set-cookie"))
    };
    let wrong = attempt(DEMO_USER, "wrong");
    assert_eq!(wrong.0, 401);
    let said: Value = serde_json::from_str(&wrong.1).unwrap();
    assert_eq!(said, json!({ "code": 401, "reason": "Unauthorized", "message": "Login failure" }));
    assert!(!wrong.2, "no cookie on a failure");
    for (username, password) in
        [("nobody", "wrong"), ("nobody", DEMO_PASSWORD), (&*"x".repeat(5000), "x"), (DEMO_USER, &"x".repeat(5000))]
    {
        assert_eq!(attempt(username, password), wrong, "{username:.20}");
    }
}

fn touched_auth_id(way: &Way) {
    let continued = |auth_id: &str| {
        let callbacks = json!([
            { "type": "NameCallback", "input": [{ "name": "IDToken1", "value": DEMO_USER }] },
            { "type": "PasswordCallback", "input": [{ "name": "IDToken2", "value": DEMO_PASSWORD }] },
        ]);
        let answer = way.post(&json_path("authenticate"), &[], &json!({ "authId": auth_id, "callbacks": callbacks }));
        (answer.status, answer.json()["message"].as_str().unwrap_or_default().to_owned())
    };
    let step = way.post(&json_path("authenticate"), &[], &Value::Null).json();
    let auth_id = step["authId"].as_str().unwrap();
    assert_eq!(continued(auth_id).0, 200);
    let (head, signature) = auth_id.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    assert_eq!(
        continued(&format!("{head}.{other}{}", &signature[1..])),
        (400, "AuthId JWT Signature not valid".into())
    );
    let (status, message) = continued("not.a-token");
    assert!(status == 400 && message.starts_with("Failed to parse JWT, "), "{message}");
    // J28: a session is no journey.
    assert_eq!(continued(&way.log_in()).0, 400);
}

fn header_form(way: &Way) {
    let token = way.log_in();
    let by_header = [("IPLANETDIRECTORYPRO", token.as_str())];
    let valid = way.post(&json_path("sessions?_action=validate"), &by_header, &Value::Null);
    assert_eq!(valid.json()["valid"], true, "{valid:?}");
    assert_eq!(way.post(&json_path("sessions?_action=logout"), &by_header, &Value::Null).status, 200);
    assert_eq!(
        way.post(&json_path("sessions?_action=validate"), &[], &json!({ "tokenId": token })).json()["valid"],
        false
    );
}

fn csrf_rule(way: &Way) {
    let token = way.log_in();
    let session = cookie(&token);
    let bare = way.send("POST", &json_path("sessions?_action=logout"), &[("cookie", &session)], "");
    assert_eq!(bare.status, 403, "{bare:?}");
    assert_eq!(
        way.post(&json_path("sessions?_action=validate"), &[], &json!({ "tokenId": token })).json()["valid"],
        true
    );
    let either = [("cookie", session.as_str()), ("x-requested-with", "XMLHttpRequest")];
    assert_eq!(way.send("POST", &json_path("sessions?_action=logout"), &either, "").status, 200);
}

fn serverinfo(way: &Way) {
    for path in ["/am/json/serverinfo/*", "/am/json/serverinfo/%2A", &json_path("serverinfo/*")] {
        let answer = way.send("GET", path, &[("accept-api-version", "resource=1.1")], "");
        assert_eq!(answer.status, 200, "{path} {answer:?}");
        assert_eq!(answer.json()["cookieName"], COOKIE_NAME, "{path}");
    }
    let anonymous = way.send("GET", "/am/json/serverinfo/version", &[], "");
    assert!(matches!(anonymous.status, 401 | 403), "{anonymous:?}");
    let version = way.send("GET", "/am/json/serverinfo/version", &[("cookie", &cookie(&way.log_in()))], "").json();
    assert!(version["version"].as_str().unwrap().split('.').count() >= 3, "{version}");
    let keys = way.send("GET", "/am/.well-known/jwks.json", &[], "").json();
    assert_eq!(keys["keys"][0]["kty"], "OKP");
    assert!(keys["keys"][0]["d"].is_null(), "public keys only");
}

fn versions(way: &Way) {
    let with = |version: &str| way.post(&json_path("authenticate"), &[("accept-api-version", version)], &json!({}));
    assert_eq!(with("protocol=1.0,resource=2.0").header("content-api-version"), "resource=2.1");
    let unknown = with("resource=42.0");
    assert_eq!((unknown.status, unknown.body.as_str()), (404, ""));
    assert_eq!(with("nonsense").status, 400);
    let tree = way.post(&json_path("authenticate?authIndexType=service&authIndexValue=None"), &[], &json!({}));
    assert_eq!((tree.status, tree.json()["message"].as_str()), (400, Some("No Configuration found")));
    let realm = way.post("/am/json/realms/root/realms/nope/authenticate", &[], &json!({}));
    assert_eq!((realm.status, realm.json()["message"].as_str()), (404, Some("Realm \"/nope\" not found")));
    assert_eq!(way.post(&json_path("sessions?_action=dance"), &[], &json!({})).status, 501);
}

fn hidden(page: &str, name: &str) -> String {
    let at = page.find(&format!("name=\"{name}\"")).unwrap_or_else(|| panic!("no {name} in {page}"));
    let tag =
        &page[page[..at].rfind('<').unwrap()..][..page[at..].find('>').unwrap() + at - page[..at].rfind('<').unwrap()];
    tag.split("value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

fn encoded(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn login_form(way: &Way) {
    let path = "/am/UI/Login?realm=/alpha&goto=%2Fwanted%3Fa%3D1";
    let page = way.send("GET", path, &[], "");
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert!(!page.body.contains("<script") && !page.body.contains(" style="), "no script, no inline style");
    let form = |page: &str, password: &str| {
        let (auth_id, goto) = (hidden(page, "authId"), hidden(page, "goto"));
        encoded(&[("authId", &auth_id), ("goto", &goto), ("IDToken1", DEMO_USER), ("IDToken2", password)])
    };
    let origin = way.public_url();
    let urlencoded = ("content-type", "application/x-www-form-urlencoded");
    let own = [urlencoded, ("origin", origin.as_str())];

    let wrong = way.send("POST", path, &own, &form(&page.body, "wrong"));
    assert_eq!(wrong.status, 401);
    assert!(wrong.body.contains("role=\"alert\""), "the error is shown");
    assert_eq!(wrong.header("set-cookie"), "");

    // S12: a form on another site cannot log anybody in.
    for foreign in [
        &[urlencoded, ("origin", "https://evil.example")][..],
        &[urlencoded, ("origin", "null")],
        &[urlencoded],
        &[urlencoded, ("origin", &origin), ("sec-fetch-site", "cross-site")],
        &[urlencoded, ("sec-fetch-site", "same-site")],
    ] {
        let refused = way.send("POST", path, foreign, &form(&wrong.body, DEMO_PASSWORD));
        assert_eq!((refused.status, refused.header("set-cookie")), (403, ""), "{foreign:?}");
    }

    // S10: the step that was answered wrongly is not there to be answered again.
    let replayed = way.send("POST", path, &own, &form(&page.body, DEMO_PASSWORD));
    assert_eq!((replayed.status, replayed.header("set-cookie")), (200, ""));
    let good = way.send("POST", path, &own, &form(&wrong.body, DEMO_PASSWORD));
    assert_eq!(good.status, 303, "{good:?}");
    assert!(good.header("location").ends_with("/wanted?a=1"), "{}", good.header("location"));
    let session = good.header("set-cookie").split(';').next().unwrap().to_owned();
    let onward = way.send("GET", path, &[("cookie", &session)], "");
    assert_eq!(onward.status, 303, "who is logged in is sent on");

    let out = way.send("POST", "/am/UI/Logout?realm=/alpha", &[own[0], own[1], ("cookie", &session)], "");
    assert_eq!(out.status, 303);
    assert!(out.header("set-cookie").starts_with(&format!("{COOKIE_NAME}=;")), "{out:?}");
    assert_eq!(way.send("GET", path, &[("cookie", &session)], "").status, 200, "the old cookie asks to log in again");
}

fn goto(way: &Way) {
    let success_url = |goto: &str| {
        let path = json_path(&format!("authenticate?{}", encoded(&[("goto", goto)])));
        let credentials = [("x-openam-username", DEMO_USER), ("x-openam-password", DEMO_PASSWORD)];
        way.post(&path, &credentials, &json!({})).json()["successUrl"].as_str().unwrap().to_owned()
    };
    let fallback = success_url("");
    for evil in [
        "//evil.example",
        "/\\evil.example",
        "https:evil.example",
        "https://localhost:8787@evil.example/",
        "https://evil.example",
        "java\tscript:alert(1)",
        "javascript:alert(1)",
        "data:text/html,x",
        "http://localhost.evil.example:8787/",
        "/%09/evil",
        "\u{ff0f}/evil.example",
    ] {
        let url = success_url(evil);
        assert!(
            url == fallback || url.starts_with("/%09") || url.starts_with(&way.public_url()),
            "S13: {evil:?} → {url}"
        );
        assert!(!url.starts_with("//") && !url.starts_with("/\\"), "S13: {evil:?} → {url}");
    }
    assert!(success_url("/reports?x=1").ends_with("/reports?x=1"));
    assert!(success_url(&format!("{}/reports", way.public_url())).ends_with("/reports"));
}
