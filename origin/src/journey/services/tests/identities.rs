use countersign_journey::host::{Identities as _, Question};
use serde_json::json;

use super::{USER, check, object, services, user};
use crate::testing::{Origin, PASSWORD};

#[tokio::test]
async fn a_user_is_found_by_name_and_by_the_value_of_an_attribute() {
    let origin = Origin::new().await;
    let services = services(&origin);
    for (attribute, value) in [
        ("userName", "demo"),
        ("userName", "DEMO"),
        ("_id", "demo"),
        ("mail", "demo@example.com"),
        ("mail", "DEMO@example.com"),
    ] {
        let found = services.find(USER, attribute, value).await.unwrap().unwrap();
        assert_eq!((found.id.as_str(), found.username.as_str()), ("demo", "demo"), "{attribute}");
        assert_eq!(found.universal_id, "id=demo,ou=user,o=alpha,ou=services,ou=am-config");
        assert_eq!(found.attributes["mail"], "demo@example.com");
        assert!(found.active && !found.attributes.contains_key("password"));
    }
    assert!(services.find("managed/alpha_user", "userName", "demo").await.unwrap().is_some());
    assert!(!user(&services, "gone").await.active);
    for (resource, attribute, value) in [
        ("managed/organization", "userName", "demo"),
        ("managed/beta_user", "userName", "demo"),
        (USER, "userName", "dеmo"), // a Cyrillic е
        (USER, "userName", ""),
        (USER, "mail", "demo@example.org"),
        (USER, "password", PASSWORD),
    ] {
        assert!(services.find(resource, attribute, value).await.unwrap().is_none(), "{resource} {attribute} {value}");
    }
    let long = "x".repeat(300);
    assert!(services.find(USER, "userName", &long).await.unwrap().is_none());
    origin.clock.advance(1);
    // Whoever comes with another's address, before it in the alphabet or not, does not take its place.
    for twin in ["aaa", "zzz"] {
        let given = json!({"userName": twin, "mail": "demo@example.com", "sn": "Demo"});
        services.create(USER, &object(given)).await.unwrap().unwrap();
        assert_eq!(services.find(USER, "mail", "Demo@example.com").await.unwrap().unwrap().username, "demo");
    }
    // Of what is no address, nobody's value stands for one user.
    assert!(services.find(USER, "sn", "Demo").await.unwrap().is_none());
}

#[tokio::test]
async fn a_user_is_created_with_password_answers_and_profile() {
    let origin = Origin::new().await;
    let services = services(&origin);
    let given = object(json!({
        "userName": "ada",
        "password": "An4lytical",
        "givenName": "Ada",
        "mail": "ada@example.com",
        "preferences": {"updates": true},
        "kbaInfo": [{"questionId": "1", "answer": "blue"}, {"customQuestion": "Pet?", "answer": "rex"}],
    }));
    let created = services.create(USER, &given).await.unwrap().unwrap();
    assert_eq!(created.attributes["preferences"], json!({"updates": true}));
    assert_eq!(check(&services, "ada", "An4lytical").await, "right");
    let questions = services.questions(&created, "kbaInfo").await.unwrap();
    assert_eq!(questions, [Question::Predefined("1".into()), Question::Custom("Pet?".into())]);
    assert!(services.check_answer(&created, "kbaInfo", &questions[1], "rex").await.unwrap());
    assert!(!services.check_answer(&created, "kbaInfo", &questions[0], "rex").await.unwrap());
    assert!(!services.check_answer(&created, "kbaInfo", &Question::Custom("1".into()), "blue").await.unwrap());
    assert!(services.has(USER, &created, "kbaInfo").await.unwrap());
    assert!(services.has(USER, &created, "/preferences/updates").await.unwrap());
    assert!(!services.has(USER, &created, "sn").await.unwrap());
    // Nothing of what is secret is in the profile.
    let kept = origin.app.store.identities().get("/alpha", "ada").await.unwrap().unwrap();
    let names: Vec<&str> = kept.attributes.keys().map(String::as_str).collect();
    assert_eq!(names, ["givenName", "mail", "preferences/updates"]);
    let answers = origin.app.store.answers().list("/alpha", "ada", "kbaInfo").await.unwrap();
    assert!(answers.iter().all(|answer| answer.hash.starts_with("$argon2id$")));
}

