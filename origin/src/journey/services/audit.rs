use std::sync::PoisonError;

use countersign_journey::host::{Audit, NodeEvent};
use countersign_store::AuditEvent;
use serde_json::json;

use super::Services;

/// Events of one step that are kept: more than the engine runs nodes.
const MAX_EVENTS: usize = 512;
/// Longest text from a journey's document in an event.
const MAX_TEXT: usize = 255;

impl Audit for Services<'_> {
    fn node(&self, event: NodeEvent<'_>) {
        let outcome = match event.outcome {
            Ok(outcome) => cut(outcome),
            Err(error) => {
                tracing::warn!(journey = event.journey, node = event.node, %error, "a node gave up");
                cut(&error.to_string())
            }
        };
        let event = AuditEvent {
            at: self.app.clock.now().seconds(),
            topic: "authentication".to_owned(),
            event: "AM-NODE-LOGIN-COMPLETED".to_owned(),
            realm: self.realm_name.clone(),
            username: String::new(),
            actor: String::new(),
            transaction_id: self.transaction.clone(),
            detail: json!({
                "treeName": cut(event.journey),
                "nodeId": cut(event.node),
                "nodeType": cut(event.node_type),
                "displayName": cut(event.display_name),
                "nodeOutcome": outcome,
            }),
        };
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if events.len() < MAX_EVENTS {
            events.push(event);
        }
    }
}

impl Services<'_> {
    /// Writes what the step's nodes did into the audit: after the step, with whom it concerns where that is known. The
    /// answer to the client waits for nothing here.
    pub(crate) async fn audited(&self, username: &str) {
        let mut events = std::mem::take(&mut *self.events.lock().unwrap_or_else(PoisonError::into_inner));
        if events.is_empty() {
            return;
        }
        let username = cut(username);
        for event in &mut events {
            event.username.clone_from(&username);
        }
        if let Err(error) = self.app.store.audit().append(&events).await {
            tracing::error!(%error, "the audit was not written");
        }
    }
}

/// The beginning of a text, without what a line cannot have.
fn cut(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_TEXT);
    text.get(..end).unwrap_or_default().chars().filter(|letter| !letter.is_control()).collect()
}
