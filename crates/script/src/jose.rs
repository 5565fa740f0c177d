//! Digests, MACs, and signed tokens, for `utils.crypto`, `jwtAssertion` and the JOSE classes.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use ring::rand::SystemRandom;
use ring::rsa::{KeyPairComponents, PublicKeyComponents};
use ring::signature::{self, EcdsaKeyPair, RsaEncoding, RsaKeyPair};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;

use crate::door::decoded;

#[derive(Deserialize)]
pub(crate) struct Data {
    algorithm: String,
    #[serde(default)]
    key: String,
    data: String,
}

#[derive(Deserialize)]
pub(crate) struct ToSign {
    algorithm: String,
    /// A shared secret.
    #[serde(default)]
    key: String,
    /// Or a private key.
    #[serde(default)]
    jwk: Map<String, Value>,
    header: Map<String, Value>,
    #[serde(default)]
    claims: Value,
    /// What is signed instead of claims: another token.
    payload: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct ToVerify {
    token: String,
    key: String,
}

type Answer = Result<Value, String>;

pub(crate) fn digest(Data { algorithm, data, .. }: &Data) -> Answer {
    let data = decoded(data)?;
    let digest = match algorithm.to_ascii_uppercase().replace('-', "").as_str() {
        "SHA1" | "SHA" => Sha1::digest(data).to_vec(),
        "SHA256" => Sha256::digest(data).to_vec(),
        "SHA384" => Sha384::digest(data).to_vec(),
        "SHA512" => Sha512::digest(data).to_vec(),
        _ => return Err(format!("the digest {algorithm:?} is not supported")),
    };
    Ok(json!(STANDARD.encode(digest)))
}

pub(crate) fn hmac(Data { algorithm, key, data }: &Data) -> Answer {
    Ok(json!(STANDARD.encode(mac(algorithm, &decoded(key)?, &decoded(data)?)?)))
}

/// Compares without telling by its time where the difference is.
pub(crate) fn equal((left, right): &(String, String)) -> Answer {
    Ok(json!(bool::from(left.as_bytes().ct_eq(right.as_bytes()))))
}

pub(crate) fn sign(ToSign { algorithm, key, jwk, header, claims, payload }: &ToSign) -> Answer {
    let mut header = header.clone();
    header.insert("alg".to_owned(), json!(algorithm));
    let part = |value: String| URL_SAFE_NO_PAD.encode(value);
    let payload = payload.clone().unwrap_or_else(|| claims.to_string());
    let signed = format!("{}.{}", part(Value::Object(header).to_string()), part(payload));
    let signature = if jwk.is_empty() {
        mac(hash_of(algorithm)?, &decoded(key)?, signed.as_bytes())?
    } else {
        signed_by(algorithm, jwk, signed.as_bytes())?
    };
    Ok(json!(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
}

/// Signs with a private key in the form of a JWK (RFC 7518 §6).
fn signed_by(algorithm: &str, jwk: &Map<String, Value>, message: &[u8]) -> Result<Vec<u8>, String> {
    let member = |name: &str| {
        let text = jwk.get(name).and_then(Value::as_str).ok_or_else(|| format!("the key has no {name:?}"))?;
        URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| format!("{name:?} of the key is not base64url"))
    };
    let random = SystemRandom::new();
    let refused = |_| "the key could not sign".to_owned();
    let padding: &'static dyn RsaEncoding = match algorithm {
        "RS256" => &signature::RSA_PKCS1_SHA256,
        "RS384" => &signature::RSA_PKCS1_SHA384,
        "RS512" => &signature::RSA_PKCS1_SHA512,
        "PS256" => &signature::RSA_PSS_SHA256,
        "PS384" => &signature::RSA_PSS_SHA384,
        "PS512" => &signature::RSA_PSS_SHA512,
        "ES256" | "ES384" => {
            let curve = if algorithm == "ES256" {
                &signature::ECDSA_P256_SHA256_FIXED_SIGNING
            } else {
                &signature::ECDSA_P384_SHA384_FIXED_SIGNING
            };
            let point: Vec<u8> = [vec![4], member("x")?, member("y")?].concat();
            let key = EcdsaKeyPair::from_private_key_and_public_key(curve, &member("d")?, &point, &random);
            let key = key.map_err(|error| format!("the key is not one of {algorithm}: {error}"))?;
            return key.sign(&random, message).map(|signature| signature.as_ref().to_vec()).map_err(refused);
        }
        other => return Err(format!("the algorithm {other:?} is not supported with a private key")),
    };
    let components = KeyPairComponents {
        public_key: PublicKeyComponents { n: member("n")?, e: member("e")? },
        d: member("d")?,
        p: member("p")?,
        q: member("q")?,
        dP: member("dp")?,
        dQ: member("dq")?,
        qInv: member("qi")?,
    };
    let key = RsaKeyPair::from_components(&components).map_err(|error| format!("the key is not of RSA: {error}"))?;
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(padding, &random, message, &mut signature).map_err(refused)?;
    Ok(signature)
}

/// What a token says, and whether the key signed it: under the algorithm of its header, which can only be a MAC.
pub(crate) fn verify(ToVerify { token, key }: &ToVerify) -> Answer {
    let (signed, signature) = token.rsplit_once('.').ok_or("not a JWT")?;
    let (header, claims) = signed.split_once('.').ok_or("not a JWT")?;
    let part = |text: &str| -> Option<Value> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        // What is signed may be another token.
        let text = || String::from_utf8(bytes.clone()).ok().map(Value::String);
        serde_json::from_slice(&bytes).ok().or_else(text)
    };
    let (header, claims) = (part(header).ok_or("not a JWT")?, part(claims).ok_or("not a JWT")?);
    let algorithm = header.get("alg").and_then(Value::as_str).unwrap_or_default();
    let expected = mac(hash_of(algorithm)?, &decoded(key)?, signed.as_bytes())?;
    let given = URL_SAFE_NO_PAD.decode(signature).map_err(|error| error.to_string())?;
    Ok(json!({ "valid": bool::from(expected.ct_eq(&given)), "header": header, "claims": claims }))
}

fn hash_of(algorithm: &str) -> Result<&'static str, String> {
    match algorithm {
        "HS256" => Ok("SHA-256"),
        "HS384" => Ok("SHA-384"),
        "HS512" => Ok("SHA-512"),
        other => Err(format!("the algorithm {other:?} is not supported, only HS256, HS384 and HS512 are")),
    }
}

pub(crate) fn mac(hash: &str, key: &[u8], data: &[u8]) -> Result<Vec<u8>, String> {
    fn of<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> Result<Vec<u8>, String> {
        let mac = <M as KeyInit>::new_from_slice(key).map_err(|error| error.to_string())?;
        Ok(mac.chain_update(data).finalize().into_bytes().to_vec())
    }
    match hash.to_ascii_uppercase().replace('-', "").as_str() {
        "SHA1" => of::<Hmac<Sha1>>(key, data),
        "SHA256" => of::<Hmac<Sha256>>(key, data),
        "SHA384" => of::<Hmac<Sha384>>(key, data),
        "SHA512" => of::<Hmac<Sha512>>(key, data),
        _ => Err(format!("the hash {hash:?} is not supported")),
    }
}
