//! Security keys and passkeys. Test names begin with the step of the specification that an answer breaks.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use countersign_journey::host::{Device, DeviceKind};
use serde_json::{Value, json};

use super::trial;
use crate::support::{Authenticator, RP, START, Trial, World};

const REGISTRATION: &str = "WebAuthnRegistrationNode";
const AUTHENTICATION: &str = "WebAuthnAuthenticationNode";

/// What is wrong, and how to make it so.
type Wrong = (&'static str, fn(&mut Authenticator));

fn demo() -> Value {
    json!({"username": "demo"})
}

/// The configuration with metadata instead of scripts.
fn plain(mut config: Value) -> Value {
    config["asScript"] = json!(false);
    config
}

fn ask(type_id: &str, config: Value, world: World) -> Trial {
    Trial::of(type_id, plain(config), demo(), Value::Null, world).run()
}

fn with_users_of(world: World) -> World {
    let mut fresh = World::new();
    fresh.users = world.users;
    fresh
}

fn keys(world: &World, name: &str) -> Vec<Device> {
    world.users.devices(name, |devices| {
        devices.iter().filter(|(kind, _)| *kind == DeviceKind::WebAuthn).map(|(_, device)| device.clone()).collect()
    })
}

fn register_with(key: &mut Authenticator, config: Value, world: World) -> (World, String) {
    let asked = ask(REGISTRATION, config, world);
    let outcome = key.create(&asked.output(0, "data"));
    let done = asked.answer(&[json!(outcome)]);
    let outcome = done.outcome();
    (with_users_of(done.world), outcome)
}

fn registered(key: &mut Authenticator) -> World {
    let (world, outcome) = register_with(key, json!({}), World::new());
    assert_eq!(outcome, "success");
    world
}

fn login_with(key: &Authenticator, config: Value, world: World) -> (World, String) {
    let asked = ask(AUTHENTICATION, config, world);
    let answer = key.get(&asked.output(0, "data"));
    let done = asked.answer(&[json!(answer)]);
    let outcome = done.outcome();
    (with_users_of(done.world), outcome)
}

#[test]
fn registration_as_metadata() {
    let asked =
        ask(REGISTRATION, json!({"requiresResidentKey": true, "authenticatorAttachment": "PLATFORM"}), World::new());
    assert_eq!(asked.types(), ["MetadataCallback", "HiddenValueCallback"]);
    assert_eq!((asked.output(1, "id"), asked.output(1, "value")), (json!("webAuthnOutcome"), json!("false")));
    let data = asked.output(0, "data");
    let challenge = STANDARD.decode(data["challenge"].as_str().unwrap()).unwrap();
    assert_eq!(challenge.len(), 32);
    assert_eq!((&data["_action"], &data["_type"]), (&json!("webauthn_registration"), &json!("WebAuthn")));
    assert_eq!((&data["timeout"], &data["attestationPreference"]), (&json!("60000"), &json!("none")));
    assert_eq!((&data["_relyingPartyId"], &data["relyingPartyId"]), (&json!(RP), &json!("id: \"example.com\",")));
    assert_eq!((&data["userName"], &data["displayName"]), (&json!("demo"), &json!("demo")));
    let params = json!([{"type": "public-key", "alg": -7}, {"type": "public-key", "alg": -257}]);
    assert_eq!(data["_pubKeyCredParams"], params);
    let selection = json!({"authenticatorAttachment": "platform", "requireResidentKey": true, "residentKey": "required",
        "userVerification": "preferred"});
    assert_eq!(data["_authenticatorSelection"], selection);
    assert_eq!(data["_excludeCredentials"], json!([]));
    assert_eq!(serde_json::from_str::<Value>(data["authenticatorSelection"].as_str().unwrap()).unwrap(), selection);
    assert_eq!(data["supportsJsonResponse"], true);
    assert!(data["userId"].as_str().unwrap().len() <= 64, "the longest handle that authenticators keep");
}

#[test]
fn registration_as_script() {
    let config = json!({"relyingPartyName": "A\"</script>", "origins": ["https://x"]});
    let asked = trial(REGISTRATION, config, demo(), Value::Null);
    assert_eq!(asked.types(), ["TextOutputCallback", "TextOutputCallback", "HiddenValueCallback"]);
    assert_eq!((asked.output(0, "messageType"), asked.output(1, "messageType")), (json!("4"), json!("4")));
    let script = asked.output(0, "message").as_str().unwrap().to_owned();
    for part in
        ["webAuthnOutcome", "pubKeyCredParams", "new Int8Array([", "Uint8Array.from(\"", "name: \"A\\\"</script>\""]
    {
        assert!(script.contains(part), "{part}: {script}");
    }
    let mut page = Trial::of(REGISTRATION, json!({}), demo(), Value::Null, World::new());
    page.request.without_scripts = true;
    assert_eq!(page.run().types(), ["MetadataCallback", "HiddenValueCallback"]);
}

#[test]
fn a_key_is_registered_and_used() {
    let mut key = Authenticator::new(b"key one");
    key.count = 3;
    let asked = ask(REGISTRATION, json!({"displayNameSharedState": "username"}), World::new());
    let outcome = format!("{}::My key\n", key.create(&asked.output(0, "data")));
    let wrapped = json!({"legacyData": outcome, "authenticatorAttachment": "platform"}).to_string();
    let done = asked.answer(&[json!(wrapped)]);
    assert_eq!(done.outcome(), "success");
    let (shared, transient) = (done.shared(), done.transient());
    assert_eq!(
        (&shared["webauthnDeviceName"], &transient["recoveryCodeDeviceName"]),
        (&json!("My key"), &json!("My key"))
    );
    assert_eq!(transient["recoveryCodes"].as_array().unwrap().len(), 10);
    assert_eq!(shared.as_object().unwrap().get("web-authn-challenge"), None, "it is used up");
    let device = keys(&done.world, "demo").remove(0);
    assert_eq!(
        (&device.profile["credentialId"], &device.profile["signCount"]),
        (&json!(key.credential_id()), &json!(3))
    );
    assert_eq!(
        (&device.profile["uuid"], &device.profile["algorithm"]),
        (&shared["webauthnDeviceUuid"], &json!("ES256"))
    );
    assert_eq!((&device.profile["key"]["kty"], &device.profile["key"]["crv"]), (&json!("EC"), &json!("P-256")));

    key.count = 4;
    let asked = ask(AUTHENTICATION, json!({}), with_users_of(done.world));
    assert_eq!(asked.types(), ["MetadataCallback", "HiddenValueCallback"]);
    let data = asked.output(0, "data");
    assert_eq!((&data["_action"], &data["userVerification"]), (&json!("webauthn_authentication"), &json!("preferred")));
    let id: Vec<i8> = key.id.iter().map(|byte| byte.cast_signed()).collect();
    assert_eq!(data["_allowCredentials"], json!([{"type": "public-key", "id": id}]));
    assert_eq!(data["relyingPartyId"], "rpId: \"example.com\",");
    assert!(data["allowCredentials"].as_str().unwrap().starts_with("allowCredentials: [{ \"type\""));
    let answer = key.get(&data);
    let done = asked.answer(&[json!(answer)]);
    assert_eq!(done.outcome(), "success");
    assert_eq!(done.shared()["NodeType"], "WebAuthnAuthentication");
    assert_eq!(
        done.transient()["webauthnAssertionInfo"],
        json!({"userVerified": true, "signCount": 4, "backedUp": false})
    );
    let device = keys(&done.world, "demo").remove(0);
    assert_eq!((&device.profile["signCount"], &device.profile["lastAccessDate"]), (&json!(4), &json!(START)));
    let replayed = done.again().answer(&[json!(answer)]);
    assert_eq!(replayed.outcome(), "failure", "an answer is good for one challenge");
}

#[test]
fn what_a_browser_says_instead() {
    for type_id in [REGISTRATION, AUTHENTICATION] {
        let mut key = Authenticator::new(b"k");
        let asked = || ask(type_id, json!({}), registered(&mut Authenticator::new(b"other")));
        assert_eq!(asked().answer(&[json!("unsupported")]).outcome(), "unsupported");
        let error = asked().answer(&[json!("ERROR::NotAllowedError:The user said no\u{7}")]);
        assert_eq!(error.outcome(), "error");
        assert_eq!(error.shared()["WebAuthenticationDOMException"], "NotAllowedError:The user said no");
        assert_eq!(asked().answer(&[json!("{\"error\": \"ERROR::A:b\"}")]).outcome(), "error");
        for nothing in ["false", "webAuthnOutcome", " "] {
            assert_eq!(asked().answer(&[json!(nothing)]).types(), ["MetadataCallback", "HiddenValueCallback"]);
        }
        for garbage in ["x", "{}", "{}::1", "{}::::::", "{\"type\":1}::1,2::AA::x::y::z", "::", "{}::999"] {
            assert_eq!(asked().answer(&[json!(garbage)]).outcome(), "failure", "{garbage}");
        }
        let _ = key.create(&json!({"userId": "x", "challenge": ""}));
    }
    assert_eq!(ask(AUTHENTICATION, json!({}), World::new()).outcome(), "noDevice");
    assert!(trial(AUTHENTICATION, json!({}), Value::Null, Value::Null).is_exception());
    assert_eq!(super::outcome(REGISTRATION, json!({}), json!({"username": "nobody"})), "failure");
}

/// Each is right but for one thing.
#[test]
fn registrations_that_are_refused() {
    let wrong: [Wrong; 12] = [
        ("step 9: origin", |key| key.origin = "https://evil.example.com"),
        ("step 9: origin that begins alike", |key| key.origin = "https://am.example.com.evil.org"),
        ("step 9: port", |key| key.origin = "https://am.example.com:8443"),
        ("step 9: inside another site", |key| key.cross_origin = true),
        ("step 13: relying party", |key| key.rp = "other.example.com"),
        ("step 14: nobody present", |key| key.flags = 0b100),
        ("step 15: not verified", |key| key.flags = 0b001),
        ("step 16: algorithm", |key| key.alg = -8),
        ("RS1", |key| key.alg = -65535),
        ("backed up without being eligible", |key| key.flags |= 1 << 4),
        ("bytes behind the data", |key| key.tail = vec![0]),
        ("no credential id", |key| key.id = Vec::new()),
    ];
    for (what, change) in wrong {
        let mut key = Authenticator::new(b"key");
        change(&mut key);
        let (world, outcome) =
            register_with(&mut key, json!({"userVerificationRequirement": "REQUIRED"}), World::new());
        assert_eq!(outcome, "failure", "{what}");
        assert!(keys(&world, "demo").is_empty(), "{what}");
    }
    let mut key = Authenticator::new(b"key");
    let data = ask(REGISTRATION, json!({}), World::new()).output(0, "data");
    let earlier = key.create(&data);
    let mut other = World::new();
    other.random = 99.into();
    let asked = ask(REGISTRATION, json!({}), other);
    assert_eq!(asked.answer(&[json!(earlier)]).outcome(), "failure", "step 8: challenge");
    let asked = ask(REGISTRATION, json!({}), World::new());
    let assertion = key.get(&asked.output(0, "data"));
    assert_eq!(asked.answer(&[json!(assertion)]).outcome(), "failure", "step 7: type");
}

#[test]
fn step_22_a_credential_is_one_users() {
    let mut key = Authenticator::new(b"key");
    let world = registered(&mut key);
    world.users.put("other", json!({}));
    let asked = Trial::of(REGISTRATION, plain(json!({})), json!({"username": "other"}), Value::Null, world).run();
    let outcome = key.create(&asked.output(0, "data"));
    let done = asked.answer(&[json!(outcome)]);
    assert_eq!(done.outcome(), "failure");
    assert!(keys(&done.world, "other").is_empty());
}

#[test]
fn logins_that_are_refused() {
    let wrong: [Wrong; 10] = [
        ("step 5: not registered", |key| key.id = b"other".to_vec()),
        ("step 6: another user's handle", |key| key.handle = "somebody".to_owned()),
        ("step 13: origin", |key| key.origin = "http://am.example.com"),
        ("step 13: inside another site", |key| key.cross_origin = true),
        ("step 15: relying party", |key| key.rp = "am.example.com"),
        ("step 16: nobody present", |key| key.flags = 0b100),
        ("step 17: not verified", |key| key.flags = 0b001),
        ("step 20: another key", |key| {
            let handle = key.handle.clone();
            *key = Authenticator::new(b"key");
            key.handle = handle;
        }),
        ("backup eligibility has changed", |key| key.flags |= 1 << 3),
        ("bytes behind the data", |key| key.tail = vec![0]),
    ];
    for (what, change) in wrong {
        let mut key = Authenticator::new(b"key");
        let world = registered(&mut key);
        change(&mut key);
        let (_, outcome) = login_with(&key, json!({"userVerificationRequirement": "REQUIRED"}), world);
        assert_eq!(outcome, "failure", "{what}");
    }
    let mut key = Authenticator::new(b"key");
    let asked = ask(AUTHENTICATION, json!({}), registered(&mut key));
    let mut creation = asked.output(0, "data");
    creation["userId"] = json!(key.handle);
    assert_eq!(asked.answer(&[json!(key.create(&creation))]).outcome(), "failure", "step 11: type");
    // What was signed is what is hashed, to the byte.
    let asked = ask(AUTHENTICATION, json!({}), registered(&mut key));
    let spaced = key.get(&asked.output(0, "data")).replacen("{\"", "{ \"", 1);
    assert_eq!(asked.answer(&[json!(spaced)]).outcome(), "failure", "step 19: hash");
}

#[test]
fn user_handles_come_in_two_forms_or_not_at_all() {
    let mut key = Authenticator::new(b"key");
    let mut world = registered(&mut key);
    let encoded = URL_SAFE_NO_PAD.encode(&key.handle);
    for handle in [String::new(), encoded] {
        key.handle = handle;
        let outcome;
        (world, outcome) = login_with(&key, json!({}), world);
        assert_eq!(outcome, "success");
    }
}

#[test]
fn step_21_counters() {
    let mut key = Authenticator::new(b"key");
    key.count = 5;
    let mut world = registered(&mut key);
    let detect = json!({"detectSignCountMismatch": true});
    let cases = [
        (detect.clone(), 5, "successSignCountMismatch"),
        (detect.clone(), 6, "success"),
        (json!({}), 6, "success"),
        (detect.clone(), 0, "successSignCountMismatch"),
        (detect, 7, "success"),
    ];
    for (config, count, expected) in cases {
        key.count = count;
        let outcome;
        (world, outcome) = login_with(&key, config, world);
        assert_eq!(outcome, expected, "{count}");
    }
    assert_eq!(keys(&world, "demo")[0].profile["signCount"], 7);
}

#[test]
fn without_a_user_name_the_key_says_who_it_is() {
    let mut key = Authenticator::new(b"key");
    let world = registered(&mut key);
    let config = plain(json!({"requiresResidentKey": true}));
    let asked = Trial::of(AUTHENTICATION, config.clone(), Value::Null, Value::Null, world).run();
    let data = asked.output(0, "data");
    assert_eq!((&data["_allowCredentials"], &data["allowCredentials"]), (&json!([]), &json!("")));
    let done = asked.answer(&[json!(key.get(&data))]);
    assert_eq!(done.outcome(), "success");
    assert_eq!(done.shared()["username"], "demo");

    let stranger = Authenticator::new(b"stranger");
    let asked = Trial::of(AUTHENTICATION, config, Value::Null, Value::Null, World::new()).run();
    let answer = stranger.get(&asked.output(0, "data"));
    assert_eq!(asked.answer(&[json!(answer)]).outcome(), "failure");
}

#[test]
fn recovery_codes_instead() {
    let world = registered(&mut Authenticator::new(b"key"));
    let asked = ask(AUTHENTICATION, json!({"isRecoveryCodeAllowed": true}), world);
    assert_eq!(asked.types(), ["MetadataCallback", "HiddenValueCallback", "ConfirmationCallback"]);
    assert_eq!(asked.output(2, "options"), json!(["Use Recovery Code"]));
    let again = asked.answer(&[Value::Null, Value::Null]);
    assert_eq!(again.answer(&[Value::Null, json!(0)]).outcome(), "recoveryCode");
}

#[test]
fn how_many_keys_there_may_be() {
    let mut world = registered(&mut Authenticator::new(b"one"));
    let excluded = ask(REGISTRATION, json!({"excludeCredentials": true}), with_users_of(world));
    assert_eq!(excluded.output(0, "data")["_excludeCredentials"].as_array().unwrap().len(), 1);
    let outcome;
    (world, outcome) =
        register_with(&mut Authenticator::new(b"two"), json!({"maxSavedDevices": 2}), with_users_of(excluded.world));
    assert_eq!((outcome.as_str(), keys(&world, "demo").len()), ("success", 2));
    assert_eq!(ask(REGISTRATION, json!({"maxSavedDevices": 2}), world).outcome(), "exceedDeviceLimit");
}

#[test]
fn a_key_can_be_stored_later() {
    let mut key = Authenticator::new(b"key");
    let config = plain(json!({"postponeDeviceProfileStorage": true, "storeAttestationDataInTransientState": true}));
    let asked = trial(REGISTRATION, config, demo(), Value::Null);
    let outcome = key.create(&asked.output(0, "data"));
    let done = asked.answer(&[json!(outcome)]);
    assert_eq!(done.outcome(), "success");
    assert_eq!(done.transient()["webauthnAttestationInfo"]["format"], "none");
    assert!(keys(&done.world, "demo").is_empty());
    let transient = json!({"webauthnDeviceData": done.transient()["webauthnDeviceData"]});
    let store = |config: Value, world: World| {
        Trial::of("WebAuthnDeviceStorageNode", config, demo(), transient.clone(), world).run()
    };
    let stored = store(json!({}), World::new());
    assert_eq!(stored.outcome(), "success");
    assert_eq!(stored.transient()["recoveryCodes"].as_array().unwrap().len(), 10);
    let stored = with_users_of(stored.again().world);
    assert_eq!(login_with(&key, json!({}), stored).1, "success");
    let full = registered(&mut Authenticator::new(b"other"));
    assert_eq!(store(json!({"maxSavedDevices": 1}), full).outcome(), "exceedDeviceLimit");
    let nothing = trial("WebAuthnDeviceStorageNode", json!({}), demo(), Value::Null);
    assert_eq!(nothing.outcome(), "failure");
}

#[test]
fn settings_that_promise_what_is_not_done_are_refused() {
    for config in [
        json!({"fidoCertificationLevel": "L1"}),
        json!({"enforceRevocationCheck": true}),
        json!({"acceptedSigningAlgorithms": ["RS1"]}),
    ] {
        assert!(trial(REGISTRATION, config, demo(), Value::Null).is_exception());
    }
}
