//! How the user has shown who it is, gathered from the nodes that were passed: the `amr` of the session (RFC 8176).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use countersign_journey::host::{Audit, NodeEvent};

/// Hears what happens at nodes and passes it on.
pub(super) struct Methods<'a> {
    audit: &'a dyn Audit,
    seen: Mutex<BTreeSet<String>>,
    missed: AtomicBool,
}

impl<'a> Methods<'a> {
    pub(super) fn new(audit: &'a dyn Audit) -> Self {
        Self { audit, seen: Mutex::default(), missed: AtomicBool::new(false) }
    }

    pub(super) fn take(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a code or an answer that can be guessed was wrong.
    pub(super) fn missed(&self) -> bool {
        self.missed.load(Ordering::Relaxed)
    }
}

impl Audit for Methods<'_> {
    fn node(&self, event: NodeEvent<'_>) {
        if let Ok(outcome) = event.outcome {
            if let Some(method) = proof(event.node_type, outcome) {
                self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(method.to_owned());
            }
            self.missed.fetch_or(is_miss(event.node_type, outcome), Ordering::Relaxed);
        }
        self.audit.node(event);
    }

    fn counted(&self, key: &str) {
        self.audit.counted(key);
    }

    fn timed(&self, key: &str, milliseconds: u64) {
        self.audit.timed(key, milliseconds);
    }
}

/// What leaving a node by an outcome proves.
fn proof(node_type: &str, outcome: &str) -> Option<&'static str> {
    Some(match (node_type, outcome.to_ascii_lowercase().as_str()) {
        ("DataStoreDecisionNode" | "AgentDataStoreDecisionNode", "true") => "pwd",
        ("IdentityStoreDecisionNode" | "LdapDecisionNode", "true" | "expiring") => "pwd",
        ("OneTimePasswordCollectorDecisionNode", "true") => "otp",
        ("OathTokenVerifierNode", "successoutcome" | "success") => "otp",
        ("RecoveryCodeCollectorDecisionNode", "true") => "otp",
        ("WebAuthnAuthenticationNode", "success") => "hwk",
        ("DeviceSigningVerifierNode", "success") => "swk",
        ("PushResultVerifierNode", "true") => "mca",
        ("KbaDecisionNode" | "KbaVerifyNode", "true") => "kba",
        _ => return None,
    })
}

/// Whether leaving a node by an outcome says that what was typed is wrong.
fn is_miss(node_type: &str, outcome: &str) -> bool {
    matches!(
        (node_type, outcome.to_ascii_lowercase().as_str()),
        ("OneTimePasswordCollectorDecisionNode" | "RecoveryCodeCollectorDecisionNode" | "KbaVerifyNode", "false")
            | ("OathTokenVerifierNode", "failureoutcome" | "failure")
    )
}
