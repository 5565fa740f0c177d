use axum::http::Method;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use countersign_core::time::UnixSeconds;
use countersign_store::{Attributes, IdentityStatus, NewIdentity};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::testing::{ALPHA, Answer, COOKIE, NOW, Origin, PASSWORD};

const AUTHENTICATION: &str = "/am/json/realms/root/realms/alpha/realm-config/authentication";
const SESSION: &str = "/am/json/global-config/services/session";

/// `demo`, and `ada`, who is an administrator.
async fn origin() -> (Origin, String) {
    let origin = Origin::new().await;
    origin.add_user("ada", IdentityStatus::Active, &Attributes::new()).await;
    origin.app.store.administrators().grant("/alpha", "ada", UnixSeconds(NOW)).await.unwrap();
    let token = log_in(&origin, ALPHA, "ada").await;
    (origin, token)
}

async fn log_in(origin: &Origin, realm: &str, username: &str) -> String {
    let headers = [("x-openam-username", username), ("x-openam-password", PASSWORD)];
    let answer = origin.post(&format!("{realm}/authenticate"), &headers, "{}").await;
    answer.json()["tokenId"].as_str().unwrap().to_owned()
}

async fn put(origin: &Origin, path: &str, token: &str, body: &Value) -> Answer {
    origin.send(Method::PUT, path, &[(COOKIE, token)], &body.to_string()).await
}

async fn auth_id(origin: &Origin) -> String {
    origin.auth_id().await
}

fn is_signed_with(auth_id: &str, secret: &[u8]) -> bool {
    let (input, signature) = auth_id.rsplit_once('.').unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(input.as_bytes());
    mac.verify_slice(&BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap()).is_ok()
}

#[tokio::test]
async fn who_may_is_asked_of_the_store_at_every_call() {
    let (origin, token) = origin().await;
    assert_eq!(origin.get(AUTHENTICATION).await.error(), (401, "Access Denied".into()));
    assert_eq!(origin.get_with(AUTHENTICATION, &[(COOKIE, "x")]).await.error(), (401, "Access Denied".into()));
    let demo = log_in(&origin, ALPHA, "demo").await;
    assert_eq!(origin.get_with(AUTHENTICATION, &[(COOKIE, &demo)]).await.error(), (403, "Forbidden".into()));
    assert_eq!(origin.get_with(AUTHENTICATION, &[(COOKIE, &token)]).await.status, 200);
    let cookie = format!("{COOKIE}={token}");
    assert_eq!(origin.get_with(AUTHENTICATION, &[("cookie", &cookie)]).await.status, 200);
    // Of one realm, not of all, and not of the installation.
    for path in [SESSION, "/am/json/global-config/realms"] {
        assert_eq!(origin.get_with(path, &[(COOKIE, &token)]).await.error(), (403, "Forbidden".into()), "{path}");
    }
    let root = "/am/json/realms/root/realm-config/authentication";
    assert_eq!(origin.get_with(root, &[(COOKIE, &token)]).await.status, 403);
    // A cookie alone changes nothing: any page could have had the browser send it.
    let forged = origin.send(Method::PUT, AUTHENTICATION, &[("cookie", &cookie)], "{}").await;
    assert_eq!(forged.error(), (403, "Forbidden".into()));
    let vouched = [("cookie", cookie.as_str()), ("x-requested-with", "x")];
    assert_eq!(origin.send(Method::PUT, AUTHENTICATION, &vouched, "{}").await.status, 200);

    origin.app.store.administrators().revoke("/alpha", "ada").await.unwrap();
    assert_eq!(origin.get_with(AUTHENTICATION, &[(COOKIE, &token)]).await.status, 403);
    origin.app.store.administrators().grant("/alpha", "ada", UnixSeconds(NOW)).await.unwrap();
    origin.log_out(&token).await;
    assert_eq!(origin.get_with(AUTHENTICATION, &[(COOKIE, &token)]).await.status, 401);
}

