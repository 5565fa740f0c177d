//! Logins with identity providers, against a small provider.

use std::sync::Arc;

use countersign_journey::{CallbackType, Library, NodeError, Script, Variables, import};
use serde_json::{Value, json};

use crate::support::{Last, Provider, Trial, World, page};

const TO_USER: &str = "58c824ae-84ed-4724-82cd-db128fc3f6c";
const GOOGLE: &str = "58d29080-4563-480b-89bb-1e7719776a21";

fn handler() -> Value {
    json!({"script": TO_USER, "usernameAttribute": "userName", "clientType": "BROWSER"})
}

fn world(provider: &Arc<Provider>, settings: Value) -> World {
    let mut settings = settings;
    settings.as_object_mut().unwrap().entry("transform").or_insert_with(|| json!(GOOGLE));
    provider.serve(World::new()).with(&providers(json!({"idp": settings})))
}

/// An export with a realm's settings for identity providers.
fn providers(settings: Value) -> Value {
    json!({"trees": {"Providers": {"tree": {"entryNodeId": "none"}, "socialIdentityProviders": settings}}})
}

fn start(provider: &Arc<Provider>, type_id: &str, settings: Value) -> Trial {
    Trial::of(type_id, handler(), json!({"selectedIdp": "idp"}), Value::Null, world(provider, settings)).run()
}

/// The browser goes to the provider and comes back.
fn back(mut trial: Trial, provider: &Provider) -> Trial {
    let redirect = trial.output(0, "redirectUrl");
    trial.request.parameters = provider.authorize(redirect.as_str().unwrap());
    trial.answer(&[])
}

fn alias(trial: &Trial, value: &str) {
    trial.world.users.change("demo", |user| user.attributes.insert("aliasList".to_owned(), json!([value])));
}

#[test]
fn the_way_to_the_provider_and_back() {
    let provider = Provider::new();
    let trial = start(&provider, "SocialProviderHandlerNode", Provider::settings());
    assert_eq!(trial.types(), ["RedirectCallback"]);
    assert_eq!(trial.output(0, "trackingCookie"), json!(true));
    let url = trial.output(0, "redirectUrl").as_str().unwrap().to_owned();
    assert!(url.starts_with("https://idp.example/authorize?tenant=1&client_id=client&response_type=code&"), "{url}");
    assert!(
        url.contains("redirect_uri=https%3A%2F%2Fam.example.com%2Fam%2FXUI%2F") && url.contains("scope=openid+email")
    );
    alias(&trial, "idp-248289");
    let trial = back(trial, &provider);
    assert_eq!(trial.outcome(), "ACCOUNT_EXISTS");
    assert_eq!(trial.shared()["username"], "demo");
    let object = &trial.transient()["objectAttributes"];
    assert_eq!((&object["mail"], &object["aliasList"]), (&json!("demo@example.com"), &json!(["idp-248289"])));
    // What was kept while the user was away is gone, and the secret never left for the browser.
    assert!(!trial.shared().to_string().contains("verifier") && !trial.transient().to_string().contains("verifier"));
}

#[test]
fn a_stranger_has_no_account() {
    let provider = Arc::new(Provider::with(json!({}), json!({"sub": "248289", "email": "demo@example.com"})));
    let trial = back(start(&provider, "SocialProviderHandlerNodeV2", Provider::settings()), &provider);
    assert_eq!(trial.outcome(), "NO_ACCOUNT");
    // The same address as a user's is not the same user, and nobody is named.
    assert_eq!(trial.shared()["username"], Value::Null);
    assert_eq!(trial.transient()["objectAttributes"]["userName"], "demo@example.com");
    assert_eq!(trial.transient()["objectAttributes"]["aliasList"], json!(["idp-248289"]));
}

