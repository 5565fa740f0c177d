//! Push messages to a phone.

use countersign_journey::host::DeviceKind;
use serde_json::{Value, json};

use crate::support::{Phone, Trial, World, token};

fn gateway() -> World {
    World::new().server("https://push.example/send", |_| (200, json!({})))
}

fn demo() -> Value {
    json!({"username": "demo"})
}

fn link(trial: &Trial) -> String {
    let hidden = trial.types().iter().position(|kind| *kind == "HiddenValueCallback").unwrap();
    trial.output(hidden, "value").as_str().unwrap().to_owned()
}

#[test]
fn a_phone_registers() {
    let start = |type_id: &str, config: Value| Trial::of(type_id, config, demo(), Value::Null, gateway()).run();
    let asked = start("PushRegistrationNode", json!({"issuer": "Example Bank", "accountName": "EMAIL_ADDRESS"}));
    assert_eq!(
        asked.types(),
        ["TextOutputCallback", "TextOutputCallback", "HiddenValueCallback", "PollingWaitCallback"]
    );
    let shown = link(&asked);
    assert!(shown.starts_with("pushauth://push/Example%20Bank:demo%40example.com?a="), "{shown}");
    // Until the phone answers the same code is shown.
    let asked = asked.answer(&[Value::Null]);
    assert_eq!(link(&asked), shown);
    let phone = Phone::scan(&asked.world, &shown);
    let done = asked.answer(&[Value::Null]);
    assert_eq!(done.outcome(), "successOutcome");
    assert_eq!(done.transient()["recoveryCodes"].as_array().unwrap().len(), 10);
    let devices = done.world.users.devices("demo", |devices| devices.clone());
    let [(DeviceKind::Push, device)] = devices.as_slice() else { panic!("{} devices", devices.len()) };
    assert_eq!(device.profile["deviceMechanismUID"], phone.mechanism);
    assert_eq!((&device.profile["deviceId"], &device.profile["deviceName"]), (&json!("arn:device"), &json!("Phone")));

    // Of several addresses the app shows the first.
    let several = gateway();
    several.users.change("demo", |user| {
        user.attributes.insert("mail".to_owned(), json!(["one@example.com", "two@example.com"]));
    });
    let config = json!({"accountName": "EMAIL_ADDRESS"});
    let asked = Trial::of("PushRegistrationNode", config, demo(), Value::Null, several).run();
    assert!(link(&asked).contains(":one%40example.com?"), "{}", link(&asked));

    let late = start("PushRegistrationNode", json!({"timeout": 10}));
    late.world.pass(10_000);
    assert_eq!(late.answer(&[Value::Null]).outcome(), "timeoutOutcome");
    let old = start("PushRegNode", json!({"timeout": 4000, "retries": 15}));
    assert_eq!(old.output(3, "waitTime"), "4000");
    old.world.pass(59_000);
    let old = old.answer(&[Value::Null]);
    Phone::scan(&old.world, &link(&old));
    assert_eq!(old.answer(&[Value::Null]).outcome(), "success");
    let late = start("PushRegNode", json!({}));
    late.world.pass(60_000);
    assert_eq!(late.answer(&[Value::Null]).outcome(), "timeout");

    // Older exports have other outcomes.
    let nobody = Trial::of("PushRegistrationNode", json!({"color": "519387"}), Value::Null, Value::Null, gateway());
    assert_eq!(nobody.run().outcome(), "FAILURE");
    let mut world = gateway();
    world.realm.push = Default::default();
    let unset = Trial::of("PushRegistrationNode", json!({}), demo(), Value::Null, world).run();
    assert!(unset.outcome().contains("not set"));
}

#[test]
fn a_registration_that_the_phone_did_not_make_fails() {
    let config = json!({"generateRecoveryCodes": false});
    let asked = Trial::of("PushRegistrationNode", config, demo(), Value::Null, gateway()).run();
    let url = url::Url::parse(&link(&asked)).unwrap();
    let message = url.query_pairs().find(|(name, _)| name == "m").unwrap().1.into_owned();
    let claims = json!({"response": "x", "mechanismUid": "m", "deviceId": "d"});
    asked.world.phone_says(&message, token(b"another secret", &claims));
    assert_eq!(asked.answer(&[Value::Null]).outcome(), "failureOutcome");
}

fn send(config: Value) -> (Trial, Phone) {
    let world = gateway();
    let phone = Phone::registered(&world, "demo");
    let shared = json!({"username": "demo", "amount": 12, "hidden": 1});
    (Trial::of("PushAuthenticationSenderNode", config, shared, Value::Null, world).run(), phone)
}

/// The verifier after this sender, in the same world and state.
fn verify(sent: Trial) -> Trial {
    let shared = sent.shared();
    let mut world = gateway();
    world.users = sent.world.users;
    world.answers = sent.world.answers;
    world.clock = sent.world.clock;
    Trial::of("PushResultVerifierNode", json!({}), shared, Value::Null, world).run()
}

