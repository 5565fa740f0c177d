//! The denylist log on disk.
//!
//! One writer task per [`Store`] commits whatever is queued in one transaction (group commit), so that a storm of
//! logouts costs few syncs of the disk. Inside the transaction, under a lock, it reads the head and assigns the numbers
//! behind it: several processes on one database cannot leave a gap or fork the chain, and a reader that sees a number
//! sees all below it. On SQLite the lock is the file's write lock; on PostgreSQL it is an advisory lock that is
//! released after the commit became visible.
//!
//! The chain covers what replicas are told. Who asked, why, and whom it concerned stand beside it, for the operator.

mod append;
mod audit;
mod changes;
#[cfg(test)]
mod crash_tests;
mod epoch;
mod prune;
mod read;
mod request;
mod row;
#[cfg(test)]
mod tests;
mod undo;
mod writer;

use countersign_core::denylist::{Chain, Entry, Epoch, Fingerprint, Kind, Slot};
use countersign_core::time::UnixSeconds;

use crate::{Store, StoreError, check};

pub use changes::Changes;
pub(crate) use changes::{Signal, Watch};
pub use read::Filter;
pub(crate) use read::head;
pub(crate) use writer::Writer;

/// Held by whoever assigns numbers.
pub(crate) const LOCK: &[&str] = &["denylist"];
/// PostgreSQL's listeners hear of a commit on this.
const CHANNEL: &str = "countersign_denylist";

const MAX_AUDIT_TEXT: usize = 512;

/// Made up by whoever asks, at random: a repetition with the same one is the same request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RequestId(pub [u8; 16]);

/// An entry to append, and for the operator whom it concerns, why, and who asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewEntry {
    pub entry: Entry,
    /// Empty for the whole installation.
    pub realm: String,
    /// Whose sessions end; empty where it is everybody's.
    pub username: String,
    /// What else it is known by: a session's handle, a key's identifier.
    pub object: String,
    pub reason: String,
    pub actor: String,
    /// Without one, only a family is known again when it comes twice.
    pub request: Option<RequestId>,
}

impl NewEntry {
    pub fn new(entry: Entry, realm: &str, reason: &str, actor: &str) -> Self {
        let (realm, reason, actor) = (realm.to_owned(), reason.to_owned(), actor.to_owned());
        Self { entry, realm, username: String::new(), object: String::new(), reason, actor, request: None }
    }

    #[must_use]
    pub fn username(self, username: &str) -> Self {
        Self { username: username.to_owned(), ..self }
    }

    #[must_use]
    pub fn object(self, object: &str) -> Self {
        Self { object: object.to_owned(), ..self }
    }

    #[must_use]
    pub fn request(self, request: RequestId) -> Self {
        Self { request: Some(request), ..self }
    }
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

/// What a session is known by in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Probe {
    pub slot: Slot,
    pub family: Fingerprint,
    pub user: Fingerprint,
    pub realm: Fingerprint,
    /// Of the keys that its token was made with; none for a server-side session.
    pub keys: [Option<Fingerprint>; 2],
}

/// What the log says of one session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lookup {
    pub family_ended: bool,
    pub key_ended: bool,
    /// Tokens of the user whose `rvs` is below this are dead.
    pub user_watermark: Option<u64>,
    /// Likewise of the realm, or of the whole installation.
    pub realm_watermark: Option<u64>,
}

/// A line of the log as an operator reads it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    pub seq: u64,
    pub entry: Entry,
    pub realm: String,
    pub username: String,
    pub object: String,
    pub reason: String,
    pub actor: String,
    pub created_at: UnixSeconds,
    /// Position of the line that took this one back.
    pub undone_by: Option<u64>,
}

pub struct DenylistLog<'a>(pub(crate) &'a Store);

