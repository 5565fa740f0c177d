//! Idle time, by re-issue: over REST, and for edges.

use axum::http::Method;
use countersign_core::denylist::fingerprint::DenylistKey;
use countersign_core::denylist::{Entry, Kind, Slot};
use countersign_core::time::UnixSeconds;
use countersign_store::denylist::NewEntry;
use serde_json::{Value, json};

use crate::testing::{ALPHA, Answer, COOKIE, NOW, Origin};

const MINUTE: u64 = 60;

async fn act(origin: &Origin, action: &str, token: &str) -> Answer {
    let cookie = format!("{COOKIE}={token}");
    origin.post(&format!("{ALPHA}/sessions?_action={action}"), &[("cookie", &cookie)], "").await
}

async fn info(origin: &Origin, token: &str) -> Value {
    let body = json!({"tokenId": token}).to_string();
    origin.post(&format!("{ALPHA}/sessions?_action=getSessionInfo"), &[], &body).await.json()
}

/// As an edge asks.
async fn renew(origin: &Origin, token: &str) -> Answer {
    let settings = origin.app.settings();
    let bundle = origin.app.keys().edge_bundle("/alpha", &settings).unwrap();
    let authorization = format!("Bearer {}", bundle["feed_credential"].as_str().unwrap());
    let headers = [("authorization", authorization.as_str())];
    origin.send(Method::POST, "/countersign/v1/sessions/renew", &headers, token).await
}

#[tokio::test]
async fn s16_an_unused_session_ends_after_its_idle_time() {
    let origin = Origin::new().await;
    let token = origin.log_in().await;
    origin.clock.advance(30 * MINUTE - 1);
    assert!(origin.is_valid(&token).await);
    origin.clock.advance(1);
    assert!(!origin.is_valid(&token).await);
    assert_eq!(renew(&origin, &token).await.status, 403, "what is over is not re-issued");
    assert_eq!(act(&origin, "refresh", &token).await.json(), json!({"valid": false}));
    assert_eq!(act(&origin, "getSessionInfoAndResetIdleTime", &token).await.status, 401);
}

#[tokio::test]
async fn s16_use_keeps_a_session_up_to_its_end_and_no_further() {
    let origin = Origin::new().await;
    let mut token = origin.log_in().await;
    let first = info(&origin, &token).await;
    for step in 1..8 {
        origin.clock.advance(15 * MINUTE);
        let renewed = renew(&origin, &token).await;
        assert_eq!((renewed.status, renewed.header("cache-control")), (200, "no-store"), "step {step}");
        token = renewed.cookie().unwrap();
        let now = info(&origin, &token).await;
        assert_eq!(now["maxSessionExpirationTime"], first["maxSessionExpirationTime"]);
        assert_eq!(now["properties"]["AMCtxId"], first["properties"]["AMCtxId"], "one family");
        assert_ne!(now["latestAccessTime"], first["latestAccessTime"]);
    }
    assert_eq!(info(&origin, &token).await["maxIdleExpirationTime"], "2027-01-15T10:00:00Z", "never beyond the end");
    origin.clock.advance(15 * MINUTE);
    assert!(!origin.is_valid(&token).await);
}

#[tokio::test]
async fn a_token_is_not_re_issued_before_it_is_due() {
    let origin = Origin::new().await;
    let token = origin.log_in().await;
    origin.clock.advance(30 * MINUTE / 4 - 1);
    let early = renew(&origin, &token).await;
    assert_eq!((early.status, early.cookie()), (204, None));
    assert_eq!(act(&origin, "validate", &token).await.cookie(), None);
    origin.clock.advance(1);
    assert!(renew(&origin, &token).await.cookie().is_some_and(|renewed| renewed != token));
    for none in ["[session]\nmax_idle_minutes = 0\n", "[session]\nmax_idle_minutes = 120\n"] {
        let origin = Origin::with(none).await;
        let token = origin.log_in().await;
        origin.clock.advance(100 * MINUTE);
        assert_eq!(renew(&origin, &token).await.status, 204);
        assert_eq!(act(&origin, "refresh", &token).await.cookie(), None);
        assert_eq!(info(&origin, &token).await["maxIdleExpirationTime"], "2027-01-15T10:00:00Z");
    }
}

#[tokio::test]
async fn only_edges_have_tokens_re_issued() {
    let origin = Origin::new().await;
    let token = origin.log_in().await;
    origin.clock.advance(10 * MINUTE);
    let path = "/countersign/v1/sessions/renew";
    assert_eq!(origin.send(Method::POST, path, &[], &token).await.status, 401);
    assert_eq!(origin.send(Method::POST, path, &[("authorization", "Bearer x")], &token).await.status, 401);
    let long = "x".repeat(70_000);
    for (body, status) in [("", 403), ("garbage", 403), (token.as_str(), 200), (long.as_str(), 400)] {
        assert_eq!(renew(&origin, body).await.status, status, "{body:.20}");
    }
}

