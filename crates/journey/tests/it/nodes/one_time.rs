use serde_json::{Value, json};

use super::{outcome, trial};
use crate::support::{START, Trial, World};

#[test]
fn generator() {
    let made = Trial::new("OneTimePasswordGeneratorNode", json!({"length": 6})).run();
    assert_eq!(made.outcome(), "outcome");
    let code = made.transient()["oneTimePassword"].as_str().unwrap().to_owned();
    assert!(code.len() == 6 && code.bytes().all(|digit| digit.is_ascii_digit()), "{code}");
    assert_eq!(made.transient()["oneTimePasswordTimestamp"], START / 1000);
    assert_ne!(made.again().transient()["oneTimePassword"], code);
    assert!(outcome("OneTimePasswordGeneratorNode", json!({"length": 5}), Value::Null).starts_with("exception"));
}

fn collector(life: i64) -> Trial {
    let transient = json!({"oneTimePassword": "12345678", "oneTimePasswordTimestamp": START / 1000});
    trial("OneTimePasswordCollectorDecisionNode", json!({"passwordExpiryTime": life}), Value::Null, transient)
}

#[test]
fn collector_decides() {
    let asked = collector(5);
    assert_eq!(asked.types(), ["PasswordCallback"]);
    assert_eq!(asked.output(0, "prompt"), "One Time Password");
    let wrong = asked.answer(&[json!("")]).answer(&[json!("87654321")]);
    assert_eq!(wrong.outcome(), "false");
    let right = wrong.again().answer(&[json!(" 12345678")]);
    assert_eq!(right.outcome(), "true", "the code is kept for another try");
    assert_eq!(right.again().answer(&[json!("12345678")]).outcome(), "exception: state: no one-time password was made");

    let late = collector(1);
    late.world.pass(60_000);
    assert_eq!(late.answer(&[json!("12345678")]).outcome(), "false");
}

fn sender(config: Value, shared: Value, world: World) -> Trial {
    Trial::of("OneTimePasswordSmtpSenderNode", config, shared, json!({"oneTimePassword": "123456"}), world).run()
}

#[test]
fn mail_sender() {
    let config = json!({"fromEmailAddress": "am@example.com", "hostName": "x", "hostPort": 25, "sslOption": "SSL"});
    let sent = sender(config.clone(), json!({"username": "demo"}), World::new());
    assert_eq!(sent.outcome(), "outcome");
    let mails = sent.world.mails.lock().unwrap();
    assert_eq!((mails[0].from.as_str(), mails[0].to.as_str()), ("am@example.com", "demo@example.com"));
    assert_eq!(
        (mails[0].subject.as_str(), mails[0].body.as_str()),
        ("One Time Password", "Your One Time Password: 123456")
    );
    assert!(!mails[0].html);

    let own = json!({"emailContent": {"en": "<p>Code {{OTP}}</p>"}, "emailSubject": {"en": "A\r\nBcc: x"}});
    let sent = sender(own, json!({"emailAddress": "other@example.com", "username": "demo"}), World::new());
    let mails = sent.world.mails.lock().unwrap();
    assert_eq!((mails[0].to.as_str(), mails[0].body.as_str()), ("other@example.com", "<p>Code 123456</p>"));
    assert_eq!(mails[0].subject, "A  Bcc: x");
    assert!(mails[0].html);

    let collected = sender(config.clone(), json!({"objectAttributes": {"mail": "new@example.com"}}), World::new());
    assert_eq!(collected.world.mails.lock().unwrap()[0].to, "new@example.com");
    assert!(sender(config.clone(), json!({"username": "nobody"}), World::new()).is_exception());
    let mut down = World::new();
    down.mail_fails = true;
    assert!(sender(config, json!({"username": "demo"}), down).is_exception());
    assert!(outcome("OneTimePasswordSmtpSenderNode", json!({}), json!({"username": "demo"})).starts_with("exception"));
}

