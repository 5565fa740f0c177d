use serde_json::{Value, json};

use super::{outcome, trial};
use crate::support::{PASSWORD, Trial, page};

fn none() -> Value {
    json!({})
}

#[test]
fn user_name() {
    let asked = Trial::new("UsernameCollectorNode", none()).run();
    assert_eq!(asked.asked()[0]["output"], json!([{"name": "prompt", "value": "User Name"}]));
    assert_eq!(asked.asked()[0]["input"], json!([{"name": "IDToken1", "value": ""}]));
    let blank = asked.answer(&[json!("  ")]);
    assert_eq!(blank.types(), ["NameCallback"]);
    let done = blank.answer(&[json!("demo")]);
    assert_eq!(done.outcome(), "outcome");
    assert_eq!(done.shared()["username"], "demo");
}

#[test]
fn password() {
    let asked = Trial::new("PasswordCollectorNode", none()).run();
    assert_eq!(asked.types(), ["PasswordCallback"]);
    let done = asked.answer(&[json!("")]).answer(&[json!(PASSWORD)]);
    assert_eq!(done.outcome(), "outcome");
    assert_eq!(done.transient()["password"], PASSWORD);
    assert_eq!(done.shared()["password"], Value::Null);
}

#[test]
fn platform_user_name() {
    let asked = Trial::new("ValidatedUsernameNode", none()).run();
    assert_eq!(asked.types(), ["NameCallback"]);
    let empty = asked.answer(&[json!("")]);
    assert_eq!(empty.outcome(), "outcome");
    assert_eq!(empty.shared()["username"], Value::Null);

    let asked = Trial::new("ValidatedUsernameNode", json!({"validateInput": true})).run();
    assert_eq!(asked.types(), ["ValidatedCreateUsernameCallback"]);
    assert_eq!(asked.output(0, "prompt"), "Username");
    assert_eq!(asked.output(0, "policies")["policyRequirements"], json!(["REQUIRED"]));
    let names: Vec<&Value> = asked.asked()[0]["input"].as_array().unwrap().iter().map(|input| &input["name"]).collect();
    assert_eq!(names, ["IDToken1", "IDToken1validateOnly"]);
    let taken = asked.answer(&[json!("demo"), json!(false)]);
    assert_eq!(taken.output(0, "failedPolicies"), json!(["{\"policyRequirement\":\"UNIQUE\"}"]));
    assert_eq!(taken.asked()[0]["input"][0]["value"], "demo");
    let only = taken.answer(&[json!("newbie"), json!(true)]);
    assert_eq!(only.types(), ["ValidatedCreateUsernameCallback"]);
    assert_eq!(only.output(0, "failedPolicies"), json!([]));
    let done = only.answer(&[json!("newbie"), json!(false)]);
    assert_eq!(done.shared()["username"], "newbie");
    assert_eq!(done.shared()["objectAttributes"], json!({"userName": "newbie"}));

    let known = trial("ValidatedUsernameNode", json!({"prepopulate": true}), json!({"username": "demo"}), Value::Null);
    assert_eq!(known.asked()[0]["input"][0]["value"], "demo");
}

#[test]
fn platform_password() {
    let done = Trial::new("ValidatedPasswordNode", none()).run().answer(&[json!(PASSWORD)]);
    assert_eq!(done.transient()["password"], PASSWORD);
    assert_eq!(done.transient()["objectAttributes"], json!({"password": PASSWORD}));
    let blank = Trial::new("ValidatedPasswordNode", none()).run().answer(&[json!("")]);
    assert_eq!(blank.transient()["objectAttributes"], Value::Null, "a blank one is not for the profile");

    let asked = Trial::new("ValidatedPasswordNode", json!({"validateInput": true})).run();
    assert_eq!(asked.types(), ["ValidatedCreatePasswordCallback"]);
    assert_eq!(asked.output(0, "echoOn"), false);
    let short = asked.answer(&[json!("short"), json!(false)]);
    assert!(short.output(0, "failedPolicies")[0].as_str().unwrap().contains("MIN_LENGTH"));
    assert_eq!(short.answer(&[json!(PASSWORD), json!(false)]).outcome(), "outcome");
}

