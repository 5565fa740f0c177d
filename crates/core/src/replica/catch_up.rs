//! From where a copy stands to the head that a heartbeat names: by segments, or by a snapshot and the segments after
//! it.
//!
//! Nothing of it is believed before the entries lead to the signed chain value. A snapshot is proven by its hash in the
//! heartbeat, and once more by that: the chain goes on from the value that it has for its position.

use super::{Heartbeat, Nonce, Position, Replica, ReplicaError, SnapshotRef, Step};
#[cfg(feature = "mutants")]
use super::{Mutant, mutant};
use crate::denylist::snapshot::{self, SnapshotError};
use crate::denylist::{Chain, Denylist, Gathered, SnapshotDigest, segment};
use crate::time::UnixMillis;

/// Entries that may be held before they are proven. Gathered they take 58 bits each, and a worker has 128 MB.
const MAX_BEHIND: u64 = snapshot::MAX_ENTRIES as u64;

/// Longest snapshot that is fetched, in bytes: between five and six million entries. As bytes and as a set together it
/// takes 75 MB of a worker's 128.
pub const MAX_SNAPSHOT: u64 = 32 << 20;

/// So many entries come as fast in a segment as in a snapshot: both are one question.
const CHEAP: u64 = segment::MAX_ENTRIES as u64;

/// How long a catch-up may go without a segment before another poll may take its place, in milliseconds.
const STALLED_MS: u64 = 3_000;

/// The same while a snapshot is on its way.
const SNAPSHOT_STALLED_MS: u64 = 10_000;

/// A heartbeat whose entries are being fetched, and the entries so far, which are not believed before they lead to its
/// chain value.
pub(super) struct Catching {
    heartbeat: Heartbeat,
    sent: UnixMillis,
    /// When the last piece came, or the heartbeat.
    progressed: UnixMillis,
    /// The snapshot that is on its way.
    wanted: Option<SnapshotRef>,
    /// The snapshot that the entries go on from.
    base: Option<(SnapshotRef, Denylist)>,
    entries: Gathered,
    /// Up to where they reach, and the chain value there.
    reached: u64,
    chain: Chain,
}

impl Catching {
    pub(super) fn answers(&self, nonce: Nonce) -> bool {
        self.heartbeat.nonce == nonce
    }

    pub(super) const fn progressed(&self) -> UnixMillis {
        self.progressed
    }

    pub(super) const fn patience_ms(&self) -> u64 {
        if self.wanted.is_some() { SNAPSHOT_STALLED_MS } else { STALLED_MS }
    }

    pub(super) const fn head(&self) -> u64 {
        self.heartbeat.head
    }

    /// How many entries it holds once it has reached the head.
    fn weight(&self, began: u64) -> u64 {
        match &self.base {
            Some((named, list)) => (self.heartbeat.head - named.seq).saturating_add(list.len() as u64),
            None => self.heartbeat.head - began,
        }
    }
}

impl Replica {
    /// Goes on from `position` to the heartbeat's head, which is beyond it.
    pub(super) fn catch_up(
        &mut self,
        heartbeat: Heartbeat,
        position: Position,
        sent: UnixMillis,
        now: UnixMillis,
    ) -> Result<Step, ReplicaError> {
        // A catch-up under way in the same place goes on towards the new head with what it has.
        let own = self.position.filter(|own| own.epoch == position.epoch);
        let under_way = self.catching.take().filter(|catching| {
            let same = own.is_some_and(|own| match &catching.base {
                Some((named, _)) => named.seq >= position.seq,
                None => own.seq == position.seq,
            });
            same && heartbeat.head >= catching.reached && heartbeat.epoch == catching.heartbeat.epoch
        });
        let mut catching = match under_way {
            Some(catching) => Catching { heartbeat, sent, progressed: now, wanted: None, ..catching },
            None => Catching {
                heartbeat,
                sent,
                progressed: now,
                wanted: None,
                base: None,
                entries: Gathered::default(),
                reached: position.seq,
                chain: position.chain,
            },
        };
        self.position = Some(position);
        if let Some(named) = self.nearer(&catching) {
            catching.wanted = Some(named);
            self.catching = Some(catching);
            return Ok(Step::FetchSnapshot(named));
        }
        if catching.weight(position.seq) > MAX_BEHIND {
            return Err(ReplicaError::TooFarBehind);
        }
        self.advance(catching, now)
    }

    /// The snapshot that the heartbeat names, where it takes fewer bytes and questions than the segments up to it.
    fn nearer(&self, catching: &Catching) -> Option<SnapshotRef> {
        let named = catching.heartbeat.snapshot?;
        let gap = named.seq.checked_sub(catching.reached)?;
        let fits = named.seq <= catching.heartbeat.head && named.size <= MAX_SNAPSHOT;
        let nearer = gap > CHEAP && named.size < gap.saturating_mul(segment::RECORD as u64);
        #[cfg(feature = "mutants")]
        let nearer = self.cheap.map_or(nearer, |cheap| gap > cheap);
        (fits && nearer && self.spurned != Some(named.digest)).then_some(named)
    }

