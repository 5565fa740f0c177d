//! A line of the log and its line of the audit, as the tables have them.

use countersign_core::denylist::Chain;

use super::{Head, NewEntry, RequestId, audit, seq_in};
use crate::StoreError;
use crate::db::{Arg, Tx, bulk};

const COLUMNS: [&str; 12] = [
    "seq",
    "kind",
    "slot",
    "fingerprint",
    "chain",
    "realm",
    "username",
    "object",
    "reason",
    "actor",
    "created_at",
    "request",
];

/// What it says of the entry it borrows: a batch is written as often as it must be, and copied never.
pub(super) struct Row<'a> {
    pub(super) seq: i64,
    pub(super) chain: Chain,
    pub(super) new: &'a NewEntry,
    pub(super) request: RequestId,
    pub(super) created_at: i64,
}

impl<'a> Row<'a> {
    /// The line that the log ends with at `head`.
    pub(super) fn new(head: &Head, new: &'a NewEntry, request: RequestId, created_at: i64) -> Result<Self, StoreError> {
        Ok(Self { seq: seq_in(head.seq)?, chain: head.chain, new, request, created_at })
    }

    pub(super) fn kind(&self) -> i64 {
        i64::from(self.new.entry.kind.code())
    }

    pub(super) fn slot(&self) -> i64 {
        i64::from(self.new.entry.slot.0)
    }

    pub(super) fn fingerprint(&self) -> i64 {
        self.new.entry.fingerprint.0.cast_signed()
    }

    fn line(&self) -> Vec<Arg> {
        vec![
            self.seq.into(),
            self.kind().into(),
            self.slot().into(),
            self.fingerprint().into(),
            (&self.chain.0).into(),
            (&self.new.realm).into(),
            (&self.new.username).into(),
            (&self.new.object).into(),
            (&self.new.reason).into(),
            (&self.new.actor).into(),
            self.created_at.into(),
            (&self.request.0).into(),
        ]
    }
}

/// The audit in the same transaction: no end without who and why, and no durable write more.
pub(super) async fn insert(tx: &mut Tx<'_>, rows: &[Row<'_>]) -> Result<(), StoreError> {
    insert_unaudited(tx, rows).await?;
    let notes = rows.iter().map(audit::line).collect::<Result<_, _>>()?;
    bulk::insert(tx, "audit", &audit::COLUMNS, notes).await
}

/// For a line that nothing will have happened by.
pub(super) async fn insert_unaudited(tx: &mut Tx<'_>, rows: &[Row<'_>]) -> Result<(), StoreError> {
    bulk::insert(tx, "denylist", &COLUMNS, rows.iter().map(Row::line).collect()).await
}
