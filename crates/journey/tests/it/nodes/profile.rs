use serde_json::{Value, json};

use super::{outcome, trial};
use crate::support::{PASSWORD, Trial, World};

#[test]
fn identify_existing_user() {
    let by_mail = json!({"objectAttributes": {"mail": "demo@example.com"}});
    let found = trial("IdentifyExistingUserNode", json!({}), by_mail, Value::Null);
    assert_eq!(found.outcome(), "true");
    assert_eq!(found.shared()["_id"], "id-of-demo");
    assert_eq!(found.shared()["username"], "demo");
    assert_eq!(found.shared()["objectAttributes"]["userName"], "demo");
    let nothing = trial("IdentifyExistingUserNode", json!({}), json!({"objectAttributes": {"mail": "x"}}), Value::Null);
    assert_eq!((nothing.outcome(), nothing.shared()["_id"].clone()), ("false".to_owned(), Value::Null));
    let by_name = json!({"identityAttribute": "userName", "identifier": "mail"});
    let found = trial("IdentifyExistingUserNode", by_name, json!({"username": "DEMO"}), Value::Null);
    assert_eq!(found.shared()["username"], "demo@example.com");
    assert_eq!(outcome("IdentifyExistingUserNode", json!({}), json!({})), "false");
}

#[test]
fn create_object() {
    let shared = json!({
        "objectAttributes": {"userName": "newbie", "givenName": "N", "sn": "B", "mail": "n@example.com"},
        "termsAccepted": {"termsVersion": "1.0", "acceptDate": "2026-01-01T00:00:00Z"},
    });
    let transient = json!({"objectAttributes": {"password": PASSWORD}});
    let created = trial("CreateObjectNode", json!({}), shared.clone(), transient.clone());
    assert_eq!((created.outcome(), created.shared()["username"].clone()), ("CREATED".to_owned(), json!("newbie")));
    let (password, terms) = created.world.users.change("newbie", |user| (user.password.clone(), user.terms.clone()));
    assert_eq!((password.as_str(), terms.as_deref()), (PASSWORD, Some("1.0")));
    assert_eq!(created.again().outcome(), "FAILURE", "the name is taken");
    let incomplete = json!({"objectAttributes": {"userName": "newbie"}});
    assert_eq!(outcome("CreateObjectNode", json!({}), incomplete), "FAILURE");
}

#[test]
fn patch_object() {
    let shared = json!({
        "username": "demo", "objectAttributes": {"givenName": "Other", "sn": "O", "city": "Bern"},
        "termsAccepted": {"termsVersion": "1.0", "acceptDate": "2026-01-01T00:00:00Z"},
    });
    let config = json!({"ignoredFields": ["city"]});
    let patched =
        trial("PatchObjectNode", config, shared.clone(), json!({"objectAttributes": {"password": "Other-12345"}}));
    assert_eq!(patched.outcome(), "PATCHED");
    patched.world.users.change("demo", |user| {
        assert_eq!(user.attributes["givenName"], "Other");
        assert_eq!(user.attributes.get("city"), None);
        assert_eq!((user.password.as_str(), user.terms.as_deref()), ("Other-12345", Some("1.0")));
    });
    assert_eq!(outcome("PatchObjectNode", json!({}), json!({"objectAttributes": {"givenName": "X"}})), "FAILURE");
    let gone = outcome("PatchObjectNode", json!({}), json!({"username": "nobody"}));
    assert_eq!(gone, "exception: state: no identity found");
    assert_eq!(outcome("PatchObjectNode", json!({}), json!({"username": "demo"})), "PATCHED", "nothing to change");
    let as_user = json!({"username": "demo", "objectAttributes": {"sn": "Other"}});
    assert_eq!(outcome("PatchObjectNode", json!({"patchAsObject": true}), as_user), "FAILURE");
}

#[test]
fn objects_are_of_the_kind_that_the_journey_names() {
    // A tree that names no kind takes the node's.
    let other = json!({"identityResource": "managed/bravo_user"});
    assert_eq!(outcome("PatchObjectNode", other.clone(), json!({"username": "demo"})), "PATCHED");
    let mut export = crate::support::journey("Kinds", &[("it", "PatchObjectNode", other, &[("PATCHED", "SUCCESS")])]);
    export["trees"]["Kinds"]["tree"]["identityResource"] = json!("managed/alpha_user");
    let world = World::new().with(&export);
    let answer = world.start("Kinds").unwrap();
    let countersign_journey::Answer::Failure(failure) = answer else { panic!() };
    assert!(matches!(failure.cause, countersign_journey::FailureCause::Exception { .. }));
}

#[test]
fn anonymous_user() {
    let mapped = Trial::new("AnonymousUserNode", json!({})).run();
    assert_eq!(mapped.outcome(), "outcome");
    assert_eq!(
        (mapped.shared()["username"].clone(), mapped.shared()["NodeType"].clone()),
        (json!("anonymous"), json!("Anonymous"))
    );
    let nodes = [("it", "AnonymousUserNode", json!({}), &[("outcome", "SUCCESS")][..])];
    let world = World::new().with(&crate::support::journey("Anonymous", &nodes));
    let Ok(countersign_journey::Answer::Success(success)) = world.start("Anonymous") else { panic!() };
    assert_eq!((success.username.as_deref(), success.auth_type.as_str()), (Some("anonymous"), "Anonymous"));
}
