use std::future::Future;
use std::pin::Pin;

use serde_json::{Map, Value, json};

use crate::callback::{Callback, CallbackType};
use crate::config::{ConfigError, Field, Kind, NodeConfig};
use crate::host::HostError;
use crate::step::Step;

/// What a node wants next.
pub(crate) enum Action {
    /// Leave by this outcome.
    GoTo(String),
    /// Ask the client; the same node runs again with the answers.
    Send(Vec<Callback>),
    /// Stop until the link with the one-time id is opened; the same node runs again, resumed.
    Suspend { id: String, message: Callback, minutes: Option<i64> },
    /// Run this journey and leave by its result.
    Enter { journey: String, catch: bool },
}

/// AM's node exception, by who is at fault. It ends the journey, and the client is not told why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NodeError {
    /// The operator: a setting, or nodes in an order that cannot work.
    Config(String),
    /// The journey: state that an earlier node should have left.
    State(String),
    /// The script.
    Script(String),
    /// A service of the host.
    Host(HostError),
    /// The rules of the engine: too many nodes, too deep, too large.
    Limit(&'static str),
    /// Not an error of anybody: the node ends the journey, as when a limit of attempts is reached.
    Refused(String),
}

impl std::fmt::Display for NodeError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Config(why) => write!(out, "configuration: {why}"),
            Self::State(why) => write!(out, "state: {why}"),
            Self::Script(why) => write!(out, "script: {why}"),
            Self::Host(error) => write!(out, "{error}"),
            Self::Limit(which) => write!(out, "limit: {which}"),
            Self::Refused(why) => write!(out, "refused: {why}"),
        }
    }
}

impl From<ConfigError> for NodeError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error.to_string())
    }
}

impl From<HostError> for NodeError {
    fn from(error: HostError) -> Self {
        Self::Host(error)
    }
}

pub(crate) type NodeResult = Result<Action, NodeError>;

/// The only outcome of nodes that decide nothing.
pub(crate) const OUTCOME: &str = "outcome";
pub(crate) const TRUE: &str = "true";
pub(crate) const FALSE: &str = "false";

pub(crate) fn goto(outcome: impl Into<String>) -> NodeResult {
    Ok(Action::GoTo(outcome.into()))
}

pub(crate) fn next() -> NodeResult {
    goto(OUTCOME)
}

pub(crate) fn decide(yes: bool) -> NodeResult {
    goto(if yes { TRUE } else { FALSE })
}

pub(crate) fn send(callbacks: impl Into<Vec<Callback>>) -> NodeResult {
    Ok(Action::Send(callbacks.into()))
}

/// A key of the journey's state that a node reads or writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key {
    Named(&'static str),
    /// The node's id, a dot, and this.
    Own(&'static str),
    /// The text, texts or map keys of this setting.
    Setting(&'static str),
    /// The values of this setting, which is a map.
    SettingValues(&'static str),
    /// Any.
    All,
}

impl Key {
    /// Whether `key` is meant, for a node with this id and configuration.
    pub(crate) fn matches(self, key: &str, id: &str, config: &Map<String, Value>) -> bool {
        match self {
            Self::All => true,
            Self::Named(name) => name == key,
            Self::Own(suffix) => key.strip_prefix(id).and_then(|rest| rest.strip_prefix('.')) == Some(suffix),
            Self::SettingValues(field) => {
                let values = config.get(field).and_then(Value::as_object);
                values.is_some_and(|values| values.values().any(|value| is_text(value, key)))
            }
            Self::Setting(field) => match config.get(field) {
                Some(Value::Array(list)) => list.iter().any(|item| is_text(item, key) || item == "*"),
                Some(Value::Object(map)) => map.contains_key(key),
                // An absent list of inputs or outputs means all of them.
                None => matches!(field, "inputs" | "outputs" | "scriptInputs"),
                Some(value) => is_text(value, key),
            },
        }
    }
}

/// Settings that are texts may be written as numbers.
fn is_text(value: &Value, text: &str) -> bool {
    match value {
        Value::String(value) => value == text,
        Value::Number(number) => number.to_string() == text,
        _ => false,
    }
}

/// By which ids a node can be left.
pub(crate) enum Outcomes<C> {
    Fixed(&'static [&'static str]),
    /// From the configuration.
    Of(fn(&C) -> Vec<String>),
    /// A page is left as its last child is.
    LastChild,
}

pub(crate) const SINGLE: &[&str] = &[OUTCOME];
pub(crate) const DECISION: &[&str] = &[TRUE, FALSE];

/// A node type. Implementations have no fields: everything they need is in their configuration and the [`Step`].
pub(crate) trait Node: 'static {
    /// The type id of exports.
    const TYPE: &'static str;
    const NAME: &'static str;
    /// One or two sentences for whoever builds a journey.
    const ABOUT: &'static str;
    const VERSION: &'static str = "1.0";
    const OUTCOMES: Outcomes<Self::Config> = Outcomes::Fixed(SINGLE);
    /// What it may send.
    const CALLBACKS: &'static [CallbackType] = &[];
    /// State that it reads. Transient values live on between steps only if a later node names them here.
    const INPUTS: &'static [Key] = &[];
    const OUTPUTS: &'static [Key] = &[];
    /// Whether [`Node::completed`] is to be called when the tree ends that the node was visited in.
    const COMPLETES: bool = false;

    type Config: NodeConfig;

    fn process(config: Self::Config, step: &mut Step<'_>) -> impl Future<Output = NodeResult> + Send;

    fn completed(
        config: Self::Config,
        step: &mut Step<'_>,
        success: bool,
    ) -> impl Future<Output = Result<(), NodeError>> + Send {
        let _ = (config, step, success);
        async { Ok(()) }
    }
}

type Running<'a, T> = Pin<Box<dyn Future<Output = Result<T, NodeError>> + Send + 'a>>;

/// The ids; `None` for a page, which is left as its last child is.
pub type OutcomeIds = Result<Option<Vec<String>>, ConfigError>;

/// A node type as a value: its declaration, and how to run it.
pub struct NodeType {
    pub type_id: &'static str,
    pub name: &'static str,
    pub about: &'static str,
    pub version: &'static str,
    pub callbacks: &'static [CallbackType],
    pub inputs: &'static [Key],
    pub outputs: &'static [Key],
    pub(crate) completes: bool,
    /// Outcomes that do not depend on the configuration.
    pub(crate) fixed_outcomes: Option<&'static [&'static str]>,
    fields: fn() -> Vec<Field>,
    outcomes: fn(&Map<String, Value>) -> OutcomeIds,
    process: for<'a> fn(&'a Map<String, Value>, &'a mut Step<'_>) -> Running<'a, Action>,
    completed: for<'a> fn(&'a Map<String, Value>, &'a mut Step<'_>, bool) -> Running<'a, ()>,
}

