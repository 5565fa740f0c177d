//! Certificates that are revoked, in the form of Google's list (`https://android.googleapis.com/attestation/status`).

use serde_json::Value;

use crate::node::NodeError;
use crate::outbound::{self, get};
use crate::step::Step;

/// Of the list: room for some ten thousands.
const MAX_LIST: usize = 4 * 1024 * 1024;

/// Whether one of the chain is revoked or suspended. Without an answer nobody can say.
pub(crate) async fn revoked(step: &Step<'_>, serials: &[String]) -> Result<bool, NodeError> {
    let url = &step.host.realm.key_attestation.status_url;
    if url.is_empty() {
        return Ok(false);
    }
    let answer = step.exchange_up_to(MAX_LIST, get(url)).await?;
    let list = outbound::success("the list of revoked attestation keys", answer)?;
    let entries = list.get("entries").and_then(Value::as_object);
    let entries =
        entries.ok_or_else(|| NodeError::Refused("the list of revoked attestation keys has no entries".to_owned()))?;
    // Only those are listed that are not good, whatever their status.
    Ok(serials.iter().any(|serial| entries.contains_key(serial)))
}
