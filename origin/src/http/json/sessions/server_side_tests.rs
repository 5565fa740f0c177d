//! Server-side sessions, through REST and as edges ask about them.

use std::sync::Arc;

use axum::http::Method;
use countersign_core::gate::Checked;
use countersign_core::session::Reference;
use countersign_core::time::UnixSeconds;
use countersign_core::token::{self, Kind, Scratch};
use countersign_store::{Attributes, IdentityStatus};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::testing::{ALPHA, Answer, COOKIE, NOW, Origin, PASSWORD};

const OFF: &str = "[session]\nstatelessSessionsEnabled = false\n";
const MINUTE: u64 = 60;

fn quota(action: &str) -> String {
    let more = "iplanet-am-session-enable-session-constraint = \"ON\"\nquotaLimit = 3\nbehaviourWhenQuotaExhausted";
    format!("{OFF}{more} = \"{action}\"\n")
}

fn is_reference(token: &str) -> bool {
    Reference::read(token.as_bytes()).is_some()
}

async fn log_in(origin: &Origin, username: &str) -> Answer {
    let headers = [("x-openam-username", username), ("x-openam-password", PASSWORD)];
    origin.post(&format!("{ALPHA}/authenticate"), &headers, "{}").await
}

async fn act(origin: &Origin, action: &str, token: &str, body: Value) -> Answer {
    origin.post(&format!("{ALPHA}/sessions?_action={action}"), &[(COOKIE, token)], &body.to_string()).await
}

/// Without use of it.
async fn holds(origin: &Origin, token: &str) -> bool {
    let body = json!({"tokenId": token}).to_string();
    let answer = origin.post(&format!("{ALPHA}/sessions?_action=validate&refresh=false"), &[], &body).await;
    answer.json()["valid"].as_bool().unwrap()
}

async fn ada(origin: &Origin) -> String {
    origin.add_user("ada", IdentityStatus::Active, &Attributes::new()).await;
    origin.app.store.administrators().grant("/alpha", "ada", UnixSeconds(NOW)).await.unwrap();
    log_in(origin, "ada").await.json()["tokenId"].as_str().unwrap().to_owned()
}

