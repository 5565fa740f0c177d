//! Nodes that ask other services, and small ones.

use countersign_journey::host::ConsentMapping;
use serde_json::{Value, json};

use super::{outcome, trial};
use crate::support::{START, Trial, World, sign, ssh_key};

#[test]
fn a_captcha_is_checked_by_its_provider() {
    let config = |more: Value| {
        let mut config =
            json!({"siteKey": "site", "secretKey": "secret", "captchaUri": "https://captcha.example/verify"});
        config.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        config
    };
    let ask = |more: Value, status: u16, verdict: Value| {
        let world = World::new().server("https://captcha.example/verify", move |request| {
            assert_eq!(request.body, "secret=secret&response=token+1&sitekey=site&remoteip=192.0.2.1");
            (status, verdict.clone())
        });
        let mut trial = Trial::of("product-CaptchaNode", config(more), Value::Null, Value::Null, world);
        trial.request.client_ip = Some("192.0.2.1".parse().unwrap());
        trial.run()
    };
    let asked = ask(json!({}), 200, json!({"success": true}));
    assert_eq!((asked.types(), asked.output(0, "recaptchaSiteKey")), (vec!["ReCaptchaCallback"], json!("site")));
    assert_eq!(asked.output(0, "captchaDivClass"), "g-recaptcha");
    assert_eq!(asked.answer(&[json!("token 1")]).outcome(), "true");
    let answer =
        |more: Value, status: u16, verdict: Value| ask(more, status, verdict).answer(&[json!("token 1")]).outcome();
    assert_eq!(answer(json!({}), 200, json!({"success": false})), "false");
    assert_eq!(answer(json!({}), 200, json!({"success": "true"})), "false");
    assert_eq!(ask(json!({}), 200, json!({"success": true})).answer(&[json!("")]).outcome(), "false");
    assert!(answer(json!({}), 500, json!({})).starts_with("exception"));
    let third = json!({"reCaptchaV3": true, "scoreThreshold": "0.5"});
    assert_eq!(answer(third.clone(), 200, json!({"success": true, "score": 0.7})), "true");
    assert_eq!(answer(third.clone(), 200, json!({"success": true, "score": 0.3})), "false");
    assert_eq!(answer(third, 200, json!({"success": true})), "false");
    let odd = json!({"reCaptchaV3": true, "scoreThreshold": "much"});
    assert!(answer(odd, 200, json!({"success": true, "score": 0.3})).starts_with("exception"));
    let mut unset = config(json!({"secretLabelIdentifier": "gone"}));
    unset["secretKey"] = Value::Null;
    let unset = trial("product-CaptchaNode", unset, Value::Null, Value::Null);
    assert!(unset.answer(&[json!("token 1")]).is_exception());
}

#[test]
fn an_assessment_is_asked_for() {
    let ask = |verdict: Value, threshold: &str| {
        let mut world = World::new().server("https://assess.example/v1/", move |request| {
            assert_eq!(request.url, "https://assess.example/v1/projects/p/assessments?key=api+key");
            let body: Value = serde_json::from_str(&request.body).unwrap();
            let event = json!({
                "token": "t", "siteKey": "site", "expectedAction": "login", "userIpAddress": "192.0.2.1", "hashedAccountId": "h"
            });
            assert_eq!(body["event"], event);
            (200, verdict.clone())
        });
        world.realm.secrets.insert("label".to_owned(), "api key".to_owned());
        let config = json!({
            "projectId": "p", "siteKey": "site", "secretLabelIdentifier": "label", "captchaUri": "https://assess.example/v1",
            "scoreThreshold": threshold, "storeAssessmentResult": true, "storeErrors": true
        });
        let mut trial = Trial::of("product-CaptchaEnterpriseNode", config, Value::Null, Value::Null, world);
        trial.request.client_ip = Some("192.0.2.1".parse().unwrap());
        let trial = trial.run();
        assert_eq!(trial.types(), ["ReCaptchaEnterpriseCallback"]);
        let payload = json!({"hashedAccountId": "h", "token": "another", "userIpAddress": "127.0.0.1"});
        trial.answer(&[json!("t"), json!("login"), json!(""), json!(payload.to_string())])
    };
    let verdict = |valid: bool, action: &str, score: f64| json!({"tokenProperties": {"valid": valid, "action": action}, "riskAnalysis": {"score": score}});
    let good = ask(verdict(true, "login", 0.9), "0.5");
    assert_eq!(good.outcome(), "true");
    assert_eq!(good.transient()["CaptchaEnterpriseNode.ASSESSMENT_RESULT"]["riskAnalysis"]["score"], json!(0.9));
    let low = ask(verdict(true, "login", 0.1), "0.5");
    assert_eq!(low.shared()["CaptchaEnterpriseNode.FAILURE"]["message"], "the score is too low");
    assert_eq!(ask(verdict(false, "login", 0.9), "0.5").outcome(), "false");
    assert_eq!(ask(verdict(true, "signup", 0.9), "0.5").outcome(), "false");
    assert_eq!(ask(json!({}), "0.0").outcome(), "false");
}