#[tokio::test]
async fn s04_s05_a_re_issued_token_is_dead_with_its_family() {
    let origin = Origin::new().await;
    let token = origin.log_in().await;
    origin.clock.advance(10 * MINUTE);
    let thiefs = renew(&origin, &token).await.cookie().unwrap();
    assert!(origin.is_valid(&thiefs).await && origin.is_valid(&token).await);
    origin.log_out(&token).await;
    assert!(!origin.is_valid(&thiefs).await);
    assert_eq!(renew(&origin, &thiefs).await.status, 403);
    assert_eq!(renew(&origin, &token).await.status, 403);

    // The other way round, and with an old token that is idle itself.
    let token = origin.log_in().await;
    origin.clock.advance(10 * MINUTE);
    let renewed = renew(&origin, &token).await.cookie().unwrap();
    origin.clock.advance(25 * MINUTE);
    assert!(!origin.is_valid(&token).await && origin.is_valid(&renewed).await);
    origin.log_out(&token).await;
    assert!(!origin.is_valid(&renewed).await);
}

/// However they come to lie, a logout that was acknowledged leaves no token of the family behind.
#[tokio::test]
async fn s04_a_logout_meets_a_re_issue_in_flight() {
    let origin = Origin::new().await;
    for round in 0..40 {
        let token = origin.log_in().await;
        origin.clock.advance(10 * MINUTE);
        let renewed = async {
            for _ in 0..round % 8 {
                tokio::task::yield_now().await;
            }
            renew(&origin, &token).await
        };
        let (renewed, ()) = tokio::join!(renewed, origin.log_out(&token));
        assert!(matches!(renewed.status, 200 | 403));
        if let Some(renewed) = renewed.cookie() {
            assert!(!origin.is_valid(&renewed).await, "round {round}");
        }
    }
}

/// The new token has the new position in the log: what the watermark ended before must not be carried over it.
#[tokio::test]
async fn s06_a_watermark_stops_re_issue_and_what_was_re_issued_before_it() {
    let origin = Origin::new().await;
    let token = origin.log_in().await;
    origin.clock.advance(10 * MINUTE);
    let renewed = renew(&origin, &token).await.cookie().unwrap();
    let settings = origin.app.settings();
    let bundle = origin.app.keys().edge_bundle("/alpha", &settings).unwrap();
    let key = countersign_core::encoding::decode_array(bundle["denylist"].as_str().unwrap().as_bytes()).unwrap();
    let fingerprint = DenylistKey::new(&key).fingerprint(Kind::User, "/alpha", b"demo");
    let entry = Entry { kind: Kind::User, slot: Slot::of(UnixSeconds(NOW + 7200)), fingerprint };
    let new = NewEntry::new(entry, "/alpha", "test", "test");
    origin.app.store.denylist().append(new, UnixSeconds(NOW)).await.unwrap();
    for token in [&token, &renewed] {
        assert_eq!((renew(&origin, token).await.status, origin.is_valid(token).await), (403, false));
    }
    let after = origin.log_in().await;
    origin.clock.advance(10 * MINUTE);
    let renewed = renew(&origin, &after).await.cookie().unwrap();
    assert!(origin.is_valid(&renewed).await);
}

#[tokio::test]
async fn rest_resets_idle_time_for_whoever_presents_the_session() {
    let origin = Origin::new().await;
    let token = origin.log_in().await;
    origin.clock.advance(20 * MINUTE);

    let refreshed = act(&origin, "refresh", &token).await;
    assert_eq!(
        refreshed.json(),
        json!({"uid": "demo", "realm": "/alpha", "idletime": 0, "maxidletime": 30, "maxsessiontime": 120, "maxtime": 6000})
    );
    assert!(origin.is_valid(&refreshed.cookie().unwrap()).await);

    let reset = act(&origin, "getSessionInfoAndResetIdleTime", &token).await;
    assert_eq!(reset.json()["latestAccessTime"], "2027-01-15T08:20:00Z");
    assert_eq!(reset.json()["maxIdleExpirationTime"], "2027-01-15T08:50:00Z");
    assert_eq!(info(&origin, &reset.cookie().unwrap()).await, reset.json(), "it is true of the new token");

    let validated = act(&origin, "validate", &token).await;
    assert!(validated.json()["valid"] == true && validated.cookie().is_some());
    assert_eq!(act(&origin, "validate&refresh=false", &token).await.cookie(), None);
    assert_eq!(act(&origin, "getSessionInfo", &token).await.cookie(), None);

    // In a header it is one's own too; in a body it may be somebody else's, whose browser is elsewhere.
    let path = format!("{ALPHA}/sessions?_action=refresh");
    assert!(origin.post(&path, &[(COOKIE, &token)], "").await.cookie().is_some());
    let named = origin.post(&path, &[], &json!({"tokenId": token}).to_string()).await;
    assert_eq!((named.json()["idletime"].as_u64(), named.cookie()), (Some(20 * MINUTE), None));
    assert_eq!(origin.post(&path, &[], "").await.error().0, 401);
}
