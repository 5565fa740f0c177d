use countersign_journey::host::PasswordChange;
use serde_json::{Value, json};

use super::{outcome, trial};
use crate::support::{PASSWORD, Trial, World};

fn credentials(type_id: &str, config: Value, name: &str, password: &str, world: World) -> Trial {
    Trial::of(type_id, config, json!({"username": name}), json!({"password": password}), world).run()
}

#[test]
fn data_store() {
    let with = |name: &str, password: &str| {
        credentials("DataStoreDecisionNode", json!({}), name, password, World::new()).outcome()
    };
    assert_eq!(with("demo", PASSWORD), "true");
    assert_eq!(with("demo", "wrong"), "false");
    assert_eq!(with("demo", " "), "false");
    assert_eq!(with("nobody", PASSWORD), "false");
    assert_eq!(
        outcome("DataStoreDecisionNode", json!({}), json!({"username": "demo"})),
        "exception: state: no password was collected"
    );
}

#[test]
fn agents() {
    let with = |name: &str, password: &str| {
        credentials("AgentDataStoreDecisionNode", json!({}), name, password, World::new()).outcome()
    };
    assert_eq!(with("agent", PASSWORD), "true");
    assert_eq!(with("demo", PASSWORD), "false");
    assert!(outcome("AgentDataStoreDecisionNode", json!({}), json!({})).starts_with("exception"));
}

fn identity_store(change: PasswordChange, config: Value) -> Trial {
    let world = World::new();
    world.users.change("demo", |user| user.change = change);
    credentials("IdentityStoreDecisionNode", config, "demo", PASSWORD, world)
}

#[test]
fn identity_store_without_a_change() {
    assert_eq!(identity_store(PasswordChange::None, json!({})).outcome(), "TRUE");
    let with = |name: &str, password: &str, world: World| {
        credentials("IdentityStoreDecisionNode", json!({}), name, password, world).outcome()
    };
    assert_eq!(with("demo", "wrong", World::new()), "FALSE");
    assert_eq!(with("nobody", PASSWORD, World::new()), "FALSE");
    let locked = World::new();
    locked.users.change("demo", |user| user.active = false);
    assert_eq!(with("demo", PASSWORD, locked), "LOCKED");
    let expired = World::new();
    expired.users.change("demo", |user| user.expired = true);
    assert_eq!(with("demo", PASSWORD, expired), "EXPIRED");
}

#[test]
fn identity_store_with_a_change_of_password() {
    let asked = identity_store(PasswordChange::Forced, json!({}));
    let three = ["PasswordCallback"; 3];
    assert_eq!(asked.types(), [&["TextOutputCallback"], &three[..], &["ConfirmationCallback"]].concat());
    assert_eq!(asked.output(1, "prompt"), "OLD PASSWORD");
    assert_eq!(asked.output(4, "options"), json!(["SUBMIT", "CANCEL"]));
    let new = "Other-12345";
    let differ = asked.answer(&[json!(PASSWORD), json!(new), json!("Other"), json!(0)]);
    assert_eq!(differ.output(0, "message"), "THE NEW PASSWORDS DO NOT MATCH.");
    let short = differ.answer(&[json!(PASSWORD), json!("x"), json!("x"), json!(0)]);
    assert_eq!(short.output(0, "message"), "THE NEW PASSWORD IS TOO SHORT.");
    let wrong = short.answer(&[json!("wrong"), json!(new), json!(new), json!(0)]);
    assert_eq!(wrong.output(0, "message"), "THE PASSWORD WAS NOT CHANGED.");
    let done = wrong.answer(&[json!(PASSWORD), json!(new), json!(new), json!(0)]);
    assert_eq!((done.outcome(), done.transient()["password"].clone()), ("TRUE".to_owned(), json!(new)));
    assert_eq!(done.world.users.change("demo", |user| user.password.clone()), new);

    let cancel = [json!(""), json!(""), json!(""), json!(1)];
    assert_eq!(identity_store(PasswordChange::Forced, json!({})).answer(&cancel).outcome(), "CANCELLED");
    let offered = identity_store(PasswordChange::Offered, json!({"mixedCaseForPasswordChangeMessages": true}));
    assert_eq!(offered.output(1, "prompt"), "Old Password");
    assert_eq!(offered.answer(&cancel).outcome(), "TRUE");
}

