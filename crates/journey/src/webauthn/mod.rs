//! WebAuthn Level 2 as a relying party: what is asked, what comes back from AM's clients, and whether it is right.
//!
//! Attestation statements are passed on and not evaluated: there is no trust store, and without one they prove nothing.

pub(crate) mod answer;
pub(crate) mod ceremony;
pub(crate) mod options;
pub(crate) mod public_key;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::callback::CallbackType;
use crate::host::{Device, DeviceKind, Identity};
use crate::node::NodeError;
use crate::step::Step;

/// Where AM's nodes keep it; in base64.
pub(crate) const CHALLENGE: &str = "web-authn-challenge";
/// The id of the hidden value that carries the client's answer.
pub(crate) const OUTCOME_ID: &str = "webAuthnOutcome";
pub(crate) const DEVICE_DATA: &str = "webauthnDeviceData";
/// Why the browser refused.
pub(crate) const DOM_EXCEPTION: &str = "WebAuthenticationDOMException";

/// Longest text of a browser that is kept.
const MAX_EXCEPTION: usize = 256;

impl Step<'_> {
    /// A new challenge, and the same as it stands in the state.
    pub(crate) fn challenge(&mut self) -> [u8; 32] {
        let mut challenge = [0; 32];
        self.host.random.fill(&mut challenge);
        self.state.put_shared(CHALLENGE, base64::engine::general_purpose::STANDARD.encode(challenge));
        challenge
    }

    /// The challenge that was sent; it is good for one answer.
    pub(crate) fn take_challenge(&mut self) -> Result<Vec<u8>, NodeError> {
        let challenge = self.state.text(CHALLENGE).map(|text| base64::engine::general_purpose::STANDARD.decode(text));
        self.state.remove(CHALLENGE);
        match challenge {
            Some(Ok(challenge)) if challenge.len() == 32 => Ok(challenge),
            _ => Err(NodeError::State("no challenge was sent".to_owned())),
        }
    }

    /// What the client put into the hidden value, if it did.
    pub(crate) fn client_outcome(&self) -> Option<String> {
        let callback = self.answered(CallbackType::HiddenValueCallback)?;
        let text = callback.text().trim();
        (!text.is_empty() && text != OUTCOME_ID && text != "false").then(|| text.to_owned())
    }

    /// By which domain and at which origins, as the node's settings or the realm have it.
    pub(crate) fn relying_party(&self, domain: Option<String>, origins: Vec<String>) -> (String, Vec<String>) {
        let realm = &self.host.realm.relying_party;
        let id = domain.filter(|domain| !domain.is_empty()).unwrap_or_else(|| realm.id.clone());
        (id, if origins.is_empty() { realm.origins.clone() } else { origins })
    }

    pub(crate) async fn web_authn_devices(&self, username: &str) -> Result<Vec<Device>, NodeError> {
        Ok(self.host.devices.list(username, DeviceKind::WebAuthn).await?)
    }

    pub(crate) fn dom_exception(&mut self, text: &str) {
        let text: String = text.chars().filter(|letter| !letter.is_control()).take(MAX_EXCEPTION).collect();
        self.state.put_shared(DOM_EXCEPTION, text);
    }
}

/// What an authenticator keeps as the user's id: says nothing about who it is, and is text, as AM's clients want it.
pub(crate) fn user_handle(realm: &str, user: &Identity) -> String {
    let digest = Sha256::new().chain_update(realm).chain_update([0]).chain_update(&user.id).finalize();
    URL_SAFE_NO_PAD.encode(digest)
}

/// Whether a client's user handle, if it has one, is this user's. Some clients pass on the text, some encode it.
pub(crate) fn is_handle_of(realm: &str, user: &Identity, handle: &str) -> bool {
    let own = user_handle(realm, user);
    handle.is_empty() || handle == own || handle.trim_end_matches('=') == URL_SAFE_NO_PAD.encode(&own)
}

/// The credential ids of devices, as bytes.
pub(crate) fn credential_ids(devices: &[Device]) -> Vec<Vec<u8>> {
    let id = |device: &Device| URL_SAFE_NO_PAD.decode(device.credential_id.as_deref()?).ok();
    devices.iter().filter_map(id).collect()
}

pub(crate) fn device_number(device: &Device, name: &str) -> u64 {
    device.profile.get(name).and_then(Value::as_u64).unwrap_or(0)
}

/// base64url; browsers send no padding, some libraries do.
fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()
}
