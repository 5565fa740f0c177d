//! One-time passwords of devices, and recovery codes.

use countersign_journey::host::{Device, DeviceKind};
use serde_json::{Value, json};

use super::trial;
use crate::support::{START, Trial, World, one_time_code};

const VERIFIER: &str = "OathTokenVerifierNode";

fn demo() -> Value {
    json!({"username": "demo"})
}

fn oath(world: &World) -> Vec<Device> {
    world.users.devices("demo", |devices| {
        devices.iter().filter(|(kind, _)| *kind == DeviceKind::Oath).map(|(_, device)| device.clone()).collect()
    })
}

/// The code of an app that was shown `link`; its own arithmetic, apart from the product's.
fn app(link: &str, counter: u64) -> String {
    let secret = link.split("secret=").nth(1).unwrap().split('&').next().unwrap();
    let mut bits = 0_u128;
    let mut bytes = Vec::new();
    for chunk in secret.as_bytes().chunks(8) {
        for letter in chunk {
            let value = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".iter().position(|known| known == letter).unwrap();
            bits = bits << 5 | value as u128;
        }
        let whole = chunk.len() * 5 / 8;
        bytes.extend((0..whole).map(|at| u8::try_from(bits >> (chunk.len() * 5 - 8 * (at + 1)) & 0xff).unwrap()));
        bits = 0;
    }
    let digits = if link.contains("digits=8") { 8 } else { 6 };
    one_time_code(&bytes, counter, digits)
}

const NOW: u64 = START / 1000 / 30;

/// Registers, and gives the link with the world.
fn registered(config: Value) -> (World, String) {
    let asked = trial("OathRegistrationNode", config, demo(), Value::Null);
    let link = asked.output(2, "value").as_str().unwrap().to_owned();
    let done = asked.answer(&[Value::Null, json!(0)]);
    assert_eq!(done.outcome(), "successOutcome");
    (done.world, link)
}

fn verifier(world: World, config: Value) -> Trial {
    let mut fresh = World::new();
    fresh.users = world.users;
    fresh.clock = world.clock;
    Trial::of(VERIFIER, config, demo(), Value::Null, fresh).run()
}

fn verify(world: World, config: Value, code: &str) -> (World, String) {
    let done = verifier(world, config).answer(&[json!(code), json!(0)]);
    let outcome = done.outcome();
    (done.world, outcome)
}

#[test]
fn registration_on_the_wire() {
    let asked = trial("OathRegistrationNode", json!({"bgColor": "#112233"}), demo(), Value::Null);
    let types = ["TextOutputCallback", "TextOutputCallback", "HiddenValueCallback", "ConfirmationCallback"];
    assert_eq!(asked.types(), types);
    assert_eq!((asked.output(0, "messageType"), asked.output(1, "messageType")), (json!("0"), json!("4")));
    assert_eq!((asked.output(2, "id"), asked.output(3, "options")), (json!("mfaDeviceRegistration"), json!(["Next"])));
    let link = asked.output(2, "value").as_str().unwrap().to_owned();
    assert!(link.starts_with("otpauth://totp/ForgeRock:demo?secret="), "{link}");
    for part in ["&issuer=ForgeRock&digits=6&period=30&b=112233&uid=", "&oid="] {
        assert!(link.contains(part), "{link}");
    }
    let secret = link.split("secret=").nth(1).unwrap().split('&').next().unwrap();
    assert_eq!(secret.len(), 26, "16 bytes without padding");
    let script = asked.output(1, "message").as_str().unwrap().to_owned();
    assert!(script.contains(&json!(link).to_string()) && script.contains("var rows = [\"fe"), "{script}");
    assert!(script.len() < 4096, "{} bytes in every authId", script.len());
    assert!(oath(&asked.world).is_empty(), "nothing is stored until the user goes on");

    let done = asked.answer(&[Value::Null, json!(0)]);
    assert_eq!(done.outcome(), "successOutcome");
    assert_eq!(done.secure().as_object().unwrap().get("oathDeviceProfile"), None);
    assert_eq!(done.transient()["recoveryCodeDeviceName"], "OATH Device");
    let codes: Vec<String> = serde_json::from_value(done.transient()["recoveryCodes"].clone()).unwrap();
    assert_eq!(codes.len(), 10);
    assert!(codes.iter().all(|code| code.len() == 10 && code.bytes().all(|letter| letter.is_ascii_alphanumeric())));
    let devices = oath(&done.world);
    assert_eq!((devices.len(), &devices[0].profile["algorithm"]), (1, &json!("TOTP")));

    // Another device takes the first one's place, and other codes theirs.
    let again = done.again().answer(&[Value::Null, json!(0)]);
    assert_eq!(again.outcome(), "successOutcome");
    assert!(oath(&again.world).len() == 1 && oath(&again.world)[0].id != devices[0].id);
    let kept = again.world.users.change("demo", |user| user.codes.clone());
    assert!(kept.len() == 10 && !kept.iter().any(|(_, code)| codes.contains(code)));
}