/// Ids of providers are compared as they are, whatever the store makes of them.
#[test]
fn an_id_in_other_letters_is_somebody_elses() {
    for (known, outcome) in [("idp-AbC", "ACCOUNT_EXISTS"), ("idp-aBc", "NO_ACCOUNT")] {
        let provider = Arc::new(Provider::with(json!({"sub": "AbC"}), json!({"sub": "AbC"})));
        let trial = start(&provider, "SocialProviderHandlerNode", Provider::settings());
        alias(&trial, known);
        assert_eq!(back(trial, &provider).outcome(), outcome);
    }
}

#[test]
fn answers_to_another_question_are_refused() {
    let provider = Provider::new();
    let changed = |name: &str, values: &[&str]| {
        let mut trial = start(&provider, "SocialProviderHandlerNode", Provider::settings());
        let redirect = trial.output(0, "redirectUrl");
        let mut parameters = provider.authorize(redirect.as_str().unwrap());
        parameters.insert(name.to_owned(), values.iter().map(|value| (*value).to_owned()).collect());
        trial.request.parameters = parameters;
        trial.answer(&[]).outcome()
    };
    assert!(changed("state", &["another"]).contains("not to this journey's question"));
    assert!(changed("state", &[]).contains("not to this journey's question"));
    assert!(changed("iss", &["https://evil.example"]).contains("another issuer"));
    assert!(changed("code", &["stolen"]).contains("400 invalid_grant"));
    assert!(changed("error", &["access_denied"]).contains("access_denied"));
    // Nothing of use: the question is asked again.
    assert_eq!(changed("code", &["one", "two"]), "asks: [\"RedirectCallback\"]");

    let mut denied = start(&provider, "SocialProviderHandlerNodeV2", Provider::settings());
    let redirect = denied.output(0, "redirectUrl");
    denied.request.parameters = provider.authorize(redirect.as_str().unwrap());
    denied.request.parameters.insert("error".to_owned(), vec!["access_denied".to_owned()]);
    assert_eq!(denied.answer(&[]).outcome(), "SOCIAL_AUTH_INTERRUPTED");
}

#[test]
fn identity_tokens_are_checked() {
    let with = |claims: Value| {
        let provider = Arc::new(Provider::with(claims, json!({"sub": "248289"})));
        back(start(&provider, "SocialProviderHandlerNode", Provider::settings()), &provider).outcome()
    };
    assert_eq!(with(json!({})), "NO_ACCOUNT");
    assert_eq!(with(json!({"aud": ["client", "other"], "azp": "client"})), "NO_ACCOUNT");
    for (claims, why) in [
        (json!({"iss": "https://evil.example"}), "another issuer"),
        (json!({"aud": "other"}), "another client"),
        (json!({"aud": null}), "another client"),
        (json!({"aud": ["client", "other"]}), "another client"),
        (json!({"azp": "other"}), "another client"),
        (json!({"exp": 1}), "expired"),
        (json!({"exp": null}), "expired"),
        (json!({"iat": 4_000_000_000_i64}), "not valid yet"),
        (json!({"nbf": 4_000_000_000_i64}), "not valid yet"),
        (json!({"nonce": "replayed"}), "not made for this journey"),
        (json!({"nonce": null}), "not made for this journey"),
        (json!({"sub": ""}), "names nobody"),
        (json!({"sub": "somebody"}), "of somebody else"),
    ] {
        let outcome = with(claims.clone());
        assert!(outcome.contains(why), "{claims}: {outcome}");
    }
    let mut other_key = Provider::with(json!({}), json!({}));
    other_key.seed = 8;
    let provider = Arc::new(other_key);
    let outcome = back(start(&provider, "SocialProviderHandlerNode", Provider::settings()), &provider).outcome();
    assert!(outcome.contains("signature"), "{outcome}");
}

