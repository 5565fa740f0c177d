//! The denylist log on disk.
//!
//! One writer task per [`Store`] commits whatever is queued in one transaction (group commit), so that a storm of
//! logouts costs few syncs of the disk. Inside the transaction, under the file's write lock, it reads the head and
//! assigns the numbers behind it: two processes on one file cannot leave a gap or fork the chain.

mod prune;
mod read;
#[cfg(test)]
mod tests;
mod writer;

use countersign_core::denylist::{Chain, Entry, Epoch, Fingerprint, Kind, Slot};
use countersign_core::time::UnixSeconds;

use crate::{Store, StoreError, check};

pub(crate) use writer::Writer;

const MAX_AUDIT_TEXT: usize = 512;

/// An entry to append, and for the audit whom it concerns, why, and who asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewEntry {
    pub entry: Entry,
    pub realm: String,
    pub reason: String,
    pub actor: String,
}

/// Where an entry stands, durably.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Appended {
    pub seq: u64,
    /// It stood there before: the request was a repetition.
    pub already: bool,
}

/// The end of the log, and its beginning after pruning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    pub epoch: Epoch,
    pub seq: u64,
    pub chain: Chain,
    /// The last position that was pruned; 0 when none was. Entries from the next on can be read.
    pub floor_seq: u64,
    pub floor_chain: Chain,
}

/// What the log says of one session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lookup {
    pub family_ended: bool,
    /// Tokens of the user whose `rvs` is below this are dead.
    pub user_watermark: Option<u64>,
}

/// A line of the log as an operator reads it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    pub seq: u64,
    pub entry: Entry,
    pub realm: String,
    pub reason: String,
    pub actor: String,
    pub created_at: UnixSeconds,
}

pub struct DenylistLog<'a>(pub(crate) &'a Store);

impl DenylistLog<'_> {
    /// Appends an entry. When this returns `Ok`, the entry is on the disk; when it returns an error, repeat it: a
    /// family that is listed already keeps its number, and a user's watermark may be set twice without harm.
    ///
    /// A family is known by its slot too: two families with one fingerprint but different slots are different, and to
    /// take the second for a repetition would leave it alive.
    pub async fn append(&self, new: NewEntry, now: UnixSeconds) -> Result<Appended, StoreError> {
        check::line("realm name", &new.realm, check::MAX_NAME)?;
        check::line("reason", &new.reason, MAX_AUDIT_TEXT)?;
        check::line("actor", &new.actor, MAX_AUDIT_TEXT)?;
        self.0.denylist_writer().append(new, check::time_in(now)?).await
    }
}

fn seq_in(seq: u64) -> Result<i64, StoreError> {
    i64::try_from(seq).map_err(|_| StoreError::Invalid { what: "log position", rule: "must be below 2^63" })
}

fn seq_out(seq: i64) -> Result<u64, StoreError> {
    u64::try_from(seq).map_err(|_| StoreError::corrupt("denylist", "a log position is negative"))
}

fn chain_out(bytes: &[u8]) -> Result<Chain, StoreError> {
    bytes.try_into().map(Chain).map_err(|_| StoreError::corrupt("denylist", "a chain value has 32 bytes"))
}

fn entry_out(kind: i64, slot: i64, fingerprint: i64) -> Result<Entry, StoreError> {
    let kind = u8::try_from(kind).ok().and_then(Kind::from_code);
    let slot = u32::try_from(slot);
    match (kind, slot) {
        (Some(kind), Ok(slot)) => {
            Ok(Entry { kind, slot: Slot(slot), fingerprint: Fingerprint(fingerprint.cast_unsigned()) })
        }
        _ => Err(StoreError::corrupt("denylist", "unknown kind or impossible slot")),
    }
}
