//! A session cookie of AM, explained to somebody who has AM's settings and keys, and no Countersign yet.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{countersign, init, stderr, stdout};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/am").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(fixture(name)).unwrap()
}

/// In an empty directory: neither settings nor a database of ours.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn settings(&self, stateless: &Value) -> PathBuf {
        self.file("settings.json", stateless.to_string())
    }

    fn decode(&self, arguments: &[&std::ffi::OsStr], cookie: &str) -> Output {
        let mut command = countersign(self.0.path());
        command.args(["session", "decode"]).args(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(cookie.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// With settings, and keys by the flag that they are for.
    fn explained(&self, settings: &Path, keys: &[(&str, &Path)], cookie: &str) -> (Option<i32>, Value) {
        let mut arguments = vec!["--am-settings".as_ref(), settings.as_os_str()];
        for (flag, path) in keys {
            arguments.extend([flag.as_ref(), path.as_os_str()]);
        }
        let output = self.decode(&arguments, cookie);
        let told = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)));
        (output.status.code(), told)
    }

    fn refused(&self, settings: &Path, keys: &[(&str, &Path)]) -> String {
        let mut arguments = vec!["--am-settings".as_ref(), settings.as_os_str()];
        for (flag, path) in keys {
            arguments.extend([flag.as_ref(), path.as_os_str()]);
        }
        let output = self.decode(&arguments, &read("factory.cookie"));
        assert_eq!((output.status.code(), stdout(&output).as_str(), stderr(&output).lines().count()), (Some(1), "", 1));
        stderr(&output)
    }
}

const SIGNING: &str = "--am-signing-key";
const ENCRYPTION: &str = "--am-encryption-key";

#[test]
fn a_cookie_of_am_is_explained_without_an_installation() {
    let desk = Desk::new();
    let (code, told) = desk.explained(&fixture("factory.settings.json"), &[], &read("factory.cookie"));
    assert_eq!((code, &told["kind"], &told["holds"]), (Some(0), &json!("AM client-side session"), &json!(true)));
    assert!(told["note"].as_str().unwrap().starts_with("Countersign does not accept it"), "{told}");
    assert_eq!(told["cookie"], json!({ "site": "01", "server": "02", "type": "JWT" }));
    assert_eq!(
        told["layers"],
        json!([
            {
                "kind": "JWS", "header": { "typ": "JWT", "cty": "JWT", "alg": "HS256" }, "holds": true,
                "key": "statelessSigningHmacSecret, the text itself",
            },
            {
                "kind": "JWE", "header": { "typ": "JWT", "enc": "A128CBC-HS256", "alg": "dir" }, "holds": true,
                "key": "statelessEncryptionAesKey",
            },
        ])
    );
    assert_eq!(told["claims"]["props"]["UserId"], "demo");
    assert_eq!(told["claims"]["maxIdle"], 30);
    assert!(told["times"]["expires"].as_str().unwrap().starts_with("2100-01-01T00:00:00Z (in "), "{told}");
    assert!(told["times"]["issued"].as_str().unwrap().starts_with("2027-01-15T08:00:00Z ("), "{told}");
    // Nothing of the keys, in whatever spelling.
    let stateless: Value = serde_json::from_str(&read("factory.settings.json")).unwrap();
    for name in ["statelessSigningHmacSecret", "statelessEncryptionAesKey"] {
        let secret = stateless["stateless"][name].as_str().unwrap();
        let decoded = String::from_utf8(STANDARD.decode(secret).unwrap()).unwrap();
        assert!(!told.to_string().contains(secret) && !told.to_string().contains(&decoded), "{name}");
    }
    // By itself, in the other spelling of its shell, out of a header.
    let value = read("factory.cookie").trim().split_once('=').unwrap().1.to_owned();
    let jwt = value.rsplit_once('*').unwrap().1;
    let undone = value.replacen('*', "@", 1).replacen('*', "#", 1);
    for text in [
        jwt.to_owned(),
        value.clone(),
        undone.clone(),
        undone.replace('@', "%40").replace('#', "%23"),
        format!("4ad7d57003aee4f={value}; Path=/; Secure; HttpOnly"),
    ] {
        let (code, again) = desk.explained(&fixture("factory.settings.json"), &[], &text);
        assert_eq!((code, &again["claims"]), (Some(0), &told["claims"]), "{text:.40}");
    }
    assert_eq!(std::fs::read_dir(desk.0.path()).unwrap().count(), 0, "nothing was made");
}