#[test]
fn providers_of_oauth_alone_have_the_profile_at_an_endpoint() {
    let provider = Arc::new(Provider::with(json!({}), json!({"id": 4711, "email": "x@example.com"})));
    let mut settings = Provider::settings();
    settings["scopes"] = json!(["user"]);
    settings["authenticationIdKey"] = json!("id");
    let trial = start(&provider, "SocialProviderHandlerNode", settings.clone());
    assert!(!trial.output(0, "redirectUrl").as_str().unwrap().contains("nonce"));
    alias(&trial, "idp-4711");
    assert_eq!(back(trial, &provider).outcome(), "ACCOUNT_EXISTS");
    settings["userInfoEndpoint"] = Value::Null;
    assert!(start(&provider, "SocialProviderHandlerNode", settings).is_exception());
}

#[test]
fn settings_that_cannot_be_kept_are_refused() {
    let provider = Provider::new();
    for (name, value) in [
        ("clientAuthenticationMethod", json!("PRIVATE_KEY_JWT")),
        ("encryptedIdTokens", json!(true)),
        ("issuerComparisonCheckType", json!("REGEX")),
        ("jwtRequestParameterOption", json!("REFERENCE")),
        ("authorizationEndpoint", json!("javascript:alert(1)")),
        ("tokenEndpoint", json!("")),
        ("transform", json!("not there")),
        ("enabled", json!(false)),
    ] {
        let mut settings = Provider::settings();
        settings[name] = value;
        assert!(start(&provider, "SocialProviderHandlerNode", settings).is_exception(), "{name}");
    }
    let nobody = Trial::of("SocialProviderHandlerNode", handler(), Value::Null, Value::Null, World::new()).run();
    assert!(nobody.outcome().contains("no identity provider is selected"));
}

#[test]
fn secrets_may_be_labelled() {
    let provider = Provider::new();
    let mut settings = Provider::settings();
    settings["clientSecret"] = Value::Null;
    settings["clientSecretLabelIdentifier"] = json!("am.idp");
    let trial = start(&provider, "SocialProviderHandlerNode", settings.clone());
    assert!(back(trial, &provider).outcome().contains("invalid_grant"));
    let mut labelled = world(&provider, settings.clone());
    labelled.realm.secrets.insert("am.idp".to_owned(), "client secret".to_owned());
    let shared = json!({"selectedIdp": "idp"});
    let trial = Trial::of("SocialProviderHandlerNode", handler(), shared, Value::Null, labelled).run();
    assert_eq!(back(trial, &provider).outcome(), "NO_ACCOUNT");
    // Without a label there is one that is made of the name.
    let mut world = world(&provider, settings);
    world.realm.secrets.insert("social.idp".to_owned(), "client secret".to_owned());
    let trial =
        Trial::of("SocialProviderHandlerNode", handler(), json!({"selectedIdp": "idp"}), Value::Null, world).run();
    assert_eq!(back(trial, &provider).outcome(), "NO_ACCOUNT");
}

#[test]
fn apps_bring_identity_tokens() {
    let provider = Provider::new();
    let native = || {
        let mut config = handler();
        config["clientType"] = json!("NATIVE");
        config["storeTokens"] = json!(true);
        let world = world(&provider, Provider::settings());
        Trial::of("SocialProviderHandlerNode", config, json!({"selectedIdp": "idp"}), Value::Null, world).run()
    };
    let asked = native();
    assert_eq!((asked.types(), asked.output(0, "clientId")), (vec!["IdPCallback"], json!("client")));
    let token = provider.id_token(asked.output(0, "nonce").as_str().unwrap());
    let came = asked.answer(&[json!(token), json!("id_token")]);
    assert_eq!(came.outcome(), "NO_ACCOUNT");
    assert!(came.transient()["socialOAuthData"]["idp"]["id_token"].is_string());
    // One that was made for another login, and one that may have been made for another app.
    let replayed = native().answer(&[json!(provider.id_token("other")), json!("id_token")]);
    assert!(replayed.outcome().contains("not made for this journey"));
    assert!(native().answer(&[json!("access"), json!("access_token")]).is_exception());
}

