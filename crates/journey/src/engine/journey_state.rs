use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Limits, Page};
use crate::callback::{Callback, CallbackError, submit};
use crate::journey::Journey;
use crate::node::NodeError;

/// A journey in progress. It holds what was typed, passwords included until they are used, so whoever keeps it seals
/// it; there is no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
pub struct JourneyState {
    pub(crate) shared: Map<String, Value>,
    /// The journey, and the inner ones it is in.
    pub(crate) frames: Vec<Frame>,
    pub(crate) effects: Effects,
    /// What the client was asked.
    pub(crate) pending: Vec<Callback>,
    /// Whether a page asked, whose callbacks carry their index.
    pub(crate) page: bool,
    /// Milliseconds since 1970.
    pub(crate) started: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) suspended: Option<Suspended>,
    /// How often nodes have asked, by the beginning of their ids.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub(crate) asked: BTreeMap<String, u16>,
    /// What is being answered wants to know what it would come to, and no more.
    #[serde(skip)]
    pub(crate) only_validated: bool,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Suspended {
    pub(crate) id: String,
    pub(crate) until: u64,
}

/// Where one journey stands. Only the shared state goes back to the journey that called it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Frame {
    pub(crate) journey: String,
    pub(crate) node: String,
    pub(crate) transient: Map<String, Value>,
    pub(crate) secure: Map<String, Value>,
    /// Nodes to tell how it ended.
    pub(crate) visited: Vec<String>,
    /// Whether the caller wants exceptions as an outcome.
    pub(crate) catch: bool,
}

impl Frame {
    pub(crate) fn new(journey: &Journey, catch: bool) -> Self {
        Self {
            journey: journey.name.clone(),
            node: journey.entry.clone(),
            transient: Map::new(),
            secure: Map::new(),
            visited: Vec::new(),
            catch,
        }
    }
}

/// Who logs in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Identified {
    pub username: String,
    pub universal_id: String,
    /// Whether the store knows it; anonymous users and agents are not looked up at the end.
    pub stored: bool,
}

/// What nodes ask to happen at the end.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Effects {
    pub session_properties: Map<String, Value>,
    pub max_session_minutes: Option<i64>,
    pub max_idle_minutes: Option<i64>,
    pub max_journey_minutes: Option<i64>,
    pub identified: Option<Identified>,
    /// The text of the failure, instead of the default one.
    pub error_message: Option<String>,
    /// Likewise when the account is locked.
    pub lockout_message: Option<String>,
    /// Members of the success's JSON.
    pub success_details: Map<String, Value>,
    /// Members with the values of session properties.
    pub success_properties: Map<String, Value>,
    /// The text and further members of the answer when the journey ends in its failure node.
    pub failure_message: Option<String>,
    pub failure_details: Map<String, Value>,
    /// Likewise when it ends with an exception.
    pub exception_message: Option<String>,
    pub exception_details: Map<String, Value>,
    pub(crate) cookies: Vec<CookieOf>,
    /// Only for the step that is being answered.
    #[serde(skip)]
    pub(crate) page: Page,
}

/// The node that sets or renews a persistent cookie: its key stays in the configuration.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CookieOf {
    pub(crate) journey: String,
    pub(crate) node: String,
    pub(crate) renews: bool,
}

/// What AM keeps in these session properties is for it to say.
const OWN_PROPERTIES: &[&str] = &[
    "AMCtxId",
    "AuthLevel",
    "AuthType",
    "CharSet",
    "FullLoginURL",
    "Host",
    "HostName",
    "IndexType",
    "Locale",
    "OidcSid",
    "Organization",
    "Principal",
    "Principals",
    "Service",
    "UserId",
    "UserProfile",
    "UserToken",
    "amlbcookie",
    "authInstant",
    "clientType",
    "loginURL",
    "successURL",
    "sun.am.UniversalIdentifier",
];

/// Whether a property of sessions is AM's own, and not for journeys or users to set.
pub fn is_own_property(name: &str) -> bool {
    OWN_PROPERTIES.iter().any(|own| own.eq_ignore_ascii_case(name))
}

impl Effects {
    /// Sets a property of the session to come; those that are not for nodes and scripts end the journey.
    pub(crate) fn set_property(&mut self, name: &str, value: Value) -> Result<(), NodeError> {
        if is_own_property(name) {
            return Err(NodeError::Config(format!("session property {name} cannot be set by a journey")));
        }
        self.session_properties.insert(name.to_owned(), value);
        Ok(())
    }
}

impl JourneyState {
    pub(super) fn new(frame: Frame, started: u64) -> Self {
        Self {
            shared: Map::new(),
            frames: vec![frame],
            effects: Effects::default(),
            pending: Vec::new(),
            page: false,
            started,
            suspended: None,
            asked: BTreeMap::new(),
            only_validated: false,
        }
    }

    /// The name of the outermost journey.
    pub fn journey(&self) -> &str {
        self.frames.first().map_or("", |frame| frame.journey.as_str())
    }

    /// The journey and the node that asked.
    pub fn position(&self) -> (&str, &str) {
        self.frames.last().map_or(("", ""), |frame| (frame.journey.as_str(), frame.node.as_str()))
    }

    pub fn callbacks(&self) -> &[Callback] {
        &self.pending
    }

    /// The `callbacks` of the answer to the client.
    pub fn callbacks_json(&self) -> Vec<Value> {
        self.pending.iter().enumerate().map(|(position, callback)| callback.to_wire(position, self.page)).collect()
    }

    /// Whether these are answers to what was asked, before anything is done with them.
    pub fn check_answers(&self, callbacks: &[Value]) -> Result<(), CallbackError> {
        submit(&self.pending, callbacks).map(drop)
    }

    pub fn shared(&self) -> &Map<String, Value> {
        &self.shared
    }

    /// Who it is, once a node has said so.
    pub fn identified(&self) -> Option<&Identified> {
        self.effects.identified.as_ref()
    }

    /// Whether it waits for its link to be opened.
    pub fn is_suspended(&self) -> bool {
        self.suspended.is_some()
    }

    /// When the journey ends by itself, in milliseconds since 1970: by the node that set it last, else by the tree,
    /// else by the realm.
    pub fn deadline(&self, limits: &Limits) -> u64 {
        if let Some(suspended) = &self.suspended {
            return suspended.until;
        }
        self.started.saturating_add(minutes(self.effects.max_journey_minutes.unwrap_or(limits.journey_minutes)))
    }

    pub(super) fn expired(&self, now: u64, limits: &Limits) -> bool {
        now >= self.deadline(limits)
    }
}

/// Milliseconds.
pub(crate) fn minutes(minutes: i64) -> u64 {
    u64::try_from(minutes).unwrap_or(0).saturating_mul(60_000)
}
