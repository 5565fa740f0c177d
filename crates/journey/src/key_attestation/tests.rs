use serde_json::json;

use super::*;

/// The tests of the node make such chains too.
#[path = "../../tests/it/support/certificates.rs"]
mod certificates;

use certificates::{KEY, Made, ROOT, description, octets, pem, sequence, spki};

const NOW: u64 = 1_800_000_000;
const CHALLENGE: &[u8] = b"a challenge";

/// Google's root of 2025, as it is published.
const CA1: &str = "\
    MIICIjCCAaigAwIBAgIRAISp0Cl7DrWK5/8OgN52BgUwCgYIKoZIzj0EAwMwUjEcMBoGA1UEAwwTS2V5IEF0dGVzdGF0aW9uIENB\
    MTEQMA4GA1UECwwHQW5kcm9pZDETMBEGA1UECgwKR29vZ2xlIExMQzELMAkGA1UEBhMCVVMwHhcNMjUwNzE3MjIzMjE4WhcNMzUw\
    NzE1MjIzMjE4WjBSMRwwGgYDVQQDDBNLZXkgQXR0ZXN0YXRpb24gQ0ExMRAwDgYDVQQLDAdBbmRyb2lkMRMwEQYDVQQKDApHb29n\
    bGUgTExDMQswCQYDVQQGEwJVUzB2MBAGByqGSM49AgEGBSuBBAAiA2IABCPaI3FO3z5bBQo8cuiEas4HjqCtG/mLFfRT0MsIssPB\
    EEU5Cfbt6sH5yOAxqEi5QagpU1yX4HwnGb7OtBYpDTB57uH5Eczm34A5FNijV3s0/f0UPl7zbJcTx6xwqMIRq6NCMEAwDwYDVR0T\
    AQH/BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAQYwHQYDVR0OBBYEFFIyuyz7RkOb3NaBqQ5lZuA0QepAMAoGCCqGSM49BAMDA2gAMGUC\
    METfjPO/HwqReR2CS7p0ZWoD/LHs6hDi422opifHEUaYLxwGlT9SLdjkVpz0UUOR5wIxAIoGyxGKRHVTpqpGRFiJtQEOOTp/+s1G\
    cxeYuR2zh/80lQyu9vAFCj6E4AXc+osmRg==";

/// Made with OpenSSL: RSA of 2048 bits, SHA-256.
const RSA_ROOT: &str = "\
    MIIDATCCAemgAwIBAgIUJhP7qaS7t19Xc44VobGPF7L+evowDQYJKoZIhvcNAQELBQAwDzENMAsGA1UEBRMEZjAwZDAgFw0yNjEx\
    MjIxMjM3NTVaGA8yMTI2MTAyOTEyMzc1NVowDzENMAsGA1UEBRMEZjAwZDCCASIwDQYJKoZIhvcNAQEBBQADggEPADCCAQoCggEB\
    AJvKzFodsw37NmoiXWCOgcP3NviOsVszWHHPTJ43VzbCgYhU3DVSafi67ShQ4ahsw0E2sg54VugixQpUJxBzbd+aloWR1A5ynJ7p\
    B+VWGQDw8KAmQfwPeMoBeDl7s56kZ2C9ii4+eSt6O1Twa0vngyakcUMbJpv60UoU27ewWjyrfgj/I9Yn08dG4nJYcgdJCXRirkc5\
    bW3Jys6FyAq9O5xRh0N15557ukr2cCP706IDXVUCOshv1AnwkkTv0LMtegA2fgWB5TVOgxhsDkpCTiPviiCVhBzbvZNVNtoriWEK\
    w8oxonClItQfEVwmPbwk3Tc38WKz0IeNe68obVPppUcCAwEAAaNTMFEwHQYDVR0OBBYEFHj8gWHJnJ/nmzi341iPaAZoK/mfMB8G\
    A1UdIwQYMBaAFHj8gWHJnJ/nmzi341iPaAZoK/mfMA8GA1UdEwEB/wQFMAMBAf8wDQYJKoZIhvcNAQELBQADggEBAFye4ePYEPuk\
    P/SCEONVwO6O88fYkAGJC6NUPeomcs3/acOSsJLB2clFugGIGIRzQ/Ann+djER/q7snD24CagAFZ2a1ZtGAD4pTNK+Age534XmI9\
    c51V4suL0EG/xblllv6cN69fWh3G6m6qrkxSF2rlEfIFyGYmfJ5p25sFYA4ZLrDiQLGNPVeZhzuv5862ZsX99NgyhgfbvAx7ytOZ\
    M4H6lr+xxh9p5MXuMsGNHt91wxTqWBzEuCrnRug1agEbpAoPAAgseAF8a1WdW1Kv047+LntiyO7Dd4A5dB+m6cPC9RsxicS1e6Nl\
    bospE4HUgFZ3ApZ17NLHN15R1iNO0ik=";