async fn listed(origin: &Origin, admin: &str, username: &str) -> Vec<Value> {
    let filter = format!("username%20eq%20%22{username}%22%20and%20realm%20eq%20%22%2Falpha%22");
    let answer = origin.get_with(&format!("{ALPHA}/sessions?_queryFilter={filter}"), &[(COOKIE, admin)]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["result"].as_array().unwrap().clone()
}

/// As an edge asks.
async fn check(origin: &Origin, token: &str) -> Option<Value> {
    let settings = origin.app.settings();
    let bundle = origin.app.keys().edge_bundle("/alpha", &settings).unwrap();
    let authorization = format!("Bearer {}", bundle["feed_credential"].as_str().unwrap());
    let path = "/countersign/v1/sessions/check?nonce=AAAAAAAAAAAAAAAAAAAAAA";
    let answer = origin.send(Method::POST, path, &[("authorization", &authorization)], token).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"), "{}", answer.text());
    let ring = origin.app.keys();
    let keys = &ring.feed.verifying;
    let checked = token::open::<Checked>(&answer.body, Kind::Checked, keys, &mut Scratch::default()).unwrap();
    let checked = checked.into_claims();
    assert_eq!(checked.reference, Reference::read(token.as_bytes()).unwrap().digest());
    assert_eq!((checked.nonce, checked.lease_ms), ([0; 16], 10_000));
    checked.session.map(|session| serde_json::to_value(session.spelled_out()).unwrap())
}

/// As with a token: the answer to the first may have been lost. The row is gone by then, and the line is found without
/// it.
#[tokio::test]
async fn a_barrier_logout_of_a_reference_can_be_repeated() {
    let origin = Origin::with(&format!("{OFF}[denylist]\npoll_ms = 50\nlease_ms = 100\n")).await;
    let token = log_in(&origin, "demo").await.json()["tokenId"].as_str().unwrap().to_owned();
    let out = async |ack: &str| act(&origin, &format!("logout&{ack}"), &token, json!({})).await;
    let receipt = |answer: &Answer| {
        let (body, keys) = (answer.json(), origin.app.keys());
        let receipt = body["receipt"].as_str().unwrap().as_bytes();
        let opened = token::open::<Value>(receipt, Kind::Receipt, &keys.feed.verifying, &mut Scratch::default());
        let claims = opened.unwrap().into_claims();
        (claims["state"].as_str().unwrap().to_owned(), claims["seq"].as_u64().unwrap())
    };
    let (store, now) = (&origin.app.store, UnixSeconds(NOW));
    let reference = Reference::read(token.as_bytes()).unwrap();
    let row = store.sessions().get(reference.secret(), now).await.unwrap().unwrap();
    assert_eq!(act(&origin, "logout&ack=barrier", "ref-none", json!({})).await.status, 401);

    let first = out("ack=barrier&max_wait=0").await;
    assert_eq!((first.status, receipt(&first)), (202, ("durable".to_owned(), 1)), "{}", first.text());
    for (ack, status, state) in [("ack=barrier&max_wait=0", 202, "durable"), ("ack=barrier", 200, "effective")] {
        let again = out(ack).await;
        assert_eq!((again.status, receipt(&again)), (status, (state.to_owned(), 1)), "{}", again.text());
        assert_eq!(again.json()["result"], "Successfully logged out");
    }
    assert_eq!(store.denylist().head().await.unwrap().seq, 1, "nothing is written for it");
    assert_eq!(out("").await.status, 401, "without the barrier it is as in AM");

    // Taken back, and the row had stayed where it was: then there is something to end again, under that request or not.
    store.denylist().undo(1, "a mistake", "ada", now).await.unwrap();
    assert_eq!(out("ack=barrier").await.status, 401, "no line ends it now");
    let quota = origin.app.settings().realm("/alpha").session.server_side.quota();
    store.sessions().replace(reference.secret(), &row, None, quota, now).await.unwrap();
    assert!(holds(&origin, &token).await);
    let ended = out("ack=barrier&max_wait=0").await;
    assert_eq!((ended.status, receipt(&ended)), (202, ("durable".to_owned(), 3)), "{}", ended.text());
    assert!(!holds(&origin, &token).await);
    let lookup = store.denylist().list(1).await.unwrap();
    assert_eq!((lookup[0].seq, lookup[0].undone_by), (3, None));
}

#[tokio::test]
async fn a_reference_works_wherever_a_token_does() {
    let origin = Origin::with(OFF).await;
    let answer = log_in(&origin, "demo").await;
    let token = answer.json()["tokenId"].as_str().unwrap().to_owned();
    assert!(is_reference(&token) && answer.cookie() == Some(token.clone()), "{token}");
    let info = act(&origin, "getSessionInfo", &token, json!({})).await.json();
    assert_eq!((&info["username"], &info["realm"]), (&json!("demo"), &json!("/alpha")));
    assert_eq!(info["maxIdleExpirationTime"], "2027-01-15T08:30:00Z");
    assert_eq!(info["maxSessionExpirationTime"], "2027-01-15T10:00:00Z");
    let validated = act(&origin, "validate", &token, json!({})).await;
    assert_eq!((&validated.json()["valid"], validated.cookie()), (&json!(true), None));

    origin.clock.advance(10 * MINUTE);
    let refreshed = act(&origin, "refresh", &token, json!({})).await.json();
    assert_eq!((&refreshed["idletime"], &refreshed["maxidletime"]), (&json!(0), &json!(30)));
    assert_eq!((&refreshed["maxsessiontime"], &refreshed["maxtime"]), (&json!(120), &json!(110 * 60)));
    let info = act(&origin, "getSessionInfo", &token, json!({})).await.json();
    assert_eq!(info["latestAccessTime"], "2027-01-15T08:10:00Z");

    assert_eq!(check(&origin, &token).await.unwrap()["sub"], "demo");
    assert_eq!(check(&origin, &Reference::new([1; 32]).value()).await, None);
    let out = act(&origin, "logout", &token, json!({})).await;
    assert_eq!((out.status, out.json()), (200, json!({"result": "Successfully logged out"})));
    assert!(!holds(&origin, &token).await && check(&origin, &token).await.is_none());
    assert_eq!(origin.app.store.denylist().head().await.unwrap().seq, 1, "edges learn of it by the log");
    assert_eq!(act(&origin, "logout", &token, json!({})).await.status, 401);
    assert_eq!(origin.app.store.sessions().count("/alpha", UnixSeconds(NOW)).await, Ok(0));
}

#[tokio::test]
async fn s16_idle_and_maximum_time_to_the_second() {
    let origin = Origin::with(OFF).await;
    let token = origin.log_in().await;
    origin.clock.advance(30 * MINUTE - 1);
    assert!(holds(&origin, &token).await);
    origin.clock.advance(1);
    assert!(!holds(&origin, &token).await);

    let token = origin.log_in().await;
    for _ in 0..5 {
        origin.clock.advance(20 * MINUTE);
        assert!(check(&origin, &token).await.is_some(), "a question of an edge is use");
    }
    origin.clock.advance(20 * MINUTE - 1);
    assert!(holds(&origin, &token).await);
    origin.clock.advance(1);
    assert!(!holds(&origin, &token).await && check(&origin, &token).await.is_none());

    // The write is bounded: within a minute nothing is noted.
    let token = origin.log_in().await;
    let used = async || check(&origin, &token).await.unwrap()["iat"].as_u64().unwrap();
    let first = used().await;
    origin.clock.advance(59);
    assert_eq!(used().await, first);
    origin.clock.advance(1);
    assert_eq!(used().await, first + 60);

    // Where the idle time is no longer than that minute, use keeps the session all the same.
    let origin = Origin::with(&format!("{OFF}max_idle_minutes = 1\n")).await;
    let token = origin.log_in().await;
    for _ in 0..10 {
        origin.clock.advance(20);
        assert!(check(&origin, &token).await.is_some());
    }
    origin.clock.advance(60);
    assert!(check(&origin, &token).await.is_none());
}

#[tokio::test]
async fn both_kinds_stand_side_by_side_and_follow_each_other() {
    let server = Origin::with(OFF).await;
    let client = server.again_with("").await;
    let reference = server.log_in().await;
    let token = client.log_in().await;
    assert!(is_reference(&reference) && !is_reference(&token));
    for origin in [&server, &client] {
        assert!(holds(origin, &reference).await && holds(origin, &token).await, "a switch ends nobody's session");
    }
    // S02: an upgrade ends the session it began with, of whichever kind.
    for (origin, old, kept) in [(&client, &reference, false), (&server, &token, true)] {
        let headers = [("x-openam-username", "demo"), ("x-openam-password", PASSWORD), (COOKIE, old.as_str())];
        let answer = origin.post(&format!("{ALPHA}/authenticate?ForceAuth=true"), &headers, "{}").await;
        let new = answer.cookie().unwrap();
        assert_eq!(is_reference(&new), kept);
        assert!(holds(origin, &new).await && !holds(origin, old).await);
    }
}

#[tokio::test]
async fn administrators_have_server_side_sessions() {
    let origin = Origin::new().await;
    assert!(is_reference(&ada(&origin).await) && !is_reference(&origin.log_in().await));
    let other = origin.again_with("[session]\nadministrators_server_side = false\n").await;
    let token = log_in(&other, "ada").await.json()["tokenId"].as_str().unwrap().to_owned();
    assert!(!is_reference(&token));
}

#[tokio::test]
async fn administrators_list_and_end_sessions_by_handle() {
    let origin = Origin::with(OFF).await;
    let (admin, one, two) = (ada(&origin).await, origin.log_in().await, origin.log_in().await);
    let sessions = listed(&origin, &admin, "demo").await;
    assert_eq!(sessions.len(), 2);
    assert_eq!(sessions[0]["universalId"], "id=demo,ou=user,o=alpha,ou=services,ou=am-config");
    let handles: Vec<&str> = sessions.iter().map(|session| session["sessionHandle"].as_str().unwrap()).collect();
    let uid = act(&origin, "validate", &one, json!({})).await.json()["sessionUid"].as_str().unwrap().to_owned();
    let (mine, others): (Vec<&str>, Vec<&str>) = handles.iter().partition(|handle| handle.ends_with(&uid));
    let body = json!({"sessionHandles": mine});
    for (token, status) in [(two.as_str(), 403), ("x", 401)] {
        assert_eq!(act(&origin, "logoutByHandle", token, body.clone()).await.status, status);
    }
    let ended = act(&origin, "logoutByHandle", &admin, body.clone()).await;
    assert_eq!(ended.json()["result"][mine[0]], true, "{}", ended.text());
    assert_eq!(act(&origin, "logoutByHandle", &admin, body).await.json()["result"][mine[0]], true, "and again");
    assert!(!holds(&origin, &one).await && holds(&origin, &two).await);
    let left = listed(&origin, &admin, "demo").await;
    assert_eq!((left.len(), left[0]["sessionHandle"].as_str()), (1, Some(others[0])));
    let entries = origin.app.store.denylist().head().await.unwrap().seq;
    assert_eq!(entries, 1, "one that was gone is not ended twice");
    assert_eq!(act(&origin, "logoutByHandle", &admin, json!({})).await.status, 400);
    let filter = "/sessions?_queryFilter=realm%20eq%20%22%2Falpha%22";
    assert_eq!(origin.get_with(&format!("{ALPHA}{filter}"), &[(COOKIE, &two)]).await.status, 403);
    let all = origin.get_with(&format!("{ALPHA}{filter}"), &[(COOKIE, &admin)]).await.json();
    assert_eq!((&all["resultCount"], &all["totalPagedResults"]), (&json!(2), &json!(-1)));
}

#[tokio::test]
async fn allowed_properties_are_read_of_both_kinds_and_set_on_the_server() {
    let allowed = "sessionPropertyWhitelist = [\"AMCtxId\", \"mail\", \"place\", \"loginURL\"]\n";
    let server = Origin::with(&format!("{OFF}{allowed}")).await;
    let client = server.again_with(&format!("[session]\n{allowed}")).await;
    let (kept, sealed) = (server.log_in().await, client.log_in().await);
    for token in [&kept, &sealed] {
        let read = act(&server, "getSessionProperties", token, json!({})).await.json();
        assert_eq!((&read["mail"], &read["place"]), (&json!("demo@example.com"), &json!("")));
    }
    let set = async |token: &str, body| act(&server, "updateSessionProperties", token, body).await;
    let changed = set(&kept, json!({"place": "40.7,-74.0"})).await;
    assert_eq!((changed.status, &changed.json()["place"]), (200, &json!("40.7,-74.0")));
    let info = act(&server, "getSessionInfo", &kept, json!({})).await.json();
    assert_eq!(
        (&info["properties"]["place"], &info["properties"]["mail"]),
        (&json!("40.7,-74.0"), &json!("demo@example.com"))
    );
    assert_eq!(check(&server, &kept).await.unwrap()["p"]["place"], "40.7,-74.0");
    for (body, status) in [
        (json!({}), 400),
        (json!({"AMCtxId": "x"}), 403),
        (json!({"AuthLevel": "9"}), 403),
        // What is AM's own is nobody's to set, whatever the settings allow.
        (json!({"loginURL": "https://evil.example/"}), 403),
        (json!({"other": "x"}), 403),
        (json!({"place": 1}), 400),
        (json!({"place": "x".repeat(1025)}), 400),
    ] {
        assert_eq!(set(&kept, body.clone()).await.status, status, "{body}");
    }
    assert_eq!(set(&sealed, json!({"place": "x"})).await.status, 403);
    // Of another session of the same user, and of nobody else's.
    let other = server.log_in().await;
    assert_eq!(set(&other, json!({"tokenId": kept, "place": "x"})).await.status, 200);
    server.add_user("eve", IdentityStatus::Active, &Attributes::new()).await;
    let eve = log_in(&server, "eve").await.json()["tokenId"].as_str().unwrap().to_owned();
    assert_eq!(set(&eve, json!({"tokenId": kept, "place": "x"})).await.status, 403);
}

#[tokio::test]
async fn s10_a_completed_journey_is_over() {
    for settings in [OFF, ""] {
        let origin = Origin::with(settings).await;
        let step = origin.post(&format!("{ALPHA}/authenticate"), &[], "").await.json();
        let answer = |password: &str| {
            let input = |name: &str, value: &str| json!([{"name": name, "value": value}]);
            json!({"authId": step["authId"], "callbacks": [
                {"type": "NameCallback", "input": input("IDToken1", "demo")},
                {"type": "PasswordCallback", "input": input("IDToken2", password)},
            ]})
            .to_string()
        };
        let send = async |password: &str| origin.post(&format!("{ALPHA}/authenticate"), &[], &answer(password)).await;
        assert_eq!(send(PASSWORD).await.status, 200);
        let again = send(PASSWORD).await;
        assert_eq!((again.error(), again.cookie()), ((401, "Session has timed out".into()), None));
        assert_eq!(again.json()["detail"]["errorCode"], "110");
        // And by a process that makes client-side sessions.
        let other = origin.again_with("").await;
        let elsewhere = other.post(&format!("{ALPHA}/authenticate"), &[], &answer(PASSWORD)).await;
        assert_eq!(elsewhere.status, 401);
    }
}

#[tokio::test]
async fn each_quota_action_through_rest() {
    for (action, left) in [
        ("DenyAccessAction", 3),
        ("org.forgerock.openam.session.service.DestroyNextExpiringAction", 3),
        ("DestroyOldestAction", 3),
        ("DestroyAllAction", 1),
    ] {
        let origin = Origin::with(&quota(action)).await;
        let mut tokens = Vec::new();
        for _ in 0..3 {
            tokens.push(origin.log_in().await);
            origin.clock.advance(1);
        }
        let fourth = log_in(&origin, "demo").await;
        let denied = action == "DenyAccessAction";
        if denied {
            assert_eq!(fourth.error(), (401, "You have reached your session limit.".into()));
        } else {
            tokens.push(fourth.json()["tokenId"].as_str().unwrap().to_owned());
        }
        let mut holding = 0;
        for token in &tokens {
            holding += usize::from(holds(&origin, token).await);
        }
        assert_eq!(holding, left, "{action}");
        assert_eq!(holds(&origin, &tokens[0]).await, denied, "{action}");
        let entries = origin.app.store.denylist().head().await.unwrap().seq;
        assert_eq!(entries, u64::try_from(tokens.len() - left).unwrap(), "who was sent away is in the log: {action}");
        // Nobody needs room for a session that replaces one.
        let last = tokens.last().unwrap();
        let headers = [("x-openam-username", "demo"), ("x-openam-password", PASSWORD), (COOKIE, last.as_str())];
        let upgraded = origin.post(&format!("{ALPHA}/authenticate?ForceAuth=true"), &headers, "{}").await;
        assert_eq!(upgraded.status, 200, "{action}: {}", upgraded.text());
        assert!(!holds(&origin, last).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s17_the_cap_holds_under_parallel_logins() {
    for (action, succeed) in [("DenyAccessAction", 3), ("DestroyOldestAction", 8)] {
        let origin = Arc::new(Origin::with(&quota(action)).await);
        let mut logins = JoinSet::new();
        for _ in 0..8 {
            let origin = Arc::clone(&origin);
            logins.spawn(async move { log_in(&origin, "demo").await });
        }
        let mut holding = 0;
        let mut succeeded = 0;
        for answer in logins.join_all().await {
            if let Some(token) = answer.cookie() {
                succeeded += 1;
                holding += usize::from(holds(&origin, &token).await);
            }
        }
        assert_eq!((succeeded, holding), (succeed, 3), "{action}");
    }
}

#[tokio::test]
async fn a_session_too_long_for_a_cookie_is_kept_on_the_server() {
    let origin = Origin::with("[session]\noversize = \"server-side\"\n").await;
    let attributes = Attributes::from([("cn".to_owned(), vec!["x".repeat(4000)])]);
    origin.add_user("large", IdentityStatus::Active, &attributes).await;
    let answer = log_in(&origin, "large").await;
    let token = answer.cookie().unwrap();
    assert!(is_reference(&token) && !is_reference(&origin.log_in().await));
    let checked = check(&origin, &token).await.unwrap();
    assert_eq!(checked["p"]["cn"].as_str().unwrap().len(), 4000, "nothing is left out");
    // There is an end to it: an edge must be able to be told.
    let attributes = Attributes::from([("cn".to_owned(), vec!["x".repeat(12_000)])]);
    origin.add_user("larger", IdentityStatus::Active, &attributes).await;
    assert_eq!(log_in(&origin, "larger").await.status, 500);
}

#[tokio::test]
async fn what_has_expired_is_pruned() {
    let origin = Origin::with(OFF).await;
    origin.log_in().await;
    let count = async || origin.app.store.sessions().count("/alpha", UnixSeconds(0)).await.unwrap();
    crate::prune::rows(&origin.app).await;
    assert_eq!(count().await, 1);
    origin.clock.advance(30 * MINUTE);
    crate::prune::rows(&origin.app).await;
    assert_eq!(count().await, 0);
}