    /// Takes the snapshot that was asked for. One that is refused leaves everything as it is.
    pub fn snapshot(&mut self, bytes: &[u8], now: UnixMillis) -> Result<Step, ReplicaError> {
        self.notice(now);
        let catching = self.catching.as_ref().and_then(|catching| Some((catching.wanted?, catching.heartbeat.epoch)));
        let Some((wanted, epoch)) = catching else { return Err(ReplicaError::Unexpected) };
        if bytes.len() as u64 != wanted.size || SnapshotDigest::of(bytes) != wanted.digest {
            return Err(ReplicaError::Snapshot(SnapshotError::Other));
        }
        let snapshot = snapshot::decode(bytes).map_err(ReplicaError::Snapshot)?;
        if (snapshot.epoch, snapshot.seq) != (epoch, wanted.seq) {
            return Err(ReplicaError::Snapshot(SnapshotError::Other));
        }
        let Some(catching) = self.catching.take() else { return Err(ReplicaError::Unexpected) };
        let catching = Catching {
            progressed: now,
            wanted: None,
            base: Some((wanted, snapshot.list)),
            // What was gathered lies before it.
            entries: Gathered::default(),
            reached: snapshot.seq,
            chain: snapshot.chain,
            ..catching
        };
        if catching.weight(snapshot.seq) > MAX_BEHIND {
            return Err(ReplicaError::TooFarBehind);
        }
        self.advance(catching, now)
    }

    /// The snapshot cannot be had, or was refused: goes on with segments, and asks for this one no more.
    pub fn without_snapshot(&mut self, digest: SnapshotDigest, now: UnixMillis) -> Result<Step, ReplicaError> {
        self.notice(now);
        self.spurned = Some(digest);
        let catching = self.catching.take_if(|catching| catching.wanted.is_some_and(|wanted| wanted.digest == digest));
        let (Some(catching), Some(position)) = (catching, self.position) else { return Err(ReplicaError::Unexpected) };
        let catching = Catching { progressed: now, wanted: None, ..catching };
        if catching.weight(position.seq) > MAX_BEHIND {
            return Err(ReplicaError::TooFarBehind);
        }
        self.advance(catching, now)
    }

    /// Takes a segment that was asked for.
    pub fn segment(&mut self, bytes: &[u8], now: UnixMillis) -> Result<Step, ReplicaError> {
        self.notice(now);
        let segment = segment::decode(bytes).map_err(ReplicaError::Segment)?;
        let Some(mut catching) = self.catching.take() else { return Err(ReplicaError::Unexpected) };
        let from = catching.reached;
        #[cfg(feature = "mutants")]
        let segment = mutant::unchecked(self.mutant, segment, from, catching.heartbeat.head);
        let to = from.saturating_add(segment.entries.len() as u64);
        let fits = segment.epoch == catching.heartbeat.epoch && segment.from == from && to <= catching.heartbeat.head;
        if !fits || to == from || catching.wanted.is_some() {
            // Two requests may be fetching: the one whose piece came second must not undo the first.
            self.catching = Some(catching);
            return Err(ReplicaError::Unexpected);
        }
        for (seq, entry) in (from + 1..).zip(&segment.entries) {
            catching.chain = catching.chain.append(seq, entry);
            catching.entries.add(seq, entry);
        }
        catching.reached = to;
        catching.progressed = now;
        self.advance(catching, now)
    }

    /// Asks for the next piece, or believes all of them when they lead to the signed chain value.
    fn advance(
        &mut self,
        #[cfg_attr(not(feature = "mutants"), expect(unused_mut, reason = "a mutant looks away"))]
        mut catching: Catching,
        now: UnixMillis,
    ) -> Result<Step, ReplicaError> {
        let Heartbeat { epoch, head, chain, .. } = catching.heartbeat;
        if catching.reached < head {
            let to = head.min(catching.reached.saturating_add(segment::MAX_ENTRIES as u64));
            let step = Step::Fetch { epoch, from: catching.reached, to };
            self.catching = Some(catching);
            return Ok(step);
        }
        #[cfg(feature = "mutants")]
        if self.mutant == Some(Mutant::A7) {
            catching.chain = chain;
        }
        if catching.chain != chain {
            // Its hash was right, and it does not belong to this log.
            self.spurned = catching.base.map(|(named, _)| named.digest).or(self.spurned);
            return Err(ReplicaError::Chain);
        }
        let own = self.list.is_empty() || self.list_of == Some(epoch);
        if let Some((named, list)) = catching.base {
            // A snapshot is the log up to where it reaches, so that it takes the place of what came from a part of
            // that: what was taken back in between is in it no more. What an edge knows from elsewhere, from another
            // epoch whose end this log may have lost, stays beside it.
            if own && self.position.is_some_and(|position| position.seq <= named.seq) {
                self.list = list;
            } else {
                self.list.union(list);
            }
        }
        self.list.absorb(catching.entries);
        self.list_of = own.then_some(epoch);
        self.position = Some(Position { epoch, seq: head, chain });
        Ok(self.complete(&catching.heartbeat, catching.sent, now))
    }

    /// Takes snapshots for gaps of more than this, whatever they cost.
    #[cfg(feature = "mutants")]
    pub fn set_cheap(&mut self, entries: Option<u64>) {
        self.cheap = entries;
    }
}
