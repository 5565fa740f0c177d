use std::sync::PoisonError;
use std::time::Duration;

use countersign_journey::host::{Audit, NodeEvent};
use countersign_store::AuditEvent;
use serde_json::{Value, json};

use super::Services;

/// Events of one step that are kept: more than the engine runs nodes.
const MAX_EVENTS: usize = 512;
/// Longest text from a journey's document in an event.
const MAX_TEXT: usize = 255;

/// Longest detail of a script's.
const MAX_DETAIL: usize = 4096;

impl Audit for Services<'_> {
    fn node(&self, event: NodeEvent<'_>) {
        let outcome = match event.outcome {
            Ok(outcome) => cut(outcome),
            Err(error) => {
                tracing::warn!(journey = event.journey, node = event.node, %error, "a node gave up");
                cut(&error.to_string())
            }
        };
        let mut detail = json!({
            "treeName": cut(event.journey),
            "nodeId": cut(event.node),
            "nodeType": cut(event.node_type),
            "displayName": cut(event.display_name),
            "nodeOutcome": outcome,
        });
        let own = self.detail.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let (Some(own), Some(members)) = (own, detail.as_object_mut()) {
            members.insert("nodeExtraLogging".to_owned(), own);
        }
        self.add("AM-NODE-LOGIN-COMPLETED", "", detail);
    }

    fn counted(&self, key: &str) {
        self.app.metrics.measured(&self.realm_name, key, None);
    }

    fn timed(&self, key: &str, milliseconds: u64) {
        self.app.metrics.measured(&self.realm_name, key, Some(Duration::from_millis(milliseconds)));
    }
}

impl Services<'_> {
    /// Something that happened beside the nodes.
    pub(super) fn note(&self, event: &str, username: &str) {
        self.add(event, username, json!({}));
    }

    /// What a script wants said of its node.
    pub(super) fn detail(&self, detail: Value) {
        if detail.to_string().len() <= MAX_DETAIL {
            *self.detail.lock().unwrap_or_else(PoisonError::into_inner) = Some(detail);
        }
    }

    pub(super) fn add(&self, event: &str, username: &str, detail: Value) {
        let event = AuditEvent {
            at: self.app.clock.now().seconds(),
            topic: "authentication".to_owned(),
            event: event.to_owned(),
            realm: self.realm_name.clone(),
            username: cut(username),
            actor: String::new(),
            transaction_id: self.transaction.clone(),
            detail,
        };
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if events.len() < MAX_EVENTS {
            events.push(event);
        }
    }

    /// Hands what the step's nodes did to the audit, with whom it concerns where that is known.
    pub(crate) async fn audited(&self, username: &str) {
        let mut events = std::mem::take(&mut *self.events.lock().unwrap_or_else(PoisonError::into_inner));
        for event in events.iter_mut().filter(|event| event.username.is_empty()) {
            event.username = cut(username);
        }
        self.app.audit_log.add(events);
    }
}

/// The beginning of a text, without what a line cannot have.
fn cut(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_TEXT);
    text.get(..end).unwrap_or_default().chars().filter(|letter| !letter.is_control()).collect()
}
