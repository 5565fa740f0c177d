//! The signed assertion as an application has to check it. Kept apart from HTTP and from the clock so that it can be
//! copied into an application and tested by itself.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, VerifyingKey};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::fmt;

pub(crate) const HEADER: &str = "x-countersign-assertion";
/// Nothing the edge sends is near this; what is longer is not looked at.
const MAX_BYTES: usize = 8 * 1024;
const MAX_KID: usize = 128;
/// Clocks of two machines differ; a larger allowance would lengthen the life of every assertion.
const LEEWAY: i64 = 5;
/// An assertion stands for one request, so one that claims to live longer was not made for this purpose.
const MAX_LIFETIME: i64 = 300;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AssertionError {
    /// No assertion at all: the request did not come through the edge, or the path is public.
    Missing,
    /// Several headers of that name: somebody added one.
    Ambiguous,
    Malformed(&'static str),
    Algorithm,
    Type,
    UnknownKey,
    Signature,
    Audience,
    Expired,
    NotYetValid,
    Lifetime,
    /// The keys could not be fetched: the operator's fault or the network's, not the caller's.
    KeysUnavailable(String),
}

impl AssertionError {
    /// The stable code that tests and scripts compare.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Ambiguous => "ambiguous",
            Self::Malformed(_) => "malformed",
            Self::Algorithm => "algorithm",
            Self::Type => "type",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::Audience => "audience",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Lifetime => "lifetime",
            Self::KeysUnavailable(_) => "keys_unavailable",
        }
    }
}

impl fmt::Display for AssertionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("the request carries no assertion; it did not come through the edge"),
            Self::Ambiguous => f.write_str("the request carries more than one assertion"),
            Self::Malformed(what) => write!(f, "the assertion is malformed: {what}"),
            Self::Algorithm => f.write_str("the algorithm is not EdDSA"),
            Self::Type => f.write_str("the type is not assertion+jwt"),
            Self::UnknownKey => f.write_str("no published key has this key id"),
            Self::Signature => f.write_str("the signature does not fit"),
            Self::Audience => f.write_str("the assertion is meant for another application"),
            Self::Expired => f.write_str("the assertion has expired"),
            Self::NotYetValid => f.write_str("the assertion is dated in the future"),
            Self::Lifetime => f.write_str("the assertion claims to live longer than five minutes"),
            Self::KeysUnavailable(why) => write!(f, "the keys could not be fetched: {why}"),
        }
    }
}

#[derive(Deserialize)]
struct JoseHeader {
    alg: String,
    kid: String,
    typ: String,
    crit: Option<Value>,
}

/// An assertion whose header is acceptable and whose signature nobody has looked at yet.
#[derive(Debug)]
pub(crate) struct Unverified<'a> {
    pub(crate) kid: String,
    signing_input: &'a str,
    payload: &'a str,
    signature: Signature,
}

impl<'a> Unverified<'a> {
    pub(crate) fn parse(token: &'a str) -> Result<Self, AssertionError> {
        if token.len() > MAX_BYTES {
            return Err(AssertionError::Malformed("too long"));
        }
        let (signing_input, signature) = token.rsplit_once('.').ok_or(AssertionError::Malformed("not three parts"))?;
        let (header, payload) = signing_input.split_once('.').ok_or(AssertionError::Malformed("not three parts"))?;
        if payload.contains('.') {
            return Err(AssertionError::Malformed("not three parts"));
        }
        let header: JoseHeader = serde_json::from_slice(&decode(header, "header")?)
            .map_err(|_| AssertionError::Malformed("header is not the expected JSON"))?;
        // The algorithm is fixed by what the key is, never chosen by the token (RFC 8725 §3.1).
        if header.alg != "EdDSA" {
            return Err(AssertionError::Algorithm);
        }
        // Other tokens are signed by the same service; the type keeps them apart (RFC 8725 §3.11).
        if header.typ != "assertion+jwt" {
            return Err(AssertionError::Type);
        }
        // RFC 7515 §4.1.11: an extension that is not understood makes the token invalid; none is understood here.
        if header.crit.is_some() {
            return Err(AssertionError::Malformed("critical extension"));
        }
        if header.kid.len() > MAX_KID {
            return Err(AssertionError::Malformed("key id is too long"));
        }
        let signature = Signature::from_slice(&decode(signature, "signature")?)
            .map_err(|_| AssertionError::Malformed("signature is not 64 bytes"))?;
        Ok(Self { kid: header.kid, signing_input, payload, signature })
    }

