//! Push messages to phones: what is sent, how apps answer, and what shows that an answer is the phone's. Both sides
//! have a secret since the registration; messages are JWTs under it, and so are the answers (HS256).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use countersign_core::token::foreign::{ForeignKey, Unverified};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Map, Value, json};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::callback::{Callback, MessageType};
use crate::host::{Device, DeviceKind, HostError, Identity};
use crate::node::{NodeError, NodeResult, goto, send};
use crate::outbound::post_json;
use crate::qr;
use crate::step::Step;

pub(crate) const MESSAGE_ID: &str = "pushMessageId";
/// What the verifier needs beside it.
pub(crate) const PENDING: &str = "pushPending";
/// The number that the user has to choose on the phone.
pub(crate) const NUMBER: &str = "pushNumberChallengeKey";

const MAX_TEXT: usize = 256;

fn mac(secret: &[u8], message: &[u8]) -> Vec<u8> {
    // HMAC takes keys of every length.
    Hmac::<Sha256>::new_from_slice(secret).map_or_else(
        |_| Vec::new(),
        |mut mac| {
            mac.update(message);
            mac.finalize().into_bytes().to_vec()
        },
    )
}

/// A JWT under the secret.
fn sign(secret: &[u8], claims: &Value) -> String {
    let header = URL_SAFE_NO_PAD.encode(json!({"typ": "JWT", "alg": "HS256"}).to_string());
    let input = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = URL_SAFE_NO_PAD.encode(mac(secret, input.as_bytes()));
    format!("{input}.{signature}")
}

/// The claims of an answer that this secret signed, and that answers this challenge.
pub(crate) fn answered(jwt: &str, secret: &[u8], challenge: &[u8]) -> Option<Map<String, Value>> {
    let payload = Unverified::parse(jwt.as_bytes()).ok()?.verify(&ForeignKey::secret(secret)).ok()?;
    let claims: Map<String, Value> = serde_json::from_slice(&payload).ok()?;
    let response = claims.get("response").and_then(Value::as_str)?;
    let expected = STANDARD.encode(mac(secret, challenge));
    bool::from(response.as_bytes().ct_eq(expected.as_bytes())).then_some(claims)
}

fn bytes(step: &Step<'_>) -> [u8; 32] {
    let mut bytes = [0; 32];
    step.host.random.fill(&mut bytes);
    bytes
}

fn short(claims: &Map<String, Value>, name: &str) -> String {
    claims.get(name).and_then(Value::as_str).unwrap_or_default().chars().take(MAX_TEXT).collect()
}

fn unset(what: &str) -> NodeError {
    NodeError::Host(HostError { service: "push", why: format!("{what} is not set") })
}

/// How a registration is shown, and how long it waits.
pub(crate) struct Registration<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) account: &'a str,
    pub(crate) color: &'a str,
    pub(crate) image: &'a str,
    pub(crate) message: &'a str,
    pub(crate) seconds: i64,
    /// Milliseconds between two questions of the client.
    pub(crate) wait: u64,
    pub(crate) codes: bool,
    pub(crate) success: &'static str,
    pub(crate) failure: &'static str,
    pub(crate) timeout: &'static str,
    /// The key of the state for what is kept meanwhile.
    pub(crate) key: &'a str,
}

