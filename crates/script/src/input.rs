use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

/// Which bindings a script was written for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Generation {
    Legacy,
    Next,
}

impl Generation {
    /// By `evaluatorVersion` of the script; most have none and are legacy.
    pub fn of(evaluator_version: Option<&str>) -> Self {
        if evaluator_version == Some("2.0") { Self::Next } else { Self::Legacy }
    }
}

/// A script of a realm.
#[derive(Clone, Debug)]
pub struct Script {
    pub name: Arc<str>,
    pub generation: Generation,
    pub source: Arc<str>,
}

/// What a script is told, by value.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    /// The id of the node, for messages.
    pub node: String,
    pub realm: String,
    /// Only what the node's inputs let through.
    pub shared: Map<String, Value>,
    pub transient: Map<String, Value>,
    pub secure: Map<String, Value>,
    /// What was submitted, as on the wire: `type`, `output`, `input`.
    pub callbacks: Vec<Value>,
    /// By name; their case is of no matter.
    pub headers: BTreeMap<String, Vec<String>>,
    pub parameters: BTreeMap<String, Vec<String>>,
    pub cookies: BTreeMap<String, String>,
    pub client_ip: String,
    /// The properties of the session that the user has already; `None` when there is none.
    pub existing_session: Option<BTreeMap<String, String>>,
    pub resumed: bool,
    /// Where a suspended journey is resumed. As it is, it is text for the host to replace.
    pub resume_uri: String,
    /// The name of the session cookie.
    pub cookie_name: String,
    /// The settings of a node that a tenant made, which its script sees as `properties`.
    pub properties: Map<String, Value>,
    /// What the client wants to read, the best first.
    pub languages: Vec<String>,
    pub journey: Journey,
}

/// The journey that the node is in, for `journey`.
#[derive(Clone, Default, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Journey {
    pub name: String,
    /// The kind of object it works on.
    pub resource: String,
    pub inner_only: bool,
    pub must_run: bool,
}

impl Default for Input {
    fn default() -> Self {
        Self {
            node: String::new(),
            realm: "/".to_owned(),
            shared: Map::new(),
            transient: Map::new(),
            secure: Map::new(),
            callbacks: Vec::new(),
            headers: BTreeMap::new(),
            parameters: BTreeMap::new(),
            cookies: BTreeMap::new(),
            client_ip: String::new(),
            existing_session: None,
            resumed: false,
            resume_uri: "{{resumeURI}}".to_owned(),
            cookie_name: "iPlanetDirectoryPro".to_owned(),
            properties: Map::new(),
            languages: Vec::new(),
            journey: Journey::default(),
        }
    }
}

impl Input {
    /// As the shim reads it; the only copy that the engine gets.
    pub(crate) fn json(mut self, script: &str) -> String {
        // Merged, so that a header that came in two spellings has both of its values.
        for (name, values) in std::mem::take(&mut self.headers) {
            self.headers.entry(name.to_ascii_lowercase()).or_default().extend(values);
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Told<'a> {
            script_name: &'a str,
            #[serde(flatten)]
            input: &'a Input,
        }
        // Maps with text keys and JSON values always serialise.
        serde_json::to_string(&Told { script_name: script, input: &self }).unwrap_or_default()
    }
}
