//! A security key in memory, and the browser before it: what AM's clients send as `webAuthnOutcome`.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ciborium::Value as Cbor;
use countersign_journey::host::Device;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub(crate) const ORIGIN: &str = "https://am.example.com";
pub(crate) const RP: &str = "example.com";

/// The fields are for tests to make it wrong.
pub(crate) struct Authenticator {
    key: EcdsaKeyPair,
    pub(crate) id: Vec<u8>,
    pub(crate) handle: String,
    pub(crate) count: u32,
    /// User present and verified.
    pub(crate) flags: u8,
    pub(crate) rp: &'static str,
    pub(crate) origin: &'static str,
    pub(crate) cross_origin: bool,
    pub(crate) alg: i64,
    /// Behind the authenticator data.
    pub(crate) tail: Vec<u8>,
}

impl Authenticator {
    pub(crate) fn new(id: &[u8]) -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &random).unwrap();
        Self {
            key,
            id: id.to_vec(),
            handle: String::new(),
            count: 0,
            flags: 0b101,
            rp: RP,
            origin: ORIGIN,
            cross_origin: false,
            alg: -7,
            tail: Vec::new(),
        }
    }

    pub(crate) fn credential_id(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.id)
    }

    /// As it stands with its user, registered by nobody.
    pub(crate) fn device(&self) -> Device {
        let (x, y) = self.key.public_key().as_ref()[1..].split_at(32);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let profile = json!({
            "uuid": "1", "credentialId": self.credential_id(), "signCount": 0,
            "key": {"kty": "EC", "alg": "ES256", "crv": "P-256", "x": x, "y": y},
        });
        let profile = profile.as_object().cloned().unwrap();
        Device { id: "1".to_owned(), profile, credential_id: Some(self.credential_id()), version: 0 }
    }

    fn client_data(&self, kind: &str, challenge: &str) -> String {
        let challenge = URL_SAFE_NO_PAD.encode(STANDARD.decode(challenge).unwrap());
        json!({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": self.cross_origin})
            .to_string()
    }

    fn authenticator_data(&self, flags: u8) -> Vec<u8> {
        [Sha256::digest(self.rp).as_slice(), &[flags], &self.count.to_be_bytes()].concat()
    }

    /// `navigator.credentials.create()`; `data` is of a metadata callback.
    pub(crate) fn create(&mut self, data: &Value) -> String {
        data["userId"].as_str().unwrap().clone_into(&mut self.handle);
        let point = self.key.public_key().as_ref();
        let key = Cbor::Map(vec![
            (1.into(), 2.into()),
            (3.into(), self.alg.into()),
            ((-1).into(), 1.into()),
            ((-2).into(), Cbor::Bytes(point[1..33].to_vec())),
            ((-3).into(), Cbor::Bytes(point[33..].to_vec())),
        ]);
        let mut bytes = self.authenticator_data(self.flags | 0x40);
        bytes.extend([0; 16]);
        bytes.extend(u16::try_from(self.id.len()).unwrap().to_be_bytes());
        bytes.extend(&self.id);
        ciborium::ser::into_writer(&key, &mut bytes).unwrap();
        bytes.extend(&self.tail);
        let object = Cbor::Map(vec![
            ("fmt".into(), "none".into()),
            ("attStmt".into(), Cbor::Map(Vec::new())),
            ("authData".into(), Cbor::Bytes(bytes)),
        ]);
        let mut encoded = Vec::new();
        ciborium::ser::into_writer(&object, &mut encoded).unwrap();
        let client_data = self.client_data("webauthn.create", data["challenge"].as_str().unwrap());
        format!("{client_data}::{}::{}", numbers(&encoded), self.credential_id())
    }

    /// `navigator.credentials.get()`.
    pub(crate) fn get(&self, data: &Value) -> String {
        let bytes = [self.authenticator_data(self.flags), self.tail.clone()].concat();
        let client_data = self.client_data("webauthn.get", data["challenge"].as_str().unwrap());
        let message = [bytes.as_slice(), Sha256::digest(&client_data).as_slice()].concat();
        let signature = self.key.sign(&SystemRandom::new(), &message).unwrap();
        let (bytes, signature) = (numbers(&bytes), numbers(signature.as_ref()));
        format!("{client_data}::{bytes}::{signature}::{}::{}", self.credential_id(), self.handle)
    }
}

fn numbers(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| byte.cast_signed().to_string()).collect::<Vec<_>>().join(",")
}
