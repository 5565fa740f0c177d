use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::JourneyState;
use crate::callback::CallbackError;
use crate::node::NodeError;

/// Where a request has taken the journey.
pub enum Answer {
    /// The client is asked: [`JourneyState::callbacks_json`].
    Callbacks {
        state: Box<JourneyState>,
        page: Page,
    },
    /// It goes on when the link with `id` is opened before `until` (milliseconds since 1970); until then the client
    /// sees the callbacks of `state`.
    Suspended {
        state: Box<JourneyState>,
        id: String,
        until: u64,
    },
    Success(Box<Success>),
    Failure(Box<Failure>),
}

/// What a page says beside its callbacks.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Page {
    pub stage: Option<String>,
    pub header: Option<String>,
    pub description: Option<String>,
}

/// A successful end. The host makes the session of it.
#[derive(Clone)]
pub struct Success {
    /// The session property `Service`.
    pub journey: String,
    /// `None` only where no session is wanted.
    pub username: Option<String>,
    pub universal_id: Option<String>,
    /// A node said who it is; otherwise it is what was collected as the user's name.
    pub identified: bool,
    pub auth_level: i64,
    /// The session property `AuthType`: node types joined with `|`; may be empty.
    pub auth_type: String,
    pub no_session: bool,
    pub session_properties: Map<String, Value>,
    /// Of the session, in minutes; `None`: as the realm has it.
    pub max_session_minutes: Option<i64>,
    pub max_idle_minutes: Option<i64>,
    /// As a node set it; a valid `goto` goes before it.
    pub success_url: Option<String>,
    /// Further members of the answer.
    pub details: Map<String, Value>,
    pub cookies: Vec<PersistentCookie>,
}

/// A cookie to set, renew or open. No `Debug`: it may hold a key.
#[derive(Clone, PartialEq, Eq)]
pub struct PersistentCookie {
    pub name: String,
    pub idle_hours: i64,
    /// `None`: a renewal keeps the end that the cookie has.
    pub max_hours: Option<i64>,
    pub secure: bool,
    pub http_only: bool,
    pub enforce_client_ip: bool,
    /// Base64, as the operator wrote it into the node; else the realm's key is used.
    pub signing_key: Option<String>,
}

#[derive(Clone)]
pub struct Failure {
    pub cause: FailureCause,
    /// What the client may read, where a node has set it.
    pub message: Option<String>,
    pub details: Map<String, Value>,
    pub failure_url: Option<String>,
}

/// For the log and the choice of the answer; the client learns no more than [`Failure::message`].
#[derive(Clone, PartialEq, Debug)]
pub enum FailureCause {
    /// The journey ended in its failure node.
    Rejected,
    /// The journey succeeded for an account that is not active.
    LockedOut,
    /// The journey succeeded without an identity.
    NoIdentity,
    TimedOut,
    /// A node gave up.
    Exception {
        journey: String,
        node: String,
        node_type: String,
        error: NodeError,
    },
}

/// The request could not be worked on; the journey stays where it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StepError {
    /// No such journey, or it is disabled.
    NoJourney,
    /// It can only be called by another journey.
    InnerOnly,
    Callbacks(CallbackError),
    /// To be resumed was a journey that is not suspended.
    NotSuspended,
}

impl std::fmt::Display for StepError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoJourney => out.write_str("No configuration found"),
            Self::InnerOnly => out.write_str("the journey can only be run by another one"),
            Self::Callbacks(error) => error.fmt(out),
            Self::NotSuspended => out.write_str("the journey is not suspended"),
        }
    }
}

impl std::error::Error for StepError {}

impl Answer {
    pub(super) fn timed_out() -> Self {
        Self::Failure(Box::new(Failure {
            cause: FailureCause::TimedOut,
            message: None,
            details: Map::new(),
            failure_url: None,
        }))
    }
}

/// The text of a shared value, where it is one and not empty.
pub(super) fn text(shared: &Map<String, Value>, key: &str) -> Option<String> {
    shared.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}
