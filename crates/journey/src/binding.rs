//! Keys in apps: what an app signs to show that it has one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_core::token::foreign::{ForeignKey, Unverified};
use serde_json::{Map, Value, json};
use subtle::ConstantTimeEq as _;

use crate::callback::{Callback, CallbackType};
use crate::host::{Device, DeviceKind, Identity};
use crate::node::NodeError;
use crate::step::Step;

/// A device that is to be stored by a later node.
pub(crate) const POSTPONED: &str = "DeviceBindingNode.DEVICE";
/// Clocks differ.
const SKEW: i64 = 60;
const MAX_NAME: usize = 256;

/// What the client has answered.
pub(crate) enum Answered<'a> {
    /// In its own words why it could not.
    Error(&'a str),
    Signed(&'a str),
}

/// `None` the first time.
pub(crate) fn answered<'a>(step: &Step<'a>, kind: CallbackType) -> Option<Answered<'a>> {
    let callback = step.answered(kind)?;
    let text = |name: &str| callback.input(name).and_then(Value::as_str).unwrap_or_default();
    match (text("clientError"), text("jws")) {
        ("", jws) => Some(Answered::Signed(jws)),
        (error, _) => Some(Answered::Error(error)),
    }
}

/// The answer under a name of the callback, not longer than names are.
pub(crate) fn said(callback: &Callback, name: &str) -> String {
    let text = callback.input(name).and_then(Value::as_str).unwrap_or_default();
    text.chars().take(MAX_NAME).collect()
}

/// 256 bits that nobody has signed yet.
pub(crate) fn challenge(step: &Step<'_>) -> String {
    let mut bytes = [0; 32];
    step.host.random.fill(&mut bytes);
    STANDARD.encode(bytes)
}

/// The challenge as phones give it to their hardware.
pub(crate) fn challenged(challenge: &str) -> Option<Vec<u8>> {
    STANDARD.decode(challenge).ok()
}

/// What a signature is expected to say.
pub(crate) struct Expected<'a> {
    pub(crate) challenge: &'a str,
    /// Whose key it is; an app that knows nobody yet leaves it open.
    pub(crate) subject: Option<&'a str>,
    /// The apps that may sign; none means any.
    pub(crate) applications: &'a [String],
}

/// Checks what was signed with this key (RFC 7517). The error is for the log and for the journey's state.
pub(crate) fn verify(
    jws: &str,
    jwk: &Map<String, Value>,
    expected: &Expected<'_>,
    now: u64,
) -> Result<Map<String, Value>, String> {
    let key = ForeignKey::from_jwk(jwk).map_err(|error| error.to_string())?;
    let parsed = Unverified::parse(jws.as_bytes()).map_err(|error| error.to_string())?;
    let payload = parsed.verify(&key).map_err(|error| error.to_string())?;
    let claims: Map<String, Value> = serde_json::from_slice(&payload).map_err(|_| "there are no claims".to_owned())?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    if !bool::from(text("challenge").as_bytes().ct_eq(expected.challenge.as_bytes())) {
        return Err("another challenge was signed".to_owned());
    }
    if expected.subject.is_some_and(|subject| subject != text("sub")) {
        return Err("it was signed for another user".to_owned());
    }
    if !expected.applications.is_empty() && !expected.applications.iter().any(|known| known == text("iss")) {
        return Err(format!("the app {:?} is not one of those that may sign", short(text("iss"))));
    }
    let now = i64::try_from(now / 1000).unwrap_or(i64::MAX);
    let number = |name: &str| claims.get(name).and_then(Value::as_i64);
    if number("exp").is_none_or(|expires| now >= expires.saturating_add(SKEW)) {
        return Err("it has expired".to_owned());
    }
    let early = |name: &str| number(name).is_some_and(|from| from.saturating_sub(SKEW) > now);
    if early("nbf") || early("iat") {
        return Err("it is not valid yet".to_owned());
    }
    Ok(claims)
}

fn short(text: &str) -> String {
    text.chars().take(MAX_NAME).collect()
}

/// The key that a registration brings along in its header, with the id it will be known by.
pub(crate) fn brought(jws: &str) -> Option<(String, Map<String, Value>)> {
    let parsed = Unverified::parse(jws.as_bytes()).ok()?;
    let jwk = parsed.header("jwk")?.as_object()?.clone();
    let kid = Some(parsed.kid()).filter(|kid| !kid.is_empty()).or_else(|| jwk.get("kid")?.as_str())?;
    (kid.len() <= MAX_NAME).then(|| (kid.to_owned(), jwk.clone()))
}

/// Stores a device, in the place of the one with the same `deviceId`. `None`: there are as many as there may be.
pub(crate) async fn store(
    step: &Step<'_>,
    user: &Identity,
    mut device: Device,
    most: i64,
) -> Result<Option<bool>, NodeError> {
    let devices = step.host.devices;
    let known = devices.list(&user.username, DeviceKind::Binding).await?;
    let id = device.profile.get("deviceId").and_then(Value::as_str).unwrap_or_default().to_owned();
    let same = |known: &&Device| !id.is_empty() && known.profile.get("deviceId") == Some(&json!(id));
    if let Some(old) = known.iter().find(same) {
        device.id.clone_from(&old.id);
        device.version = old.version;
        device.profile.insert("uuid".to_owned(), json!(old.id));
        return Ok(Some(devices.update(&user.username, DeviceKind::Binding, &device).await?));
    }
    if most > 0 && i64::try_from(known.len()).is_ok_and(|count| count >= most) {
        return Ok(None);
    }
    Ok(Some(devices.add(&user.username, DeviceKind::Binding, &device, false).await?))
}
