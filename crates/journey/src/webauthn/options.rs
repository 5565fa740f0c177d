//! What the client is asked, in both forms that AM has: as metadata for programs, and as a script for pages that run
//! it. The metadata say everything twice, since clients of older versions read fragments of JavaScript.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::OUTCOME_ID;
use super::public_key::Algorithm;
use crate::callback::Callback;

pub(crate) struct Creation {
    pub(crate) challenge: [u8; 32],
    pub(crate) relying_party_id: String,
    pub(crate) relying_party_name: String,
    pub(crate) user_id: String,
    pub(crate) user_name: String,
    pub(crate) display_name: String,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) attestation: String,
    pub(crate) user_verification: String,
    /// `None`: either.
    pub(crate) attachment: Option<&'static str>,
    pub(crate) resident_key: bool,
    pub(crate) exclude: Vec<Vec<u8>>,
    pub(crate) timeout_seconds: i64,
}

pub(crate) struct Request {
    pub(crate) challenge: [u8; 32],
    pub(crate) relying_party_id: String,
    pub(crate) user_verification: String,
    /// None: whichever the authenticator has.
    pub(crate) allow: Vec<Vec<u8>>,
    pub(crate) timeout_seconds: i64,
}

impl Creation {
    fn selection(&self) -> Value {
        let mut selection = Map::new();
        if let Some(attachment) = self.attachment {
            selection.insert("authenticatorAttachment".to_owned(), json!(attachment));
        }
        selection.insert("requireResidentKey".to_owned(), json!(self.resident_key));
        let resident = if self.resident_key { "required" } else { "discouraged" };
        selection.insert("residentKey".to_owned(), json!(resident));
        selection.insert("userVerification".to_owned(), json!(self.user_verification));
        Value::Object(selection)
    }

    fn parameters(&self) -> Value {
        self.algorithms.iter().map(|alg| json!({"type": "public-key", "alg": alg.number()})).collect()
    }

    pub(crate) fn metadata(&self) -> Callback {
        let mut data = common("webauthn_registration", &self.challenge, self.timeout_seconds);
        let more = json!({
            "attestationPreference": self.attestation,
            "userName": self.user_name,
            "userId": self.user_id,
            "displayName": self.display_name,
            "relyingPartyName": self.relying_party_name,
            "_relyingPartyId": self.relying_party_id,
            "relyingPartyId": fragment("id", &self.relying_party_id),
            "_authenticatorSelection": self.selection(),
            "authenticatorSelection": self.selection().to_string(),
            "_pubKeyCredParams": self.parameters(),
            "pubKeyCredParams": self.parameters().to_string(),
            "_excludeCredentials": descriptors(&self.exclude),
            "excludeCredentials": script_descriptors(&self.exclude),
        });
        if let Value::Object(more) = more {
            data.extend(more);
        }
        Callback::metadata(data)
    }

    pub(crate) fn script(&self) -> Callback {
        let mut options = format!(
            "  rp: {{ id: {}, name: {} }},\n  user: {{ id: Uint8Array.from({}, function (c) {{ return c.charCodeAt(0); }}), \
             name: {}, displayName: {} }},\n  challenge: {},\n  pubKeyCredParams: {},\n  attestation: {},\n  \
             timeout: {},\n  authenticatorSelection: {}",
            json!(self.relying_party_id),
            json!(self.relying_party_name),
            json!(self.user_id),
            json!(self.user_name),
            json!(self.display_name),
            bytes(&self.challenge),
            self.parameters(),
            json!(self.attestation),
            milliseconds(self.timeout_seconds),
            self.selection(),
        );
        if !self.exclude.is_empty() {
            let _ = write!(options, ",\n  excludeCredentials: [{}]", script_descriptors(&self.exclude));
        }
        let answer =
            "text(made.response.clientDataJSON) + '::' + numbers(made.response.attestationObject) + '::' + made.id";
        Callback::script(&script("create", &options, answer))
    }
}

