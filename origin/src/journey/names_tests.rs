//! One user, however the name is spelled: the session, its end, and what ends it while a login is half way.

use serde_json::json;

use super::tests::{answer, import, journey, start};
use crate::testing::{ALPHA, COOKIE, Origin, PASSWORD};

const OUT: &[&str] = &["outcome"];
const DECISION: &[&str] = &["true", "false"];

async fn log_in_as(origin: &Origin, name: &str) -> String {
    let headers = [("x-openam-username", name), ("x-openam-password", PASSWORD)];
    let answer = origin.post(&format!("{ALPHA}/authenticate"), &headers, "{}").await;
    answer.json()["tokenId"].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned()
}

async fn who(origin: &Origin, token: &str) -> String {
    let path = format!("{ALPHA}/sessions?_action=getSessionInfo");
    let answer = origin.post(&path, &[(COOKIE, token)], &json!({"tokenId": token}).to_string()).await;
    answer.json()["username"].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned()
}

#[tokio::test]
async fn a_session_has_the_name_as_its_user_has_it() {
    let origin = Origin::new().await;
    for name in ["demo", "DEMO", "Demo", "ｄｅｍｏ"] {
        let token = log_in_as(&origin, name).await;
        assert_eq!(who(&origin, &token).await, "demo", "{name}");
    }
}

/// By the user, whatever was typed at the login and in the request.
#[tokio::test]
async fn the_sessions_of_a_user_end_by_every_spelling() {
    let origin = Origin::new().await;
    for name in ["demo", "DEMO", "dEmO"] {
        let (one, two) = (log_in_as(&origin, "demo").await, log_in_as(&origin, "Demo").await);
        let path = format!("{ALPHA}/sessions?_action=logoutByUser");
        let answer = origin.post(&path, &[(COOKIE, &one)], &json!({ "username": name }).to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(!origin.is_valid(&one).await && !origin.is_valid(&two).await, "{name}");
    }
    let path = format!("{ALPHA}/sessions?_action=logoutByUser");
    let token = log_in_as(&origin, "demo").await;
    assert_eq!(origin.post(&path, &[(COOKIE, &token)], r#"{"username":"gone"}"#).await.status, 403);
}

/// A login under way is one of the user's, whatever was typed.
#[tokio::test]
async fn what_ends_a_users_sessions_ends_a_login_under_another_spelling() {
    let origin = Origin::new().await;
    let sure = json!({"choices": ["yes", "no"], "defaultChoice": "no", "prompt": "Sure?"});
    let nodes = [
        ("UsernameCollectorNode", json!({}), OUT),
        ("PasswordCollectorNode", json!({}), OUT),
        ("DataStoreDecisionNode", json!({}), DECISION),
        ("ChoiceCollectorNode", sure, &["yes", "no"]),
    ];
    import(&origin, &[journey("Sure", json!({}), &nodes)]).await;
    let one = start(&origin, "Sure").await;
    let two = answer(&origin, &one, json!("DEMO")).await.json();
    let three = answer(&origin, &two, json!(PASSWORD)).await.json();
    let token = log_in_as(&origin, "demo").await;
    let path = format!("{ALPHA}/sessions?_action=logoutByUser");
    assert_eq!(origin.post(&path, &[(COOKIE, &token)], r#"{"username":"demo"}"#).await.status, 200);
    let end = answer(&origin, &three, json!(0)).await;
    let late = end.json()["tokenId"].as_str().unwrap().to_owned();
    assert!(!origin.is_valid(&late).await, "it had known the user before");
    assert!(origin.is_valid(&log_in_as(&origin, "Demo").await).await);
}