#[tokio::test]
async fn settings_are_shown_in_ams_shape_and_secrets_are_not() {
    let (origin, token) = origin().await;
    let answer = origin.get_with(AUTHENTICATION, &[(COOKIE, &token)]).await;
    assert_eq!(answer.header("content-api-version"), "resource=1.0");
    let body = answer.json();
    let names: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["_id", "_rev", "security", "trees", "core", "general", "_type"]);
    assert_eq!(answer.header("etag"), format!("\"{}\"", body["_rev"].as_str().unwrap()));
    assert_eq!(body["_type"], json!({"_id": "EMPTY", "name": "Core", "collection": false}));
    assert_eq!(body["security"]["sharedSecret"], json!(null));
    let trees = json!({
        "authenticationSessionsStateManagement": "JWT",
        "authenticationSessionsMaxDuration": 5,
        "authenticationSessionsWhitelist": true,
        "suspendedAuthenticationTimeout": 5,
        "authenticationTreeCookieHttpOnly": true,
    });
    assert_eq!(body["trees"], trees);
    // What was read can be written back.
    assert_eq!(put(&origin, AUTHENTICATION, &token, &body).await.json(), body);

    for (change, message) in [
        (
            json!({"trees": {"authenticationSessionsMaxDuration": 9}}),
            "trees.authenticationSessionsMaxDuration cannot be changed here: it is max_duration_minutes of [journey] in \
             the settings file, which is read again when it changes",
        ),
        (
            json!({"general": {"statelessSessionsEnabled": false}}),
            "general.statelessSessionsEnabled cannot be changed here: it is statelessSessionsEnabled of [session] in the \
             settings file, which is read again when it changes",
        ),
        (json!({"general": {"x": 1}}), "Invalid attribute specified."),
        (json!({"x": {}}), "Invalid attribute specified."),
        (json!({"security": 1}), "security must be an object"),
        (json!({"security": {"sharedSecret": 1}}), "security.sharedSecret must be a secret in base64"),
        (
            json!({"security": {"sharedSecret": "c2hvcnQ="}}),
            "security.sharedSecret: a journey-signing key for HS256 has at least 128 bits; this one has 40",
        ),
        (
            json!({"security": {"sharedSecret": "c2hv".repeat(3000)}}),
            "security.sharedSecret: key secret is larger than 8192 bytes",
        ),
    ] {
        assert_eq!(put(&origin, AUTHENTICATION, &token, &change).await.error(), (400, message.into()), "{change}");
    }
    let stale = [(COOKIE, token.as_str()), ("if-match", "\"1\"")];
    assert_eq!(origin.send(Method::PUT, AUTHENTICATION, &stale, "{}").await.status, 412);
    assert_eq!(origin.send(Method::DELETE, AUTHENTICATION, &[(COOKIE, &token)], "").await.status, 501);
}