#[test]
fn a_mail_is_sent_with_what_is_known() {
    let config = json!({
        "attribute": "mail", "from": "us@example.com", "subject": "Hi {{givenName}}", "message": "<b>{{sn}}</b> {{password}}",
        "htmlType": true
    });
    let shared = json!({"username": "demo", "objectAttributes": {"sn": "<New>", "password": "secret"}});
    let sent = trial("EmailNotifyNode", config.clone(), shared, Value::Null);
    assert_eq!(sent.outcome(), "outcome");
    let mails = sent.world.mails.lock().unwrap();
    assert_eq!((mails[0].to.as_str(), mails[0].subject.as_str()), ("demo@example.com", "Hi Dem"));
    assert_eq!(mails[0].body, "<b>&lt;New&gt;</b> ");
    drop(mails);
    let nobody = trial("EmailNotifyNode", config, Value::Null, Value::Null);
    assert!(nobody.world.mails.lock().unwrap().is_empty() && nobody.outcome() == "outcome");
}

#[test]
fn consent_is_asked_for_where_there_is_something_to_consent_to() {
    assert_eq!(outcome("ConsentNode", json!({}), Value::Null), "outcome");
    let ask = |config: Value| {
        let mut world = World::new();
        let mapping = |name: &str| ConsentMapping { name: name.to_owned(), ..ConsentMapping::default() };
        world.realm.consents = vec![mapping("crm"), mapping("news")];
        Trial::of("ConsentNode", config, Value::Null, Value::Null, world).run()
    };
    let asked = ask(json!({"message": {"en": "Share?"}}));
    assert_eq!(asked.types(), ["ConsentMappingCallback", "ConsentMappingCallback"]);
    assert_eq!((asked.output(1, "name"), asked.output(0, "message")), (json!("news"), json!("Share?")));
    let some = asked.answer(&[json!(false), json!(true)]);
    let agreed = &some.shared()["objectAttributes"]["consentedMappings"];
    assert_eq!((agreed[0]["mapping"].clone(), agreed[1].clone()), (json!("news"), Value::Null));
    let all = ask(json!({"allRequired": true}));
    let again = all.answer(&[json!(true), json!(false)]);
    assert_eq!(again.types().len(), 2);
    assert_eq!(again.answer(&[json!(true), json!(true)]).outcome(), "outcome");
}

#[test]
fn signals_are_collected_for_an_environment() {
    let config = json!({"pingOneWorker": "TestSDKs", "deviceAttributesToIgnore": ["Model"], "lazyMetadata": true});
    let asked = trial("product-PingOneProtectInitializeNode", config.clone(), Value::Null, Value::Null);
    assert_eq!(asked.types(), ["PingOneProtectInitializeCallback"]);
    assert_eq!((asked.output(0, "envId"), asked.output(0, "lazyMetadata")), (json!("environment"), json!(true)));
    assert_eq!(asked.answer(&[json!("")]).outcome(), "true");
    let failed = trial("product-PingOneProtectInitializeNode", config, Value::Null, Value::Null);
    assert_eq!(failed.answer(&[json!("no network")]).outcome(), "false");
    let unknown = json!({"pingOneWorker": "other"});
    assert!(trial("product-PingOneProtectInitializeNode", unknown, Value::Null, Value::Null).is_exception());
}

#[test]
fn authorized_keys_sign_for_users() {
    let ask = |file: &str| {
        let mut world = World::new();
        world.realm.secrets.insert("keys".to_owned(), file.to_owned());
        Trial::of("AmsterJwtDecisionNode", json!({"authorizedKeys": "keys"}), Value::Null, Value::Null, world).run()
    };
    let answer = |file: &str, seed: u8, more: Value| {
        let asked = ask(file);
        assert_eq!((asked.types(), asked.output(0, "id")), (vec!["HiddenValueCallback"], json!("jwt")));
        let mut claims = json!({"sub": "demo", "nonce": asked.output(0, "value")});
        claims.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        let jwt = sign(seed, &json!({}), &claims);
        asked.answer(&[json!(jwt)])
    };
    let file = format!("# keys\nssh-rsa AAAA broken\n{}\n{}\n", ssh_key(3), ssh_key(4));
    let let_in = answer(&file, 4, json!({"exp": START / 1000 + 60}));
    assert_eq!((let_in.outcome(), let_in.shared()["username"].clone()), ("true".to_owned(), json!("demo")));
    assert_eq!(answer(&file, 5, json!({})).outcome(), "false");
    assert_eq!(answer(&file, 3, json!({"nonce": "another"})).outcome(), "false");
    assert_eq!(answer(&file, 3, json!({"exp": 1})).outcome(), "false");
    assert_eq!(answer(&file, 3, json!({"sub": "nobody"})).outcome(), "false");
    // What an option restricts is not checked, so its key is not taken.
    assert_eq!(answer(&format!("from=\"10.0.0.1\" {}", ssh_key(3)), 3, json!({})).outcome(), "false");
    assert_eq!(ask(&file).answer(&[json!("no JWT")]).outcome(), "false");
    let unset = trial("AmsterJwtDecisionNode", json!({"authorizedKeys": "gone"}), Value::Null, Value::Null);
    assert!(unset.answer(&[json!("x")]).is_exception());
}
