//! Nodes of the long tail.

use countersign_journey::EmailTemplate;
use serde_json::{Value, json};

use super::{outcome, trial};
use crate::support::{PASSWORD, Trial, World, page};

#[test]
fn state() {
    let config = json!({"attributes": {"a": "1", "b": "2"}});
    let set = trial("SetStateNode", config, json!({"a": 0}), json!({"b": 0, "c": 0}));
    assert_eq!((set.shared()["a"].clone(), set.shared()["b"].clone()), (json!("1"), json!("2")));
    assert_eq!(set.transient(), json!({"c": 0}));
}

#[test]
fn metadata_is_for_pages() {
    let config = page(&[
        ("data", "MetadataNode", json!({"attributes": ["custom", "none"]})),
        ("name", "UsernameCollectorNode", json!({})),
    ]);
    let asked = trial("PageNode", config, json!({"custom": {"x": 1}}), Value::Null);
    assert_eq!(asked.types(), ["MetadataCallback", "NameCallback"]);
    assert_eq!(asked.output(0, "data"), json!({"custom": {"x": 1}}));
    assert_eq!(asked.asked()[1]["input"][0]["name"], "IDToken2");
    assert_eq!(asked.answer(&[json!("demo")]).outcome(), "outcome");
    let alone = page(&[("data", "MetadataNode", json!({"attributes": ["custom"]}))]);
    assert!(outcome("PageNode", alone, Value::Null).starts_with("exception"));
}

#[test]
fn nodes_that_do_nothing_here() {
    assert_eq!(outcome("DebugNode", json!({}), Value::Null), "outcome");
    assert_eq!(outcome("ThemeNode", json!({"theme": "x"}), Value::Null), "outcome");
}

#[test]
fn shown_and_asked() {
    let shown = trial("HTMLMessageNode", json!({"message": {"en": "<b>Hi</b>"}}), Value::Null, Value::Null);
    assert_eq!(shown.output(0, "message"), "<b>Hi</b>");
    assert_eq!(shown.answer(&[]).outcome(), "outcome");
    let asked = trial("InputCollectorNode", json!({"variable": "pin", "prompt": "PIN"}), Value::Null, Value::Null);
    assert_eq!((asked.types(), asked.output(0, "prompt")), (vec!["NameCallback"], json!("PIN")));
    assert_eq!(asked.answer(&[json!("")]).answer(&[json!("12")]).shared()["pin"], "12");
    let hidden = json!({"variable": "pin", "isPassword": true, "useTransient": true});
    let asked = trial("InputCollectorNode", hidden, Value::Null, Value::Null);
    assert_eq!(asked.types(), ["PasswordCallback"]);
    assert_eq!(asked.answer(&[json!("12")]).transient()["pin"], "12");
    let name =
        trial("DisplayUserNameNode", json!({}), json!({"objectAttributes": {"mail": "demo@example.com"}}), Value::Null);
    assert_eq!(name.output(0, "message"), "demo");
    assert_eq!(name.answer(&[]).outcome(), "outcome");
    assert!(outcome("DisplayUserNameNode", json!({}), Value::Null).starts_with("exception"));
}

#[test]
fn addresses() {
    let with = |address: &str, config: Value| {
        let mut trial = Trial::new("IPAddressDecisionNode", config);
        trial.request.client_ip = address.parse().ok();
        trial.run().outcome()
    };
    let config = json!({"ipList": {"10.10.10.0": "/24", "2001:db8::": "/32", "192.168.7.12": "/32"}});
    for (address, expected) in [
        ("10.10.10.200", "true"),
        ("10.10.11.1", "false"),
        ("192.168.7.12", "true"),
        ("192.168.7.13", "false"),
        ("::ffff:10.10.10.1", "true"),
        ("2001:db8:1::1", "true"),
        ("2001:db9::1", "false"),
        ("unknown", "false"),
    ] {
        assert_eq!(with(address, config.clone()), expected, "{address}");
    }
    assert_eq!(with("10.1.1.1", json!({"ipList": {"0.0.0.0": "/0"}, "blacklist": true})), "false");
    assert!(with("10.1.1.1", json!({"ipList": {"x": "/8"}})).starts_with("exception"));
}

