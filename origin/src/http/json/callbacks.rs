//! The callbacks of a step: as sent, and as they come back.

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::error::Crest;
use crate::journey::{Answers, CALLBACKS};

/// A step: the page node with its two callbacks. Key order is AM's.
pub(super) fn step(auth_id: &str) -> Value {
    let callbacks: Vec<Value> = CALLBACKS
        .iter()
        .enumerate()
        .map(|(id, (kind, prompt))| {
            let input = format!("IDToken{}", id + 1);
            json!({
                "type": kind,
                "output": [{"name": "prompt", "value": prompt}],
                "input": [{"name": input, "value": ""}],
                "_id": id,
            })
        })
        .collect();
    json!({"authId": auth_id, "callbacks": callbacks, "stage": "UsernamePassword", "header": "Sign in"})
}

/// Reads what came back, by position: names and outputs are what the client makes of them.
pub(super) fn answers(callbacks: Option<&Value>) -> Result<Answers, Crest> {
    let callbacks = callbacks.and_then(Value::as_array).map(Vec::as_slice);
    let Some([name, password]) = callbacks else {
        return Err(Crest::bad_request("Incorrect number of callbacks found in JSON response"));
    };
    let [(name_kind, _), (password_kind, _)] = CALLBACKS;
    let username = input(name, name_kind)?.to_owned();
    Ok(Answers { username, password: Zeroizing::new(input(password, password_kind)?.to_owned()) })
}

fn input<'a>(callback: &'a Value, kind: &str) -> Result<&'a str, Crest> {
    if callback.get("type").and_then(Value::as_str) != Some(kind) {
        return Err(Crest::bad_request("Required callback not found in JSON response"));
    }
    match callback.get("input").and_then(Value::as_array).map(Vec::as_slice) {
        Some([one]) => one.get("value").and_then(Value::as_str),
        _ => None,
    }
    .ok_or_else(|| Crest::bad_request(format!("Incorrect input of {kind} found in JSON response")))
}
