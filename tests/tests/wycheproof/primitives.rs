//! The primitives' files: bytes under keys, through the code that tokens go through.

use countersign_core::keys::{ContentAlg, ContentKey, KeyAlg, SigningAlg, VerificationKey};
use countersign_core::vectors::primitive;
use countersign_gcm::Gcm;
use serde_json::Value;

use crate::{NotOffered, base64url, hex, kid, run};

fn signature(alg: SigningAlg, public: &[u8], case: &Value) -> Result<bool, NotOffered> {
    let key = VerificationKey::new(kid("sig"), alg, public)?;
    Ok(primitive::verify(&key, &hex(&case["msg"]), &hex(&case["sig"])).is_ok())
}

fn ecdsa(file: &str, alg: SigningAlg) {
    run(file, |group, case| signature(alg, &hex(&group["publicKey"]["uncompressed"]), case));
}

fn hmac(file: &str, alg: SigningAlg, bits: u64) {
    run(file, |group, case| {
        if group["tagSize"] != bits {
            return Err(NotOffered("a MAC cut short".to_owned()));
        }
        let key = VerificationKey::new(kid("sig"), alg, &hex(&case["key"]))?;
        Ok(primitive::verify(&key, &hex(&case["msg"]), &hex(&case["tag"])).is_ok())
    });
}

fn aead(file: &str, iv_bits: u64, enc: impl Fn(u64) -> ContentAlg) {
    run(file, |group, case| {
        if group["ivSize"] != iv_bits {
            return Err(NotOffered("an IV of a length that JOSE does not have".to_owned()));
        }
        let enc = enc(group["keySize"].as_u64().unwrap_or_default());
        let key = ContentKey::new(kid("enc"), KeyAlg::Dir, enc, &hex(&case["key"]))?;
        let [aad, iv, ct, tag] = ["aad", "iv", "ct", "tag"].map(|name| hex(&case[name]));
        Ok(primitive::open(&key, &aad, &[], &iv, &ct, &tag).is_ok_and(|plain| plain == hex(&case["msg"])))
    });
}

#[test]
fn ed25519() {
    run("ed25519_test.json", |group, case| {
        let public = base64url(&group["publicKeyJwk"]["x"]).unwrap_or_default();
        signature(SigningAlg::EdDsa, &public, case)
    });
}

#[test]
fn ecdsa_p256() {
    ecdsa("ecdsa_secp256r1_sha256_p1363_test.json", SigningAlg::Es256);
}

#[test]
fn ecdsa_p384() {
    ecdsa("ecdsa_secp384r1_sha384_p1363_test.json", SigningAlg::Es384);
}

#[test]
fn ecdsa_p521() {
    ecdsa("ecdsa_secp521r1_sha512_p1363_test.json", SigningAlg::Es512);
}

#[test]
fn rsa_pkcs1v15() {
    run("rsa_signature_2048_sha256_test.json", |group, case| {
        signature(SigningAlg::Rs256, &hex(&group["publicKeyAsn"]), case)
    });
}

#[test]
fn hmac_sha256() {
    hmac("hmac_sha256_test.json", SigningAlg::Hs256, 256);
}

#[test]
fn hmac_sha384() {
    hmac("hmac_sha384_test.json", SigningAlg::Hs384, 384);
}

#[test]
fn hmac_sha512() {
    hmac("hmac_sha512_test.json", SigningAlg::Hs512, 512);
}

#[test]
fn aes_gcm() {
    aead("aes_gcm_test.json", 96, |bits| match bits {
        128 => ContentAlg::A128Gcm,
        192 => ContentAlg::A192Gcm,
        _ => ContentAlg::A256Gcm,
    });
}

/// The one of the worker, over portable lanes.
#[test]
fn aes_gcm_over_lanes() {
    run("aes_gcm_test.json", |group, case| {
        let iv = hex(&case["iv"]);
        let nonce = iv.try_into().map_err(|_| NotOffered("an IV of a length that JOSE does not have".to_owned()))?;
        let gcm =
            Gcm::new(&hex(&case["key"])).ok_or_else(|| NotOffered(format!("a key of {} bits", group["keySize"])))?;
        let [aad, mut content, tag, plain] = ["aad", "ct", "tag", "msg"].map(|name| hex(&case[name]));
        let tag = tag.try_into().map_err(|_| NotOffered("a tag that was cut short".to_owned()))?;
        Ok(gcm.open(&nonce, &aad, &mut content, &tag).is_ok() && content == plain)
    });
}

#[test]
fn aes_cbc_hmac() {
    aead("a128cbc_hs256_test.json", 128, |_| ContentAlg::A128CbcHs256);
    aead("a192cbc_hs384_test.json", 128, |_| ContentAlg::A192CbcHs384);
    aead("a256cbc_hs512_test.json", 128, |_| ContentAlg::A256CbcHs512);
}

#[test]
fn aes_key_wrap() {
    run("aes_wrap_test.json", |group, case| {
        let alg = match group["keySize"].as_u64() {
            Some(128) => KeyAlg::A128Kw,
            Some(192) => KeyAlg::A192Kw,
            _ => KeyAlg::A256Kw,
        };
        if hex(&case["msg"]).len() > 64 {
            return Err(NotOffered("a wrapped key longer than any content key".to_owned()));
        }
        let key = primitive::unwrap_key(alg, &hex(&case["key"]), &hex(&case["ct"]));
        Ok(key.is_some_and(|key| key == hex(&case["msg"])))
    });
}
