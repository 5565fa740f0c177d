//! A phone with an authenticator app: reads the code on the page and the messages it is sent, and answers both.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use countersign_journey::host::{Device, DeviceKind};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Map, Value, json};

use super::World;

pub(crate) struct Phone {
    pub(crate) secret: Vec<u8>,
    pub(crate) mechanism: String,
}

fn mac(secret: &[u8], data: &[u8]) -> Vec<u8> {
    Hmac::<sha2::Sha256>::new_from_slice(secret).unwrap().chain_update(data).finalize().into_bytes().to_vec()
}

/// HS256.
pub(crate) fn token(secret: &[u8], claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let input = format!("{}.{}", part(&json!({"alg": "HS256"})), part(claims));
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(mac(secret, input.as_bytes())))
}

impl Phone {
    /// One that the user has registered.
    pub(crate) fn registered(world: &World, username: &str) -> Self {
        let phone = Self { secret: vec![3; 32], mechanism: "mechanism".to_owned() };
        let profile = json!({
            "uuid": "1", "sharedSecret": STANDARD.encode(&phone.secret), "deviceMechanismUID": phone.mechanism,
            "deviceId": "arn:device", "deviceType": "ios", "communicationType": "apns", "issuer": "Example"
        });
        let profile = profile.as_object().cloned().unwrap();
        let device = Device { id: "1".to_owned(), profile, credential_id: None, version: 0 };
        world.users.devices(username, |devices| devices.push((DeviceKind::Push, device)));
        phone
    }

    /// Scans the code and answers it.
    pub(crate) fn scan(world: &World, link: &str) -> Self {
        let url = url::Url::parse(link).unwrap();
        let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        let decode = |name: &str| URL_SAFE_NO_PAD.decode(&query[name]).unwrap();
        assert_eq!(decode("r"), b"https://am.example.com/am/json/push/sns/message?_action=register");
        assert_eq!(decode("a"), b"https://am.example.com/am/json/push/sns/message?_action=authenticate");
        let phone = Self { secret: decode("s"), mechanism: "mechanism".to_owned() };
        let response = STANDARD.encode(mac(&phone.secret, &decode("c")));
        let claims = json!({
            "response": response, "mechanismUid": phone.mechanism, "deviceId": "arn:device", "deviceType": "android",
            "communicationType": "gcm", "deviceName": "Phone"
        });
        world.phone_says(&query["m"], token(&phone.secret, &claims));
        phone
    }

    /// The last message it was sent: its id and what it says.
    pub(crate) fn message(&self, world: &World) -> (String, Map<String, Value>) {
        let requests = world.requests.lock().unwrap();
        let body: Value = serde_json::from_str(&requests.last().unwrap().body).unwrap();
        let message = body["message"].as_str().unwrap();
        let (input, signature) = message.rsplit_once('.').unwrap();
        assert_eq!(URL_SAFE_NO_PAD.encode(mac(&self.secret, input.as_bytes())), signature);
        let claims = URL_SAFE_NO_PAD.decode(input.split_once('.').unwrap().1).unwrap();
        (body["messageId"].as_str().unwrap().to_owned(), serde_json::from_slice(&claims).unwrap())
    }

    /// Answers it, with these claims beside the response.
    pub(crate) fn answer(&self, world: &World, more: &Value) {
        let (id, claims) = self.message(world);
        let challenge = STANDARD.decode(claims["c"].as_str().unwrap()).unwrap();
        let mut answer = json!({"response": STANDARD.encode(mac(&self.secret, &challenge))});
        answer.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        world.phone_says(&id, token(&self.secret, &answer));
    }
}