#[test]
fn registration_by_its_settings() {
    let config = json!({
        "issuer": "A & B", "accountName": "EMAIL_ADDRESS", "algorithm": "HOTP", "passwordLength": "EIGHT_DIGITS",
        "imgUrl": "https://x/y.png", "minSharedSecretLength": 40, "generateRecoveryCodes": false,
        "scanQRCodeMessage": {"en": "Scan it"},
    });
    let asked = trial("OathRegistrationNode", config, demo(), Value::Null);
    assert_eq!(asked.output(0, "message"), "Scan it");
    let link = asked.output(2, "value").as_str().unwrap().to_owned();
    assert!(link.starts_with("otpauth://hotp/A%20%26%20B:demo%40example.com?secret="), "{link}");
    assert!(link.contains("&digits=8&counter=0&b=") && link.contains("&image=aHR0cHM6Ly94L3kucG5n&"), "{link}");
    let done = asked.answer(&[Value::Null, json!(0)]);
    assert_eq!(done.transient().as_object().unwrap().get("recoveryCodes"), None);

    let link = registered(json!({"totpHashAlgorithm": "HMAC_SHA256", "totpTimeInterval": 60})).1;
    assert!(link.contains("&period=60&algorithm=SHA256&"), "{link}");
    let nobody = json!({"username": "nobody"});
    assert_eq!(super::outcome("OathRegistrationNode", json!({}), nobody), "failureOutcome");

    // Pages that run no scripts are not sent any.
    let mut page = Trial::of("OathRegistrationNode", json!({}), demo(), Value::Null, World::new());
    page.request.without_scripts = true;
    assert_eq!(page.run().types(), ["TextOutputCallback", "HiddenValueCallback", "ConfirmationCallback"]);
}

#[test]
fn a_device_can_be_stored_later() {
    let config = json!({"postponeDeviceProfileStorage": true});
    let done = trial("OathRegistrationNode", config, demo(), Value::Null).answer(&[Value::Null, json!(0)]);
    assert_eq!(done.outcome(), "successOutcome");
    assert!(oath(&done.world).is_empty());
    let profile = done.secure()["oathDeviceProfile"].clone();
    let shared = json!({"username": "demo", "oathGenerateRecoveryCodes": true});
    let stored = trial("OathDeviceStorageNode", json!({}), shared, json!({"oathDeviceProfile": profile}));
    assert_eq!(stored.outcome(), "successOutcome");
    assert_eq!(stored.transient()["recoveryCodes"].as_array().unwrap().len(), 10);
    assert_eq!(oath(&stored.world)[0].profile["uuid"], profile["uuid"]);
    assert_eq!(stored.again().outcome(), "failureOutcome", "it is stored once");
}

#[test]
fn verifier_on_the_wire() {
    let missing = trial(VERIFIER, json!({}), demo(), Value::Null);
    assert_eq!(missing.outcome(), "notRegisteredOutcome");
    assert_eq!(missing.shared()["mfaMethod"], "oath");
    assert!(trial(VERIFIER, json!({}), Value::Null, Value::Null).is_exception());

    let (world, link) = registered(json!({}));
    let asked = verifier(world, json!({}));
    assert_eq!(asked.types(), ["NameCallback", "ConfirmationCallback"]);
    assert_eq!(asked.output(1, "options"), json!(["Submit"]));
    let wrong = asked.answer(&[json!(" "), json!(0)]).answer(&[json!("000000"), json!(0)]);
    assert_eq!(wrong.outcome(), "failureOutcome");
    let code = app(&link, NOW);
    let spaced = format!(" {} {}", &code[..3], &code[3..]);
    let right = wrong.again().answer(&[json!(spaced), json!(0)]);
    assert_eq!(right.outcome(), "successOutcome");
    assert_eq!(right.shared()["NodeType"], "AuthenticatorOATH");
    assert_eq!(oath(&right.world)[0].profile["lastAccessDate"], START);

    let asked = verifier(right.world, json!({"isRecoveryCodeAllowed": true}));
    assert_eq!(asked.output(1, "options"), json!(["Submit", "Use recovery code"]));
    assert_eq!(asked.answer(&[json!(""), json!(1)]).outcome(), "recoveryCodeOutcome");
}

