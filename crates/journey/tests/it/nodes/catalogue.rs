//! Nodes of AM's catalogue that few journeys have.

use countersign_journey::host::{Device, DeviceKind};
use countersign_journey::validate::{Severity, Verdict, validate};
use countersign_journey::{Library, Variables, import, node_type};
use serde_json::{Value, json};

use super::{outcome, trial};
use crate::support::{PASSWORD, START, Trial, World, journey};

fn demo() -> Value {
    json!({"username": "demo"})
}

#[test]
fn times_and_counts_are_measured() {
    let started = trial("TimerStartNode", json!({}), Value::Null, Value::Null);
    assert_eq!(started.outcome(), "outcome");
    assert_eq!(started.shared()["TimerNodeStartTime"], START);
    let before = json!({"mine": START - 1500});
    let config = json!({"startTimeProperty": "mine", "metricKey": "login"});
    let stopped = trial("TimerStopNode", config, before, Value::Null);
    assert_eq!(stopped.outcome(), "outcome");
    assert_eq!(*stopped.world.measured.lock().unwrap(), [("login".to_owned(), Some(1500))]);
    let never = trial("TimerStopNode", json!({"metricKey": "login"}), Value::Null, Value::Null);
    assert_eq!((never.outcome().as_str(), never.world.measured.lock().unwrap().len()), ("outcome", 0));
    assert!(outcome("TimerStopNode", json!({}), Value::Null).starts_with("exception"));
    let counted = trial("MeterNode", json!({"metricKey": "visits"}), Value::Null, Value::Null);
    assert_eq!(counted.outcome(), "outcome");
    assert_eq!(*counted.world.measured.lock().unwrap(), [("visits".to_owned(), None)]);
}

#[test]
fn a_cookie_goes_with_the_answer() {
    let config = json!({"name": "brand", "value": "blue", "maxAge": 60, "domain": "", "sameSite": "STRICT", "useSecureCookie": true});
    let set = trial("SetCustomCookieNode", config, Value::Null, Value::Null);
    assert_eq!(set.outcome(), "outcome");
    let cookies = set.world.cookies.lock().unwrap();
    let [cookie] = cookies.as_slice() else { panic!("{cookies:?}") };
    assert_eq!((cookie.name.as_str(), cookie.value.as_str(), cookie.max_age_seconds), ("brand", "blue", Some(60)));
    assert_eq!(
        (&cookie.domain, cookie.secure, cookie.http_only, cookie.same_site.as_str()),
        (&None, true, false, "STRICT")
    );
    let own = json!({"name": "iPlanetDirectoryPro", "value": "x"});
    assert!(outcome("SetCustomCookieNode", own, Value::Null).starts_with("exception: configuration"));
}

#[test]
fn ldap_is_the_identity_store() {
    let with = |password: &str| {
        let config = json!({"primaryServers": ["ldap.example.com:389"], "minimumPasswordLength": 10});
        trial("LdapDecisionNode", config, demo(), json!({"password": password}))
    };
    assert_eq!(with(PASSWORD).outcome(), "TRUE");
    assert_eq!(with("wrong").outcome(), "FALSE");
    let world = World::new();
    world.users.change("demo", |user| user.active = false);
    let locked = Trial::of("LdapDecisionNode", json!({}), demo(), json!({"password": PASSWORD}), world).run();
    assert_eq!(locked.outcome(), "LOCKED");
}

/// What runs and is not as its settings say is told.
#[test]
fn what_is_left_undone_is_told() {
    let export = journey(
        "Told",
        &[
            ("ldap", "LdapDecisionNode", json!({"primaryServers": ["ldap.example.com:389"]}), &[("TRUE", "hook")]),
            ("hook", "RegisterLogoutWebhookNode", json!({"webhookName": "bye"}), &[("outcome", "SUCCESS")]),
        ],
    );
    let mut library = Library::new();
    library.add(&import::from_json(&export.to_string()).unwrap(), &Variables::default());
    let report = validate(&library, library.journey("Told").unwrap());
    assert_eq!(report.verdict, Verdict::Runs);
    let told: Vec<String> = report
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Warns)
        .map(|finding| finding.problem.to_string())
        .collect();
    assert!(told.iter().any(|text| text.contains("not in the directory at ldap.example.com:389")), "{told:?}");
    assert!(told.iter().any(|text| text.contains("webhook \"bye\" is not called")), "{told:?}");
    assert_eq!(outcome("RegisterLogoutWebhookNode", json!({"webhookName": "bye"}), Value::Null), "outcome");
}