#[test]
fn users() {
    let config = json!({"datastoreAttributes": ["uid", "mail"], "sharedStateAttribute": "username"});
    let found = trial("SearchForUserNode", config.clone(), json!({"username": "demo@example.com"}), Value::Null);
    assert_eq!((found.outcome(), found.shared()["username"].clone()), ("found".to_owned(), json!("demo")));
    assert_eq!(outcome("SearchForUserNode", config.clone(), json!({"username": "x"})), "notFound");
    assert_eq!(outcome("SearchForUserNode", config.clone(), Value::Null), "notFound");
    let world = World::new();
    world.users.put("other", json!({"mail": "demo"}));
    let both = Trial::of("SearchForUserNode", config, json!({"username": "demo"}), Value::Null, world).run();
    assert_eq!(both.outcome(), "ambiguous");

    let taken =
        trial("ProfileAttributeToStateNode", json!({"keys": ["sn", "none"]}), json!({"username": "demo"}), Value::Null);
    assert_eq!(taken.shared()["sn"], "O");
    let set =
        trial("SetProfilePropertyNode", json!({"properties": {"sn": "New"}}), json!({"username": "demo"}), Value::Null);
    assert_eq!(set.outcome(), "outcome");
    assert_eq!(set.world.users.change("demo", |user| user.attributes["sn"].clone()), "New");
    assert!(outcome("SetProfilePropertyNode", json!({}), Value::Null).starts_with("exception"));
}

#[test]
fn attributes() {
    let config = json!({"attributesList": {"username": "userName", "password": "password", "none": "x"}});
    let copied =
        trial("AddAttributesToObjectAttributesNode", config, json!({"username": "demo"}), json!({"password": "p"}));
    assert_eq!(copied.shared()["objectAttributes"], json!({"userName": "demo"}));
    assert_eq!(copied.transient()["objectAttributes"], json!({"password": "p"}), "stays transient");
    let all = json!({"objectAttributes": {"userName": "a", "givenName": "b", "sn": "c", "mail": "d"}});
    assert_eq!(outcome("RequiredAttributesDecisionNode", json!({}), all), "true");
    assert_eq!(outcome("RequiredAttributesDecisionNode", json!({}), Value::Null), "false");
}

#[test]
fn mail() {
    let run = |shared: Value, fails: bool| {
        let mut world = World::new();
        world.mail_fails = fails;
        let template = json!({"subject": {"en": "Hi"}, "message": {"en": "Welcome {{object.givenName}}"}, "mimeType": "text/plain"});
        let template = EmailTemplate::read(template.as_object().unwrap()).unwrap();
        std::sync::Arc::make_mut(&mut world.library).insert_template("welcome", template);
        Trial::of("EmailTemplateNode", json!({}), shared, Value::Null, world).run()
    };
    let sent = run(json!({"username": "demo"}), false);
    assert_eq!(sent.outcome(), "EMAIL_SENT");
    let mails = sent.world.mails.lock().unwrap();
    assert_eq!(
        (mails[0].to.as_str(), mails[0].body.as_str(), mails[0].html),
        ("demo@example.com", "Welcome Dem", false)
    );
    assert_eq!(run(json!({"username": "nobody"}), false).outcome(), "EMAIL_NOT_SENT");
    assert_eq!(run(json!({"username": "demo"}), true).outcome(), "EMAIL_NOT_SENT");
    assert_eq!(outcome("EmailTemplateNode", json!({}), json!({"username": "demo"})), "EMAIL_NOT_SENT", "no template");
}

#[test]
fn passwords() {
    let asked = trial("CreatePasswordNode", json!({"minPasswordLength": 4}), Value::Null, Value::Null);
    assert_eq!(asked.types(), ["PasswordCallback", "PasswordCallback"]);
    let short = asked.answer(&[json!("abc"), json!("abc")]);
    assert_eq!(short.types(), ["TextOutputCallback", "PasswordCallback", "PasswordCallback"]);
    assert_eq!(short.output(0, "messageType"), "2");
    let differ = short.answer(&[json!("abcd"), json!("abce")]);
    assert_eq!(differ.output(0, "message"), "The passwords do not match.");
    assert_eq!(differ.answer(&[json!("abcd"), json!("abcd")]).transient()["password"], "abcd");
}