#[test]
fn attributes() {
    let config = json!({"attributesToCollect": ["mail", "age", "preferences/updates", "odd"], "required": true});
    let asked = trial("AttributeCollectorNode", config.clone(), json!({"username": "demo"}), Value::Null);
    let types = [
        "StringAttributeInputCallback",
        "NumberAttributeInputCallback",
        "BooleanAttributeInputCallback",
        "StringAttributeInputCallback",
    ];
    assert_eq!(asked.types(), types);
    assert_eq!(asked.output(0, "name"), "mail");
    assert_eq!(asked.output(0, "prompt"), "Email Address");
    assert_eq!(asked.output(0, "value"), "demo@example.com", "from the profile");
    assert_eq!(asked.output(1, "value"), 40);
    assert_eq!(asked.output(3, "required"), true);
    let answers = [json!("x@example.com"), json!(false), json!("41"), json!(false), json!(true), json!(false)];
    let missing = asked.answer(&[&answers[..], &[json!(""), json!(false)]].concat());
    assert_eq!(missing.types(), types);
    let done = missing.answer(&[&answers[..], &[json!("x"), json!(false)]].concat());
    assert_eq!(done.outcome(), "outcome");
    let expected = json!({"mail": "x@example.com", "age": 41, "preferences": {"updates": true}, "odd": "x"});
    assert_eq!(done.shared()["objectAttributes"], expected);

    let config = json!({"attributesToCollect": ["mail"], "validateInputs": true, "required": true});
    let wrong = Trial::new("AttributeCollectorNode", config).run().answer(&[json!("x"), json!(false)]);
    assert!(wrong.output(0, "failedPolicies")[0].as_str().unwrap().contains("VALID_EMAIL"));
    let config = json!({"attributesToCollect": ["odd"], "validateInputs": true});
    assert!(outcome("AttributeCollectorNode", config, Value::Null).starts_with("exception"));
}

#[test]
fn choices() {
    let config = json!({"choices": ["Yes", "No", "Later"], "defaultChoice": "No", "prompt": "Well?"});
    let asked = Trial::new("ChoiceCollectorNode", config).run();
    assert_eq!(asked.output(0, "choices"), json!(["Yes", "No", "Later"]));
    assert_eq!(asked.output(0, "defaultChoice"), 1);
    assert_eq!(asked.asked()[0]["input"], json!([{"name": "IDToken1", "value": 1}]));
    let done = asked.answer(&[json!(2)]);
    assert_eq!(done.outcome(), "Later");
    assert_eq!(done.again().answer(&[json!("0")]).outcome(), "Yes");
    assert!(outcome("ChoiceCollectorNode", json!({"choices": []}), Value::Null).starts_with("exception"));
}

#[test]
fn messages() {
    let config = json!({
        "message": {"en": "Hello", "fr": "Bonjour"}, "messageYes": {}, "messageNo": {"en": "Leave"}, "stateField": "button",
    });
    let asked = Trial::new("MessageNode", config.clone()).run();
    assert_eq!(asked.types(), ["TextOutputCallback", "ConfirmationCallback"]);
    assert_eq!(asked.output(0, "message"), "Hello");
    assert_eq!(asked.output(0, "messageType"), "0");
    assert_eq!(asked.output(1, "options"), json!(["Yes", "Leave"]));
    assert_eq!((asked.output(1, "messageType"), asked.output(1, "defaultOption")), (json!(0), json!(1)));
    assert_eq!(asked.asked()[1]["input"][0]["name"], "IDToken2");
    let yes = asked.answer(&[json!(0)]);
    assert_eq!((yes.outcome(), yes.shared()["button"].clone()), ("true".to_owned(), json!(0)));
    assert_eq!(yes.again().answer(&[json!(1)]).outcome(), "false");
    let mut french = Trial::new("MessageNode", config);
    french.request.languages = countersign_journey::Request::parse_languages("de;q=0.2, fr-CA, en;q=0.5");
    assert_eq!(french.run().output(0, "message"), "Bonjour");
}

#[test]
fn pages() {
    let config = page(&[
        ("name", "UsernameCollectorNode", none()),
        ("say", "MessageNode", none()),
        ("choose", "ChoiceCollectorNode", json!({"choices": ["a", "b"]})),
    ]);
    let asked = Trial::new("PageNode", config).run();
    assert_eq!(asked.types(), ["NameCallback", "TextOutputCallback", "ConfirmationCallback", "ChoiceCallback"]);
    assert_eq!(asked.asked()[3]["_id"], 3);
    assert_eq!(asked.asked()[3]["input"][0]["name"], "IDToken4");
    assert_eq!(asked.state().shared()["pageNodeCallbacks"], json!({"0": 0, "1": 1, "2": 1, "3": 2}));
    let done = asked.answer(&[json!("demo"), json!(0), json!(1)]);
    assert_eq!(done.outcome(), "b", "by its last child");
    assert_eq!(done.shared()["pageNodeCallbacks"], Value::Null);
    assert_eq!(done.again().types().len(), 4);
}