#[test]
fn profiles_are_filled_to_so_many_per_cent() {
    let filled = |threshold: i64| outcome("ProfileCompletenessDecisionNode", json!({"threshold": threshold}), demo());
    assert_eq!((filled(0).as_str(), filled(100).as_str()), ("true", "false"));
    let nobody = outcome("ProfileCompletenessDecisionNode", json!({"threshold": 1}), json!({"username": "nobody"}));
    assert!(nobody.starts_with("exception"), "{nobody}");
}

#[test]
fn accounts_have_an_age() {
    // The user of these tests is a day old.
    for (time, old) in [("23 hours", "true"), ("1 day", "true"), ("25 hours", "false"), ("1440", "true")] {
        assert_eq!(outcome("TimeSinceDecisionNode", json!({"elapsedTime": time}), demo()), old, "{time}");
    }
    assert!(outcome("TimeSinceDecisionNode", json!({"elapsedTime": "soon"}), demo()).starts_with("exception"));
}

#[test]
fn a_second_factor_may_be_put_off_or_refused() {
    let missing = json!({"username": "demo", "mfaMethod": "push"});
    let config = json!({"optOutLabel": {"en": "Never"}});
    let asked = trial("MultiFactorRegistrationOptionsNode", config, missing.clone(), Value::Null);
    assert_eq!(asked.types(), ["TextOutputCallback", "ConfirmationCallback"]);
    assert_eq!(asked.output(1, "options"), json!(["Register Device", "Get the App", "Skip this step", "Never"]));
    for (index, left_by) in ["registerOutcome", "getAppOutcome", "skipOutcome", "optOutOutcome"].iter().enumerate() {
        let asked = trial("MultiFactorRegistrationOptionsNode", json!({}), missing.clone(), Value::Null);
        assert_eq!(asked.answer(&[json!(index)]).outcome(), *left_by);
    }
    let short = json!({"mandatory": true, "getApp": false});
    let asked = trial("MultiFactorRegistrationOptionsNode", short, missing.clone(), Value::Null);
    assert_eq!(asked.output(1, "options"), json!(["Register Device"]));
    assert!(outcome("MultiFactorRegistrationOptionsNode", json!({}), demo()).starts_with("exception"));

    assert!(outcome("OptOutMultiFactorAuthenticationNode", json!({}), demo()).starts_with("exception"));
    let out = trial("OptOutMultiFactorAuthenticationNode", json!({}), missing, Value::Null);
    assert_eq!(out.outcome(), "outcome");
    let skips = |config: Value| {
        let world = World::new();
        world.users.change("demo", |user| user.counters.insert("optOut.push".to_owned(), 1));
        Trial::of("PushAuthenticationSenderNode", config, demo(), Value::Null, world).run().outcome()
    };
    assert_eq!(out.world.users.change("demo", |user| user.counters.get("optOut.push").copied()), Some(1));
    assert_eq!(
        (skips(json!({})), skips(json!({"mandatory": true}))),
        ("SKIPPED".to_owned(), "NOT_REGISTERED".to_owned())
    );

    let app = trial("GetAuthenticatorAppNode", json!({"appleLink": "https://a/?x=\"1\""}), Value::Null, Value::Null);
    let shown = app.output(0, "message").as_str().unwrap().to_owned();
    assert!(shown.contains("<a href=\"https://a/?x=&quot;1&quot;\">"), "{shown}");
    assert_eq!(app.answer(&[json!(0)]).outcome(), "outcome");
    let own = json!({"appleLink": "https://a/", "message": {"en": "<a href='{{appleLink}}'>{{appleLabel}}</a>"}});
    let app = trial("GetAuthenticatorAppNode", own, Value::Null, Value::Null);
    assert_eq!(app.output(0, "message"), "<a href='https://a/'>Apple App Store</a>");
}