#[test]
fn account_active() {
    let demo = json!({"username": "demo"});
    assert_eq!(outcome("AccountActiveDecisionNode", json!({}), demo.clone()), "true");
    let world = World::new();
    world.users.change("demo", |user| user.active = false);
    assert_eq!(Trial::of("AccountActiveDecisionNode", json!({}), demo, Value::Null, world).run().outcome(), "false");
    assert!(outcome("AccountActiveDecisionNode", json!({}), json!({})).starts_with("exception"));
}

#[test]
fn account_lockout() {
    let demo = json!({"username": "demo"});
    let locked = trial("AccountLockoutNode", json!({}), demo.clone(), Value::Null);
    assert_eq!(locked.outcome(), "outcome");
    assert!(!locked.world.users.change("demo", |user| user.active));
    let unlocked =
        Trial::of("AccountLockoutNode", json!({"lockAction": "UNLOCK"}), demo, Value::Null, locked.world).run();
    assert!(unlocked.world.users.change("demo", |user| user.active));
    assert!(outcome("AccountLockoutNode", json!({}), json!({"username": "nobody"})).starts_with("exception"));
    assert!(outcome("AccountLockoutNode", json!({}), json!({})).starts_with("exception"));
}

#[test]
fn retry_limit() {
    let config = json!({"retryLimit": 2, "incrementUserAttributeOnFailure": false});
    let first = trial("RetryLimitDecisionNode", config, json!({"username": "demo"}), Value::Null);
    assert_eq!((first.outcome(), first.shared()["it.retryCount"].clone()), ("Retry".to_owned(), json!(1)));
    let second = first.again();
    assert_eq!((second.outcome(), second.shared()["it.retryCount"].clone()), ("Retry".to_owned(), json!(2)));
    let third = second.again();
    assert_eq!((third.outcome(), third.shared()["it.retryCount"].clone()), ("Reject".to_owned(), Value::Null));
}

#[test]
fn retry_limit_of_a_user_outlives_the_journey() {
    let config = json!({"retryLimit": 2});
    let run = |world| {
        Trial::of("RetryLimitDecisionNode", config.clone(), json!({"username": "demo"}), Value::Null, world).run()
    };
    let first = run(World::new());
    assert_eq!(first.outcome(), "Retry");
    let second = run(first.world);
    assert_eq!(second.outcome(), "Retry");
    let third = run(second.world);
    assert_eq!(third.outcome(), "Reject");
    assert!(third.world.users.change("demo", |user| user.counters.is_empty()));
}

#[test]
fn attribute_present() {
    let with = |attribute: &str, user: &str| {
        outcome("AttributePresentDecisionNode", json!({"presentAttribute": attribute}), json!({"username": user}))
    };
    assert_eq!(with("password", "demo"), "true");
    assert_eq!(with("mail", "demo"), "true");
    assert_eq!(with("missing", "demo"), "false");
    assert!(with("mail", "nobody").starts_with("exception"));
}

#[test]
fn attribute_value() {
    let with = |attribute: &str, operation: &str, value: &str| {
        let config =
            json!({"comparisonAttribute": attribute, "comparisonOperation": operation, "comparisonValue": value});
        outcome("AttributeValueDecisionNode", config, json!({"username": "demo"}))
    };
    assert_eq!(with("givenName", "EQUALS", "Dem"), "true");
    assert_eq!(with("givenName", "EQUALS", "dem"), "false");
    assert_eq!(with("age", "EQUALS", "40"), "true");
    assert_eq!(with("givenName", "PRESENT", ""), "true");
    assert_eq!(with("missing", "PRESENT", ""), "false");
    assert!(with("age", "LIKE", "4").starts_with("exception"));
}