#[test]
fn security_questions() {
    let asked = Trial::new("KbaCreateNode", json!({"message": {"en": "Choose"}})).run();
    assert_eq!(asked.types(), ["KbaCreateCallback", "KbaCreateCallback"]);
    assert_eq!(asked.output(0, "prompt"), "Choose");
    assert_eq!(asked.output(0, "predefinedQuestions").as_array().unwrap().len(), 2);
    assert_eq!(asked.output(0, "allowUserDefinedQuestions"), true);
    assert_eq!(asked.asked()[1]["input"][0]["name"], "IDToken2question");
    assert_eq!(asked.asked()[1]["input"][1]["name"], "IDToken2answer");
    let colour = json!("What's your favourite colour?");
    let same = asked.answer(&[colour.clone(), json!("blue"), json!("whats your favourite COLOUR"), json!("red")]);
    assert_eq!(same.types().len(), 2, "the questions must differ");
    assert_eq!(same.output(0, "prompt"), "Choose");
    assert_eq!(same.output(1, "prompt"), "This question was chosen before. Select another one.");
    assert_eq!(same.asked()[0]["input"][1]["value"], "blue", "what was typed is kept");
    let done = same.answer(&[Value::Null, Value::Null, json!("Pet?"), json!(" Rex ")]);
    assert_eq!(done.outcome(), "outcome");
    let expected = json!([{"questionId": "1", "answer": "blue"}, {"customQuestion": "Pet?", "answer": "rex"}]);
    assert_eq!(done.transient()["objectAttributes"]["kbaInfo"], expected);

    let only = Trial::new("KbaCreateNode", json!({"allowUserDefinedQuestions": false})).run();
    let refused = only.answer(&[colour, json!("blue"), json!("Pet?"), json!("rex")]);
    assert_eq!(refused.types().len(), 2);
}

#[test]
fn terms() {
    let asked = Trial::new("AcceptTermsAndConditionsNode", none()).run();
    assert_eq!(asked.types(), ["TermsAndConditionsCallback"]);
    assert_eq!((asked.output(0, "version"), asked.output(0, "terms")), (json!("1.0"), json!("Be kind.")));
    let refused = asked.answer(&[json!(false)]);
    assert_eq!(refused.types(), ["TermsAndConditionsCallback"]);
    let done = refused.answer(&[json!("true")]);
    assert_eq!(done.shared()["termsVersion"], "1.0");
    assert_eq!(done.shared()["termsAccepted"]["termsVersion"], "1.0");
    assert!(done.shared()["termsAccepted"]["acceptDate"].as_str().unwrap().starts_with("2026-"));
    let mut without = Trial::new("AcceptTermsAndConditionsNode", none());
    without.world.realm.terms = None;
    assert!(without.run().is_exception());
}

#[test]
fn credentials_in_headers() {
    let with = |headers: &[(&str, &[&str])], config: Value| {
        let mut trial = Trial::new("ZeroPageLoginNode", config);
        for (name, values) in headers {
            trial.request.headers.insert((*name).to_owned(), values.iter().map(|value| (*value).to_owned()).collect());
        }
        trial.run()
    };
    assert_eq!(with(&[], none()).outcome(), "false");
    let both = with(&[("x-openam-username", &["=?UTF-8?B?w6TDtg==?="]), ("x-openam-password", &["p"])], none());
    assert_eq!(both.outcome(), "true");
    assert_eq!((both.shared()["username"].clone(), both.transient()["password"].clone()), (json!("äö"), json!("p")));
    assert_eq!(with(&[("x-openam-password", &["p"])], none()).outcome(), "true");
    assert!(with(&[("x-openam-username", &["a", "b"])], none()).is_exception());
    let strict =
        json!({"allowWithoutReferer": false, "referrerWhiteList": ["https://here.example/"], "usernameHeader": "X-U"});
    assert_eq!(with(&[("x-u", &["demo"])], strict.clone()).outcome(), "false");
    assert_eq!(
        with(&[("x-u", &["demo"]), ("referer", &["https://here.example/x"])], strict.clone()).outcome(),
        "false"
    );
    assert_eq!(with(&[("x-u", &["demo"]), ("referer", &["https://here.example/"])], strict).outcome(), "true");
}