impl DenylistLog<'_> {
    /// Appends an entry. When this returns `Ok`, the entry is on the disk; when it returns an error, repeat it: with
    /// the same [`RequestId`] it keeps its number if it has one. So does a family that is listed already, whoever asks;
    /// and a watermark may be set twice without harm.
    ///
    /// A family is known by its slot too: two families with one fingerprint but different slots are different, and to
    /// take the second for a repetition would leave it alive.
    pub async fn append(&self, new: NewEntry, now: UnixSeconds) -> Result<Appended, StoreError> {
        if matches!(new.entry.kind, Kind::Undo | Kind::UndoFamily) {
            return Err(StoreError::Invalid {
                what: "denylist entry",
                rule: "must not be an undo; there is a call for it",
            });
        }
        checked(&new)?;
        self.0.denylist_writer().append(new, check::time_in(now)?).await
    }

    /// Whether the writer still works. When it does not, no logout can be acknowledged any more, and only a new start
    /// of the program helps.
    pub fn is_running(&self) -> bool {
        self.0.denylist_writer().is_running()
    }

    /// Since when no commit has succeeded although some were tried, by the monotonic clock; `None` while all is well.
    pub fn failing_since(&self) -> Option<std::time::Instant> {
        self.0.denylist_writer().failing_since()
    }
}

/// Appends within a transaction of the caller's, as the last thing that it does: from here to its commit nobody else
/// can.
pub(crate) async fn append_in(tx: &mut crate::db::Tx<'_>, new: &NewEntry, now: i64) -> Result<Appended, StoreError> {
    checked(new)?;
    tx.lock(LOCK).await?;
    let head = read::head(tx).await?;
    let appended = writer::append_in(tx, head, new, now).await?;
    tx.notify(CHANNEL).await?;
    Ok(appended)
}

impl DenylistLog<'_> {
    /// Commits an entry that it takes back before: whether the log would take one now. (A change to what is there
    /// already is none that SQLite writes, and a disk that is full would not be noticed.) After a success the log
    /// counts as working again.
    pub async fn rehearse(&self) -> Result<(), StoreError> {
        let mut tx = self.0.db().begin().await?;
        tx.lock(LOCK).await?;
        let head = read::head(&mut tx).await?;
        writer::rehearse(&mut tx, head).await?;
        tx.commit().await?;
        self.0.denylist_writer().works_again();
        Ok(())
    }
}

fn checked(new: &NewEntry) -> Result<(), StoreError> {
    check::line("realm name", &new.realm, check::MAX_NAME)?;
    check::line("username", &new.username, check::MAX_NAME)?;
    check::line("object", &new.object, check::MAX_NAME)?;
    check::line("reason", &new.reason, MAX_AUDIT_TEXT)?;
    check::line("actor", &new.actor, MAX_AUDIT_TEXT)
}

pub(crate) fn seq_in(seq: u64) -> Result<i64, StoreError> {
    i64::try_from(seq).map_err(|_| StoreError::Invalid { what: "log position", rule: "must be below 2^63" })
}

pub(crate) fn seq_out(seq: i64) -> Result<u64, StoreError> {
    u64::try_from(seq).map_err(|_| StoreError::corrupt("denylist", "a log position is negative"))
}

pub(crate) fn chain_out(bytes: &[u8]) -> Result<Chain, StoreError> {
    bytes.try_into().map(Chain).map_err(|_| StoreError::corrupt("denylist", "a chain value has 32 bytes"))
}

pub(crate) fn entry_out(kind: i64, slot: i64, fingerprint: i64) -> Result<Entry, StoreError> {
    let kind = u8::try_from(kind).ok().and_then(Kind::from_code);
    let slot = u32::try_from(slot);
    match (kind, slot) {
        (Some(kind), Ok(slot)) => {
            Ok(Entry { kind, slot: Slot(slot), fingerprint: Fingerprint(fingerprint.cast_unsigned()) })
        }
        _ => Err(StoreError::corrupt("denylist", "unknown kind or impossible slot")),
    }
}