    /// The claims, once signature, audience and times have been found right.
    pub(crate) fn verify(
        &self,
        key: &VerifyingKey,
        audience: &str,
        now: i64,
    ) -> Result<Map<String, Value>, AssertionError> {
        key.verify_strict(self.signing_input.as_bytes(), &self.signature).map_err(|_| AssertionError::Signature)?;
        let claims: Map<String, Value> = serde_json::from_slice(&decode(self.payload, "claims")?)
            .map_err(|_| AssertionError::Malformed("claims are not a JSON object"))?;
        let meant_for_us = match claims.get("aud") {
            Some(Value::String(one)) => one == audience,
            Some(Value::Array(many)) => many.iter().any(|one| one == audience),
            _ => false,
        };
        if !meant_for_us {
            return Err(AssertionError::Audience);
        }
        if claims.get("sub").and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err(AssertionError::Malformed("no subject"));
        }
        let time = |name| claims.get(name).and_then(Value::as_i64).ok_or(AssertionError::Malformed("no iat or exp"));
        let (iat, exp) = (time("iat")?, time("exp")?);
        if exp <= now.saturating_sub(LEEWAY) {
            return Err(AssertionError::Expired);
        }
        if iat > now.saturating_add(LEEWAY) {
            return Err(AssertionError::NotYetValid);
        }
        if exp.saturating_sub(iat) > MAX_LIFETIME {
            return Err(AssertionError::Lifetime);
        }
        Ok(claims)
    }
}

