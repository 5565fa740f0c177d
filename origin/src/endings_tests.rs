//! Ends in the large, through the real router.

use countersign_core::time::UnixSeconds;
use countersign_store::{Attributes, IdentityStatus};
use serde_json::json;

use crate::endings::{self, Order, Scope};
use crate::testing::{ALPHA, Answer, COOKIE, NOW, Origin, PASSWORD};

async fn log_in(origin: &Origin, username: &str) -> String {
    let headers = [("x-openam-username", username), ("x-openam-password", PASSWORD)];
    let answer = origin.post(&format!("{ALPHA}/authenticate"), &headers, "{}").await;
    answer.json()["tokenId"].as_str().unwrap().to_owned()
}

/// `demo`, `ben`, and `ada`, who is an administrator; a token of each.
async fn origin() -> (Origin, [String; 3]) {
    let origin = Origin::new().await;
    for username in ["ben", "ada"] {
        origin.add_user(username, IdentityStatus::Active, &Attributes::new()).await;
    }
    origin.app.store.administrators().grant("/alpha", "ada", UnixSeconds(NOW)).await.unwrap();
    let tokens = [log_in(&origin, "demo").await, log_in(&origin, "ben").await, log_in(&origin, "ada").await];
    (origin, tokens)
}

async fn by_user(origin: &Origin, token: &str, username: &str) -> Answer {
    let body = json!({ "username": username }).to_string();
    let headers = [(COOKIE, token), ("accept-api-version", "resource=5.1")];
    origin.post(&format!("{ALPHA}/sessions?_action=logoutByUser"), &headers, &body).await
}

async fn end(origin: &Origin, token: &str, body: serde_json::Value) -> Answer {
    origin.post(&format!("{ALPHA}/sessions?_action=end"), &[(COOKIE, token)], &body.to_string()).await
}

#[tokio::test]
async fn s03_a_copied_cookie_is_dead_at_every_origin_after_the_logout() {
    let (origin, [demo, ..]) = origin().await;
    let other = origin.second().await;
    assert!(other.is_valid(&demo).await);
    origin.log_out(&demo).await;
    assert!(!origin.is_valid(&demo).await && !other.is_valid(&demo).await);
}

#[tokio::test]
async fn s06_log_out_everywhere_and_in_again_in_the_same_second() {
    let (origin, [demo, ben, _]) = origin().await;
    let another = log_in(&origin, "demo").await;
    assert_eq!(by_user(&origin, &demo, "demo").await.json(), json!({"result": true}));
    let after = log_in(&origin, "demo").await;
    assert!(!origin.is_valid(&demo).await && !origin.is_valid(&another).await);
    assert!(origin.is_valid(&after).await && origin.is_valid(&ben).await);
    let line = &origin.app.store.denylist().list(1).await.unwrap()[0];
    assert_eq!((line.actor.as_str(), line.username.as_str(), line.created_at.0), ("demo of /alpha", "demo", NOW));
}

#[tokio::test]
async fn s19_nobody_is_logged_out_by_somebody_elses_word() {
    let (origin, [demo, ben, ada]) = origin().await;
    let head = origin.app.store.denylist().head().await.unwrap().seq;
    assert_eq!(by_user(&origin, &ben, "demo").await.error(), (403, "Forbidden".into()));
    assert_eq!(by_user(&origin, "x", "demo").await.error(), (401, "Access Denied".into()));
    assert_eq!(by_user(&origin, &ben, "").await.status, 400);
    for scope in [
        json!({"scope": "user", "username": "demo", "reason": "x"}),
        json!({"scope": "realm", "reason": "x"}),
        json!({"scope": "key", "kid": "x", "reason": "x"}),
    ] {
        assert_eq!(end(&origin, &ben, scope.clone()).await.error(), (403, "Forbidden".into()));
        assert_eq!(end(&origin, "x", scope).await.status, 401);
    }
    // A form of another site: the cookie alone, without a header that no form can set.
    let cookie = format!("{COOKIE}={ada}");
    let path = format!("{ALPHA}/sessions?_action=end");
    let body = r#"{"scope":"realm","reason":"x"}"#;
    let forged = origin.send(axum::http::Method::POST, &path, &[("cookie", &cookie)], body).await;
    assert_eq!(forged.error(), (403, "Forbidden".into()));
    assert_eq!(origin.app.store.denylist().head().await.unwrap().seq, head, "nothing was written");
    assert!(origin.is_valid(&demo).await);

    assert_eq!(by_user(&origin, &ada, "demo").await.status, 200);
    assert!(!origin.is_valid(&demo).await);
}