#[test]
fn query_filter() {
    let with =
        |filter: &str| outcome("QueryFilterDecisionNode", json!({"queryFilter": filter}), json!({"username": "demo"}));
    assert_eq!(with("!(/preferences pr) or /age gt 50"), "true");
    assert_eq!(with("age gt 50"), "false");
    assert!(with("age gt").starts_with("exception"));
}

#[test]
fn login_counts() {
    let demo = json!({"username": "demo"});
    let mut trial = trial("IncrementLoginCountNode", json!({}), demo.clone(), Value::Null);
    for _ in 0..5 {
        assert_eq!(trial.outcome(), "outcome");
        trial = trial.again();
    }
    assert_eq!(trial.world.users.change("demo", |user| user.counters["loginCount"]), 6);
    assert_eq!(outcome("IncrementLoginCountNode", json!({}), json!({"username": "nobody"})), "outcome");

    let with = |config: Value| {
        let world = World::new();
        world.users.change("demo", |user| user.counters.insert("loginCount".to_owned(), 6));
        Trial::of("LoginCountDecisionNode", config, demo.clone(), Value::Null, world).run().outcome()
    };
    assert_eq!(with(json!({"amount": 6})), "true");
    assert_eq!(with(json!({"amount": 3})), "false");
    assert_eq!(with(json!({"interval": "EVERY", "amount": 3})), "true");
    assert_eq!(with(json!({"interval": "EVERY", "amount": 4})), "false");
    assert_eq!(with(json!({"interval": "EVERY", "amount": 0})), "false");
    assert_eq!(outcome("LoginCountDecisionNode", json!({}), demo.clone()), "false");
    assert!(outcome("LoginCountDecisionNode", json!({}), json!({})).starts_with("exception"));
}

#[test]
fn terms() {
    let demo = json!({"username": "demo"});
    assert_eq!(outcome("TermsAndConditionsDecisionNode", json!({}), demo.clone()), "false", "an older version");
    let world = World::new();
    world.users.change("demo", |user| user.terms = Some("1.0".to_owned()));
    assert_eq!(
        Trial::of("TermsAndConditionsDecisionNode", json!({}), demo, Value::Null, world).run().outcome(),
        "true"
    );
    let mut without = World::new();
    without.realm.terms = None;
    let trial = Trial::of("TermsAndConditionsDecisionNode", json!({}), Value::Null, Value::Null, without).run();
    assert_eq!(trial.outcome(), "true");
}

#[test]
fn kba_decision() {
    assert_eq!(outcome("KbaDecisionNode", json!({}), json!({"username": "demo"})), "true");
    let world = World::new();
    world.users.change("demo", |user| user.answers.truncate(1));
    let few = Trial::of("KbaDecisionNode", json!({}), json!({"username": "demo"}), Value::Null, world).run();
    assert_eq!(few.outcome(), "false");
}

#[test]
fn kba_verify() {
    let mut world = World::new();
    world.realm.kba.minimum_answers_to_verify = 2;
    let asked = Trial::of("KbaVerifyNode", json!({}), json!({"username": "demo"}), Value::Null, world).run();
    assert_eq!(asked.types(), ["PasswordCallback", "PasswordCallback"]);
    let mut questions = [asked.output(0, "prompt"), asked.output(1, "prompt")];
    let answers = questions.clone().map(|question| if question == "Pet?" { json!("REX") } else { json!(" Blue") });
    questions.sort_by_key(Value::to_string);
    assert_eq!(questions, [json!("Pet?"), json!("What's your favourite colour?")]);
    let right = asked.answer(&answers);
    assert_eq!(right.outcome(), "true");
    assert_eq!(right.shared()["it.questions"], Value::Null);
    let mut wrong = right.again().answer(&[json!("x"), json!("y")]);
    for _ in 0..2 {
        assert_eq!(wrong.outcome(), "false");
        wrong = wrong.again().answer(&[json!("x"), json!("y")]);
    }
    assert_eq!(wrong.outcome(), "false");
    assert_eq!(wrong.again().answer(&[json!("x"), json!("y")]).outcome(), "exception: refused: too many wrong answers");
}