fn decode(part: &str, what: &'static str) -> Result<Vec<u8>, AssertionError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| AssertionError::Malformed(what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer as _, SigningKey};
    use serde_json::json;

    const NOW: i64 = 1_700_000_000;
    const AUDIENCE: &str = "https://app.example";

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[7; 32])
    }

    fn header() -> Value {
        json!({"alg": "EdDSA", "kid": "k1", "typ": "assertion+jwt"})
    }

    fn claims() -> Value {
        json!({
            "iss": "https://id.example", "aud": AUDIENCE, "sub": "demo", "iat": NOW, "exp": NOW + 60, "jti": "j",
            "sid": "s", "realm": "/alpha", "auth_time": NOW - 5, "auth_level": 0, "amr": ["pwd"], "mail": "demo@example.com",
        })
    }

    fn token(header: &Value, claims: &Value, key: &SigningKey) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let input = format!("{}.{}", part(header), part(claims));
        let signature = URL_SAFE_NO_PAD.encode(key.sign(input.as_bytes()).to_bytes());
        format!("{input}.{signature}")
    }

    fn check_at(token: &str, now: i64) -> Result<Map<String, Value>, AssertionError> {
        Unverified::parse(token)?.verify(&key().verifying_key(), AUDIENCE, now)
    }

    fn with(mut value: Value, name: &str, to: Value) -> Value {
        value[name] = to;
        value
    }

    fn claims_refused(name: &str, to: Value) -> AssertionError {
        check_at(&token(&header(), &with(claims(), name, to), &key()), NOW).unwrap_err()
    }

    fn header_refused(name: &str, to: Value) -> AssertionError {
        check_at(&token(&with(header(), name, to), &claims(), &key()), NOW).unwrap_err()
    }

    #[test]
    fn a_good_assertion_gives_all_its_claims() {
        let token = token(&header(), &claims(), &key());
        assert_eq!(Unverified::parse(&token).unwrap().kid, "k1");
        let got = check_at(&token, NOW).unwrap();
        assert_eq!(Value::Object(got), claims());
    }

    #[test]
    fn the_signature_of_another_key_is_refused() {
        let token = token(&header(), &claims(), &SigningKey::from_bytes(&[8; 32]));
        assert_eq!(check_at(&token, NOW), Err(AssertionError::Signature));
    }

    #[test]
    fn claims_changed_after_signing_are_refused() {
        let (good, other) =
            (token(&header(), &claims(), &key()), token(&header(), &with(claims(), "sub", json!("root")), &key()));
        let mut parts: Vec<&str> = good.split('.').collect();
        parts[1] = other.split('.').nth(1).unwrap();
        assert_eq!(check_at(&parts.join("."), NOW), Err(AssertionError::Signature));
    }

    #[test]
    fn the_audience_must_be_this_application() {
        assert_eq!(claims_refused("aud", json!("https://other.example")), AssertionError::Audience);
        assert_eq!(claims_refused("aud", json!(format!("{AUDIENCE}.evil"))), AssertionError::Audience);
        assert_eq!(claims_refused("aud", Value::Null), AssertionError::Audience);
        let listed = with(claims(), "aud", json!(["https://other.example", AUDIENCE]));
        assert!(check_at(&token(&header(), &listed, &key()), NOW).is_ok());
    }

    #[test]
    fn times_are_checked_with_a_small_leeway() {
        let token = token(&header(), &claims(), &key());
        assert!(check_at(&token, NOW + 60 + LEEWAY - 1).is_ok());
        assert_eq!(check_at(&token, NOW + 60 + LEEWAY), Err(AssertionError::Expired));
        assert!(check_at(&token, NOW - LEEWAY).is_ok());
        assert_eq!(check_at(&token, NOW - LEEWAY - 1), Err(AssertionError::NotYetValid));
        assert_eq!(claims_refused("exp", json!(NOW + MAX_LIFETIME + 1)), AssertionError::Lifetime);
        assert_eq!(claims_refused("exp", json!(i64::MAX)), AssertionError::Lifetime);
        assert!(matches!(claims_refused("exp", Value::Null), AssertionError::Malformed(_)));
        assert!(matches!(claims_refused("iat", json!("yesterday")), AssertionError::Malformed(_)));
    }

    #[test]
    fn only_the_one_algorithm_is_accepted() {
        assert_eq!(header_refused("alg", json!("none")), AssertionError::Algorithm);
        assert_eq!(header_refused("alg", json!("HS256")), AssertionError::Algorithm);
        assert_eq!(header_refused("alg", json!("eddsa")), AssertionError::Algorithm);
        let unsigned = format!(
            "{}.{}.",
            URL_SAFE_NO_PAD.encode(with(header(), "alg", json!("none")).to_string()),
            URL_SAFE_NO_PAD.encode(claims().to_string())
        );
        assert_eq!(check_at(&unsigned, NOW), Err(AssertionError::Algorithm));
    }

    #[test]
    fn other_kinds_of_token_are_refused() {
        assert_eq!(header_refused("typ", json!("JWT")), AssertionError::Type);
        assert_eq!(header_refused("typ", json!("session+jwt")), AssertionError::Type);
        assert!(matches!(header_refused("crit", json!(["b64"])), AssertionError::Malformed(_)));
    }

    #[test]
    fn what_is_not_a_compact_jws_is_refused() {
        let good = token(&header(), &claims(), &key());
        let padded = format!("{good}=");
        let five = format!("{good}.{good}");
        let long = "a".repeat(MAX_BYTES + 1);
        for token in ["", ".", "..", "a.b", "a.b.c", "e30.e30.e30", padded.as_str(), five.as_str(), long.as_str()] {
            assert!(matches!(check_at(token, NOW), Err(AssertionError::Malformed(_))), "{token:.20}");
        }
    }
}