#[test]
fn keys_come_in_files_and_the_one_that_fits_is_named() {
    let desk = Desk::new();
    let stateless: Value = serde_json::from_str(&read("factory.settings.json")).unwrap();
    let secrets = ["statelessSigningHmacSecret", "statelessEncryptionAesKey"]
        .map(|name| stateless["stateless"][name].as_str().unwrap().to_owned());
    // As AM answers it.
    let mut answered = stateless.clone();
    answered["stateless"]["statelessSigningHmacSecret"] = Value::Null;
    answered["stateless"]["statelessEncryptionAesKey"] = Value::Null;
    let settings = desk.settings(&answered);
    assert!(desk.refused(&settings, &[]).contains("--am-signing-key names a file"));
    let (hmac, aes) = (desk.file("hmac", format!("{}\n", secrets[0])), desk.file("aes", &secrets[1]));
    assert!(desk.refused(&settings, &[(SIGNING, &hmac)]).contains("--am-encryption-key names a file"));
    let other = desk.file("other", STANDARD.encode([9; 32]));
    let keys = [(SIGNING, &*other), (SIGNING, &hmac), (ENCRYPTION, &other), (ENCRYPTION, &aes)];
    let (code, told) = desk.explained(&settings, &keys, &read("factory.cookie"));
    assert_eq!(code, Some(0));
    assert_eq!(told["layers"][0]["key"], format!("{}, the text itself", hmac.display()));
    assert_eq!(told["layers"][1]["key"], aes.display().to_string());

    // RSA for both layers, and padding and cipher as the token says.
    let der = URL_SAFE_NO_PAD.decode(include_str!("../../../crates/core/testdata/rsa-2048.pkcs8").trim()).unwrap();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der));
    let private = desk.file("private.pem", format!("Bag Attributes\n    friendlyName: test\n{pem}"));
    let settings = desk.settings(&json!({ "statelessSigningType": "RS256", "statelessEncryptionType": "RSA" }));
    assert!(desk.refused(&settings, &[(ENCRYPTION, &private)]).contains("public key or its certificate (PEM)"));
    assert!(desk.refused(&settings, &[(SIGNING, &private), (ENCRYPTION, &private)]).contains("openssl pkey -pubout"));
    // As keytool ends its lines.
    let certificate = desk.file("keytool.pem", read("rsa-certificate.pem").replace('\n', "\r\n"));
    for certificate in [certificate, fixture("rsa-certificate.pem")] {
        let keys = [(SIGNING, &*certificate), (ENCRYPTION, &private)];
        let (code, told) = desk.explained(&settings, &keys, &read("rsa.cookie"));
        assert_eq!((code, &told["holds"]), (Some(0), &json!(true)), "{told}");
        assert_eq!(told["layers"][1]["header"]["alg"], "RSA-OAEP");
        assert_eq!(told["layers"][0]["key"], certificate.display().to_string());
        assert!(!told.to_string().contains("PRIVATE"));
    }

    // Signed alone, and compressed; the settings are deep in an export.
    let export = json!({ "service": { "session": { "stateless": {
        "statelessSigningType": "ES256", "statelessEncryptionType": "NONE", "statelessCompressionType": "DEF",
        "statelessSigningHmacSecret": { "$string": "&{am.session.stateless.signing.key}" },
    } } } });
    let settings = desk.settings(&export);
    let keys = [(SIGNING, &*fixture("es256-public.pem"))];
    let (code, told) = desk.explained(&settings, &keys, &read("es256-deflated.cookie"));
    assert_eq!((code, &told["claims"]["props"]["UserId"]), (Some(0), &json!("demo")));
    assert!(
        desk.refused(&settings, &[(SIGNING, &fixture("rsa-certificate.pem"))]).contains("the key is not for ES256")
    );
    assert!(desk.refused(&settings, &[(SIGNING, &other)]).contains("neither a public key nor a certificate"));
    assert!(desk.refused(&settings, &[keys[0], (ENCRYPTION, &aes)]).contains("statelessEncryptionType is NONE"));
}

