use countersign_journey::{Answer, ExistingSession, Request, Success};
use serde_json::{Value, json};

use super::{outcome, trial};
use crate::support::{Trial, World, journey};

/// A journey that sets the anonymous user and runs this node to success.
fn success(type_id: &str, config: Value, leave: &str, request: &Request) -> Box<Success> {
    let nodes = [
        ("who", "AnonymousUserNode", json!({}), &[("outcome", "it")][..]),
        ("it", type_id, config, &[(leave, "SUCCESS")]),
    ];
    let mut world = World::new().with(&journey("Session", &nodes));
    world.remembered = Some(("remembered".to_owned(), "demo".to_owned()));
    match world.start_with("Session", request).unwrap() {
        Answer::Success(success) => success,
        Answer::Failure(failure) => panic!("{:?}", failure.cause),
        _ => panic!("asked"),
    }
}

fn quiet(type_id: &str, config: Value) -> Box<Success> {
    success(type_id, config, "outcome", &Request::default())
}

#[test]
fn urls() {
    let done = trial("SetSuccessUrlNode", json!({"successUrl": "https://a"}), Value::Null, Value::Null);
    assert_eq!(done.shared()["successUrl"], "https://a");
    assert_eq!(
        quiet("SetSuccessUrlNode", json!({"successUrl": "https://a"})).success_url.as_deref(),
        Some("https://a")
    );
    assert!(outcome("SetSuccessUrlNode", json!({}), Value::Null).starts_with("exception"));

    let done = trial("SetFailureUrlNode", json!({"failureUrl": "https://b"}), Value::Null, Value::Null);
    assert_eq!(done.shared()["failureUrl"], "https://b");
    let nodes = [("it", "SetFailureUrlNode", json!({"failureUrl": "https://b"}), &[("outcome", "FAILURE")][..])];
    let world = World::new().with(&journey("Fails", &nodes));
    let Ok(Answer::Failure(failure)) = world.start("Fails") else { panic!() };
    assert_eq!(failure.failure_url.as_deref(), Some("https://b"));
}

#[test]
fn auth_level() {
    let raised = trial("ModifyAuthLevelNode", json!({"authLevelIncrement": 10}), Value::Null, Value::Null);
    assert_eq!(raised.shared()["authLevel"], 10);
    assert_eq!(raised.again().shared()["authLevel"], 20);
    let lowered = trial("ModifyAuthLevelNode", json!({"authLevelIncrement": -3}), json!({"authLevel": 5}), Value::Null);
    assert_eq!(lowered.shared()["authLevel"], 2);
    assert_eq!(quiet("ModifyAuthLevelNode", json!({"authLevelIncrement": 7})).auth_level, 7);
}

#[test]
fn session_properties() {
    let config = json!({"properties": {"team": "blue"}, "maxSessionTime": 60, "maxIdleTime": 10});
    let done = quiet("SetSessionPropertiesNode", config);
    assert_eq!(json!(done.session_properties), json!({"team": "blue"}));
    assert_eq!((done.max_session_minutes, done.max_idle_minutes), (Some(60), Some(10)));
    let typed = outcome("SetSessionPropertiesNode", json!({"properties": {"authtype": "Mine"}}), Value::Null);
    assert!(typed.contains("authtype cannot be set by a journey"), "{typed}");
    let own = outcome("SetSessionPropertiesNode", json!({"properties": {"AuthLevel": "9"}}), Value::Null);
    assert!(own.starts_with("exception"), "{own}");
}

#[test]
fn success_details() {
    let config = json!({"successDetails": {"a": "{\"b\":1}", "c": "text"}});
    assert_eq!(json!(quiet("SetSuccessDetailsNode", config).details), json!({"a": {"b": 1}, "c": "text"}));
    let own = outcome("SetSuccessDetailsNode", json!({"successDetails": {"tokenId": "x"}}), Value::Null);
    assert!(own.starts_with("exception"));
    let nodes = [
        ("who", "AnonymousUserNode", json!({}), &[("outcome", "set")][..]),
        (
            "set",
            "SetSuccessDetailsNode",
            json!({"sessionProperties": {"team": "Team", "x": "none"}}),
            &[("outcome", "property")],
        ),
        ("property", "SetSessionPropertiesNode", json!({"properties": {"Team": "blue"}}), &[("outcome", "SUCCESS")]),
    ];
    let world = World::new().with(&journey("Details", &nodes));
    let Ok(Answer::Success(done)) = world.start("Details") else { panic!() };
    assert_eq!(json!(done.details), json!({"team": "blue"}), "set later, and only what is there");
}

#[test]
fn session_data() {
    let config = json!({"sessionDataKey": "UserToken", "sharedStateKey": "userName"});
    let without = trial("SessionDataNode", config.clone(), Value::Null, Value::Null);
    assert_eq!((without.outcome(), without.shared()["userName"].clone()), ("outcome".to_owned(), Value::Null));
    let with = |properties: Value| {
        let mut trial = Trial::new("SessionDataNode", config.clone());
        let properties = properties.as_object().unwrap().clone();
        trial.request.existing_session = Some(ExistingSession { username: "demo".to_owned(), properties });
        trial.run().shared()
    };
    assert_eq!(with(json!({}))["userName"], "demo");
    assert_eq!(with(json!({}))["objectAttributes"], json!({"userName": "demo"}));
    assert_eq!(with(json!({"UserToken": "id-of-demo"}))["userName"], "id-of-demo");
}

#[test]
fn persistent_cookie_is_set_at_success() {
    let config = json!({"maxLife": 10, "idleTimeout": 2, "useSecureCookie": false, "hmacSigningKey": "a2V5"});
    let cookies = quiet("SetPersistentCookieNode", config).cookies;
    assert_eq!(cookies.len(), 1);
    let cookie = &cookies[0];
    assert_eq!((cookie.name.as_str(), cookie.max_hours, cookie.idle_hours), ("session-jwt", Some(10), 2));
    assert_eq!((cookie.secure, cookie.http_only, cookie.signing_key.as_deref()), (false, true, Some("a2V5")));
}

#[test]
fn persistent_cookie_says_who_it_is() {
    assert_eq!(outcome("PersistentCookieDecisionNode", json!({}), Value::Null), "false");
    let with = |value: &str| {
        let mut trial = Trial::new("PersistentCookieDecisionNode", json!({}));
        trial.world.remembered = Some(("remembered".to_owned(), "demo".to_owned()));
        trial.request.cookies.insert("session-jwt".to_owned(), value.to_owned());
        trial.run()
    };
    assert_eq!(with("forged").outcome(), "false");
    let known = with("remembered");
    assert_eq!((known.outcome(), known.shared()["username"].clone()), ("true".to_owned(), json!("demo")));
    let mut request = Request::default();
    request.cookies.insert("session-jwt".to_owned(), "remembered".to_owned());
    let done = success("PersistentCookieDecisionNode", json!({"enforceClientIp": true}), "true", &request);
    assert_eq!((done.username.as_deref(), done.cookies.len()), (Some("demo"), 1));
    assert!(done.cookies[0].enforce_client_ip && done.cookies[0].max_hours.is_none());
}
