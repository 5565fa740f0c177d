//! JWSs that others made: identity providers and devices. They have neither our `typ` nor our key ids; their keys come
//! as JWKs (RFC 7517). The kind of the key says which algorithms there may be, so a header cannot turn a public key
//! into a secret (RFC 8725 §3.1).

use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::signature::Verifier as _;
use serde_json::{Map, Value};
use sha2::{Sha256, Sha384, Sha512};

use super::jws::{ecdsa, ed25519, hmac};
use super::{TokenError, open, rsa_key};
use crate::encoding::decode;
use crate::keys::{KeyError, SigningAlg};

/// Longest JWS that is looked at: those of devices carry certificate chains.
pub const MAX_FOREIGN: usize = 32 * 1024;

/// A JWS in compact serialization whose signature has not been checked.
pub struct Unverified<'a> {
    signing_input: &'a [u8],
    signature: &'a [u8],
    header: Map<String, Value>,
    payload: Vec<u8>,
}

impl<'a> Unverified<'a> {
    pub fn parse(token: &'a [u8]) -> Result<Self, TokenError> {
        if token.len() > MAX_FOREIGN {
            return Err(TokenError::TooLong);
        }
        let [protected, payload, signature] = open::parts(token)?;
        let signing_input = token.get(..protected.len() + 1 + payload.len()).ok_or(TokenError::Format)?;
        let header: Map<String, Value> = serde_json::from_slice(&decode(protected).map_err(|_| TokenError::Format)?)
            .map_err(|_| TokenError::Header)?;
        // What must be understood is not (RFC 7515 §4.1.11); `b64` would change what is signed.
        if header.contains_key("crit") || header.contains_key("b64") {
            return Err(TokenError::Header);
        }
        let payload = decode(payload).map_err(|_| TokenError::Format)?;
        Ok(Self { signing_input, signature, header, payload })
    }

    pub fn alg(&self) -> &str {
        self.text("alg")
    }

    /// Empty where the header has none.
    pub fn kid(&self) -> &str {
        self.text("kid")
    }

    /// A member of the header, which nobody has vouched for yet.
    pub fn header(&self, name: &str) -> Option<&Value> {
        self.header.get(name)
    }

    fn text(&self, name: &str) -> &str {
        self.header.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The payload, if this key made the signature.
    pub fn verify(self, key: &ForeignKey) -> Result<Vec<u8>, TokenError> {
        if key.alg.as_deref().is_some_and(|pinned| pinned != self.alg()) {
            return Err(TokenError::Algorithm);
        }
        let alg = SigningAlg::named(self.alg());
        match (&key.material, self.alg()) {
            (Material::Ed25519(key), "EdDSA" | "Ed25519") => key.verify(self.signing_input, self.signature)?,
            (Material::Ecdsa(of, key), _) if alg == Some(*of) => key.verify(self.signing_input, self.signature)?,
            (Material::Rsa(key), "RS256" | "RS384" | "RS512") => self.verify_rsa(key)?,
            (Material::Secret(secret), "HS256" | "HS384" | "HS512") => {
                let key = alg.ok_or(TokenError::Algorithm).and_then(|alg| {
                    // A secret that is too short for the algorithm is not for it.
                    hmac::MacKey::new(alg, secret).map_err(|_| TokenError::Algorithm)
                })?;
                key.verify(self.signing_input, self.signature)?;
            }
            _ => return Err(TokenError::Algorithm),
        }
        Ok(self.payload)
    }

    fn verify_rsa(&self, (key, modulus_len): &(Box<rsa::RsaPublicKey>, usize)) -> Result<(), TokenError> {
        let bytes = decode(self.signature).map_err(|_| TokenError::Format)?;
        // RFC 8017 §8.2.2 step 1: exactly as long as the modulus.
        if bytes.len() != *modulus_len {
            return Err(TokenError::Format);
        }
        let signature = Signature::try_from(bytes.as_slice()).map_err(|_| TokenError::Signature)?;
        let key = key.as_ref().clone();
        match self.alg() {
            "RS384" => VerifyingKey::<Sha384>::new(key).verify(self.signing_input, &signature),
            "RS512" => VerifyingKey::<Sha512>::new(key).verify(self.signing_input, &signature),
            _ => VerifyingKey::<Sha256>::new(key).verify(self.signing_input, &signature),
        }
        .map_err(|_| TokenError::Signature)
    }
}

/// A key that somebody else signs with.
pub struct ForeignKey {
    kid: Option<String>,
    alg: Option<String>,
    material: Material,
}

enum Material {
    Ed25519(ed25519::PublicKey),
    Ecdsa(SigningAlg, ecdsa::PublicKey),
    /// With the length of its modulus in bytes.
    Rsa((Box<rsa::RsaPublicKey>, usize)),
    Secret(zeroize::Zeroizing<Vec<u8>>),
}

impl ForeignKey {
    /// A public key as a JWK. Keys that are not for signatures, private keys and shared secrets are refused.
    pub fn from_jwk(jwk: &Map<String, Value>) -> Result<Self, KeyError> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let number = |name: &str| decode(text(name).unwrap_or_default().as_bytes()).unwrap_or_default();
        if text("use").is_some_and(|purpose| purpose != "sig") || jwk.contains_key("d") {
            return Err(KeyError::BadPublicKey);
        }
        let material = match (text("kty"), text("crv")) {
            (Some("RSA"), _) => {
                let (key, modulus_len) = rsa_key::public_key_of(&number("n"), &number("e"))?;
                Material::Rsa((Box::new(key), modulus_len))
            }
            (Some("EC"), Some(curve)) => {
                let alg = match curve {
                    "P-256" => SigningAlg::Es256,
                    "P-384" => SigningAlg::Es384,
                    "P-521" => SigningAlg::Es512,
                    _ => return Err(KeyError::BadPublicKey),
                };
                let point = [vec![4], number("x"), number("y")].concat();
                Material::Ecdsa(alg, ecdsa::PublicKey::new(alg, &point)?)
            }
            (Some("OKP"), Some("Ed25519")) => Material::Ed25519(ed25519::PublicKey::new(&number("x"))?),
            _ => return Err(KeyError::BadPublicKey),
        };
        Ok(Self { kid: text("kid").map(str::to_owned), alg: text("alg").map(str::to_owned), material })
    }

    /// A secret that both sides have.
    pub fn secret(secret: &[u8]) -> Self {
        Self { kid: None, alg: None, material: Material::Secret(zeroize::Zeroizing::new(secret.to_vec())) }
    }

    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }
}

/// The payload of a JWS that one of these keys signed: the one of the header's `kid`, or each where there is none.
pub fn verify_by_set(token: &[u8], keys: &[ForeignKey]) -> Result<Vec<u8>, TokenError> {
    let mut result = Err(TokenError::UnknownKey);
    for key in keys {
        let parsed = Unverified::parse(token)?;
        if !parsed.kid().is_empty() && key.kid().is_some_and(|kid| kid != parsed.kid()) {
            continue;
        }
        result = parsed.verify(key);
        if result.is_ok() {
            break;
        }
    }
    result
}
