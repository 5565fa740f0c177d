//! JWSs of others under their JWKs.

use serde_json::{Value, json};

use super::rfc7520;
use crate::encoding::encode;
use crate::token::TokenError;
use crate::token::foreign::{ForeignKey, MAX_FOREIGN, Unverified, verify_by_set};

fn key(jwk: Value) -> ForeignKey {
    ForeignKey::from_jwk(jwk.as_object().unwrap()).unwrap()
}

fn ec() -> Value {
    let (x, y) = ("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
    json!({"kty": "EC", "crv": "P-256", "x": x, "y": y})
}

fn a3() -> String {
    let signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    format!("eyJhbGciOiJFUzI1NiJ9.{}.{signature}", super::JOE_ENCODED)
}

fn verified(token: &str, key: &ForeignKey) -> Result<String, TokenError> {
    Unverified::parse(token.as_bytes())?.verify(key).map(|payload| String::from_utf8(payload).unwrap())
}

#[test]
fn jwks_of_every_kind_verify() {
    assert_eq!(verified(&a3(), &key(ec())).unwrap(), super::JOE);
    let rsa =
        key(json!({"kty": "RSA", "n": rfc7520::RSA_MODULUS, "e": "AQAB", "kid": "bilbo.baggins@hobbiton.example"}));
    assert!(verified(rfc7520::FIGURE_13, &rsa).unwrap().starts_with("It’s a dangerous business"));
    let ed = key(json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}));
    let token = concat!(
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.",
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    );
    assert_eq!(verified(token, &ed).unwrap(), "Example of Ed25519 signing");
    let secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let header = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9";
    let token = format!("{header}.{}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", super::JOE_ENCODED);
    assert_eq!(verified(&token, &ForeignKey::secret(&super::bytes(secret))).unwrap(), super::JOE);
    assert_eq!(verified(&token, &ForeignKey::secret(b"short")).unwrap_err(), TokenError::Algorithm);
}

#[test]
fn what_is_changed_or_under_another_key_does_not() {
    let [header, body, signature] = <[&str; 3]>::try_from(a3().leak().split('.').collect::<Vec<_>>()).unwrap();
    let other = format!("{header}.{}.{signature}", encode(b"{}"));
    assert_eq!(verified(&other, &key(ec())).unwrap_err(), TokenError::Signature);
    let rsa = key(json!({"kty": "RSA", "n": rfc7520::RSA_MODULUS, "e": "AQAB"}));
    assert_eq!(verified(&a3(), &rsa).unwrap_err(), TokenError::Algorithm);
    for header in
        [json!({"alg": "none"}), json!({"alg": "HS256"}), json!({"alg": "ES384"}), json!({"alg": "RS256"}), json!({})]
    {
        let token = format!("{}.{body}.{signature}", encode(header.to_string().as_bytes()));
        assert_eq!(verified(&token, &key(ec())).unwrap_err(), TokenError::Algorithm, "{header}");
    }
    for header in [json!({"alg": "ES256", "crit": ["b64"]}), json!({"alg": "ES256", "b64": false})] {
        let token = format!("{}.{body}.{signature}", encode(header.to_string().as_bytes()));
        assert_eq!(verified(&token, &key(ec())).unwrap_err(), TokenError::Header);
    }
    let mut pinned = ec();
    pinned["alg"] = json!("ES384");
    assert_eq!(verified(&a3(), &key(pinned)).unwrap_err(), TokenError::Algorithm);
    assert_eq!(verified(&"a".repeat(MAX_FOREIGN + 1), &rsa).unwrap_err(), TokenError::TooLong);
    assert_eq!(verified("a.b", &rsa).unwrap_err(), TokenError::Format);
}

#[test]
fn a_set_is_searched_by_key_id() {
    let named = |mut jwk: Value, kid: &str| {
        jwk["kid"] = json!(kid);
        key(jwk)
    };
    let bilbo = "bilbo.baggins@hobbiton.example";
    let rsa = || json!({"kty": "RSA", "n": rfc7520::RSA_MODULUS, "e": "AQAB"});
    let token = rfc7520::FIGURE_13.as_bytes();
    assert!(verify_by_set(token, &[named(ec(), "x"), named(rsa(), bilbo)]).is_ok());
    assert_eq!(verify_by_set(token, &[named(rsa(), "frodo")]).unwrap_err(), TokenError::UnknownKey);
    assert_eq!(verify_by_set(token, &[]).unwrap_err(), TokenError::UnknownKey);
    // Without ids each is tried.
    assert!(verify_by_set(a3().as_bytes(), &[key(rsa()), key(ec())]).is_ok());
}

#[test]
fn keys_that_are_not_for_this_are_refused() {
    let refused = |jwk: Value| ForeignKey::from_jwk(jwk.as_object().unwrap()).is_err();
    let with = |name: &str, value: &str| {
        let mut jwk = ec();
        jwk[name] = json!(value);
        jwk
    };
    assert!(refused(with("use", "enc")) && refused(with("d", "AQ")) && refused(with("crv", "secp256k1")));
    assert!(refused(with("x", "AQAB")) && refused(with("kty", "oct")) && refused(json!({})));
    assert!(refused(json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"})));
    assert!(refused(json!({"kty": "RSA", "n": rfc7520::RSA_MODULUS, "e": "Aw"})));
}
