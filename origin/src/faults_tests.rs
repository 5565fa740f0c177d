//! The faults of the open fork's denylist (F1 to F12), and that they are not here. What needs two nodes has two apps on
//! one database; what needs a restart opens the database anew.

use countersign_core::time::UnixSeconds;
use countersign_store::{Attributes, IdentityStatus, StoreError};

use crate::testing::{ALPHA, COOKIE, NOW, Origin, PASSWORD};

/// Seconds and milliseconds are types of their own; what one node ends, another refuses, for as long as it could live.
#[tokio::test]
async fn f01_a_logout_on_one_node_holds_on_another_for_the_whole_life_of_the_session() {
    let origin = Origin::with("[session]\nmax_idle_minutes = 0\n").await;
    let other = origin.second().await;
    let token = origin.log_in().await;
    origin.log_out(&token).await;
    for _ in 0..119 {
        assert!(!other.is_valid(&token).await);
        origin.clock.advance(60);
        crate::prune::once(&other.app).await;
    }
    assert!(!other.is_valid(&token).await);
}

/// Nothing is replayed selectively: a node that starts reads the log, its own entries with all others.
#[tokio::test]
async fn f02_f04_a_restarted_node_knows_its_own_logouts_from_its_first_request() {
    let origin = Origin::new().await;
    let token = origin.log_in().await;
    origin.log_out(&token).await;
    origin.app.store.close().await;
    let again = origin.second().await;
    assert!(!again.is_valid(&token).await, "the first request of the new process");
}

/// Readers go by position, never by a clock: an entry of a node whose clock is far behind is not skipped.
#[tokio::test]
async fn f03_an_entry_from_a_slow_clock_is_read_like_any_other() {
    let origin = Origin::new().await;
    let other = origin.second().await;
    let (one, two) = (origin.log_in().await, origin.log_in().await);
    origin.log_out(&one).await;
    let read = other.app.store.denylist().head().await.unwrap().seq;
    origin.clock.set_back(30); // within what tokens tolerate
    origin.log_out(&two).await;
    let more = other.app.store.denylist().entries(read, 100).await.unwrap().unwrap();
    assert_eq!(more.len(), 1);
    assert!(!other.is_valid(&two).await);
}

/// Settings are put in force beside the log, not in place of it.
#[tokio::test]
async fn f05_saving_settings_forgets_nothing() {
    let origin = Origin::new().await;
    let token = origin.log_in().await;
    origin.log_out(&token).await;
    let file = origin.dir().join("saved.toml");
    std::fs::write(&file, "[server]\npublic_url = \"http://localhost:8787\"\n[session]\nmax_time_minutes = 60\n")
        .unwrap();
    for _ in 0..3 {
        origin.app.take_settings(crate::Settings::load(&file, std::iter::empty()).unwrap()).await.unwrap();
        assert!(!origin.is_valid(&token).await);
    }
}

/// Success is said after the commit alone, so a repetition after a failure fails as well, or writes.
#[tokio::test]
async fn f06_a_write_that_failed_is_not_remembered_as_done() {
    let origin = Origin::new().await;
    let token = origin.log_in().await;
    let other = origin.second().await;
    other.app.store.close().await;
    let logout = format!("{ALPHA}/sessions?_action=logout");
    for _ in 0..2 {
        assert_eq!(other.post(&logout, &[(COOKIE, &token)], "").await.status, 503);
    }
    assert!(origin.is_valid(&token).await, "nobody was told otherwise");
    assert_eq!(origin.post(&logout, &[(COOKIE, &token)], "").await.status, 200);
    assert_eq!(origin.app.store.denylist().head().await.unwrap().seq, 1);
}

/// There is no store without the log: a session is not judged when the log cannot be read. (Both kinds of database have
/// the same tests.)
#[tokio::test]
async fn f07_no_database_makes_the_denylist_inert() {
    let origin = Origin::new().await;
    let token = origin.log_in().await;
    origin.app.store.close().await;
    assert_eq!(origin.app.store.denylist().head().await.err(), Some(StoreError::Closed));
    let body = serde_json::json!({ "tokenId": token }).to_string();
    assert!(origin.post("/am/json/sessions?_action=validate", &[], &body).await.status >= 500);
}

/// The session to replace is an argument of the login, not a field that two logins share.
#[tokio::test]
async fn f08_upgrades_at_once_end_their_own_old_session_and_no_other() {
    const USERS: usize = 6;
    let origin = Origin::new().await;
    let users: Vec<String> = (0..USERS).map(|n| format!("user{n}")).collect();
    let mut old = Vec::new();
    for user in &users {
        origin.add_user(user, IdentityStatus::Active, &Attributes::new()).await;
        old.push(log_in(&origin, user).await);
    }
    let bystander = origin.log_in().await;
    let upgrades = users.iter().zip(&old).map(|(user, old)| {
        let (app, user, old) = (origin.app.clone(), user.clone(), old.clone());
        tokio::spawn(async move { upgrade(app, &user, &old).await })
    });
    let upgrades: Vec<_> = upgrades.collect();
    for (upgrade, old) in upgrades.into_iter().zip(&old) {
        let new = upgrade.await.unwrap();
        assert!(origin.is_valid(&new).await && !origin.is_valid(old).await);
    }
    assert!(origin.is_valid(&bystander).await);
    assert_eq!(origin.app.store.denylist().head().await.unwrap().seq, USERS as u64);
}