#[test]
fn email_link() {
    let lookup = json!({"objectLookup": true, "emailSuspendMessage": {"en": "Sent."}, "suspendDuration": 60});
    let suspended = trial("EmailSuspendNode", lookup.clone(), json!({"username": "demo"}), Value::Null);
    assert_eq!(suspended.outcome(), "suspended");
    let wire = json!([{"type": "SuspendedTextOutputCallback", "output": [
        {"name": "message", "value": "Sent."}, {"name": "messageType", "value": "0"}]}]);
    assert_eq!(json!(suspended.state().callbacks_json()), wire);
    assert_eq!(suspended.state().deadline(&suspended.world.limits), START + 60 * 60_000);
    let body = suspended.world.mails.lock().unwrap()[0].body.clone();
    let crate::support::Last::Suspended(id) = &suspended.last else { panic!() };
    assert!(body.contains(&format!("suspendedId={id}")), "{body}");
    suspended.world.pass(59 * 60_000);
    assert_eq!(suspended.resume().outcome(), "outcome");

    // Whether there is an account cannot be seen.
    let nobody = trial("EmailSuspendNode", lookup.clone(), json!({"username": "nobody"}), Value::Null);
    assert_eq!(json!(nobody.state().callbacks_json()), wire);
    assert!(nobody.world.mails.lock().unwrap().is_empty());
    let mut down = World::new();
    down.mail_fails = true;
    let down = Trial::of("EmailSuspendNode", lookup, json!({"username": "demo"}), Value::Null, down).run();
    assert_eq!(json!(down.state().callbacks_json()), wire);

    let collected =
        trial("EmailSuspendNode", json!({}), json!({"objectAttributes": {"mail": "new@example.com"}}), Value::Null);
    assert_eq!(collected.world.mails.lock().unwrap()[0].to, "new@example.com");
}

#[test]
fn a_link_ends() {
    let suspended = trial("EmailSuspendNode", json!({}), Value::Null, Value::Null);
    suspended.world.pass(5 * 60_000);
    let answer = suspended.world.resume(suspended.state()).unwrap();
    assert!(matches!(answer, countersign_journey::Answer::Failure(_)));
}

#[test]
fn mail_templates() {
    let template = json!({
        "from": "am@example.com", "enabled": true, "defaultLocale": "en", "subject": {"en": "Hi {{object.givenName}}"},
        "message": {"en": "<p>{{object.givenName}}: <a href=\"{{object.resumeURI}}\">go</a>{{object.missing}}</p>"},
    });
    let mut world = World::new();
    let template = countersign_journey::EmailTemplate::read(template.as_object().unwrap()).unwrap();
    std::sync::Arc::make_mut(&mut world.library).insert_template("registration", template);
    let shared = json!({"objectAttributes": {"mail": "x@example.com", "givenName": "<b>Jo</b>"}});
    let trial = Trial::of("EmailSuspendNode", json!({}), shared, Value::Null, world).run();
    let mail = trial.world.mails.lock().unwrap()[0].clone();
    assert!(
        mail.html && mail.body.starts_with("<p>&lt;b&gt;Jo&lt;/b&gt;: <a href=\"https://am.example.com/"),
        "{}",
        mail.body
    );
    assert_eq!((mail.subject.as_str(), mail.from.as_str()), ("Hi <b>Jo</b>", "am@example.com"));
}

#[test]
fn recovery_codes_are_shown_once() {
    let transient = json!({"recoveryCodes": ["abc123", "x\"+alert(1)+\""], "recoveryCodeDeviceName": "My <key>"});
    let asked = trial("RecoveryCodeDisplayNode", json!({}), Value::Null, transient);
    assert_eq!(asked.types(), ["TextOutputCallback"]);
    assert_eq!(asked.output(0, "messageType"), "4");
    let script = asked.output(0, "message").as_str().unwrap().to_owned();
    assert!(script.contains("  \"abc123\\n\" +") && script.contains("<em>My &lt;key&gt;</em>"), "{script}");
    assert!(script.contains("Recovery Codes") && script.contains("position") && !script.contains("alert("), "{script}");
    let done = asked.answer(&[]);
    assert_eq!(done.outcome(), "outcome");
    assert_eq!(done.again().outcome(), "outcome", "without codes it asks nothing");
}

#[test]
fn recovery_codes_are_used_up() {
    let config = json!({"recoveryCodeType": "OATH"});
    let asked = trial("RecoveryCodeCollectorDecisionNode", config.clone(), json!({"username": "demo"}), Value::Null);
    assert_eq!(asked.types(), ["NameCallback"]);
    let used = asked.answer(&[json!("")]).answer(&[json!("abcd ")]);
    assert_eq!(used.outcome(), "true");
    assert_eq!(used.again().answer(&[json!("abcd")]).outcome(), "false");
    let nobody = trial("RecoveryCodeCollectorDecisionNode", config, Value::Null, Value::Null);
    assert!(nobody.answer(&[json!("abcd")]).is_exception());
}
