//! The JOSE files: whole tokens under keys that come as JWK.

use countersign_core::encoding::decode;
use countersign_core::keys::{ContentAlg, ContentKey, KeyAlg, KeySet, KeyState, SigningAlg, VerificationKey};
use countersign_core::token::Envelope;
use countersign_core::vectors;
use rsa::pkcs8::EncodePrivateKey as _;
use rsa::{BoxedUint, RsaPrivateKey};
use serde_json::Value;

use crate::{NotOffered, base64url, hex, kid, run};

fn not_offered<T>(what: impl Into<String>) -> Result<T, NotOffered> {
    Err(NotOffered(what.into()))
}

fn member(jwk: &Value, name: &str) -> Result<Vec<u8>, NotOffered> {
    base64url(&jwk[name]).ok_or_else(|| NotOffered(format!("a JWK without {name}")))
}

/// What our key importer would have to say about a JWK before it takes the bytes of the key.
fn usable(jwk: &Value, usage: &str, operations: &[&str]) -> Result<(), NotOffered> {
    if jwk["use"].as_str().is_some_and(|of| of != usage) {
        return not_offered("a JWK for another use");
    }
    let named = |list: &Vec<Value>| list.iter().filter_map(Value::as_str).any(|one| operations.contains(&one));
    if jwk["key_ops"].as_array().is_some_and(|list| !named(list)) {
        return not_offered("a JWK for other operations");
    }
    Ok(())
}

fn verification_key(jwk: &Value, name: &str) -> Result<VerificationKey, NotOffered> {
    usable(jwk, "sig", &["verify", "sign, verify"])?;
    let alg = jwk["alg"].as_str();
    let by_curve = match jwk["crv"].as_str() {
        Some("P-256") => Some(SigningAlg::Es256),
        Some("P-384") => Some(SigningAlg::Es384),
        Some("P-521") => Some(SigningAlg::Es512),
        _ => None,
    };
    let (alg, key) = match (jwk["kty"].as_str(), by_curve) {
        (Some("EC"), Some(by_curve)) => {
            // Two of the files write the curve's number where the algorithm's belongs.
            let spelled = if alg == Some("ES521") { Some("ES512") } else { alg };
            if spelled.is_some_and(|alg| alg != by_curve.name()) {
                return not_offered("a JWK whose algorithm is not of its curve");
            }
            (by_curve, [vec![4], member(jwk, "x")?, member(jwk, "y")?].concat())
        }
        (Some("RSA"), None) if alg == Some("RS256") => {
            (SigningAlg::Rs256, pkcs1(&member(jwk, "n")?, &member(jwk, "e")?))
        }
        (Some("oct"), None) => match alg.and_then(SigningAlg::named) {
            Some(alg) if alg.is_symmetric() => (alg, member(jwk, "k")?),
            _ => return not_offered(format!("JWS with {}", alg.unwrap_or("no algorithm"))),
        },
        _ => return not_offered(format!("JWS with {}", alg.unwrap_or("no algorithm"))),
    };
    Ok(VerificationKey::new(kid(name), alg, &key)?)
}

/// The DER of `RSAPublicKey`.
fn pkcs1(n: &[u8], e: &[u8]) -> Vec<u8> {
    fn item(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).expect("short").to_be_bytes();
        let length = match content.len() {
            0..=127 => vec![length[1]],
            128..=255 => vec![0x81, length[1]],
            _ => vec![0x82, length[0], length[1]],
        };
        [vec![tag], length, content.to_vec()].concat()
    }
    let number = |bytes: &[u8]| {
        let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
        let sign = bytes.get(start).is_none_or(|byte| byte & 0x80 != 0);
        item(2, &[vec![0; usize::from(sign)], bytes[start..].to_vec()].concat())
    };
    item(0x30, &[number(n), number(e)].concat())
}

fn content_key(jwk: &Value, enc: ContentAlg) -> Result<ContentKey, NotOffered> {
    usable(jwk, "enc", &["decrypt", "unwrapKey"])?;
    let alg = jwk["alg"].as_str().unwrap_or_default();
    // One file names the content's algorithm for a key that is used directly.
    let direct = ContentAlg::named(alg).map(|_| KeyAlg::Dir);
    let Some(key_alg) = KeyAlg::named(alg).or(direct) else { return not_offered(format!("JWE with {alg}")) };
    let key = if key_alg.is_rsa() { pkcs8(jwk)? } else { member(jwk, "k")? };
    Ok(ContentKey::new(kid("enc"), key_alg, enc, &key)?)
}

