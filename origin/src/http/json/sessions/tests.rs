use axum::http::Method;
use countersign_core::denylist::fingerprint::DenylistKey;
use countersign_store::{Attributes, IdentityStatus};
use serde_json::json;

use crate::testing::{ALPHA, Answer, COOKIE, Origin, PASSWORD};

async fn act(origin: &Origin, action: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    origin.post(&format!("{ALPHA}/sessions/?_action={action}"), headers, body).await
}

fn named(token: &str) -> String {
    json!({"tokenId": token}).to_string()
}

#[tokio::test]
async fn validate_takes_the_token_from_every_place() {
    let origin = Origin::new().await;
    let token = origin.log_in().await;
    let cookie = format!("{COOKIE}={token}");
    for (headers, body) in [
        (vec![], named(&token)),
        (vec![("cookie", cookie.as_str())], String::new()),
        (vec![("iplanetdirectorypro", token.as_str())], "{}".to_owned()),
        (vec![("IPLANETDIRECTORYPRO", token.as_str())], String::new()),
    ] {
        let answer = act(&origin, "validate", &headers, &body).await;
        let body = answer.json();
        assert_eq!((&body["valid"], &body["uid"], &body["realm"]), (&true.into(), &"demo".into(), &"/alpha".into()));
        assert!(body["sessionUid"].is_string());
        assert_eq!(answer.header("content-type"), "application/json;charset=UTF-8");
        assert_eq!(answer.header("content-api-version"), "resource=4.0");
    }
    for path in [
        format!("/am/json/sessions/{token}?_action=validate"),
        format!("/am/json/sessions?_action=validate&tokenId={token}"),
    ] {
        let answer = origin.post(&path, &[("accept-api-version", "resource=1.1")], "").await;
        assert_eq!(answer.json(), json!({"valid": true, "uid": "demo", "realm": "/alpha"}));
    }
    // The body's token counts, not the cookie's.
    let answer = act(&origin, "validate", &[("cookie", &cookie)], &named("x")).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"valid": false})));
}

#[tokio::test]
async fn a_session_ends_with_its_time() {
    let origin = Origin::with("[session]\nmax_idle_minutes = 0\n").await;
    let token = origin.log_in().await;
    origin.clock.advance(120 * 60 - 1);
    assert!(origin.is_valid(&token).await);
    origin.clock.advance(1);
    assert!(!origin.is_valid(&token).await);
    assert_eq!(act(&origin, "getSessionInfo", &[], &named(&token)).await.error(), (401, "Access Denied".into()));
    assert_eq!(act(&origin, "logout", &[], &named(&token)).await.error(), (401, "Access Denied".into()));
}

#[tokio::test]
async fn session_info_needs_no_cookie() {
    let origin = Origin::new().await;
    let token = origin.log_in().await;
    for path in ["/am/json/sessions/", "/am/json/realms/root/sessions", &format!("{ALPHA}/sessions/")] {
        let answer = origin.post(&format!("{path}?_action=getSessionInfo"), &[], &named(&token)).await;
        let body = answer.json();
        assert_eq!(
            body,
            json!({
                "username": "demo",
                "universalId": "id=demo,ou=user,o=alpha,ou=services,ou=am-config",
                "realm": "/alpha",
                "latestAccessTime": "2027-01-15T08:00:00Z",
                "maxIdleExpirationTime": "2027-01-15T08:30:00Z",
                "maxSessionExpirationTime": "2027-01-15T10:00:00Z",
                "properties": {"AMCtxId": body["properties"]["AMCtxId"]},
            })
        );
    }
    let old = origin
        .post("/am/json/sessions?_action=getSessionInfo", &[("accept-api-version", "resource=2.0")], &named(&token))
        .await;
    assert_eq!(old.json().get("properties"), None);
}