fn chain() -> [Made; 4] {
    certificates::chain(CHALLENGE)
}

fn jwk(seed: u8) -> Map<String, Value> {
    let info = SubjectPublicKeyInfoOwned::from_der(&spki(seed)).unwrap();
    let point = info.subject_public_key.raw_bytes().to_vec();
    let part = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[range]);
    json!({"kty": "EC", "crv": "P-256", "x": part(1..33), "y": part(33..65)}).as_object().unwrap().clone()
}

fn trusted() -> KeyAttestation {
    KeyAttestation { roots: vec![spki(ROOT)], status_url: String::new() }
}

fn check(chain: &[Made], seed: u8, trusted: &KeyAttestation) -> Result<Attested, String> {
    let mut jwk = jwk(seed);
    let chain: Vec<String> = chain.iter().map(|certificate| STANDARD.encode(certificate.der())).collect();
    jwk.insert("x5c".to_owned(), json!(chain));
    verify(&jwk, CHALLENGE, trusted, NOW)
}

fn refusal(change: impl Fn(&mut [Made; 4])) -> String {
    let mut chain = chain();
    change(&mut chain);
    check(&chain, KEY, &trusted()).err().unwrap_or_default()
}

#[test]
fn what_hardware_says_of_a_key_is_read() {
    let attested = check(&chain(), KEY, &trusted()).unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(attested.serials, ["c315", "c316", "c317", "c318"]);
    assert_eq!(
        attested.description,
        json!({
            "attestationVersion": 300, "attestationSecurityLevel": 1, "keyMintVersion": 300, "keyMintSecurityLevel": 1,
            "attestationChallenge": STANDARD.encode(CHALLENGE), "uniqueId": "",
            "softwareEnforced": {"attestationApplicationId": {
                "packageInfos": [{"packageName": "com.example.app", "version": 9}],
                "signatureDigests": [STANDARD.encode("digest")],
            }},
            "hardwareEnforced": {
                "purpose": [2, 3], "noAuthRequired": true, "origin": 0, "999": 7,
                "rootOfTrust": {
                    "verifiedBootKey": STANDARD.encode("boot key"), "deviceLocked": true, "verifiedBootState": 0,
                    "verifiedBootHash": STANDARD.encode("boot hash"),
                },
            },
        })
    );
    let mut strong_box = chain();
    strong_box[0].descriptions = vec![description(2, 2, CHALLENGE, 0)];
    assert!(check(&strong_box, KEY, &trusted()).is_ok());
}

#[test]
fn a_chain_that_leads_to_no_root_or_is_not_one_is_refused() {
    assert_eq!(refusal(|_| ()), "");
    let elsewhere = KeyAttestation { roots: vec![spki(99)], status_url: String::new() };
    for trusted in [&elsewhere, &KeyAttestation::default()] {
        assert_eq!(check(&chain(), KEY, trusted).err().unwrap(), "the chain leads to none of the roots");
    }
    for at in 0..3 {
        assert_eq!(refusal(|chain| chain[at].signer = 90), "a certificate is not signed by the next one", "{at}");
        let why = "a certificate does not name the next one as its issuer";
        assert_eq!(refusal(|chain| chain[at].issuer = "99"), why, "{at}");
    }
    let all = chain();
    assert_eq!(check(&all[..1], KEY, &trusted()).err().unwrap(), "there must be from 2 to 8 certificates");
    assert_eq!(check(&all[..3], KEY, &trusted()).err().unwrap(), "the chain leads to none of the roots");
    let long = [&[all[0].clone()][..], &vec![all[3].clone(); 8]].concat();
    assert_eq!(check(&long, KEY, &trusted()).err().unwrap(), "there must be from 2 to 8 certificates");
    for wrong in [json!(null), json!([]), json!("x"), json!(["x", "y"]), json!([1, 2]), json!(["AAAA", "AAAA"])] {
        let mut jwk = jwk(KEY);
        jwk.insert("x5c".to_owned(), wrong.clone());
        assert!(verify(&jwk, CHALLENGE, &trusted(), NOW).is_err(), "{wrong}");
    }
}

/// A key of the hardware may sign whatever its app wants, certificates too.
#[test]
fn a_chain_that_an_app_has_made_longer_is_refused() {
    let mut more = Made::new("CN=More", "CN=Android Keystore Key", 30, KEY);
    more.descriptions.push(description(1, 1, CHALLENGE, 0));
    let longer = [&[more][..], &chain()].concat();
    assert_eq!(check(&longer, 30, &trusted()).err().unwrap(), "the attested key has signed a certificate");
}