/// Shows a QR code until a phone has answered.
pub(crate) async fn register(step: &mut Step<'_>, user: &Identity, of: Registration<'_>) -> NodeResult {
    let kept = step.state.get(of.key).filter(|_| !step.callbacks.is_empty()).and_then(Value::as_object).cloned();
    let Some(kept) = kept else {
        let settings = &step.host.realm.push;
        if settings.register.is_empty() || settings.authenticate.is_empty() {
            return Err(unset("the address for answers"));
        }
        let (secret, challenge) = (bytes(step), bytes(step));
        let message = format!("REGISTER:{}", step.random_id());
        let until = step.now().saturating_add(u64::try_from(of.seconds).unwrap_or(0).saturating_mul(1000));
        step.host.push.expect(&message, until).await?;
        let link = link(step, user, &of, &message, &secret, &challenge);
        let kept = json!({
            "message": message, "secret": STANDARD.encode(secret), "challenge": STANDARD.encode(challenge),
            "until": until, "link": link
        });
        step.state.put_transient(of.key, kept);
        return show(step, &link, &of);
    };
    let text = |name: &str| kept.get(name).and_then(Value::as_str).unwrap_or_default();
    let decoded = |name: &str| STANDARD.decode(text(name)).unwrap_or_default();
    let Some(jwt) = step.host.push.answer(text("message")).await? else {
        if step.now() < kept.get("until").and_then(Value::as_u64).unwrap_or(0) {
            return show(step, text("link"), &of);
        }
        step.state.remove(of.key);
        return goto(of.timeout);
    };
    step.state.remove(of.key);
    let Some(claims) = answered(&jwt, &decoded("secret"), &decoded("challenge")) else { return goto(of.failure) };
    let id = step.device_id();
    let (mechanism, device_id) = (short(&claims, "mechanismUid"), short(&claims, "deviceId"));
    if mechanism.is_empty() || device_id.is_empty() {
        return goto(of.failure);
    }
    let name = short(&claims, "deviceName");
    let profile = json!({
        "uuid": id,
        "deviceName": if name.is_empty() { "Push Device" } else { name.as_str() },
        "sharedSecret": text("secret"),
        "deviceMechanismUID": mechanism,
        "deviceId": device_id,
        "deviceType": short(&claims, "deviceType"),
        "communicationType": short(&claims, "communicationType"),
        "issuer": of.issuer,
        "createdDate": step.now(),
        "lastAccessDate": step.now(),
    });
    let profile = profile.as_object().cloned().unwrap_or_default();
    let device = Device { id, profile, credential_id: None, version: 0 };
    let stored = step.store_device(user, DeviceKind::Push, &device, true, of.codes).await?;
    goto(if stored { of.success } else { of.failure })
}

fn link(
    step: &Step<'_>,
    user: &Identity,
    of: &Registration<'_>,
    message: &str,
    secret: &[u8],
    challenge: &[u8],
) -> String {
    let settings = &step.host.realm.push;
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let path =
        |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20");
    let mut link = format!("pushauth://push/{}:{}?", path(of.issuer), path(of.account));
    let mut query = url::form_urlencoded::Serializer::new(&mut link);
    query
        .append_pair("a", &encode(settings.authenticate.as_bytes()))
        .append_pair("r", &encode(settings.register.as_bytes()))
        .append_pair("b", of.color.trim_start_matches('#'))
        .append_pair("c", &encode(challenge))
        .append_pair("s", &encode(secret))
        .append_pair("m", message)
        .append_pair("issuer", &encode(of.issuer.as_bytes()))
        .append_pair("uid", &STANDARD.encode(&user.id));
    if !of.image.is_empty() {
        query.append_pair("image", &encode(of.image.as_bytes()));
    }
    query.finish();
    // The serialiser writes behind what is there, with an `&` before it.
    link.replacen("?&", "?", 1)
}

fn show(step: &Step<'_>, link: &str, of: &Registration<'_>) -> NodeResult {
    let mut callbacks = vec![Callback::text_output(of.message, MessageType::Information)];
    if !step.request.without_scripts {
        let image = qr::svg(link).unwrap_or_default();
        let script = format!(
            "var code = document.createElement('div');\ncode.innerHTML = {};\ndocument.body.appendChild(code);\n",
            json!(image)
        );
        callbacks.push(Callback::script(&script));
    }
    callbacks.push(Callback::hidden("mfaDeviceRegistration", link));
    callbacks.push(Callback::polling_wait(of.wait, ""));
    send(callbacks)
}

/// What a phone is asked.
pub(crate) struct Question<'a> {
    pub(crate) text: &'a str,
    /// `default`, `challenge` or `biometric`.
    pub(crate) kind: &'a str,
    pub(crate) milliseconds: u64,
    pub(crate) context: Map<String, Value>,
    pub(crate) payload: Map<String, Value>,
}