#[test]
fn a_message_is_sent() {
    let config = json!({
        "userMessage": {"en": "{{user}} at {{issuer}}?"}, "customPayload": ["amount", "none"], "contextInfo": true
    });
    let (sent, phone) = send(config);
    assert_eq!(sent.outcome(), "SENT");
    let (id, claims) = phone.message(&sent.world);
    assert_eq!(sent.shared()["pushMessageId"], id.as_str());
    assert_eq!(
        (&claims["m"], &claims["k"], &claims["t"]),
        (&json!("demo at Example?"), &json!("default"), &json!("120"))
    );
    assert_eq!((&claims["u"], &claims["p"]), (&json!("mechanism"), &json!("{\"amount\":12}")));
    let body: Value = serde_json::from_str(&sent.world.requests.lock().unwrap()[0].body).unwrap();
    assert_eq!((&body["deviceId"], &body["communicationType"]), (&json!("arn:device"), &json!("apns")));

    let none = Trial::of("PushAuthenticationSenderNode", json!({}), demo(), Value::Null, gateway()).run();
    assert_eq!((none.outcome(), none.shared()["mfaMethod"].clone()), ("NOT_REGISTERED".to_owned(), json!("push")));
    let down = |config: Value| {
        let world = World::new().server("https://push.example/send", |_| (503, json!({})));
        Phone::registered(&world, "demo");
        Trial::of("PushAuthenticationSenderNode", config, demo(), Value::Null, world).run().outcome()
    };
    assert_eq!(down(json!({"captureFailure": true})), "FAILURE");
    assert!(down(json!({})).contains("503"));
}

#[test]
fn the_phones_answer_decides() {
    let (sent, phone) = send(json!({}));
    let waiting = verify(sent);
    assert_eq!(waiting.outcome(), "WAITING");
    waiting.world.pass(120_000);
    assert_eq!(waiting.again().outcome(), "EXPIRED");

    let answered = |more: Value| {
        let (sent, phone) = send(json!({}));
        phone.answer(&sent.world, &more);
        verify(sent)
    };
    let allowed = answered(json!({}));
    assert_eq!(
        (allowed.outcome(), allowed.shared()["NodeType"].clone()),
        ("TRUE".to_owned(), json!("AuthenticatorPush"))
    );
    assert_eq!(allowed.shared()["pushMessageId"], Value::Null);
    // An answer is used once.
    assert!(allowed.again().is_exception());
    assert_eq!(answered(json!({"deny": true})).outcome(), "FALSE");
    assert_eq!(answered(json!({"deny": "true"})).outcome(), "FALSE");
    assert_eq!(answered(json!({"response": "other"})).outcome(), "FALSE");

    // Another phone's answer, and an answer to another message.
    let (sent, _) = send(json!({}));
    let other = Phone { secret: vec![4; 32], mechanism: phone.mechanism.clone() };
    let id = sent.shared()["pushMessageId"].as_str().unwrap().to_owned();
    sent.world.phone_says(&id, token(&other.secret, &json!({"response": "x"})));
    assert_eq!(verify(sent).outcome(), "FALSE");
    let (first, phone) = send(json!({}));
    phone.answer(&first.world, &json!({}));
    let replayed = first.world.answers.lock().unwrap().values().next().cloned().flatten().unwrap();
    let mut world = gateway();
    Phone::registered(&world, "demo");
    world.random = 99.into();
    let second = Trial::of("PushAuthenticationSenderNode", json!({}), demo(), Value::Null, world).run();
    let id = second.shared()["pushMessageId"].as_str().unwrap().to_owned();
    second.world.phone_says(&id, replayed);
    assert_eq!(verify(second).outcome(), "FALSE");
}

#[test]
fn a_number_is_chosen_on_the_phone() {
    let answered = |right: bool| {
        let (sent, phone) = send(json!({"pushType": "CHALLENGE"}));
        let number = sent.shared()["pushNumberChallengeKey"].as_str().unwrap().to_owned();
        let (_, claims) = phone.message(&sent.world);
        let offered: Vec<&str> = claims["n"].as_str().unwrap().split(',').collect();
        assert!(offered.len() == 3 && offered.contains(&number.as_str()));
        let wrong = offered.iter().find(|other| **other != number).unwrap();
        let chosen = if right { number.as_str() } else { wrong };
        phone.answer(&sent.world, &json!({"challengeResponse": chosen}));
        verify(sent).outcome()
    };
    assert_eq!((answered(true), answered(false)), ("TRUE".to_owned(), "FALSE".to_owned()));
}

#[test]
fn the_client_waits() {
    let wait =
        |shared: Value| Trial::of("PushWaitNode", json!({"secondsToWait": 4}), shared, Value::Null, World::new()).run();
    let asked = wait(json!({}));
    assert_eq!(asked.types(), ["PollingWaitCallback", "ConfirmationCallback"]);
    assert_eq!((asked.output(0, "waitTime"), asked.output(1, "options")), (json!("4000"), json!(["Cancel"])));
    let early = asked.answer(&[Value::Null]);
    assert_eq!(early.types().len(), 2);
    early.world.pass(4000);
    assert_eq!(early.answer(&[Value::Null]).outcome(), "DONE");
    let number = wait(json!({"pushNumberChallengeKey": "42"}));
    assert!(number.output(0, "message").as_str().unwrap().ends_with("42"));
    assert_eq!(number.answer(&[json!(0)]).outcome(), "EXITED");
}