#[tokio::test]
async fn others_sessions_are_not_shown() {
    let origin = Origin::new().await;
    origin.add_user("eve", IdentityStatus::Active, &Attributes::new()).await;
    let headers = [("x-openam-username", "eve"), ("x-openam-password", PASSWORD)];
    let eve = origin.post(&format!("{ALPHA}/authenticate"), &headers, "{}").await.cookie().unwrap();
    let demo = origin.log_in().await;
    let answer = act(&origin, "getSessionInfo", &[(COOKIE, &eve)], &named(&demo)).await;
    assert_eq!(answer.error(), (403, "Forbidden".into()));
    let again = origin.log_in().await;
    assert_eq!(act(&origin, "getSessionInfo", &[(COOKIE, &again)], &named(&demo)).await.status, 200);
}

#[tokio::test]
async fn logout_is_on_the_disk_before_it_is_answered() {
    let origin = Origin::new().await;
    let token = origin.log_in().await;
    let cookie = format!("{COOKIE}={token}");
    let answer = act(&origin, "logout", &[("cookie", &cookie)], "").await;
    assert_eq!((answer.status, answer.json()), (200, json!({"result": "Successfully logged out"})));
    assert_eq!(answer.cookie().as_deref(), Some(""));
    assert!(answer.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(answer.header("clear-site-data"), "\"cache\", \"cookies\", \"storage\", \"executionContexts\"");
    let lines = origin.second().await.app.store.denylist().list(10).await.unwrap();
    let [line] = lines.as_slice() else { panic!("one line") };
    assert_eq!((line.seq, line.realm.as_str(), line.actor.as_str()), (1, "/alpha", "demo"));
    assert!(!origin.is_valid(&token).await);

    // Dead, and the only credential: refused, and the cookie goes all the same.
    let again = act(&origin, "logout", &[("cookie", &cookie)], "").await;
    assert_eq!(again.error(), (401, "Access Denied".into()));
    assert_eq!(again.cookie().as_deref(), Some(""));
    // Dead, but the request has a credential.
    let other = origin.log_in().await;
    let other_cookie = format!("{COOKIE}={other}");
    let admitted = act(&origin, "logout", &[("cookie", &other_cookie)], &named(&token)).await;
    assert_eq!((admitted.status, admitted.json()), (200, json!({"result": "Token has expired"})));
    assert_eq!(admitted.cookie(), None, "the browser's own session goes on");
    assert!(origin.is_valid(&other).await);
}

#[tokio::test]
async fn a_logout_that_cannot_be_recorded_says_so() {
    let origin = Origin::new().await;
    let token = origin.log_in().await;
    origin.app.store.close().await;
    let answer = act(&origin, "logout", &[("cookie", &format!("{COOKIE}={token}"))], "").await;
    let (code, message) = answer.error();
    assert_eq!((code, message.contains("not effective yet")), (503, true));
    assert_eq!(answer.cookie().as_deref(), Some(""));
    assert!(origin.second().await.is_valid(&token).await, "and it is true");
}

#[tokio::test]
async fn a_token_from_the_future_is_ended_too() {
    let origin = Origin::new().await;
    let token = origin.log_in().await;
    origin.clock.set_back(3600);
    assert!(!origin.is_valid(&token).await);
    origin.log_out(&token).await;
    origin.clock.advance(3600);
    assert!(!origin.is_valid(&token).await);
}

#[tokio::test]
async fn requests_without_sense_are_refused() {
    let origin = Origin::new().await;
    for action in ["validate", "logout", "getSessionInfo"] {
        assert_eq!(act(&origin, action, &[], "").await.error(), (401, "Access Denied".into()), "{action}");
    }
    let unknown = act(&origin, "frobnicate", &[], "").await;
    assert_eq!(unknown.error(), (501, "Action frobnicate not implemented for this resource".into()));
    assert_eq!(origin.post("/am/json/sessions", &[], "").await.error().0, 400);
    assert_eq!(origin.get("/am/json/sessions/x").await.error(), (501, "Method GET not supported".into()));
    assert_eq!(origin.send(Method::DELETE, "/am/json/sessions/x", &[], "").await.error().0, 501);
    for body in ["{", "[]", "\"x\""] {
        assert!(act(&origin, "validate", &[], body).await.error().1.ends_with("is not a JSON object"));
    }
    let two = format!("{COOKIE}=a; {COOKIE}=b");
    let ambiguous = act(&origin, "logout", &[("cookie", &two)], "").await;
    assert_eq!((ambiguous.status, ambiguous.cookie().as_deref()), (401, Some("")));
}

/// The denylist entry is of the family, under the key that edges have.
#[tokio::test]
async fn the_entry_is_what_an_edge_looks_for() {
    let origin = Origin::new().await;
    let token = origin.log_in().await;
    let info = act(&origin, "getSessionInfo", &[], &named(&token)).await.json();
    let sid = countersign_core::encoding::decode(info["properties"]["AMCtxId"].as_str().unwrap().as_bytes()).unwrap();
    origin.log_out(&token).await;
    let settings = origin.app.settings();
    let bundle = origin.app.keys().edge_bundle("/alpha", &settings).unwrap();
    let key = countersign_core::encoding::decode_array(bundle["denylist"].as_str().unwrap().as_bytes()).unwrap();
    let fingerprint = DenylistKey::new(&key).fingerprint(countersign_core::denylist::Kind::Family, "/alpha", &sid);
    let [line] = origin.app.store.denylist().list(1).await.unwrap().try_into().unwrap();
    assert_eq!(line.entry.fingerprint, fingerprint);
}

/// C12 and C14: what sets the cookie and what takes it away agree in all by which browsers tell cookies apart.
#[tokio::test]
async fn c12_c14_the_cookie_is_cleared_as_it_was_set() {
    for (more, name, attributes) in [
        ("", "__Host-iPlanetDirectoryPro", "Secure; HttpOnly; SameSite=Lax"),
        (
            "cookie_domains = [\".example.com\"]\npartitioned = true\nsame_site = \"none\"\n",
            "__Secure-iPlanetDirectoryPro",
            "Domain=example.com; Secure; HttpOnly; SameSite=None; Partitioned",
        ),
        (
            "cookie_domains = [\"example.org\", \"com.example\", \"example.com\"]\n",
            "__Secure-iPlanetDirectoryPro",
            "Domain=example.com; Secure; HttpOnly; SameSite=Lax",
        ),
    ] {
        let origin = Origin::at("https://login.example.com", &format!("[session]\n{more}")).await;
        let headers = [("x-openam-username", "demo"), ("x-openam-password", PASSWORD)];
        let login = origin.post(&format!("{ALPHA}/authenticate"), &headers, "{}").await;
        let token = login.json()["tokenId"].as_str().unwrap().to_owned();
        assert_eq!(login.header("set-cookie"), format!("{name}={token}; Path=/; {attributes}"));
        let cookie = format!("{name}={token}");
        // What a request says of its host has no part in it.
        for host in ["example.org", "login.example.net"] {
            let told = [headers[0], headers[1], ("host", host), ("x-forwarded-host", host)];
            let other = origin.post(&format!("{ALPHA}/authenticate"), &told, "{}").await;
            assert!(other.header("set-cookie").ends_with(&format!("; Path=/; {attributes}")), "{host}");
        }
        // What an edge passes on of a renewal is the same cookie.
        let renewed = match crate::sessions::renew(&origin.app, token.as_bytes(), crate::sessions::Renew::Now).await {
            Ok(crate::sessions::Renewal::Issued(issued)) => issued.set_cookie,
            _ => panic!("renewed"),
        };
        let renewed = renewed.to_str().unwrap();
        assert!(renewed.starts_with(&format!("{name}=")) && renewed.ends_with(&format!("; Path=/; {attributes}")));
        for status in [200, 401] {
            let logout = act(&origin, "logout", &[("cookie", &cookie)], "").await;
            let cleared = format!("{name}=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; {attributes}");
            assert_eq!((logout.status, logout.header("set-cookie")), (status, cleared.as_str()));
        }
        let domains = origin.get("/am/json/serverinfo/cookieDomains").await.json()["domains"].clone();
        let is_wide = attributes.starts_with("Domain=example.com");
        assert_eq!(domains, if is_wide { json!(["example.com"]) } else { json!([]) });
    }
}
