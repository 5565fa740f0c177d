//! Keys in apps.

use countersign_journey::host::DeviceKind;
use serde_json::{Value, json};

use crate::support::{START, Trial, World, attestation, jwk, sign};

const SEED: u8 = 21;

fn demo() -> Value {
    json!({"username": "demo"})
}

fn claims(trial: &Trial) -> Value {
    let now = START / 1000;
    let subject = trial.world.users.identity("demo").unwrap().universal_id;
    json!({
        "sub": subject, "challenge": trial.output(0, "challenge"), "iss": "com.example.app", "platform": "android",
        "iat": now, "nbf": now, "exp": now + 60
    })
}

fn with(mut claims: Value, more: Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

fn ask(config: Value, world: World) -> Trial {
    Trial::of("DeviceBindingNode", config, demo(), Value::Null, world).run()
}

fn bind(trial: Trial, seed: u8, device: &str, claims: &Value) -> Trial {
    let kid = format!("kid {seed}");
    let jws = sign(seed, &json!({"kid": kid, "jwk": jwk(seed, &kid), "typ": "JWS"}), claims);
    trial.answer(&[json!(jws), json!("My phone"), json!(device), json!("")])
}

#[test]
fn a_key_is_bound() {
    let asked = ask(json!({"authenticationType": "NONE", "title": {"en": "T"}, "timeout": 30}), World::new());
    assert_eq!(asked.types(), ["DeviceBindingCallback"]);
    let inputs: Vec<&str> =
        asked.asked()[0]["input"].as_array().unwrap().iter().map(|input| input["name"].as_str().unwrap()).collect();
    assert_eq!(inputs, ["IDToken1jws", "IDToken1deviceName", "IDToken1deviceId", "IDToken1clientError"]);
    assert_eq!((asked.output(0, "username"), asked.output(0, "authenticationType")), (json!("demo"), json!("NONE")));
    assert_eq!((asked.output(0, "title"), asked.output(0, "timeout")), (json!("T"), json!(30)));
    let claims = claims(&asked);
    let bound = bind(asked, SEED, "device 1", &claims);
    assert_eq!(bound.outcome(), "success");
    let devices = bound.world.users.devices("demo", |devices| devices.clone());
    let [(DeviceKind::Binding, device)] = devices.as_slice() else { panic!("{} devices", devices.len()) };
    assert_eq!(device.credential_id.as_deref(), Some("kid 21"));
    assert_eq!((&device.profile["deviceName"], &device.profile["key"]), (&json!("My phone"), &jwk(SEED, "kid 21")));

    // The same device again takes the place of its old key; another is one too many.
    let limited = json!({"maxSavedDevices": 1});
    let mut world = World::new();
    world.users = bound.world.users;
    let asked = ask(limited.clone(), world);
    let claims = self::claims(&asked);
    let again = bind(asked, 22, "device 1", &claims);
    assert_eq!(again.outcome(), "success");
    let mut world = World::new();
    world.users = again.world.users;
    let asked = ask(limited, world);
    let claims = self::claims(&asked);
    assert_eq!(bind(asked, 23, "device 2", &claims).outcome(), "exceedDeviceLimit");
}

#[test]
fn keys_that_are_not_shown_to_be_the_apps_are_refused() {
    let outcome = |config: Value, more: Value| {
        let asked = ask(config, World::new());
        let claims = with(claims(&asked), more);
        bind(asked, SEED, "d", &claims).outcome()
    };
    let apps = || json!({"applicationIds": ["com.example.app"]});
    assert_eq!(outcome(apps(), json!({})), "success");
    for wrong in [
        json!({"challenge": "another"}),
        json!({"sub": "id=other,ou=user,dc=example"}),
        json!({"iss": "com.evil.app"}),
        json!({"exp": 1}),
        json!({"exp": null}),
        json!({"nbf": 4_000_000_000_i64}),
        json!({"iat": 4_000_000_000_i64}),
    ] {
        assert_eq!(outcome(apps(), wrong.clone()), "failure", "{wrong}");
    }
    // A signature under another key than the one that is brought.
    let asked = ask(json!({}), World::new());
    let forged = sign(30, &json!({"kid": "k", "jwk": jwk(SEED, "k")}), &claims(&asked));
    assert_eq!(asked.answer(&[json!(forged), json!(""), json!(""), json!("")]).outcome(), "failure");
    let nothing =
        |jws: &str| ask(json!({}), World::new()).answer(&[json!(jws), json!(""), json!(""), json!("")]).outcome();
    assert_eq!((nothing(""), nothing("a.b.c")), ("failure".to_owned(), "failure".to_owned()));

    let errors = json!({"clientErrorOutcomes": ["Unsupported", "Abort"]});
    let error = |said: &str| {
        ask(errors.clone(), World::new()).answer(&[json!(""), json!(""), json!(""), json!(said)]).outcome()
    };
    assert_eq!((error("Abort"), error("Unknown")), ("Abort".to_owned(), "failure".to_owned()));
    let nobody = Trial::of("DeviceBindingNode", json!({}), Value::Null, Value::Null, World::new()).run();
    assert_eq!(nobody.outcome(), "failure");
}

/// Binds with what the hardware says of a key for `challenge`, or for the one that was asked.
fn attest(trial: Trial, seed: u8, challenge: Option<&str>) -> Trial {
    let claims = claims(&trial);
    let asked = trial.output(0, "challenge");
    let mut key = jwk(seed, "k");
    key["x5c"] = attestation::attested(challenge.or(asked.as_str()).unwrap());
    let jws = sign(seed, &json!({"kid": "k", "jwk": key}), &claims);
    trial.answer(&[json!(jws), json!(""), json!(""), json!("")])
}

#[test]
fn an_attestation_of_the_key_is_checked_where_it_is_asked_for() {
    let config = || json!({"attestation": true});
    let asked = ask(config(), World::new());
    assert_eq!(asked.output(0, "attestation"), json!(true));
    let bound = attest(asked, attestation::KEY, None);
    assert_eq!(bound.outcome(), "success");
    let said = &bound.transient()["DeviceBindingNode.ATTESTATION"];
    assert_eq!((&said["attestationSecurityLevel"], &said["hardwareEnforced"]["origin"]), (&json!(1), &json!(0)));
    let stored = bound.world.users.devices("demo", |devices| devices[0].1.profile["key"].clone());
    assert_eq!(stored, jwk(attestation::KEY, "k"), "without the certificates");

    // Of another key, for another challenge, by another root, and none.
    assert_eq!(attest(ask(config(), World::new()), 22, None).outcome(), "failure");
    assert_eq!(attest(ask(config(), World::new()), attestation::KEY, Some("AAAA")).outcome(), "failure");
    let mut world = World::new();
    world.realm.key_attestation = Default::default();
    assert_eq!(attest(ask(config(), world), attestation::KEY, None).outcome(), "failure");
    let asked = ask(config(), World::new());
    let claims = claims(&asked);
    assert_eq!(bind(asked, attestation::KEY, "d", &claims).outcome(), "failure");
    // Where nobody asks, nobody looks.
    let asked = ask(json!({}), World::new());
    assert_eq!(asked.output(0, "attestation"), json!(false));
    let bound = attest(asked, 22, None);
    assert_eq!((bound.outcome(), bound.transient()), ("success".to_owned(), json!({})));
}

#[test]
fn revoked_certificates_attest_nothing() {
    let with = |list: Value, status: u16| {
        let mut world = World::new();
        world.realm.key_attestation.status_url = "https://status.example/list".to_owned();
        world.servers.push(("https://status.example/".to_owned(), Box::new(move |_| (status, list.clone()))));
        attest(ask(json!({"attestation": true}), world), attestation::KEY, None)
    };
    assert_eq!(with(json!({"entries": {"c399": {"status": "REVOKED"}}}), 200).outcome(), "success");
    for (serial, status) in [("c315", "REVOKED"), ("c316", "SUSPENDED"), ("c317", "REVOKED")] {
        assert_eq!(with(json!({"entries": {serial: {"status": status}}}), 200).outcome(), "failure", "{serial}");
    }
    // Who cannot ask does not know.
    assert!(with(json!({}), 200).is_exception() && with(json!({"entries": {}}), 503).is_exception());
}

#[test]
fn a_bound_device_may_be_stored_later() {
    let asked = ask(json!({"postponeDeviceProfileStorage": true}), World::new());
    let claims = claims(&asked);
    let bound = bind(asked, SEED, "d", &claims);
    assert!(bound.world.users.devices("demo", |devices| devices.is_empty()));
    let left = bound.transient();
    let store = |config: Value, transient: Value| {
        Trial::of("DeviceBindingStorageNode", config, demo(), transient, World::new()).run()
    };
    let stored = store(json!({}), left.clone());
    assert_eq!(stored.outcome(), "success");
    assert_eq!(stored.world.users.devices("demo", |devices| devices.len()), 1);
    assert_eq!(stored.transient(), json!({}));
    assert_eq!(store(json!({}), json!({})).outcome(), "failure");
}

fn bound() -> World {
    let asked = ask(json!({}), World::new());
    let claims = claims(&asked);
    let bound = bind(asked, SEED, "d", &claims);
    let mut world = World::new();
    world.users = bound.world.users;
    world
}

fn signing(config: Value, shared: Value, world: World) -> Trial {
    Trial::of("DeviceSigningVerifierNode", config, shared, Value::Null, world).run()
}

fn signed(trial: Trial, seed: u8, kid: &str, more: Value) -> Trial {
    let jws = sign(seed, &json!({"kid": kid}), &with(claims(&trial), more));
    trial.answer(&[json!(jws), json!("")])
}

#[test]
fn a_bound_key_signs() {
    let asked = signing(json!({"applicationIds": ["com.example.app"]}), demo(), bound());
    assert_eq!(asked.types(), ["DeviceSigningVerifierCallback"]);
    let inputs = asked.asked()[0]["input"].as_array().unwrap().len();
    assert_eq!((inputs, asked.output(0, "username")), (2, Value::Null));
    let done = signed(asked, SEED, "kid 21", json!({}));
    assert_eq!(done.outcome(), "success");
    assert!(done.transient()["DeviceSigningVerifierNode.JWT"].is_string());

    // Nobody has said who it is: the key does.
    let unknown = signing(json!({}), Value::Null, bound());
    assert_eq!(unknown.output(0, "userId"), "");
    let done = signed(unknown, SEED, "kid 21", json!({}));
    assert_eq!((done.outcome(), done.shared()["username"].clone()), ("success".to_owned(), json!("demo")));

    let transaction = json!({"challenge": false, "sharedStateAttribute": "payment"});
    let asked = signing(transaction.clone(), json!({"username": "demo", "payment": "100 EUR to Rex"}), bound());
    assert_eq!(asked.output(0, "challenge"), "100 EUR to Rex");
    assert_eq!(signed(asked, SEED, "kid 21", json!({})).outcome(), "success");
    assert!(signing(transaction, demo(), bound()).is_exception());
}

#[test]
fn signatures_that_are_not_the_keys_are_refused() {
    let run = |seed: u8, kid: &str, more: Value| {
        signed(signing(json!({"captureFailure": true}), demo(), bound()), seed, kid, more)
    };
    assert_eq!(run(22, "kid 21", json!({})).outcome(), "failure");
    assert_eq!(run(SEED, "kid 22", json!({})).outcome(), "keyNotFound");
    assert_eq!(run(SEED, "", json!({})).outcome(), "keyNotFound");
    let other = run(SEED, "kid 21", json!({"challenge": "old"}));
    assert_eq!(other.outcome(), "failure");
    assert_eq!(other.shared()["DeviceSigningVerifierNode.FAILURE"]["message"], "another challenge was signed");
    assert_eq!(run(SEED, "kid 21", json!({"exp": 1})).outcome(), "failure");
    assert_eq!(run(SEED, "kid 21", json!({"sub": "other"})).outcome(), "failure");
    assert_eq!(signing(json!({}), demo(), World::new()).outcome(), "noDeviceRegistered");
    assert_eq!(signing(json!({}), json!({"username": "nobody"}), World::new()).outcome(), "failure");
    let unknown = signed(signing(json!({}), Value::Null, World::new()), SEED, "kid 21", json!({}));
    assert_eq!(unknown.outcome(), "keyNotFound");
    let errors = json!({"clientErrorOutcomes": ["ClientNotRegistered"]});
    let said = signing(errors, demo(), bound()).answer(&[json!(""), json!("ClientNotRegistered")]);
    assert_eq!(said.outcome(), "ClientNotRegistered");
}

fn profile(metadata: Value) -> Value {
    json!({"username": "demo", "forgeRock.device.profile": {"identifier": "i", "metadata": metadata, "location": {"x": 1}}})
}

#[test]
fn a_device_is_known_again() {
    let save = |config: Value, shared: Value, world: World| {
        let saved = Trial::of("DeviceSaveNode", config, shared, Value::Null, world).run();
        assert_eq!(saved.outcome(), "outcome");
        let mut world = World::new();
        world.users = saved.world.users;
        world.clock = saved.world.clock;
        world
    };
    let metadata = json!({"os": "x", "screen": {"w": 1, "h": 2}});
    let saved = || save(json!({}), profile(metadata.clone()), World::new());
    let found = |config: Value, metadata: Value, world: World| {
        Trial::of("DeviceMatchNode", config, profile(metadata), Value::Null, world).run().outcome()
    };
    assert_eq!(found(json!({}), metadata.clone(), saved()), "true");
    assert_eq!(found(json!({}), metadata.clone(), World::new()), "unknownDevice");
    let changed = json!({"os": "y", "screen": {"w": 1}});
    assert_eq!(found(json!({"acceptableVariance": 1}), changed.clone(), saved()), "false");
    assert_eq!(found(json!({"acceptableVariance": 2}), changed, saved()), "true");
    let old = saved();
    old.pass(31 * 24 * 3600 * 1000);
    assert_eq!(found(json!({}), metadata.clone(), old), "unknownDevice");
    let nothing = Trial::of("DeviceMatchNode", json!({}), demo(), Value::Null, World::new()).run();
    assert!(nothing.is_exception());

    // The one that was not seen for longest makes room, and the same device is kept once.
    let mut world = saved();
    for id in ["i", "j", "k"] {
        world.pass(1000);
        let mut shared = profile(metadata.clone());
        shared["forgeRock.device.profile"]["identifier"] = json!(id);
        shared["label"] = json!(format!("device {id}"));
        world =
            save(json!({"maxSavedProfiles": 2, "variableName": "label", "saveDeviceLocation": true}), shared, world);
    }
    let kept: Vec<String> = world.users.devices("demo", |devices| {
        devices.iter().map(|(_, device)| device.profile["alias"].as_str().unwrap().to_owned()).collect()
    });
    assert_eq!(kept, ["device k", "device j"]);
    assert!(Trial::of("DeviceSaveNode", json!({}), demo(), Value::Null, World::new()).run().is_exception());
}

#[test]
fn a_script_may_know_devices() {
    let config = json!({"useScript": true, "script": "mine"});
    let missing = Trial::of("DeviceMatchNode", config, demo(), Value::Null, World::new()).run();
    assert!(missing.outcome().contains("does not exist"));
    let config = json!({"useScript": true, "script": "seed"});
    // The script that stands before the node in a trial ends with "done", which is not one of its outcomes.
    assert!(
        Trial::of("DeviceMatchNode", config, demo(), Value::Null, World::new())
            .run()
            .outcome()
            .contains("not one of its outcomes")
    );
}