impl Request {
    pub(crate) fn metadata(&self) -> Callback {
        let mut data = common("webauthn_authentication", &self.challenge, self.timeout_seconds);
        let legacy = script_descriptors(&self.allow);
        let more = json!({
            "userVerification": self.user_verification,
            "_relyingPartyId": self.relying_party_id,
            "relyingPartyId": fragment("rpId", &self.relying_party_id),
            "_allowCredentials": descriptors(&self.allow),
            "allowCredentials": if legacy.is_empty() { legacy } else { format!("allowCredentials: [{legacy}]") },
        });
        if let Value::Object(more) = more {
            data.extend(more);
        }
        Callback::metadata(data)
    }

    pub(crate) fn script(&self) -> Callback {
        let mut options = format!(
            "  rpId: {},\n  challenge: {},\n  userVerification: {},\n  timeout: {}",
            json!(self.relying_party_id),
            bytes(&self.challenge),
            json!(self.user_verification),
            milliseconds(self.timeout_seconds),
        );
        if !self.allow.is_empty() {
            let _ = write!(options, ",\n  allowCredentials: [{}]", script_descriptors(&self.allow));
        }
        let answer = "text(made.response.clientDataJSON) + '::' + numbers(made.response.authenticatorData) + '::' + \
             numbers(made.response.signature) + '::' + made.id + '::' + \
             (made.response.userHandle ? text(made.response.userHandle) : '')";
        Callback::script(&script("get", &options, answer))
    }
}

/// The second script of the script form: that something is going on.
pub(crate) fn spinner() -> Callback {
    Callback::script(
        "var note = document.createElement('p');\n\
         note.setAttribute('role', 'status');\n\
         note.textContent = 'Waiting for your device';\n\
         document.body.appendChild(note);\n",
    )
}

/// Where the client puts its answer.
pub(crate) fn answer_slot() -> Callback {
    Callback::hidden(OUTCOME_ID, "false")
}

fn common(action: &str, challenge: &[u8], timeout_seconds: i64) -> Map<String, Value> {
    let data = json!({
        "_type": "WebAuthn",
        "_action": action,
        "challenge": STANDARD.encode(challenge),
        "timeout": milliseconds(timeout_seconds).to_string(),
        "extensions": {},
        "supportsJsonResponse": true,
    });
    if let Value::Object(data) = data { data } else { Map::new() }
}

/// Browsers have minutes for this, whatever they are asked for.
fn milliseconds(seconds: i64) -> i64 {
    seconds.clamp(1, 3600) * 1000
}

fn fragment(name: &str, id: &str) -> String {
    if id.is_empty() { String::new() } else { format!("{name}: {},", json!(id)) }
}

fn signed(bytes: &[u8]) -> Value {
    bytes.iter().map(|byte| json!(byte.cast_signed())).collect()
}

fn bytes(bytes: &[u8]) -> String {
    format!("new Int8Array({}).buffer", signed(bytes))
}

fn descriptors(ids: &[Vec<u8>]) -> Value {
    ids.iter().map(|id| json!({"type": "public-key", "id": signed(id)})).collect()
}

fn script_descriptors(ids: &[Vec<u8>]) -> String {
    let one = |id: &Vec<u8>| format!("{{ \"type\": \"public-key\", \"id\": {} }}", bytes(id));
    ids.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn script(call: &str, options: &str, answer: &str) -> String {
    format!(
        "(function () {{\n\
         var slot = document.getElementById('{OUTCOME_ID}');\n\
         function done(outcome) {{\n  slot.value = outcome;\n  var button = document.getElementById('loginButton_0');\n  \
         if (button) {{ button.click(); }} else {{ slot.form.submit(); }}\n}}\n\
         function text(buffer) {{ return new TextDecoder().decode(buffer); }}\n\
         function numbers(buffer) {{ return new Int8Array(buffer).toString(); }}\n\
         if (!window.PublicKeyCredential) {{ done('unsupported'); return; }}\n\
         var options = {{\n{options}\n}};\n\
         navigator.credentials.{call}({{ publicKey: options }}).then(function (made) {{\n  done({answer});\n}}).catch(\
         function (error) {{\n  done('ERROR::' + error.name + ':' + error.message);\n}});\n\
         }})();\n"
    )
}