async fn log_in(origin: &Origin, username: &str) -> String {
    let headers = [("x-openam-username", username), ("x-openam-password", PASSWORD)];
    let answer = origin.post(&format!("{ALPHA}/authenticate"), &headers, "{}").await;
    answer.json()["tokenId"].as_str().unwrap().to_owned()
}

async fn upgrade(app: std::sync::Arc<crate::App>, username: &str, old: &str) -> String {
    use tower::ServiceExt as _;
    let request = axum::http::Request::post(format!("{ALPHA}/authenticate?ForceAuth=true"))
        .header("content-type", "application/json")
        .header("accept-api-version", "protocol=1.0,resource=2.1")
        .header("x-openam-username", username)
        .header("x-openam-password", PASSWORD)
        .header(COOKIE, old)
        .body(axum::body::Body::from("{}"))
        .unwrap();
    let answer = crate::router(app).oneshot(request).await.unwrap();
    let set = answer.headers()["set-cookie"].to_str().unwrap();
    set.strip_prefix(COOKIE).unwrap()[1..].split(';').next().unwrap().to_owned()
}

/// Each token has an identifier of its own, and all of them one family, by which they end together.
#[tokio::test]
async fn f09_re_issued_tokens_differ_and_end_together() {
    let origin = Origin::new().await;
    let first = origin.log_in().await;
    origin.clock.advance(600);
    let answer = origin.post(&format!("{ALPHA}/sessions?_action=refresh"), &[(COOKIE, &first)], "").await;
    let second = answer.cookie().unwrap();
    let claims = async |token: &str| {
        let explained = crate::explain(&origin.app, token).await.unwrap();
        serde_json::to_value(explained).unwrap().to_string()
    };
    let part = |text: &str, name: &str| {
        let (_, rest) = text.split_once(&format!("\"{name}\":\"")).unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let (one, two) = (claims(&first).await, claims(&second).await);
    assert_eq!(part(&one, "sid"), part(&two, "sid"));
    assert_ne!(part(&one, "jti"), part(&two, "jti"));
    origin.log_out(&second).await;
    assert!(!origin.is_valid(&first).await && !origin.is_valid(&second).await);
}

/// What ends others' sessions asks who is asking.
#[tokio::test]
async fn f10_who_ends_a_session_is_checked_not_whose_it_is() {
    let origin = Origin::new().await;
    origin.add_user("ben", IdentityStatus::Active, &Attributes::new()).await;
    let (demo, ben) = (origin.log_in().await, log_in(&origin, "ben").await);
    let headers = [(COOKIE, ben.as_str()), ("accept-api-version", "resource=5.1")];
    let path = format!("{ALPHA}/sessions?_action=logoutByUser");
    assert_eq!(origin.post(&path, &headers, r#"{"username":"demo"}"#).await.status, 403);
    assert!(origin.is_valid(&demo).await);
}

/// A quiet log empties itself, and one entry can be taken back.
#[tokio::test]
async fn f11_a_quiet_log_is_reclaimed_and_a_mistake_is_undone() {
    let origin = Origin::new().await;
    let token = origin.log_in().await;
    origin.log_out(&token).await;
    let log = origin.app.store.denylist();
    log.undo(1, "a mistake", "test", UnixSeconds(NOW)).await.unwrap();
    assert!(origin.is_valid(&token).await);
    origin.clock.advance(4 * 3600);
    crate::prune::once(&origin.app).await;
    let head = log.head().await.unwrap();
    assert_eq!((head.seq, head.floor_seq), (2, 2), "no entry is left");
}

/// A failure of the log is an error to whoever asks, and shows in readiness and metrics.
#[tokio::test]
async fn f12_trouble_of_the_log_is_seen() {
    let origin = Origin::new().await;
    assert!(crate::metrics::text(&origin.app).await.contains("countersign_denylist_up 1\n"));
    let token = origin.log_in().await;
    origin.app.store.close().await;
    let logout = format!("{ALPHA}/sessions?_action=logout");
    assert_eq!(origin.post(&logout, &[(COOKIE, &token)], "").await.status, 503);
    assert!(crate::metrics::text(&origin.app).await.contains("countersign_denylist_up 0\n"));
    assert_eq!(origin.get("/health/ready").await.status, 503);
}