/// Names are compared as the store compares them: who writes his name another way is no user without a device.
#[test]
fn another_spelling_of_the_name_is_the_same_user() {
    let (world, link) = registered(json!({}));
    let mut fresh = World::new();
    fresh.users = world.users;
    let asked = Trial::of(VERIFIER, json!({}), json!({"username": "DEMO"}), Value::Null, fresh).run();
    assert_eq!(asked.types(), ["NameCallback", "ConfirmationCallback"]);
    let done = asked.answer(&[json!(app(&link, NOW)), json!(0)]);
    assert_eq!(done.outcome(), "successOutcome");
    let config = json!({"recoveryCodeType": "OATH"});
    let mut world = World::new();
    world.users = done.world.users;
    world.users.change("demo", |user| user.codes = vec![("OATH".to_owned(), "abcd".to_owned())]);
    let shared = json!({"username": "DEMO"});
    let code = Trial::of("RecoveryCodeCollectorDecisionNode", config, shared, Value::Null, world).run();
    assert_eq!(code.answer(&[json!("abcd")]).outcome(), "true");
}

#[test]
fn a_code_works_once_and_none_before_it() {
    let (world, link) = registered(json!({}));
    let (world, first) = verify(world, json!({}), &app(&link, NOW));
    let (world, replayed) = verify(world, json!({}), &app(&link, NOW));
    let (world, before) = verify(world, json!({}), &app(&link, NOW - 1));
    world.pass(30_000);
    let (_, next) = verify(world, json!({}), &app(&link, NOW + 1));
    assert_eq!(
        [first, replayed, before, next],
        ["successOutcome", "failureOutcome", "failureOutcome", "successOutcome"]
    );
}

#[test]
fn of_two_with_the_same_code_one_gets_in() {
    let (world, link) = registered(json!({}));
    let asked = verifier(world, json!({}));
    // Between the look at the device and its change, somebody else has used the code.
    asked.world.users.devices("demo", |devices| devices[0].1.version = 7);
    let device = oath(&asked.world).remove(0);
    let outdated = Device { version: 6, ..device };
    let update = countersign_journey::host::Devices::update(&asked.world.users, "demo", DeviceKind::Oath, &outdated);
    assert_eq!(crate::support::now_or_never(update), Ok(false));
    assert_eq!(asked.answer(&[json!(app(&link, NOW)), json!(0)]).outcome(), "successOutcome");
}

#[test]
fn windows_and_drift() {
    let (mut world, link) = registered(json!({}));
    let config = json!({"totpTimeSteps": 2, "maximumAllowedClockDrift": 5});
    let mut outcome;
    // Three steps off is too far, two are remembered, then four are near.
    (world, outcome) = verify(world, config.clone(), &app(&link, NOW + 3));
    assert_eq!(outcome, "failureOutcome");
    (world, outcome) = verify(world, config.clone(), &app(&link, NOW + 2));
    assert_eq!(outcome, "successOutcome");
    assert_eq!(oath(&world)[0].profile["clockDriftSeconds"], 60);
    (world, outcome) = verify(world, config.clone(), &app(&link, NOW + 4));
    assert_eq!(outcome, "successOutcome");
    (world, outcome) = verify(world, config.clone(), &app(&link, NOW + 6));
    assert_eq!(outcome, "failureOutcome", "the clock is too wrong");
    (_, outcome) = verify(world, config, &app(&link, NOW + 5));
    assert_eq!(outcome, "successOutcome");
}

#[test]
fn codes_by_counter() {
    let (world, link) = registered(json!({"algorithm": "HOTP"}));
    let config = json!({"algorithm": "HOTP", "hotpWindowSize": 3});
    let (world, far) = verify(world, config.clone(), &app(&link, 4));
    let (world, skipped) = verify(world, config.clone(), &app(&link, 3));
    let (world, replayed) = verify(world, config.clone(), &app(&link, 3));
    let (world, next) = verify(world, config, &app(&link, 4));
    let (_, other) = verify(world, json!({}), &app(&link, NOW));
    assert_eq!(
        [far, skipped, replayed, next, other],
        ["failureOutcome", "successOutcome", "failureOutcome", "successOutcome", "failureOutcome"]
    );
}

#[test]
fn a_page_without_scripts_is_given_recovery_codes_as_a_list() {
    let transient = json!({"recoveryCodes": ["abc123", "def456"], "recoveryCodeDeviceName": "Key"});
    let mut asked = Trial::of("RecoveryCodeDisplayNode", json!({}), Value::Null, transient, World::new());
    asked.request.without_scripts = true;
    let asked = asked.run();
    assert_eq!(asked.types(), ["MetadataCallback"]);
    let data = json!({"_type": "RecoveryCodes", "device": "Key", "codes": ["abc123", "def456"]});
    assert_eq!(asked.output(0, "data"), data);
    assert_eq!(asked.answer(&[]).outcome(), "outcome");
}
