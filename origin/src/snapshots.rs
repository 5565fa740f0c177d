//! Snapshots of the log, for edges that start cold or fell far behind. Made in the background, never for a request:
//! what is asked for are bytes in memory.
//!
//! One is made when the log has passed another multiple of a power of two, which grows with the log, so that the work
//! and the bytes stay in proportion to what is appended. What it has follows from that position and the current slot
//! alone: the origins of one database make the same ones, so that what one's heartbeat names can be had from another.
//! Where it cannot, edges fetch segments.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::body::Bytes;
use countersign_core::denylist::segment::MAX_ENTRIES;
use countersign_core::denylist::snapshot::{self, SnapshotError};
use countersign_core::denylist::{Chain, Denylist, Epoch, Gathered, Slot, SnapshotDigest};
use countersign_core::replica::{MAX_SNAPSHOT, SnapshotRef};
use countersign_core::time::UnixSeconds;
use countersign_store::StoreError;
use countersign_store::denylist::Head;

use crate::app::App;
use crate::background::{Complaint, every};
use crate::prune;

const EVERY: Duration = Duration::from_secs(2);

/// The one named, and the one before, of which somebody may just have been told.
const KEPT: usize = 2;

/// So many snapshots are made while the log doubles.
const SHARE: u64 = 8;

/// A snapshot that is served.
#[derive(Clone)]
pub(crate) struct Made {
    epoch: Epoch,
    pub(crate) named: SnapshotRef,
    pub(crate) bytes: Bytes,
    pub(crate) entries: u64,
}

/// The newest last.
#[derive(Default)]
pub(crate) struct Snapshots(RwLock<Vec<Made>>);

impl Snapshots {
    /// The one to name beside this head.
    pub(crate) fn newest(&self, head: &Head) -> Option<Made> {
        let made = self.0.read().unwrap_or_else(PoisonError::into_inner);
        made.iter().rev().find(|made| made.epoch == head.epoch && made.named.seq <= head.seq).cloned()
    }

    pub(crate) fn find(&self, digest: SnapshotDigest) -> Option<Bytes> {
        let made = self.0.read().unwrap_or_else(PoisonError::into_inner);
        made.iter().find(|made| made.named.digest == digest).map(|made| made.bytes.clone())
    }

    fn publish(&self, new: Made) {
        let mut made = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if made.iter().any(|known| known.named == new.named) {
            return;
        }
        made.push(new);
        let surplus = made.len().saturating_sub(KEPT);
        made.drain(..surplus);
    }

    fn clear(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Why none was made. The next one may be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum SnapshotTrouble {
    Store(StoreError),
    Snapshot(SnapshotError),
    /// The entries do not lead to the chain value in the database.
    Chain(u64),
    /// The program's own fault: it panicked.
    Writing,
}

impl std::fmt::Display for SnapshotTrouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Snapshot(error) => error.fmt(f),
            Self::Chain(seq) => write!(f, "the entries do not lead to the chain value at {seq}"),
            Self::Writing => f.write_str("the snapshot could not be written"),
        }
    }
}

impl From<StoreError> for SnapshotTrouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    epoch: Epoch,
    seq: u64,
    chain: Chain,
}

/// What the next snapshot goes on from.
#[derive(Default)]
pub(crate) struct Maker {
    at: Option<Place>,
    list: Denylist,
    /// Position and number of entries of the last one.
    made: Option<(u64, usize)>,
}

impl Maker {
    /// Makes a snapshot if one is due.
    pub(crate) async fn once(&mut self, app: &App) -> Result<(), SnapshotTrouble> {
        let head = app.store.denylist().head().await?;
        app.saw(&head);
        let outcome = self.follow(app, &head).await;
        if outcome.is_err() {
            *self = Self::default();
        }
        outcome
    }

    async fn follow(&mut self, app: &App, head: &Head) -> Result<(), SnapshotTrouble> {
        let log = app.store.denylist();
        if let Some(at) = self.at
            && (at.epoch != head.epoch || log.chain(at.seq).await? != Some(at.chain))
        {
            // Another epoch, or all up to there has expired meanwhile; or the log went back, which edges will see.
            *self = Self::default();
            app.snapshots.clear();
        }
        let Some(target) = due(head) else { return Ok(()) };
        let floor = Place { epoch: head.epoch, seq: head.floor_seq, chain: head.floor_chain };
        let mut at = self.at.unwrap_or(floor);
        while at.seq < target {
            let count = usize::try_from(target - at.seq).unwrap_or(usize::MAX).min(MAX_ENTRIES);
            let Some(entries) = log.entries(at.seq, count).await?.filter(|entries| !entries.is_empty()) else {
                *self = Self::default(); // pruned in between: anew from the floor, next time
                return Ok(());
            };
            let mut gathered = Gathered::default();
            for entry in &entries {
                at.seq += 1; // cannot overflow: positions are below 2^63
                at.chain = at.chain.append(at.seq, entry);
                gathered.add(at.seq, entry);
            }
            self.list.absorb(gathered);
            self.at = Some(at);
        }
        if at.seq > target {
            return Ok(()); // the steps have become longer
        }
        if log.chain(at.seq).await? != Some(at.chain) {
            return Err(SnapshotTrouble::Chain(at.seq));
        }
        // By whole slots, so that all origins leave out the same.
        let horizon = Slot::of(prune::horizon(app)).0;
        self.list.drop_before(UnixSeconds(u64::from(horizon) * Slot::SECONDS));
        if self.made == Some((at.seq, self.list.len())) {
            return Ok(());
        }
        let list = std::mem::take(&mut self.list);
        let write = move || (snapshot::encode(at.epoch, at.seq, at.chain, &list), list);
        let (written, list) = tokio::task::spawn_blocking(write).await.map_err(|_| SnapshotTrouble::Writing)?;
        self.list = list;
        let bytes = written.map_err(SnapshotTrouble::Snapshot)?;
        self.made = Some((at.seq, self.list.len()));
        let size = bytes.len() as u64;
        if size > MAX_SNAPSHOT {
            tracing::warn!(size, entries = self.list.len(), "the denylist is too large for a snapshot");
            return Ok(());
        }
        let named = SnapshotRef { digest: SnapshotDigest::of(&bytes), seq: at.seq, size };
        let entries = self.list.len() as u64;
        tracing::debug!(seq = at.seq, size, entries, "a snapshot of the denylist was made");
        app.snapshots.publish(Made { epoch: at.epoch, named, bytes: bytes.into(), entries });
        Ok(())
    }
}

/// Up to where the snapshot of a log reaches that ends here; none for one that a few segments tell as well.
fn due(head: &Head) -> Option<u64> {
    let length = head.seq.saturating_sub(head.floor_seq);
    let segment = MAX_ENTRIES as u64;
    let step = (length / SHARE).checked_next_power_of_two()?.max(segment);
    let target = head.seq - head.seq % step;
    // More than that edges would not take, and there is no need to have it in memory.
    let bounded = length <= snapshot::MAX_ENTRIES as u64;
    (bounded && target.checked_sub(head.floor_seq)? > segment).then_some(target)
}

pub(crate) async fn run(app: Arc<App>) {
    let (mut ticks, mut maker, mut complaint) = (every(EVERY), Maker::default(), Complaint::default());
    loop {
        ticks.tick().await;
        // Edges fetch segments meanwhile.
        if let Some(error) = complaint.news(maker.once(&app).await) {
            tracing::warn!(%error, "no snapshot of the denylist was made");
        }
    }
}

#[cfg(test)]
#[path = "snapshots_tests.rs"]
mod tests;