#[test]
fn devices_say_how_safe_and_where_they_are() {
    let profile = json!({"identifier": "d", "metadata": {"platform": {"jailBreakScore": 0.5}}, "location": {"latitude": 47.37, "longitude": 8.54}});
    let told = json!({"username": "demo", "forgeRock.device.profile": profile});
    let safe = |score: &str| outcome("DeviceTamperingVerificationNode", json!({"score": score}), told.clone());
    assert_eq!((safe("0.4").as_str(), safe("0.5").as_str()), ("false", "true"));
    assert!(outcome("DeviceTamperingVerificationNode", json!({}), demo()).starts_with("exception"));
    let near = |place: &str, distance: &str| {
        let config = json!({"locations": [place], "distance": distance});
        outcome("DeviceGeoFencingNode", config, told.clone())
    };
    // Zurich to Bern is 95 km.
    assert_eq!((near("46.948, 7.447", "100"), near("46.948,7.447", "90")), ("true".to_owned(), "false".to_owned()));
    assert!(near("Bern", "1").starts_with("exception"));
    let saved = |id: &str, latitude: f64| {
        let world = World::new();
        let profile = json!({"identifier": id, "location": {"latitude": latitude, "longitude": 8.54}});
        let profile = profile.as_object().unwrap().clone();
        let device = Device { id: id.to_owned(), profile, credential_id: None, version: 0 };
        world.users.devices("demo", |devices| devices.push((DeviceKind::Profile, device)));
        Trial::of("DeviceLocationMatchNode", json!({}), told.clone(), Value::Null, world).run().outcome()
    };
    assert_eq!((saved("d", 47.38), saved("d", 48.0)), ("true".to_owned(), "false".to_owned()));
    assert_eq!(saved("other", 47.37), "unknownDevice");
}

#[test]
fn a_code_goes_to_the_carrier() {
    let send = |attributes: Value| {
        let config = json!({"mobileCarrierAttributeName": "carrier", "smsContent": {"en": "Code {{OTP}}"}});
        let shared = json!({"username": "demo", "objectAttributes": attributes});
        trial("OneTimePasswordSmsSenderNode", config, shared, json!({"oneTimePassword": "123456"}))
    };
    let sent = send(json!({"telephoneNumber": "+41 (79) 123", "carrier": "@sms.example.com"}));
    assert_eq!(sent.outcome(), "outcome");
    let mails = sent.world.mails.lock().unwrap();
    assert_eq!((mails[0].to.as_str(), mails[0].body.as_str()), ("4179123@sms.example.com", "Code 123456"));
    assert!(send(json!({"telephoneNumber": "1"})).is_exception());
}

#[test]
fn types_are_known_with_their_prefix_and_without() {
    assert_eq!(node_type("CaptchaNode").unwrap().type_id, "product-CaptchaNode");
    assert_eq!(node_type("product-MessageNode").unwrap().type_id, "MessageNode");
    assert!(node_type("product-None").is_none());
}

#[test]
fn the_older_captcha() {
    let world = World::new().server("https://check.example/", |request| {
        (200, json!({"success": request.body.contains("response=right") && request.body.contains("secret=s3cret")}))
    });
    let config = json!({"siteKey": "site", "secretKey": "s3cret", "reCaptchaUri": "https://check.example/verify"});
    let asked = Trial::of("product-ReCaptchaNode", config.clone(), Value::Null, Value::Null, world).run();
    assert_eq!((asked.types(), asked.output(0, "recaptchaSiteKey")), (vec!["ReCaptchaCallback"], json!("site")));
    assert_eq!(asked.answer(&[json!("right")]).outcome(), "outcome");
    let asked = trial("product-ReCaptchaNode", config, Value::Null, Value::Null);
    assert!(asked.answer(&[json!("")]).outcome().starts_with("exception: refused"));
}