#[test]
fn one_provider_is_selected() {
    let provider = Provider::new();
    let two = || {
        let mut other = Provider::settings();
        other["uiConfig"] = json!({"buttonDisplayName": "Other"});
        world(&provider, Provider::settings()).with(&providers(json!({"other": other})))
    };
    let select = |config: Value, shared: Value| Trial::of("SelectIdPNode", config, shared, Value::Null, two());
    let asked = select(json!({}), Value::Null).run();
    assert_eq!(asked.types(), ["SelectIdPCallback"]);
    let look = |name: &str| json!({"buttonDisplayName": name});
    let shown = json!([
        {"provider": "idp", "uiConfig": look("Example")},
        {"provider": "other", "uiConfig": look("Other")},
        {"provider": "localAuthentication"},
    ]);
    assert_eq!(asked.output(0, "providers"), shown);
    let asked = asked.answer(&[json!("unknown")]);
    let chosen = asked.answer(&[json!("other")]);
    assert_eq!(
        (chosen.outcome(), chosen.shared()["selectedIdp"].clone()),
        ("socialAuthentication".to_owned(), json!("other"))
    );
    let local = select(json!({}), Value::Null).run().answer(&[json!("localAuthentication")]);
    assert_eq!(local.outcome(), "localAuthentication");

    let only = json!({"filteredProviders": ["idp"], "includeLocalAuthentication": false});
    assert_eq!(select(only, Value::Null).run().outcome(), "socialAuthentication");
    let none = json!({"filteredProviders": ["gone"], "includeLocalAuthentication": false});
    assert!(select(none, Value::Null).run().is_exception());
    let existing = json!({"offerOnlyExisting": true, "identityAttribute": "mail"});
    let asked = select(existing, json!({"objectAttributes": {"mail": "demo@example.com"}}));
    alias(&asked, "other-1");
    assert_eq!(asked.run().output(0, "providers")[0]["provider"], "other");
}

#[test]
fn on_a_page_a_provider_makes_the_password_unnecessary() {
    let provider = Provider::new();
    let children = page(&[
        ("name", "UsernameCollectorNode", json!({})),
        ("idp", "SelectIdPNode", json!({"includeLocalAuthentication": true})),
    ]);
    let show = || {
        Trial::of("PageNode", children.clone(), Value::Null, Value::Null, world(&provider, Provider::settings())).run()
    };
    assert_eq!(show().types(), ["NameCallback", "SelectIdPCallback"]);
    assert_eq!(show().answer(&[json!(""), json!("idp")]).outcome(), "socialAuthentication");
    let local = show().answer(&[json!("demo"), json!("localAuthentication")]);
    assert_eq!(
        (local.outcome(), local.shared()["username"].clone()),
        ("localAuthentication".to_owned(), json!("demo"))
    );
    // A blank name is asked for again, and so is a choice that was not made.
    assert_eq!(show().answer(&[json!(""), json!("localAuthentication")]).types().len(), 2);
    assert_eq!(show().answer(&[json!("demo"), json!("")]).types().len(), 2);
}