fn pkcs8(jwk: &Value) -> Result<Vec<u8>, NotOffered> {
    let number = |name| member(jwk, name).map(|bytes| BoxedUint::from_be_slice_vartime(&bytes));
    let primes = vec![number("p")?, number("q")?];
    let key = RsaPrivateKey::from_components(number("n")?, number("e")?, number("d")?, primes);
    Ok(key.expect("the numbers belong together").to_pkcs8_der().expect("PKCS#8").as_bytes().to_vec())
}

fn header(token: &str) -> Option<Value> {
    serde_json::from_slice(&decode(token.split('.').next()?.as_bytes()).ok()?).ok()
}

/// A case of a JWS file: under one key, or under the key that a set has for the token's `kid`.
fn jws(group: &Value, case: &Value) -> Result<bool, NotOffered> {
    let jwk = group.get("public").unwrap_or(&group["private"]);
    let Some(token) = case["jws"].as_str() else { return Ok(false) };
    let Some(set) = jwk["keys"].as_array() else {
        return Ok(vectors::verify(token.as_bytes(), &verification_key(jwk, "sig")?).is_ok());
    };
    let keys = set
        .iter()
        .map(|jwk| Ok((KeyState::Active, verification_key(jwk, jwk["kid"].as_str().unwrap_or("none"))?)))
        .collect::<Result<Vec<_>, NotOffered>>()?;
    if let Err(error) = KeySet::new(Envelope::Sign, keys.clone(), Vec::new()) {
        return not_offered(error.to_string());
    }
    let named = header(token).and_then(|header| header["kid"].as_str().map(str::to_owned)).unwrap_or_default();
    let key = keys.iter().find(|(_, key)| key.kid().as_str() == named);
    Ok(key.is_some_and(|(_, key)| vectors::verify(token.as_bytes(), key).is_ok()))
}

fn jwe(group: &Value, case: &Value) -> Result<bool, NotOffered> {
    let Some(token) = case["jwe"].as_str() else { return Ok(false) };
    // The pair is pinned to the key, and the files' keys do not name `enc`: it is the token's own.
    let enc = header(token).and_then(|header| ContentAlg::named(header["enc"].as_str()?));
    let jwk = &group["private"];
    let opened = if jwk["alg"] == "RSA-OAEP" {
        usable(jwk, "enc", &["decrypt", "unwrapKey"])?;
        // For tokens of AM alone.
        vectors::open_sha1(token.as_bytes(), &pkcs8(jwk)?)
    } else {
        vectors::open(token.as_bytes(), &content_key(jwk, enc.unwrap_or(ContentAlg::A256Gcm))?)
    };
    match opened {
        Ok(plain) => Ok(case["pt"].as_str().is_none() || plain == hex(&case["pt"])),
        Err(_) => Ok(false),
    }
}

#[test]
fn json_web_signature() {
    run("json_web_signature_test.json", |group, case| {
        let token = case["jws"].as_str().unwrap_or_default();
        let accepted = jws(group, case)?;
        // Cases 367 and 370 say that their padding is wrong, but are byte for byte the valid case 357.
        let same = |other: &Value| other["result"] == "valid" && other["jws"] == case["jws"];
        if case["result"] == "invalid" && group["tests"].as_array().is_some_and(|cases| cases.iter().any(same)) {
            return not_offered("an invalid case that is a valid one");
        }
        // Cases 372 and 373 are valid to a decoder that skips what is not base64url. Ours does not.
        let outside = |byte: u8| !byte.is_ascii_alphanumeric() && !b"-_.".contains(&byte);
        if case["result"] == "valid" && token.bytes().any(outside) {
            assert!(!accepted, "{token}");
            return not_offered("characters outside base64url");
        }
        Ok(accepted)
    });
}

#[test]
fn json_web_encryption() {
    run("json_web_encryption_test.json", jwe);
}

#[test]
fn json_web_crypto() {
    run("json_web_crypto_test.json", |group, case| {
        if case.get("jwe").is_some() || group["private"]["use"] == "enc" {
            let mut case = case.clone();
            // This file has its JWEs under the other name.
            if case.get("jwe").is_none() {
                case["jwe"] = case["jws"].take();
            }
            jwe(group, &case)
        } else {
            jws(group, case)
        }
    });
}

#[test]
fn json_web_key() {
    run("json_web_key_test.json", jws);
}