#[tokio::test]
async fn the_installation_is_for_administrators_of_the_root_realm() {
    let (origin, _) = origin().await;
    let settings = origin.app.settings();
    let (store, now) = (&origin.app.store, UnixSeconds(NOW));
    store.realms().create("/", now).await.unwrap();
    crate::keyring::generate(store, Some(("/", settings.realm("/"))), now, &crate::SystemEntropy).await.unwrap();
    origin.app.keys_current().await.unwrap();
    let hash = store.identities().get("/alpha", "ada").await.ok().flatten().unwrap().password_hash;
    let attributes = Attributes::new();
    let new = NewIdentity {
        realm: "/",
        username: "amadmin",
        password_hash: &hash,
        status: IdentityStatus::Active,
        attributes: &attributes,
    };
    store.identities().create(new, now).await.unwrap();
    store.administrators().grant("/", "amadmin", now).await.unwrap();
    let token = log_in(&origin, "/am/json/realms/root", "amadmin").await;
    let body = origin.get_with(SESSION, &[(COOKIE, &token)]).await.json();
    assert_eq!(body["dynamic"], json!({"maxIdleTime": 30, "maxSessionTime": 120, "quotaLimit": 5}));
    assert_eq!(body["quotas"]["iplanet-am-session-enable-session-constraint"], "OFF");
    let next_expiring = "org.forgerock.openam.session.service.DestroyNextExpiringAction";
    assert_eq!(body["quotas"]["behaviourWhenQuotaExhausted"], next_expiring);
    assert_eq!(body["stateless"]["statelessSigningType"], "EdDSA");
    assert_eq!(body["stateless"]["statelessSigningHmacSecret"], json!(null));
    assert_eq!(put(&origin, SESSION, &token, &body).await.status, 200);
    let change = json!({"stateless": {"statelessSigningType": "HS256"}});
    let (status, message) = put(&origin, SESSION, &token, &change).await.error();
    assert_eq!(status, 400);
    assert!(message.contains("statelessSigningType of [session] in the settings file"), "{message}");
    let realms = origin.get_with("/am/json/global-config/realms/?_queryFilter=true", &[(COOKIE, &token)]).await.json();
    let shown = |at: usize| ["_id", "parentPath", "name"].map(|name| realms["result"][at][name].clone());
    assert_eq!(shown(0), [json!("Lw"), json!(null), json!("/")]);
    assert_eq!(shown(1), [json!("L2FscGhh"), json!("/"), json!("alpha")]);
    assert_eq!((&realms["resultCount"], &realms["result"][1]["active"]), (&json!(2), &json!(true)));
    let one = origin.get_with("/am/json/global-config/realms/L2FscGhh", &[(COOKIE, &token)]).await;
    assert_eq!((one.status, &one.json()), (200, &realms["result"][1]));
    // It may administer the other realms too.
    assert_eq!(origin.get_with(AUTHENTICATION, &[(COOKIE, &token)]).await.status, 200);
}

/// AM's signing secret, over REST: what was signed before goes on, what is signed from now on has it; and back again.
#[tokio::test]
async fn the_signing_secret_is_set_and_set_back() {
    let (origin, token) = origin().await;
    let before = auth_id(&origin).await;
    let [first, second] = [[7u8, 1], [9, 2]].map(|bytes| bytes.repeat(8));
    let set = async |secret: &[u8]| {
        let body = json!({"security": {"sharedSecret": BASE64_STANDARD.encode(secret)}});
        let answer = put(&origin, AUTHENTICATION, &token, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(!answer.text().contains(&BASE64_STANDARD.encode(secret)));
        let made = auth_id(&origin).await;
        assert!(is_signed_with(&made, secret));
        made
    };
    let made = [set(&first).await, set(&first).await, set(&second).await, set(&first).await];
    for auth_id in made.iter().chain([&before]) {
        assert!(origin.goes_on(auth_id).await);
    }
    // And when the other one is long retired.
    origin.clock.advance(1000);
    crate::key_upkeep::once(&origin.app).await.unwrap();
    set(&second).await;
}

/// Each secret of before is kept for what was signed with it, but not any number of them.
#[tokio::test]
async fn a_signing_secret_is_not_changed_without_end() {
    let (origin, token) = origin().await;
    let set = async |secret: u8| {
        let body = json!({"security": {"sharedSecret": BASE64_STANDARD.encode([secret, 255].repeat(8))}});
        put(&origin, AUTHENTICATION, &token, &body).await
    };
    for secret in 0..32 {
        assert_eq!(set(secret).await.status, 200, "{secret}");
    }
    let refused = set(32).await;
    assert_eq!(refused.status, 409);
    assert!(refused.text().contains("32 keys of before"), "{}", refused.text());
    assert_eq!(set(0).await.status, 200, "one that is kept comes into use again");
    origin.clock.advance(1000);
    crate::key_upkeep::once(&origin.app).await.unwrap();
    assert_eq!(set(32).await.status, 200);
}