#[test]
fn what_is_attested_is_this_key_for_this_challenge_in_hardware() {
    assert_eq!(check(&chain(), 20, &trusted()).err().unwrap(), "the attestation is for another key");
    let with = |description: Vec<u8>| refusal(|chain| chain[0].descriptions = vec![description.clone()]);
    assert_eq!(with(description(1, 1, b"another", 0)), "the attestation is for another challenge");
    for (level, mint_level) in [(0, 0), (0, 1), (1, 0), (2, 1), (3, 3)] {
        let why = "the key is not kept by secure hardware";
        assert_eq!(with(description(level, mint_level, CHALLENGE, 0)), why, "{level} {mint_level}");
    }
    assert_eq!(with(description(1, 1, CHALLENGE, 2)), "the key was not made by the hardware");
    for wrong in [vec![], vec![0x42, 0x42], sequence(&[]), octets(b"x")] {
        assert!(with(wrong.clone()).starts_with("the key description cannot be read"), "{wrong:?}");
    }
    let none = "the first certificate has no key description, or several";
    assert_eq!(refusal(|chain| chain[0].descriptions.clear()), none);
    assert_eq!(refusal(|chain| chain[0].descriptions.push(description(1, 1, CHALLENGE, 0))), none);
}

/// Google's guidance: the phone's own clock made the first; those from the factory are good until they are revoked.
#[test]
fn times_count_for_what_was_provisioned_remotely() {
    assert_eq!(refusal(|chain| chain[0].until = "210101000000Z"), "");
    assert_eq!(refusal(|chain| chain[1].until = "210101000000Z"), "");
    assert_eq!(refusal(|chain| chain[3].until = "210101000000Z"), "");
    assert_eq!(refusal(|chain| chain[1].from = "390101000000Z"), "a certificate is not valid yet");
    let remote = |chain: &mut [Made; 4]| {
        (chain[1].subject, chain[0].issuer) = ("CN=Droid CA2", "CN=Droid CA2");
    };
    assert_eq!(refusal(remote), "");
    let expired = refusal(|chain| {
        remote(chain);
        chain[1].until = "210101000000Z";
    });
    assert_eq!(expired, "a certificate has expired");
}

#[test]
fn roots_are_keys_or_certificates() {
    assert_eq!(KeyAttestation::default().roots.len(), 2);
    let [.., root] = chain();
    let both = format!("{}\n{}", pem("CERTIFICATE", &root.der()), pem("PUBLIC KEY", &spki(25)));
    assert_eq!(KeyAttestation::with_roots(&both).unwrap().roots, [spki(ROOT), spki(25)]);
    assert!(check(&chain(), KEY, &KeyAttestation::with_roots(&both).unwrap()).is_ok());
    for wrong in ["", "x", &pem("PRIVATE KEY", b"x"), &pem("CERTIFICATE", b"x"), "-----BEGIN CERTIFICATE-----"] {
        assert!(KeyAttestation::with_roots(wrong).is_err(), "{wrong}");
    }
}

/// A key of RSA, as Android's SDK makes them.
#[test]
fn keys_are_compared_by_their_numbers() {
    let google = KeyAttestation::default();
    let info = &google.roots[0];
    let bits = SubjectPublicKeyInfoOwned::from_der(info).unwrap();
    let (n, e) = rsa_key(bits.subject_public_key.as_bytes().unwrap()).unwrap();
    let jwk = |n: &[u8], e: &[u8]| {
        let value = json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode(n), "e": URL_SAFE_NO_PAD.encode(e)});
        value.as_object().unwrap().clone()
    };
    assert!(is_key(info, &jwk(&n, &e)) && is_key(info, &jwk(&[&[0], &n[..]].concat(), &e)));
    assert!(!is_key(info, &jwk(&n[1..], &e)) && !is_key(info, &jwk(&n, &[3])) && !is_key(info, &self::jwk(KEY)));
    assert!(!is_key(&spki(KEY), &jwk(&n, &e)) && is_key(&spki(KEY), &self::jwk(KEY)));
}

/// What others have made.
#[test]
fn certificates_of_other_makes_are_read() {
    let read = |text: &str| Certificate::read(&STANDARD.decode(text).unwrap()).unwrap();
    let (google, rsa) = (read(CA1), read(RSA_ROOT));
    assert_eq!((google.is_signed_by(&google), rsa.is_signed_by(&rsa)), (Ok(()), Ok(())));
    assert_eq!(google.key, KeyAttestation::default().roots[1]);
    assert!(google.is_signed_by(&rsa).is_err() && rsa.is_signed_by(&google).is_err());
    assert!(google.is_valid_at(NOW).is_ok() && google.is_valid_at(2_100_000_000).is_err());
    assert_eq!(google.serial(), "84a9d0297b0eb58ae7ff0e80de760605");
    // The names fit, the signature does not.
    let mut forged = read(RSA_ROOT);
    *forged.signed.last_mut().unwrap() ^= 1;
    assert_eq!(forged.is_signed_by(&rsa), Err("a certificate is not signed by the next one".to_owned()));
}