/// Sends a message to a user's phone and leaves in the state what its answer is checked with.
pub(crate) async fn ask(step: &mut Step<'_>, device: &Device, question: Question<'_>) -> Result<(), NodeError> {
    let gateway = step.host.realm.push.gateway.clone();
    if gateway.is_empty() {
        return Err(unset("the gateway"));
    }
    let text = |name: &str| device.profile.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let secret = STANDARD.decode(text("sharedSecret")).unwrap_or_default();
    let challenge = bytes(step);
    let message = format!("AUTHENTICATE:{}", step.random_id());
    let now = step.now();
    let until = now.saturating_add(question.milliseconds);
    let mut claims = vec![
        ("c", STANDARD.encode(challenge)),
        ("u", text("deviceMechanismUID")),
        ("t", (question.milliseconds / 1000).to_string()),
        ("i", now.to_string()),
        ("k", question.kind.to_owned()),
        ("m", question.text.to_owned()),
    ];
    if !question.context.is_empty() {
        claims.push(("x", Value::Object(question.context).to_string()));
    }
    if !question.payload.is_empty() {
        claims.push(("p", Value::Object(question.payload).to_string()));
    }
    let number = (question.kind == "challenge").then(|| {
        let mut numbers: Vec<String> = Vec::new();
        while numbers.len() < 3 {
            let number = format!("{:02}", step.below(100));
            if !numbers.contains(&number) {
                numbers.push(number);
            }
        }
        let right = numbers.get(step.below(3) as usize).cloned().unwrap_or_default();
        claims.push(("n", numbers.join(",")));
        right
    });
    step.host.push.expect(&message, until).await?;
    let body = json!({
        "messageId": message,
        "deviceId": text("deviceId"),
        "deviceType": text("deviceType"),
        "communicationType": text("communicationType"),
        "message": sign(&secret, &claims.into_iter().collect()),
    });
    match step.exchange(post_json(&gateway, &body)).await? {
        (200..300, _) => {}
        (status, _) => {
            return Err(NodeError::Host(HostError { service: "push", why: format!("the gateway answers {status}") }));
        }
    }
    if let Some(number) = &number {
        step.state.put_shared(NUMBER, number.as_str());
    }
    step.state.put_shared(MESSAGE_ID, message);
    let pending = json!({
        "challenge": STANDARD.encode(challenge), "until": until, "device": device.id, "number": number
    });
    step.state.put_shared(PENDING, pending);
    Ok(())
}

/// What has become of a question.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Waiting,
    Expired,
    Allowed,
    Denied,
}

/// Looks for the phone's answer.
pub(crate) async fn result(step: &mut Step<'_>, user: &Identity) -> Result<Outcome, NodeError> {
    let message = step.state.text(MESSAGE_ID).map(str::to_owned);
    let pending = step.state.get(PENDING).and_then(Value::as_object).cloned();
    let Some((message, pending)) = message.zip(pending) else {
        return Err(NodeError::State("no push message was sent".to_owned()));
    };
    let result = match step.host.push.answer(&message).await? {
        None if step.now() < pending.get("until").and_then(Value::as_u64).unwrap_or(0) => return Ok(Outcome::Waiting),
        None => Outcome::Expired,
        Some(jwt) => {
            let devices = step.host.devices.list(&user.username, DeviceKind::Push).await?;
            let it = devices.iter().find(|device| pending.get("device") == Some(&json!(device.id)));
            let allowed = it.is_some_and(|device| allows(&jwt, device, &pending));
            if allowed { Outcome::Allowed } else { Outcome::Denied }
        }
    };
    for key in [MESSAGE_ID, PENDING, NUMBER] {
        step.state.remove(key);
    }
    Ok(result)
}

fn allows(jwt: &str, device: &Device, pending: &Map<String, Value>) -> bool {
    let secret = device.profile.get("sharedSecret").and_then(Value::as_str).unwrap_or_default();
    let secret = STANDARD.decode(secret).unwrap_or_default();
    let challenge = pending.get("challenge").and_then(Value::as_str).unwrap_or_default();
    let Some(claims) = answered(jwt, &secret, &STANDARD.decode(challenge).unwrap_or_default()) else { return false };
    let denied = match claims.get("deny") {
        Some(Value::Bool(denied)) => *denied,
        Some(Value::String(text)) => text != "false",
        None | Some(Value::Null) => false,
        Some(_) => true,
    };
    let number = pending.get("number").and_then(Value::as_str);
    let chosen = claims.get("challengeResponse").and_then(Value::as_str);
    !denied && number.is_none_or(|number| chosen == Some(number))
}
