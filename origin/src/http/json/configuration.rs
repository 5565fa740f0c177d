//! Resources that show settings, in AM's shape: groups of fields, `_id`, `_rev`, `_type`. Most settings are in the
//! file; a PUT may repeat them and is told where a change belongs.

use axum::http::header::{ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::error::Crest;
use super::{Answer, Call, crest_json};

pub(super) enum Verb {
    Read,
    Update(Map<String, Value>),
}

pub(super) fn verb(call: &Call, current: &Value) -> Result<Verb, Crest> {
    match call.method {
        Method::GET | Method::HEAD => Ok(Verb::Read),
        Method::PUT => {
            preconditions(&call.headers, current)?;
            object(call).map(Verb::Update)
        }
        _ => Err(Crest::new(StatusCode::NOT_IMPLEMENTED, format!("Method {} not supported", call.method))),
    }
}

pub(super) fn preconditions(headers: &HeaderMap, current: &Value) -> Result<(), Crest> {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default().trim());
    let failed = |what: &str| Err(Crest::new(StatusCode::PRECONDITION_FAILED, what));
    match text(IF_NONE_MATCH) {
        None => {}
        Some("*") => return failed("The resource exists"),
        Some(other) => {
            let shown: String = other.trim_matches('"').chars().take(100).collect();
            let message = format!("\"{shown}\" is not a supported value for If-None-Match on PUT");
            return Err(Crest::bad_request(message));
        }
    }
    match text(IF_MATCH) {
        None | Some("*") => Ok(()),
        Some(asked) if current.get("_rev").and_then(Value::as_str) == Some(asked.trim_matches('"')) => Ok(()),
        Some(_) => failed("The resource has another version"),
    }
}

/// Another one for another content.
pub(super) fn revision(content: &Value) -> String {
    let hash = Sha256::digest(content.to_string());
    let number = hash.iter().take(4).fold(0u32, |number, byte| number << 8 | u32::from(*byte));
    number.cast_signed().to_string()
}

/// The body, which is to be an object.
pub(super) fn object(call: &Call) -> Result<Map<String, Value>, Crest> {
    match serde_json::from_slice(&call.body) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(Crest::bad_request(
            "The request could not be processed because the provided content is not a JSON object",
        )),
    }
}

pub(super) fn unsupported(call: &Call) -> Crest {
    let message = match call.query.first("_action").filter(|_| call.method == Method::POST) {
        Some(action) => {
            let shown: String = action.chars().take(100).collect();
            format!("Action {shown} not implemented for this resource")
        }
        None => format!("Method {} not supported", call.method),
    };
    Crest::new(StatusCode::NOT_IMPLEMENTED, message)
}

/// The groups with `_id` and `_rev` in front and `_type` behind.
pub(super) fn resource(groups: &Value, kind: (&str, &str)) -> Value {
    let mut members = Map::new();
    members.insert("_id".to_owned(), "".into());
    members.insert("_rev".to_owned(), revision(groups).into());
    members.extend(groups.as_object().cloned().unwrap_or_default());
    members.insert("_type".to_owned(), json!({"_id": kind.0, "name": kind.1, "collection": false}));
    Value::Object(members)
}

pub(super) fn respond(resource: &Value) -> Answer {
    let mut response: Response = crest_json(StatusCode::OK, resource);
    let rev = resource.get("_rev").and_then(Value::as_str).unwrap_or_default();
    response.headers_mut().extend(HeaderValue::try_from(format!("\"{rev}\"")).ok().map(|value| (ETAG, value)));
    Ok(response)
}

/// Whether an update asks for nothing but what holds already. `in_file` names the setting behind a field; the fields in
/// `settable` are left to the caller.
pub(super) fn unchanged(
    asked: &Map<String, Value>,
    groups: &Value,
    settable: &[(&str, &str)],
    in_file: impl Fn(&str, &str) -> Option<&'static str>,
) -> Result<(), Crest> {
    let unknown = |among: &Value| {
        let known: Vec<&str> = among.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        Crest::bad_request("Invalid attribute specified.").with_detail("validAttributes", known.join(", "))
    };
    for (group, fields) in asked.iter().filter(|(name, _)| !name.starts_with('_')) {
        let known = groups.get(group).ok_or_else(|| unknown(groups))?;
        let fields = fields.as_object().ok_or_else(|| Crest::bad_request(format!("{group} must be an object")))?;
        for (field, value) in fields {
            let current = known.get(field).ok_or_else(|| unknown(known))?;
            if current == value || settable.contains(&(group, field)) {
                continue;
            }
            return Err(Crest::bad_request(match in_file(group, field) {
                Some(setting) => format!(
                    "{group}.{field} cannot be changed here: it is {setting} in the settings file, which is read again \
                     when it changes"
                ),
                None => format!("{group}.{field} cannot be changed"),
            }));
        }
    }
    Ok(())
}