#[tokio::test]
async fn an_administrator_ends_a_user_the_realm_or_a_key() {
    let (origin, [demo, ben, ada]) = origin().await;
    for bad in [json!({}), json!({"scope": "realm"}), json!({"scope": "realm", "reason": "a\nb"})] {
        assert_eq!(end(&origin, &ada, bad).await.status, 400);
    }
    assert_eq!(end(&origin, &ada, json!({"scope": "x", "reason": "x"})).await.status, 400);
    assert_eq!(end(&origin, &ada, json!({"scope": "key", "kid": "nope", "reason": "x"})).await.status, 400);

    let ended = end(&origin, &ada, json!({"scope": "user", "username": "demo", "reason": "lost phone"})).await;
    let seq = ended.json()["seq"].as_u64().unwrap();
    assert!(!origin.is_valid(&demo).await && origin.is_valid(&ben).await);
    let line = &origin.app.store.denylist().list(1).await.unwrap()[0];
    assert_eq!((line.seq, line.reason.as_str(), line.actor.as_str()), (seq, "lost phone", "ada of /alpha"));
    // A mistake is taken back.
    origin.app.store.denylist().undo(seq, "it was found", "ada", UnixSeconds(NOW)).await.unwrap();
    assert!(origin.is_valid(&demo).await);

    assert_eq!(end(&origin, &ada, json!({"scope": "realm", "reason": "drill"})).await.status, 200);
    assert!(!origin.is_valid(&demo).await && !origin.is_valid(&ben).await && !origin.is_valid(&ada).await);

    let (ada, demo) = (log_in(&origin, "ada").await, log_in(&origin, "demo").await);
    let kid = origin.app.keys().realms["/alpha"].session.minting.kids().next().unwrap().to_string();
    assert_eq!(end(&origin, &ada, json!({"scope": "key", "kid": kid, "reason": "leaked"})).await.status, 200);
    assert!(!origin.is_valid(&demo).await);
    assert!(origin.is_valid(&ada).await, "the session of an administrator is a reference, which no key makes");
    // Whatever such a key signs says where in the log it stands, so what comes later is dead as well.
    let later = log_in(&origin, "demo").await;
    assert!(!origin.is_valid(&later).await);
}

#[tokio::test]
async fn a_watermark_lives_as_long_as_any_session_made_before_it() {
    let origin = Origin::with("[session]\nmax_time_minutes = 600\nmax_idle_minutes = 0\n").await;
    let token = origin.log_in().await;
    crate::key_upkeep::flush(&origin.app).await.unwrap();
    // Sessions are shorter from now on; those of before are not.
    let shorter = origin.again_with("[session]\nmax_time_minutes = 10\nmax_idle_minutes = 0\n").await;
    let (app, now) = (&shorter.app, UnixSeconds(NOW));
    let scope = Scope::User { realm: "/alpha", username: "demo" };
    let order = Order { actor: "test", reason: "test" };
    endings::end(&app.store, &app.keys().denylist, &app.settings(), scope, order, now).await.unwrap();
    assert!(!shorter.is_valid(&token).await);
    origin.clock.advance(599 * 60);
    crate::prune::once(app).await;
    assert!(!shorter.is_valid(&token).await);
}

#[tokio::test]
async fn s08_what_is_no_session_writes_nothing() {
    let (origin, [demo, ben, _]) = origin().await;
    let head = async || origin.app.store.denylist().head().await.unwrap().seq;
    let before = head().await;
    let logout = format!("{ALPHA}/sessions?_action=logout");
    for token in ["x", "a.b.c", "..", &demo[..demo.len() - 2]] {
        assert_eq!(origin.post(&logout, &[(COOKIE, token)], "").await.status, 401, "{token}");
    }
    assert_eq!(head().await, before);
    // Whoever holds another's token may end it, as with AM; twice is once.
    let body = json!({ "tokenId": demo }).to_string();
    assert_eq!(origin.post(&logout, &[(COOKIE, &ben)], &body).await.status, 200);
    let after = head().await;
    assert_eq!(origin.post(&logout, &[(COOKIE, &ben)], &body).await.status, 200);
    assert_eq!((after, head().await), (before + 1, after));
    origin.clock.advance(121 * 60);
    assert_eq!(origin.post(&logout, &[(COOKIE, &ben)], "").await.status, 401);
    assert_eq!(head().await, after);
}

#[tokio::test]
async fn s09_without_the_log_a_logout_fails_loudly_and_the_cookie_goes() {
    let (origin, [demo, _, ada]) = origin().await;
    origin.app.store.close().await;
    let cookie = format!("{COOKIE}={demo}");
    let answer = origin.post(&format!("{ALPHA}/sessions?_action=logout"), &[("cookie", &cookie)], "").await;
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("not effective yet"));
    assert_eq!(answer.cookie().as_deref(), Some(""), "the browser forgets it");
    assert!(by_user(&origin, &ada, "demo").await.status >= 500);
}