#[tokio::test]
async fn what_policies_forbid_is_not_created() {
    let origin = Origin::new().await;
    let services = services(&origin);
    for given in [
        json!({}),
        json!({"userName": "demo"}),
        json!({"userName": "Demo"}),
        json!({"userName": "ｄemo"}),
        json!({"userName": ".."}),
        json!({"userName": "a/b"}),
        json!({"userName": "a b"}),
        json!({"userName": "a\u{200b}b"}),
        json!({"userName": ""}),
        json!({"userName": " x"}),
        json!({"userName": "x".repeat(256)}),
        json!({"userName": "ada", "password": "short"}),
        json!({"userName": "adalovelace", "password": "1AdaLovelace"}),
        json!({"userName": "ada", "password": 1}),
        json!({"userName": "ada", "mail": "nowhere"}),
        json!({"userName": "ada", "kbaInfo": "x"}),
        json!({"userName": "ada", "kbaInfo": [{"questionId": "1", "answer": ""}]}),
        json!({"userName": "ada", "accountStatus": "asleep"}),
        json!({"userName": "ada", "description": "x".repeat(20_000)}),
        json!({"userName": "ada", "a\nb": "x"}),
    ] {
        assert!(services.create(USER, &object(given.clone())).await.unwrap().is_err(), "{given}");
    }
    let again = services.create(USER, &object(json!({"userName": "DEMO"}))).await.unwrap();
    assert_eq!(again.err().as_deref(), Some("User already exists."));
    assert!(services.create("managed/role", &object(json!({"userName": "ada"}))).await.unwrap().is_err());
    assert!(services.find(USER, "userName", "ada").await.unwrap().is_none());
    let failed = async |attribute: &str, value: &str| {
        let failed = services.failed_policies(USER, None, attribute, &value.into()).await.unwrap();
        failed.iter().map(|one| one["policyRequirement"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(failed("userName", "demo").await, "UNIQUE");
    assert_eq!(failed("userName", "DEMO").await, "UNIQUE");
    for name in ["..", "a/b", "a b", " a", "a\u{202e}b", "a\tb"] {
        assert_eq!(failed("userName", name).await, "CANNOT_CONTAIN_CHARACTERS", "{name:?}");
    }
    assert_eq!(failed("userName", "").await, "REQUIRED");
    assert_eq!(failed("userName", "new").await, "");
    assert_eq!(failed("password", "x").await, "MIN_LENGTH");
    assert_eq!(failed("mail", "x").await, "VALID_EMAIL_ADDRESS_FORMAT");
}

#[tokio::test]
async fn a_profile_is_changed_within_what_its_user_may() {
    let origin = Origin::new().await;
    let services = services(&origin);
    let demo = user(&services, "demo").await;
    let patch =
        async |changes, as_user| services.patch(USER, &demo, &object(changes), as_user).await.unwrap().map_err(drop);
    assert_eq!(patch(json!({"givenName": "Dem", "preferences": {"marketing": false}}), true).await, Ok(()));
    assert_eq!(patch(json!({"internal": "1"}), true).await, Err(()), "no property of the schema");
    assert_eq!(patch(json!({"accountStatus": "inactive"}), true).await, Err(()));
    assert_eq!(patch(json!({"internal": "1"}), false).await, Ok(()));
    assert_eq!(patch(json!({"userName": "demo", "mail": ""}), false).await, Ok(()));
    assert_eq!(patch(json!({"userName": "other"}), false).await, Err(()));
    assert_eq!(patch(json!({"password": "short"}), false).await, Err(()));
    let changed = user(&services, "demo").await.attributes;
    assert_eq!((&changed["givenName"], &changed["preferences"]), (&json!("Dem"), &json!({"marketing": false})));
    assert!(!changed.contains_key("mail"));
    assert!(services.find(USER, "mail", "demo@example.com").await.unwrap().is_none(), "the index goes with it");
    assert_eq!(services.renewed(), None);
}

#[tokio::test]
async fn what_is_kept_of_a_user_is_found_by_every_spelling_of_the_name() {
    let origin = Origin::new().await;
    let services = services(&origin);
    let given = object(json!({"userName": "Ａnna", "password": "An4lytical"}));
    assert_eq!(services.create(USER, &given).await.unwrap().unwrap().username, "Anna");
    assert_eq!(services.set_counter("anna", "loginCount", Some(3)).await, Ok(true));
    assert_eq!(services.counter("ANNA", "loginCount").await, Ok(Some(3)));
    assert_eq!(services.counter("Anna", "loginCount").await, Ok(Some(3)));
    origin.app.store.recovery_codes().replace("/alpha", "Anna", "OATH", &["abcd1234"]).await.unwrap();
    assert_eq!(services.use_recovery_code("anna", "OATH", "abcd1234").await, Ok(true));
    assert_eq!(check(&services, "aNNa", "An4lytical").await, "right");
    assert!(services.set_active("anna", false).await.unwrap());
    assert!(!user(&services, "Anna").await.active);
    assert_eq!(check(&services, "anna", "An4lytical").await, "locked");
}

#[tokio::test]
async fn counters_terms_and_recovery_codes_are_of_a_user() {
    let origin = Origin::new().await;
    let services = services(&origin);
    assert_eq!(services.counter("demo", "loginCount").await, Ok(None));
    assert_eq!(services.set_counter("demo", "loginCount", Some(3)).await, Ok(true));
    assert_eq!(services.counter("demo", "loginCount").await, Ok(Some(3)));
    assert_eq!(services.set_counter("demo", "loginCount", None).await, Ok(true));
    assert_eq!(services.set_counter("nobody", "loginCount", Some(3)).await, Ok(false));
    assert_eq!(services.set_counter("nobody", "loginCount", None).await, Ok(false));
    let demo = user(&services, "demo").await;
    assert_eq!(services.accepted_terms(&demo).await, Ok(None));
    services.accept_terms(&demo, "2.0", "2026-01-01T00:00:00Z").await.unwrap();
    assert_eq!(services.accepted_terms(&demo).await, Ok(Some("2.0".to_owned())));
    origin.app.store.recovery_codes().replace("/alpha", "demo", "OATH", &["abcd1234"]).await.unwrap();
    assert_eq!(services.use_recovery_code("demo", "PUSH", "abcd1234").await, Ok(false));
    assert_eq!(services.use_recovery_code("demo", "OATH", "abcd1234").await, Ok(true));
    assert_eq!(services.use_recovery_code("demo", "OATH", "abcd1234").await, Ok(false));
    origin.app.store.recovery_codes().replace("/alpha", "demo", "OATH", &["abcd1234", "efgh5678"]).await.unwrap();
    assert_eq!(services.use_recovery_code("demo", "OATH", " ABCD-1234\t").await, Ok(true));
    assert_eq!(services.use_recovery_code("demo", "OATH", "Efgh 5678").await, Ok(true));
    assert_eq!(services.use_recovery_code("demo", "OATH", "efgh5678").await, Ok(false));
}

#[tokio::test]
async fn an_agent_is_no_user() {
    let origin = Origin::new().await;
    let services = services(&origin);
    let argon2 = crate::passwords::hasher(&origin.app.settings().argon2).unwrap();
    let hash = crate::passwords::hash(&argon2, b"s3cr3t", &crate::SystemEntropy).unwrap();
    let now = origin.app.clock.now().seconds();
    origin.app.store.agents().create("/alpha", "reader", &hash, now).await.unwrap();
    let agent = services.check_agent_password("reader", "s3cr3t").await.unwrap().unwrap();
    assert_eq!(agent.universal_id, "id=reader,ou=agent,o=alpha,ou=services,ou=am-config");
    for (name, password) in [("reader", "x"), ("demo", PASSWORD), ("", ""), ("nobody", "s3cr3t")] {
        assert!(services.check_agent_password(name, password).await.unwrap().is_none(), "{name}");
    }
    assert_eq!(check(&services, "reader", "s3cr3t").await, "wrong");
}

#[tokio::test]
async fn a_realm_says_what_its_users_are_asked_and_told() {
    let origin = Origin::with(
        "[identities.terms]\nversion = \"1.0\"\ntext = \"Be kind.\"\ncreate_date = \"2026-01-01T00:00:00Z\"\n\
         [identities.properties.age]\ntitle = \"Age\"\ntype = \"number\"\n\
         [realm.\"/alpha\".identities.kba]\nquestions = { x = \"Why?\" }\n",
    )
    .await;
    let services = services(&origin);
    let realm = services.host().realm;
    assert_eq!(realm.terms.as_ref().unwrap().text, "Be kind.");
    assert_eq!(realm.kba.questions["x"], "Why?");
    assert_eq!(realm.resume_uri, "http://localhost:8787/am/XUI/?realm=/alpha&suspendedId=");
    let policies = &realm.schema(USER).unwrap().property("password").unwrap().policies;
    assert_eq!(policies["policyRequirements"][0], "MIN_LENGTH");
    let given = object(json!({"userName": "ada", "age": 36}));
    assert_eq!(services.create(USER, &given).await.unwrap().unwrap().attributes["age"], json!(36));
}
