//! What nearly every node needs.

pub(crate) use serde_json::{Map, Value, json};

pub(crate) use crate::callback::{Callback, CallbackType, MessageType, NOT_PRESSED};
pub(crate) use crate::config::{Secret, config};
pub(crate) use crate::locale::Localised;
pub(crate) use crate::node::{Action, DECISION, Key, Node, NodeError, NodeResult, Outcomes, decide, goto, next, send};
pub(crate) use crate::profile::{IDENTITY, Where};
pub(crate) use crate::state::OBJECT_ATTRIBUTES;
pub(crate) use crate::step::Step;