#[test]
fn decisions() {
    let level = |shared: Value| outcome("AuthLevelDecisionNode", json!({"authLevelRequirement": 5}), shared);
    assert_eq!(level(json!({"authLevel": 5})), "true");
    assert_eq!(level(json!({"authLevel": 4})), "false");
    assert_eq!(level(Value::Null), "false");
    assert_eq!(outcome("CookiePresenceDecisionNode", json!({}), Value::Null), "false");
    let mut cookie = Trial::new("CookiePresenceDecisionNode", json!({}));
    cookie.request.cookies.insert("My-Cookie".to_owned(), String::new());
    assert_eq!(cookie.run().outcome(), "true");
    assert_eq!(outcome("FlowControlNode", json!({"percentageA": 100}), Value::Null), "A");
    assert_eq!(outcome("FlowControlNode", json!({"percentageA": 0}), Value::Null), "B");
    let mut trial = Trial::new("FlowControlNode", json!({})).run();
    let mut count = 0;
    // One login asks 50 times at the most.
    for _ in 0..40 {
        count += i32::from(trial.outcome() == "A");
        trial = trial.again();
    }
    assert!((10..=30).contains(&count), "{count}");
}

#[test]
fn request_values() {
    let config =
        json!({"allowedQueryParameters": {"a": "A", "b": "B", "c": "C"}, "queryParametersToBeDelimited": ["b"]});
    let mut trial = Trial::new("QueryParameterNode", config);
    trial.request.parameters.insert("a".to_owned(), vec!["1,2".to_owned(), "3".to_owned()]);
    trial.request.parameters.insert("b".to_owned(), vec!["1, 2".to_owned()]);
    let shared = trial.run().shared();
    assert_eq!([&shared["A"], &shared["B"], &shared["C"]], [&json!(["1,2", "3"]), &json!(["1", "2"]), &json!([])]);
    let config = json!({"allowedHeaders": {"X-Team": "team"}, "headersToBeDelimited": []});
    let mut trial = Trial::new("RequestHeaderNode", config);
    trial.request.headers.insert("x-team".to_owned(), vec!["blue".to_owned()]);
    assert_eq!(trial.run().shared()["team"], json!(["blue"]));
}

#[test]
fn session_properties_are_taken_back() {
    let nodes = [
        ("who", "AnonymousUserNode", json!({}), &[("outcome", "set")][..]),
        ("set", "SetSessionPropertiesNode", json!({"properties": {"a": "1", "b": "2"}}), &[("outcome", "remove")]),
        ("remove", "RemoveSessionPropertiesNode", json!({"propertyNames": ["a"]}), &[("outcome", "SUCCESS")]),
    ];
    let world = World::new().with(&crate::support::journey("Properties", &nodes));
    let Ok(countersign_journey::Answer::Success(success)) = world.start("Properties") else { panic!() };
    assert_eq!(json!(success.session_properties), json!({"b": "2"}));
}

#[test]
fn device_profile() {
    let asked = trial("DeviceProfileCollectorNode", json!({"deviceLocation": true}), Value::Null, Value::Null);
    assert_eq!(asked.types(), ["DeviceProfileCallback"]);
    assert_eq!((asked.output(0, "metadata"), asked.output(0, "location")), (json!(true), json!(true)));
    let profile = json!({"identifier": "i", "metadata": {"os": "x"}, "other": 1}).to_string();
    let done = asked.answer(&[json!(profile)]);
    assert_eq!(done.outcome(), "outcome");
    assert_eq!(done.shared()["forgeRock.device.profile"], json!({"identifier": "i", "metadata": {"os": "x"}}));
    assert!(done.again().answer(&[json!("x".repeat(4000))]).is_exception());
    let asked = trial("DeviceProfileCollectorNode", json!({}), Value::Null, Value::Null);
    assert!(asked.answer(&[json!("not json")]).is_exception());
}

#[test]
fn accounts_from_elsewhere() {
    let shared = json!({"username": "new", "userInfo": {"attributes": {"mail": ["n@example.com"], "sn": "S"}}});
    let made = trial("ProvisionDynamicAccountNode", json!({}), shared, json!({"password": PASSWORD}));
    assert_eq!((made.outcome(), made.shared()["username"].clone()), ("outcome".to_owned(), json!("new")));
    let user = made.world.users.change("new", |user| (user.attributes["mail"].clone(), user.password.clone()));
    assert_eq!(user, (json!("n@example.com"), PASSWORD.to_owned()));
    assert!(made.again().is_exception(), "the name is taken");
}
