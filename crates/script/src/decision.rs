use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::error::ScriptError;

/// What a script decided, and what it left of the state it was given.
#[derive(Clone, PartialEq, Debug)]
pub struct Decision {
    pub action: Action,
    pub shared: Map<String, Value>,
    pub transient: Map<String, Value>,
    pub secure: Map<String, Value>,
    pub session_properties: BTreeMap<String, String>,
    pub removed_session_properties: Vec<String>,
    pub identified: Option<Identified>,
    pub error_message: Option<String>,
    pub lockout_message: Option<String>,
    pub max_session_minutes: Option<i64>,
    pub max_idle_minutes: Option<i64>,
    pub header: Option<String>,
    pub description: Option<String>,
    pub stage: Option<String>,
    /// `auditEntryDetail`.
    pub audit: Option<Value>,
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    GoTo(String),
    Send(Vec<Callback>),
    /// `message` holds [`Input::resume_uri`](crate::Input::resume_uri) where the script put it.
    Suspend {
        message: String,
        minutes: Option<i64>,
    },
}

/// Whom the script says it has identified.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Identified {
    pub name: String,
    /// An agent, not a user.
    pub agent: bool,
}

/// A callback to send. Inputs are named by the suffix that follows `IDTokenN` on the wire; the plain one is empty.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct Callback {
    #[serde(rename = "type")]
    pub kind: String,
    pub output: Vec<(String, Value)>,
    pub input: Vec<(String, Value)>,
}

impl Callback {
    /// As on the wire, at this position of the step, counted from one.
    pub fn wire(&self, position: usize) -> Value {
        let output = self.output.iter().map(|(name, value)| json!({ "name": name, "value": value }));
        let input = self
            .input
            .iter()
            .map(|(name, value)| json!({ "name": format!("IDToken{position}{name}"), "value": value }));
        let (output, input) = (output.collect::<Vec<_>>(), input.collect::<Vec<_>>());
        if input.is_empty() {
            json!({ "type": self.kind, "output": output })
        } else {
            json!({ "type": self.kind, "output": output, "input": input })
        }
    }
}

#[derive(Deserialize)]
struct Left {
    action: Option<Action>,
    effects: Effects,
    stores: Stores,
    audit: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Effects {
    session_properties: BTreeMap<String, String>,
    removed_session_properties: Vec<String>,
    identified: Option<Identified>,
    error_message: Option<String>,
    lockout_message: Option<String>,
    max_session_minutes: Option<i64>,
    max_idle_minutes: Option<i64>,
    header: Option<String>,
    description: Option<String>,
    stage: Option<String>,
}

#[derive(Deserialize)]
struct Stores {
    shared: Map<String, Value>,
    transient: Map<String, Value>,
    secure: Map<String, Value>,
}

impl Decision {
    /// Reads what the shim left. A script can bend that in any way, so it is held to its form here.
    pub(crate) fn read(left: &str, most: usize) -> Result<Self, ScriptError> {
        if left.len() > most {
            return Err(ScriptError::Result(format!("it leaves {} bytes, at most {most} are kept", left.len())));
        }
        let left: Left = serde_json::from_str(left).map_err(|error| ScriptError::Result(error.to_string()))?;
        let Left { action, effects, stores, audit } = left;
        let action = action.ok_or(ScriptError::NoOutcome)?;
        Ok(Self {
            action,
            shared: stores.shared,
            transient: stores.transient,
            secure: stores.secure,
            session_properties: effects.session_properties,
            removed_session_properties: effects.removed_session_properties,
            identified: effects.identified,
            error_message: effects.error_message,
            lockout_message: effects.lockout_message,
            max_session_minutes: effects.max_session_minutes,
            max_idle_minutes: effects.max_idle_minutes,
            header: effects.header,
            description: effects.description,
            stage: effects.stage,
            audit,
        })
    }
}