#[test]
fn what_is_wrong_says_where_to_look() {
    let desk = Desk::new();
    let stateless: Value = serde_json::from_str(&read("factory.settings.json")).unwrap();
    let told = |change: &dyn Fn(&mut Value), cookie: &str| {
        let mut changed = stateless["stateless"].clone();
        change(&mut changed);
        let settings = desk.settings(&changed);
        let (code, told) = desk.explained(&settings, &[], cookie);
        assert_eq!((code, &told["holds"]), (Some(1), &json!(false)), "{told}");
        (told["refused"][0].as_str().unwrap().to_owned(), told["look_at"].as_str().unwrap().to_owned(), told)
    };
    let (cookie, other) = (read("factory.cookie"), STANDARD.encode([9; 32]));
    let (code, at, explained) = told(&|settings| settings["statelessSigningHmacSecret"] = json!(other), &cookie);
    assert_eq!((code.as_str(), at.as_str()), ("signature", "signing key"));
    assert_eq!(
        (&explained["layers"][0]["holds"], &explained["layers"][0]["header"]["alg"]),
        (&json!(false), &json!("HS256"))
    );
    let (code, at, explained) = told(&|settings| settings["statelessEncryptionAesKey"] = json!(other), &cookie);
    assert_eq!((code.as_str(), at.as_str()), ("decryption", "encryption key"));
    assert_eq!((&explained["layers"][0]["holds"], &explained["layers"][1]["holds"]), (&json!(true), &json!(false)));
    let (code, at, _) = told(&|settings| settings["statelessSigningType"] = json!("HS512"), &cookie);
    assert_eq!((code.as_str(), at.as_str()), ("algorithm", "settings"));
    let (code, at, explained) = told(&|settings| settings["statelessEncryptionType"] = json!("NONE"), &cookie);
    assert_eq!((code.as_str(), at.as_str()), ("layers", "settings"));
    assert!(explained["refused"][1].as_str().unwrap().contains("encrypted and then signed"), "{explained}");
    let (code, at, _) = told(&|_| {}, "iPlanetDirectoryPro=*AAJTSQACMDE.*eyJh.x");
    assert_eq!((code.as_str(), at.as_str()), ("token_format", "token"));

    // A server-side session: nothing to open, and all that can be said of it is said.
    let reference = "9XqExKbpd4sMrgXiVgYjip7izxs.*AAJTSQACMDIAAlNLABxkc1BXQ3JPMHdHRVp2K0VNSHF4eFZ5THVPVWM9AAR0eXBlAANDVFMAAlMxAAIwMQ..*";
    let (code, told) = desk.explained(&fixture("factory.settings.json"), &[], &format!("6ac6499e9da2071={reference}"));
    assert_eq!((code, &told["kind"], &told["refused"]), (Some(0), &json!("AM server-side session"), &Value::Null));
    assert_eq!(told["cookie"], json!({ "site": "02", "type": "CTS", "server": "01" }));
    assert!(told["note"].as_str().unwrap().starts_with("It has no token in it"), "{told}");

    // Ours is ours, and AM's is AM's.
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"dir","enc":"A256GCM","kid":"x","typ":"session+jwt","cty":"JWT"}"#);
    let (code, told) = desk.explained(&fixture("factory.settings.json"), &[], &format!("{header}..AAAA.AAAA.AAAA"));
    assert_eq!((code, &told["kind"], &told["refused"][0]), (Some(1), &json!("Countersign session"), &json!("own")));
    let installed = tempfile::tempdir().unwrap();
    assert!(init(installed.path()).status.success());
    for text in [cookie.as_str(), reference, &cookie[cookie.rfind('*').unwrap() + 1..]] {
        let output = countersign(installed.path()).args(["session", "decode", text.trim()]).output().unwrap();
        assert_eq!((output.status.code(), stderr(&output).contains("--am-settings")), (Some(1), true), "{text:.40}");
    }
}

#[test]
fn settings_that_are_none_of_am_are_told_apart() {
    let desk = Desk::new();
    let both = |signing: &str, encryption: &str| {
        json!({ "statelessSigningType": signing, "statelessEncryptionType": encryption,
                "statelessSigningHmacSecret": "c2VjcmV0", "statelessEncryptionAesKey": STANDARD.encode([7; 32]) })
    };
    let refused = |settings: Value| desk.refused(&desk.settings(&settings), &[]);
    assert!(refused(json!({ "a": 1 })).contains("not AM's session settings"));
    assert!(refused(json!([both("HS256", "NONE"), both("HS256", "DIRECT")])).contains("more than one"));
    assert!(refused(both("NONE", "NONE")).contains("neither signed nor encrypted"));
    assert!(refused(both("EdDSA", "NONE")).contains("AM has HS256"));
    assert!(refused(both("HS256", "RSA1_5")).contains("AM has DIRECT"));
    assert!(refused(both("NONE", "RSA")).contains("--am-encryption-key"));
    let placeholder = "&{am.session.stateless.signing.key}";
    let mut settings = both("HS256", "NONE");
    settings["statelessSigningHmacSecret"] = json!(placeholder);
    assert!(refused(settings).contains("is put in from elsewhere"));
    let mut settings = both("NONE", "DIRECT");
    settings["statelessEncryptionAesKey"] = json!(STANDARD.encode([7; 20]));
    assert!(refused(settings).contains("statelessEncryptionAesKey: an AES key has 16, 24 or 32 bytes"));
    let not_json = desk.file("not.json", "statelessSigningType=HS256");
    assert!(desk.refused(&not_json, &[]).contains("not JSON"));
    assert!(desk.refused(&desk.0.path().join("absent"), &[]).contains("cannot read"));
    let alone = desk.decode(&[SIGNING.as_ref(), not_json.as_os_str()], "x");
    assert_eq!((alone.status.code(), stderr(&alone).contains("--am-settings")), (Some(2), true));
}
