//! What the audit says of a line of the log. The log is pruned when nothing it ended can live any more; the audit is
//! kept for as long as the operator wants it.

use countersign_core::denylist::Kind;
use serde_json::json;

use super::{NewEntry, RequestId};
use crate::db::Arg;

pub(super) const COLUMNS: [&str; 8] =
    ["at", "topic", "event", "realm", "username", "actor", "transaction_id", "detail"];

/// AM's names for the ends of sessions; what AM does not have is named likewise.
const fn event(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Family => ("activity", "AM-SESSION-LOGGED_OUT"),
        Kind::User | Kind::Realm | Kind::Key | Kind::Installation => ("activity", "AM-SESSION-DESTROYED"),
        Kind::UndoFamily | Kind::Undo => ("config", "DENYLIST-UNDO"),
    }
}

const fn scope(kind: Kind) -> &'static str {
    match kind {
        Kind::Family => "session",
        Kind::User => "user",
        Kind::Realm => "realm",
        Kind::Key => "key",
        Kind::Installation => "everything",
        Kind::UndoFamily | Kind::Undo => "line",
    }
}

/// One row of the table.
pub(super) fn line(seq: u64, new: &NewEntry, RequestId(request): RequestId, created_at: i64) -> Vec<Arg> {
    let NewEntry { entry, realm, username, object, reason, actor, .. } = new;
    let (topic, event) = match (entry.kind, object.as_str()) {
        (Kind::Installation, super::epoch::OBJECT) => ("config", "DENYLIST-NEW-EPOCH"),
        (kind, _) => event(kind),
    };
    let detail = json!({"scope": scope(entry.kind), "object": object, "reason": reason, "line": seq});
    let transaction: String = request.iter().map(|byte| format!("{byte:02x}")).collect();
    vec![
        created_at.into(),
        topic.into(),
        event.into(),
        realm.into(),
        username.into(),
        actor.into(),
        transaction.into(),
        detail.to_string().into(),
    ]
}