#[test]
fn nodes_that_are_one_provider_each() {
    let provider = Arc::new(Provider::with(
        json!({}),
        json!({"sub": "248289", "id": 9, "email": "new@example.com", "given_name": "N", "first_name": "F"}),
    ));
    let config = |more: Value| {
        let mut config = json!({
            "clientId": "client", "clientSecret": "client secret", "redirectURI": "https://am.example.com/am",
            "authorizeEndpoint": "https://idp.example/authorize", "tokenEndpoint": "https://idp.example/token",
            "userInfoEndpoint": "https://idp.example/info", "provider": "idp", "scopeString": "openid email",
        });
        config.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        config
    };
    let run = |type_id: &str, more: Value, alias_of_demo: &str| {
        let world = provider.serve(World::new());
        let trial = Trial::of(type_id, config(more), Value::Null, Value::Null, world).run();
        assert_eq!(trial.types(), ["RedirectCallback"], "{type_id}");
        alias(&trial, alias_of_demo);
        back(trial, &provider)
    };
    let google = run("SocialGoogleNode", json!({}), "google-248289");
    assert_eq!((google.outcome(), google.shared()["username"].clone()), ("ACCOUNT_EXISTS".to_owned(), json!("demo")));
    // The same id at another provider is somebody else.
    let stranger = run("SocialGoogleNode", json!({}), "facebook-248289");
    assert_eq!(stranger.outcome(), "NO_ACCOUNT");
    let info = &stranger.shared()["userInfo"];
    assert_eq!(info["userNames"], json!({"aliasList": ["google-248289"]}));
    assert_eq!(info["attributes"]["givenName"], json!(["N"]));
    assert_eq!(stranger.shared()["username"], Value::Null);

    assert_eq!(run("SocialFacebookNode", json!({}), "facebook-9").outcome(), "ACCOUNT_EXISTS");
    let mapped = json!({"cfgAccountMapperConfiguration": {"email": "mail"}});
    assert_eq!(run("SocialOAuth2Node", mapped.clone(), "x").outcome(), "NO_ACCOUNT");
    let mut open_id = mapped;
    open_id["issuer"] = json!("https://idp.example");
    open_id["openIdValidationType"] = json!("JWK_URL");
    open_id["openIdValidationValue"] = json!("https://idp.example/jwks");
    assert_eq!(run("SocialOpenIdConnectNode", open_id.clone(), "x").outcome(), "NO_ACCOUNT");
    open_id["issuer"] = json!("https://evil.example");
    assert!(run("SocialOpenIdConnectNode", open_id, "x").is_exception());
}

#[test]
fn a_session_property_of_the_system_is_not_the_providers_to_set() {
    let provider = Arc::new(Provider::with(json!({}), json!({"sub": "1", "email": "x"})));
    let config = json!({
        "clientId": "client", "clientSecret": "client secret", "redirectURI": "https://am.example.com/am",
        "authorizeEndpoint": "https://idp.example/authorize", "tokenEndpoint": "https://idp.example/token",
        "userInfoEndpoint": "https://idp.example/info",
        "cfgAttributeMappingConfiguration": {"email": "AuthLevel"}
    });
    let trial = Trial::of("SocialGoogleNode", config, Value::Null, Value::Null, provider.serve(World::new())).run();
    let trial = back(trial, &provider);
    match &trial.last {
        Last::Failure(failure) => {
            let cause = format!("{:?}", failure.cause);
            assert!(cause.contains("AuthLevel"), "{cause}");
        }
        _ => panic!("{}", trial.outcome()),
    }
    assert!(matches!(trial.world.outcome("SocialGoogleNode"), Some(Err(NodeError::Config(_)))));
}

#[test]
fn exports_bring_their_providers() {
    let export = json!({"trees": {"T": {
        "tree": {"_id": "T", "entryNodeId": "x", "nodes": {}},
        "nodes": {}, "innerNodes": {}, "scripts": {},
        "variable": {"esv-idp-secret": {"value": "s3"}},
        "socialIdentityProviders": {"idp": {"clientId": "c", "clientSecret": "&{esv.idp.secret}"}, "off": {"enabled": false}}
    }}});
    let mut library = Library::new();
    library.add(&import::from_json(&export.to_string()).unwrap(), &Variables::default());
    let names: Vec<&str> = library.providers().map(|(name, _)| name).collect();
    assert_eq!(names, ["idp"]);
    assert_eq!(library.provider("idp").unwrap()["clientSecret"], "s3");
    assert!(library.provider("off").is_some());
    // A script that the realm has goes before AM's own of the same id.
    let script =
        json!({"name": "mine", "language": "GROOVY", "script": "return json(object(field(\"x\", rawProfile.y)))"});
    library.insert_script(Script::read(TO_USER, script.as_object().unwrap()).unwrap());
    assert!(CallbackType::of("SelectIdPCallback").is_some());
}
