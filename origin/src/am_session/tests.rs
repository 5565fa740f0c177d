use countersign_core::time::UnixSeconds;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::*;

const TEXT: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

fn settings() -> AmSettings {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("settings.json");
    let stateless = json!({
        "statelessSigningType": "HS256", "statelessEncryptionType": "NONE", "statelessSigningHmacSecret": TEXT,
    });
    std::fs::write(&path, stateless.to_string()).unwrap();
    AmSettings::load(&path, &[], &[]).unwrap()
}

fn signed(claims: &Value, secret: &[u8]) -> String {
    let encode = |bytes: &[u8]| encoding::encode(bytes);
    let input = format!("{}.{}", encode(br#"{"typ":"JWT","alg":"HS256"}"#), encode(claims.to_string().as_bytes()));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(input.as_bytes());
    format!("{input}.{}", encode(&mac.finalize().into_bytes()))
}

fn told(text: &str) -> Value {
    json!(explain(&settings(), text, NOW))
}

#[test]
fn the_spelling_of_the_secret_is_told() {
    let claims = json!({ "sub": "demo", "exp": 1_800_000_600 });
    for (secret, spelling) in [
        (TEXT.as_bytes(), "statelessSigningHmacSecret, the text itself"),
        (b"01234567890123456789012345678901", "statelessSigningHmacSecret, decoded from base64"),
    ] {
        assert_eq!(told(&signed(&claims, secret))["layers"][0]["key"], spelling);
    }
}

#[test]
fn the_end_of_a_session_is_ams() {
    let at = |claims: Value| told(&signed(&claims, TEXT.as_bytes()));
    // AM takes it in its last second still, and knows no leeway.
    let last = at(json!({ "exp": NOW.0, "state": "valid", "lastActivityTime": NOW.0 - 7200 }));
    assert_eq!((&last["holds"], &last["times"]["expires"]), (&json!(true), &json!("2027-01-15T08:00:00Z (now)")));
    assert_eq!(last["times"]["issued"], "2027-01-15T06:00:00Z (2 h 0 min ago)");
    let ended = at(json!({ "exp": NOW.0 - 1 }));
    assert_eq!(
        (&ended["holds"], &ended["refused"][0], &ended["claims"]["exp"]),
        (&json!(false), &json!("expired"), &json!(NOW.0 - 1))
    );
    let never = at(json!({ "exp": i64::MAX }));
    assert_eq!((&never["holds"], &never["times"]["expires"]), (&json!(true), &json!("never")));
    let destroyed = at(json!({ "exp": NOW.0 + 1, "state": "destroyed" }));
    assert_eq!((&destroyed["holds"], &destroyed["refused"][0]), (&json!(false), &json!("state")));
    for no_end in [json!({}), json!({ "exp": "1" }), json!({ "exp": -5 }), json!({ "exp": 1e9 })] {
        let told = at(no_end);
        assert_eq!((&told["holds"], &told["refused"][0]), (&json!(false), &json!("claims")));
    }
    // What is no number is no time, and as it is among the claims.
    let odd = at(json!({ "exp": "soon", "lastActivityTime": -1 }));
    assert_eq!(
        (&odd["times"], &odd["claims"]["exp"]),
        (&json!({ "now": "2027-01-15T08:00:00Z (now)" }), &json!("soon"))
    );
}

#[test]
fn a_login_in_progress_is_told_from_a_session() {
    let journey = json!({ "maxTime": 5, "exp": NOW.0 + 300, "props": { "treeState": "{\"currentNodeId\":\"x\"}" } });
    let jwt = signed(&journey, TEXT.as_bytes());
    assert_eq!(told(&jwt)["kind"], "AM client-side journey session");
    let auth_id = |session: &str| {
        signed(
            &json!({ "otk": "x", "realm": "/alpha", "sessionId": session }),
            b"the secret of the realm, which nobody gave",
        )
    };
    let explained = told(&auth_id(&format!("*AAJTSQACMDE.*{jwt}")));
    assert_eq!((&explained["kind"], &explained["holds"]), (&json!("AM client-side journey session"), &json!(true)));
    assert_eq!(told(&auth_id("abc.*AAJTSQACMDE.*"))["kind"], "AM server-side journey session");
}

#[test]
fn nothing_of_the_text_is_taken_on_trust() {
    for text in ["", "=", "x=", "*", "a.b.c", "%ff%fe", "x=%00", &"a".repeat(20_000), &"*".repeat(9000), "\"\""] {
        let told = told(text);
        assert_eq!((&told["holds"], &told["claims"]), (&json!(false), &Value::Null), "{text:.20}: {told}");
    }
    assert!(!is_of_am("x.y.z") && !is_of_am("") && is_of_am("a*b*") && is_of_am("iPlanetDirectoryPro=AQIC=@AAJT=#"));
}

#[test]
fn nothing_public_is_a_secret_and_no_secret_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let load = |secret: &str, key: Option<&[u8]>| {
        let (settings, file) = (dir.path().join("settings.json"), dir.path().join("key"));
        let stateless = json!({
            "statelessSigningType": "HS256", "statelessEncryptionType": "NONE", "statelessSigningHmacSecret": secret,
        });
        std::fs::write(&settings, stateless.to_string()).unwrap();
        std::fs::write(&file, key.unwrap_or_default()).unwrap();
        AmSettings::load(&settings, &key.map(|_| file).into_iter().collect::<Vec<_>>(), &[]).map(|_| ())
    };
    let place = load(&format!("&{{am.session.key|{TEXT}}}"), None).unwrap_err();
    assert!(place.contains("put in from elsewhere (&{am.session.key})") && !place.contains(TEXT), "{place}");
    let der = load(TEXT, Some(&[0x30, 0x82, 0xff, 0x00])).unwrap_err();
    assert!(der.ends_with("no HMAC secret of AM: those are text"), "{der}");
    let told = load(TEXT, Some(b"Certificate:\n-----BEGIN CERTIFICATE-----\n")).unwrap_err();
    assert!(told.ends_with("a PEM is no HMAC secret"), "{told}");
    // What is in the settings is no matter where a file has the key.
    assert_eq!(load("-----BEGIN X", Some(TEXT.as_bytes())), Ok(()));
    assert!(load("-----BEGIN X", None).unwrap_err().contains("a PEM is no HMAC secret"));
}
