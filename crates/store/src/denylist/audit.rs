//! What the audit says of a line of the log. The log is pruned when nothing it ended can live any more; the audit is
//! kept for as long as the operator wants it.

use countersign_core::denylist::Kind;
use serde::Serialize;

use super::NewEntry;
use super::row::Row;
use crate::StoreError;
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

/// What the line of the audit has that the line of the log has not.
pub(super) struct Note {
    pub(super) topic: &'static str,
    pub(super) event: &'static str,
    pub(super) transaction: String,
    pub(super) detail: String,
}

#[derive(Serialize)]
struct Detail<'a> {
    scope: &'static str,
    object: &'a str,
    reason: &'a str,
    line: i64,
}

impl Note {
    pub(super) fn of(row: &Row<'_>) -> Result<Self, StoreError> {
        let NewEntry { entry, object, reason, .. } = row.new;
        let (topic, event) = match (entry.kind, object.as_str()) {
            (Kind::Installation, super::epoch::OBJECT) => ("config", "DENYLIST-NEW-EPOCH"),
            (kind, _) => event(kind),
        };
        let transaction = format!("{:032x}", u128::from_be_bytes(row.request.0));
        let detail = Detail { scope: scope(entry.kind), object, reason, line: row.seq };
        let detail =
            serde_json::to_string(&detail).map_err(|error| StoreError::Internal { detail: error.to_string() })?;
        Ok(Self { topic, event, transaction, detail })
    }
}

/// One row of the table.
pub(super) fn line(row: &Row<'_>) -> Result<Vec<Arg>, StoreError> {
    let Note { topic, event, transaction, detail } = Note::of(row)?;
    let NewEntry { realm, username, actor, .. } = row.new;
    Ok(vec![
        row.created_at.into(),
        topic.into(),
        event.into(),
        realm.into(),
        username.into(),
        actor.into(),
        transaction.into(),
        detail.into(),
    ])
}