impl NodeType {
    pub(crate) const fn of<N: Node>() -> Self {
        Self {
            type_id: N::TYPE,
            name: N::NAME,
            about: N::ABOUT,
            version: N::VERSION,
            callbacks: N::CALLBACKS,
            inputs: N::INPUTS,
            outputs: N::OUTPUTS,
            completes: N::COMPLETES,
            fixed_outcomes: match N::OUTCOMES {
                Outcomes::Fixed(ids) => Some(ids),
                Outcomes::Of(_) | Outcomes::LastChild => None,
            },
            fields: N::Config::fields,
            outcomes: |config| {
                let config = N::Config::read(config)?;
                Ok(match N::OUTCOMES {
                    Outcomes::Fixed(ids) => Some(ids.iter().map(|id| (*id).to_owned()).collect()),
                    Outcomes::Of(ids) => Some(ids(&config)),
                    Outcomes::LastChild => None,
                })
            },
            process: |config, step| {
                let config = N::Config::read(config);
                Box::pin(async move { N::process(config?, step).await })
            },
            completed: |config, step, success| {
                let config = N::Config::read(config);
                Box::pin(async move { N::completed(config?, step, success).await })
            },
        }
    }

    pub fn fields(&self) -> Vec<Field> {
        (self.fields)()
    }

    /// The ids a node with this configuration can be left by; `None` for a page, which is left as its last child is.
    pub fn outcomes(&self, config: &Map<String, Value>) -> OutcomeIds {
        (self.outcomes)(config)
    }

    pub(crate) fn process<'a>(&self, config: &'a Map<String, Value>, step: &'a mut Step<'_>) -> Running<'a, Action> {
        (self.process)(config, step)
    }

    pub(crate) fn completed<'a>(
        &self,
        config: &'a Map<String, Value>,
        step: &'a mut Step<'_>,
        success: bool,
    ) -> Running<'a, ()> {
        (self.completed)(config, step, success)
    }

    pub(crate) fn reads(&self, key: &str, id: &str, config: &Map<String, Value>) -> bool {
        self.inputs.iter().any(|input| input.matches(key, id, config))
    }

    pub(crate) fn writes(&self, key: &str, id: &str, config: &Map<String, Value>) -> bool {
        self.outputs.iter().any(|output| output.matches(key, id, config))
    }

    /// What AM answers to `_action=schema`.
    pub fn schema(&self) -> Value {
        let mut properties = Map::new();
        for (order, field) in self.fields().into_iter().enumerate() {
            let (kind, more) = match field.kind {
                Kind::Boolean => ("boolean", None),
                Kind::Integer => ("integer", None),
                Kind::Text => ("string", None),
                Kind::Secret => ("string", Some(("format", json!("password")))),
                Kind::List => ("array", Some(("items", json!({"type": "string"})))),
                Kind::Nodes => ("array", Some(("items", json!({"type": "object"})))),
                Kind::Map | Kind::Localised => {
                    ("object", Some(("patternProperties", json!({".*": {"type": "string"}}))))
                }
            };
            let members = [
                ("title", json!(title(field.name))),
                ("description", json!(field.about)),
                ("propertyOrder", json!((order + 1) * 100)),
                ("required", json!(field.default.is_none())),
                ("exampleValue", json!("")),
                ("type", json!(kind)),
            ];
            let choices = (!field.choices.is_empty()).then(|| ("enum", json!(field.choices)));
            let members = members.into_iter().chain(more).chain(choices);
            let property: Map<String, Value> = members.map(|(name, value)| (name.to_owned(), value)).collect();
            properties.insert(field.name.to_owned(), Value::Object(property));
        }
        json!({"type": "object", "properties": properties})
    }

    /// What AM answers to `_action=template`: every setting that has a default.
    pub fn template(&self) -> Value {
        self.fields().into_iter().filter_map(|field| Some((field.name.to_owned(), field.default?))).collect()
    }
}

/// `retryLimit` as `Retry Limit`.
fn title(name: &str) -> String {
    let mut out = String::new();
    for (position, letter) in name.chars().enumerate() {
        if position == 0 {
            out.extend(letter.to_uppercase());
            continue;
        }
        if letter.is_uppercase() {
            out.push(' ');
        }
        out.push(letter);
    }
    out
}
