//! Digests, MACs, and tokens signed under a shared secret, for `utils.crypto`, `jwtAssertion` and the JOSE classes.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
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
    key: String,
    header: Map<String, Value>,
    claims: Value,
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

pub(crate) fn sign(ToSign { algorithm, key, header, claims }: &ToSign) -> Answer {
    let mut header = header.clone();
    header.insert("alg".to_owned(), json!(algorithm));
    let part = |value: String| URL_SAFE_NO_PAD.encode(value);
    let signed = format!("{}.{}", part(Value::Object(header).to_string()), part(claims.to_string()));
    let signature = mac(hash_of(algorithm)?, &decoded(key)?, signed.as_bytes())?;
    Ok(json!(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
}

/// What a token says, and whether the key signed it: under the algorithm of its header, which can only be a MAC.
pub(crate) fn verify(ToVerify { token, key }: &ToVerify) -> Answer {
    let (signed, signature) = token.rsplit_once('.').ok_or("not a JWT")?;
    let (header, claims) = signed.split_once('.').ok_or("not a JWT")?;
    let part = |text: &str| -> Option<Value> { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok() };
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

fn mac(hash: &str, key: &[u8], data: &[u8]) -> Result<Vec<u8>, String> {
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
