//! An edge's copy of the denylist, and the lease that says how long it may be trusted.
//!
//! ```text
//!            poll(now) ─► GET heartbeat?nonce ─► heartbeat(bytes) ─► Fresh | Fetch ─► segment(bytes) ─► …
//!                                                                        | FetchSnapshot ─► snapshot(bytes) ─► Fetch | Fresh
//! ```
//!
//! The lease counts from the moment the poll was *sent*, by the edge's own clock: whatever the origin acknowledged
//! before it answered is in what was applied, and what it acknowledged later can be missed only until the lease ends.
//! No two clocks are compared for that. Everything is in here but the sending and the waiting.

mod catch_up;
mod heartbeat;
#[cfg(feature = "mutants")]
mod mutant;
mod relay;
#[cfg(test)]
mod tests;

pub use catch_up::MAX_SNAPSHOT;
pub use heartbeat::{Heartbeat, SnapshotRef};
#[cfg(feature = "mutants")]
pub use mutant::Mutant;
pub use relay::{Known, Relay};

use crate::denylist::{Chain, Denylist, Epoch, SnapshotDigest, segment, snapshot};
use crate::keys::{KeySet, KeysDigest};
use crate::time::UnixMillis;
use crate::token::{self, Kind, Scratch, TokenError};
use catch_up::Catching;

/// Polls that may be under way at once; a new one pushes out the oldest.
const MAX_POLLS: usize = 4;

/// How far the edge's wall clock may be from the authority's before token times cannot be judged.
pub const MAX_SKEW_MS: u64 = 60_000;

/// Taken off each lease: the clock of a worker stands still while it computes, and its rate may be off by 0.1 %.
/// With it the published bound holds as is: `T = L`.
const MARGIN_MS: u64 = 50;

/// Longest lease that is believed, whatever the authority says.
const MAX_LEASE_MS: u64 = 10 * 60 * 1000;

/// An unknown key identifier makes an edge poll again when the last poll is older than this.
const DOUBT_MS: u64 = 1000;

/// The one-time number of a poll, echoed in its heartbeat.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nonce(pub [u8; 16]);

/// What to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Nothing: the copy is complete as of the poll.
    Fresh,
    /// Fetch the segment of entries `from + 1 ..= to` and hand it to [`Replica::segment`].
    Fetch { epoch: Epoch, from: u64, to: u64 },
    /// Fetch this snapshot, which is nearer than the segments it stands for, and hand it to [`Replica::snapshot`].
    /// Where it cannot be had, or is refused, [`Replica::without_snapshot`] goes on with segments.
    FetchSnapshot(SnapshotRef),
    /// Fetch the key set in force, use it, and say so to [`Replica::keys`]. Until then there is no new lease, so that a
    /// revoked key is dead everywhere within `T`.
    FetchKeys,
}

/// What the copy is good for at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Never complete: accept nothing.
    Cold,
    /// Complete, within the lease.
    Fresh,
    /// Was complete, the lease is over: refresh before accepting.
    Stale,
    /// The authority contradicted itself: accept nothing until it speaks of a new epoch.
    Fenced,
}

/// Why a message was not taken. All but `Clock` are the authority's or the network's fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReplicaError {
    /// Not a heartbeat signed by the feed key.
    Token(TokenError),
    /// Not the answer to a poll under way: late, replayed or cached.
    Nonce,
    /// The answer is of an epoch that has ended; or a relay passed on what is older than what is known here, or of
    /// another epoch: only the authority can tell which holds. Poll it directly.
    Overtaken,
    /// The clocks of edge and authority differ by more than [`MAX_SKEW_MS`]; the number is the difference.
    Clock(u64),
    /// More entries behind than are fetched at once.
    TooFarBehind,
    /// The segment is not one.
    Segment(segment::SegmentError),
    /// The segment or snapshot is not the one asked for.
    Unexpected,
    /// The snapshot is not one, or not the one that the heartbeat named: cut off, altered, an older one.
    Snapshot(snapshot::SnapshotError),
    /// The entries do not lead to the signed chain value: altered on the way. Nothing of them is kept.
    Chain,
    /// The signed head went back, or one position has two chain values.
    Fenced,
    /// The key set that was fetched is not the one that the heartbeat named: it changed in between, or an old one was
    /// replayed.
    Keys,
}

impl std::fmt::Display for ReplicaError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Token(error) => write!(f, "heartbeat: {error}"),
            Self::Nonce => f.write_str("heartbeat: not the answer to a poll under way"),
            Self::Overtaken => f.write_str("heartbeat: older than what is known here"),
            Self::Clock(ms) => write!(f, "heartbeat: the clock here is {ms} ms away from the authority's"),
            Self::TooFarBehind => f.write_str("heartbeat: too far behind"),
            Self::Segment(error) => write!(f, "segment: {error}"),
            Self::Unexpected => f.write_str("segment or snapshot: not the one asked for"),
            Self::Snapshot(error) => error.fmt(f),
            Self::Chain => f.write_str("segment: does not lead to the signed chain value"),
            Self::Fenced => f.write_str("fenced: the authority's log went back or changed under one epoch"),
            Self::Keys => f.write_str("edge keys: not the set that the heartbeat named"),
        }
    }
}

impl std::error::Error for ReplicaError {}

#[derive(Clone, Copy)]
struct Poll {
    nonce: Nonce,
    sent: UnixMillis,
    /// What was applied when it was sent: an honest answer reaches at least as far.
    known: Option<Position>,
    /// The authority was asked to hold its answer until there is news.
    held: bool,
}

/// A lease that waits for the key set.
#[derive(Clone, Copy)]
struct Awaiting {
    nonce: Nonce,
    sent: UnixMillis,
    lease_ms: u64,
    /// What the authority's clock showed.
    time: UnixMillis,
    /// When the fetch began.
    since: UnixMillis,
    keys: KeysDigest,
}

/// The copy.
#[derive(Default)]
pub struct Replica {
    list: Denylist,
    /// The epoch that all of the list comes from, where it is one.
    list_of: Option<Epoch>,
    position: Option<Position>,
    fenced: bool,
    polls: Vec<Poll>,
    catching: Option<Catching>,
    /// The snapshot that could not be had, or did not hold: segments are fetched instead.
    spurned: Option<SnapshotDigest>,
    /// The key set in use.
    keys: Option<KeysDigest>,
    awaiting: Option<Awaiting>,
    lease_until: Option<UnixMillis>,
    last_sent: Option<UnixMillis>,
    /// Of the polls that are held.
    last_held: Option<UnixMillis>,
    latest: Option<UnixMillis>,
    /// As the last heartbeat had them.
    poll_ms: u64,
    lease_ms: u64,
    #[cfg(feature = "mutants")]
    mutant: Option<Mutant>,
    /// From what gap on snapshots are taken, so that small logs have them too.
    #[cfg(feature = "mutants")]
    cheap: Option<u64>,
}

#[derive(Clone, Copy)]
struct Position {
    epoch: Epoch,
    seq: u64,
    chain: Chain,
}

impl Replica {
    /// With the key set that the edge begins with.
    pub fn new(keys: Option<KeysDigest>) -> Self {
        Self { keys, ..Self::default() }
    }

    /// With what an earlier incarnation wrote down. It ends what it lists; it is no reason to accept anything.
    #[must_use]
    pub fn with_seed(mut self, list: Denylist) -> Self {
        self.list.union(list);
        self
    }

    /// Begins a poll: send it now, with this nonce.
    pub fn poll(&mut self, nonce: Nonce, now: UnixMillis) {
        self.sends(nonce, now, false);
        self.last_sent = Some(now);
    }

    fn sends(&mut self, nonce: Nonce, now: UnixMillis, held: bool) {
        self.notice(now);
        if self.polls.len() >= MAX_POLLS {
            self.polls.remove(0);
        }
        self.polls.push(Poll { nonce, sent: now, known: self.position, held });
    }

    /// Gives up a poll that got no answer, or none that was taken, so that nobody waits for it.
    pub fn abandon(&mut self, nonce: Nonce) {
        self.polls.retain(|poll| poll.nonce != nonce);
        if self.catching.as_ref().is_some_and(|catching| catching.answers(nonce)) {
            self.catching = None;
        }
        if self.awaiting.is_some_and(|awaiting| awaiting.nonce == nonce) {
            self.awaiting = None;
        }
    }

    /// Takes the answer to a poll.
    pub fn heartbeat(
        &mut self,
        bytes: &[u8],
        keys: &KeySet,
        scratch: &mut Scratch,
        now: UnixMillis,
    ) -> Result<Step, ReplicaError> {
        self.notice(now);
        let heartbeat: Heartbeat =
            token::open(bytes, Kind::Heartbeat, keys, scratch).map_err(ReplicaError::Token)?.into_claims();
        let Poll { sent, known, .. } = self.answered(heartbeat.nonce)?;
        self.pace_of(&heartbeat, now)?;
        let position = self.position_for(&heartbeat, known)?;
        self.follow(heartbeat, position, sent, now)
    }

    /// The poll under way that has this nonce; it is under way no more.
    fn answered(&mut self, nonce: Nonce) -> Result<Poll, ReplicaError> {
        let at = self.polls.iter().position(|poll| poll.nonce == nonce);
        #[cfg(feature = "mutants")]
        let at = if self.mutant == Some(Mutant::A5) { at.or(self.polls.len().checked_sub(1)) } else { at };
        at.map(|at| self.polls.remove(at)).ok_or(ReplicaError::Nonce)
    }

    /// The clocks agree well enough; takes over how often to poll.
    fn pace_of(&mut self, heartbeat: &Heartbeat, now: UnixMillis) -> Result<(), ReplicaError> {
        let skew = heartbeat.time.0.abs_diff(now.0);
        if skew > MAX_SKEW_MS {
            self.lease_until = None;
            return Err(ReplicaError::Clock(skew));
        }
        self.poll_ms = heartbeat.poll_ms;
        self.lease_ms = heartbeat.lease_ms.min(MAX_LEASE_MS);
        Ok(())
    }

    /// Goes on from `position` towards the heartbeat's head; its lease counts from `sent`.
    fn follow(
        &mut self,
        heartbeat: Heartbeat,
        position: Position,
        sent: UnixMillis,
        now: UnixMillis,
    ) -> Result<Step, ReplicaError> {
        if heartbeat.head < position.seq {
            // Polls overlap, and this answer was overtaken by a later one: what it speaks of is applied. The keys it
            // names may be those of before; then it gives no lease, and the later one does.
            if self.keys == Some(heartbeat.keys) {
                self.grant(sent, heartbeat.lease_ms.min(MAX_LEASE_MS), heartbeat.time, now);
            }
            return Ok(Step::Fresh);
        }
        if heartbeat.head == position.seq {
            if heartbeat.chain != position.chain {
                return Err(self.fence());
            }
            self.position = Some(position);
            return Ok(self.complete(&heartbeat, sent, now));
        }
        self.catch_up(heartbeat, position, sent, now)
    }

    /// Where to go on from, given what the authority says: the own position, or the floor of its log when the entries
    /// in between have all expired or the epoch is another. What is listed already stays listed.
    fn position_for(&mut self, heartbeat: &Heartbeat, known: Option<Position>) -> Result<Position, ReplicaError> {
        let floor = Position { epoch: heartbeat.epoch, seq: heartbeat.floor, chain: heartbeat.floor_chain };
        if heartbeat.floor > heartbeat.head {
            return Err(self.fence());
        }
        let Some(own) = self.position.filter(|own| own.epoch == heartbeat.epoch) else {
            if known.is_some_and(|known| known.epoch == heartbeat.epoch) {
                // It was sent in that epoch, and an answer from a newer one overtook this.
                return Err(ReplicaError::Overtaken);
            }
            // No position is ever given twice: an epoch begins above all that were. One that does not is of a leader
            // that was replaced and does not know it.
            if self.position.is_some_and(|own| heartbeat.floor < own.seq) {
                return Err(ReplicaError::Overtaken);
            }
            self.fenced = false;
            self.lease_until = None;
            self.awaiting = None;
            return Ok(floor);
        };
        // Against what was known at the sending: what was learnt since may come from an answer that overtook this one.
        let known = known.filter(|known| known.epoch == heartbeat.epoch).map_or(0, |known| known.seq);
        if self.fenced || heartbeat.head < known {
            return Err(self.fence());
        }
        Ok(if own.seq < floor.seq { floor } else { own })
    }

    /// All entries up to the heartbeat's head are applied; the lease is granted when the keys are the right ones too.
    fn complete(&mut self, heartbeat: &Heartbeat, sent: UnixMillis, now: UnixMillis) -> Step {
        let lease_ms = heartbeat.lease_ms.min(MAX_LEASE_MS);
        if self.keys == Some(heartbeat.keys) {
            self.awaiting = None;
            self.grant(sent, lease_ms, heartbeat.time, now);
            return Step::Fresh;
        }
        let Heartbeat { nonce, keys, time, .. } = *heartbeat;
        self.awaiting = Some(Awaiting { nonce, sent, lease_ms, time, since: now, keys });
        Step::FetchKeys
    }

    /// Says that this key set is in use from now on, and no other. The lease that waits for it is granted; a set that
    /// no heartbeat asked for (it changed in between, or an old one was replayed) ends the lease there is.
    pub fn keys(&mut self, keys: KeysDigest, now: UnixMillis) -> Result<(), ReplicaError> {
        self.notice(now);
        let awaited = self.awaiting.take();
        if let Some(awaiting) = awaited.filter(|awaiting| awaiting.keys == keys) {
            self.keys = Some(keys);
            self.grant(awaiting.sent, awaiting.lease_ms, awaiting.time, now);
            return Ok(());
        }
        if self.keys != Some(keys) {
            self.lease_until = None;
        }
        self.keys = Some(keys);
        if awaited.is_some() { Err(ReplicaError::Keys) } else { Ok(()) }
    }

    /// Gives the lease of a poll sent at `sent`; all entries up to its head are applied. What has expired goes by the
    /// authority's clock as the heartbeat told it, which was near this one then: this one may have leapt since, and
    /// what is dropped while it is wrong is missing when it is right again.
    fn grant(
        &mut self,
        sent: UnixMillis,
        lease_ms: u64,
        time: UnixMillis,
        #[cfg_attr(not(feature = "mutants"), expect(unused_variables, reason = "a mutant counts from it"))]
        now: UnixMillis,
    ) {
        let usable = lease_ms.saturating_sub(MARGIN_MS + lease_ms / 1000);
        #[cfg(feature = "mutants")]
        let (sent, usable) = mutant::lease(self.mutant, (sent, usable), lease_ms, now);
        let until = sent.plus(usable);
        self.lease_until = self.lease_until.max(Some(until));
        // Twice the skew: this clock may go from one end of what is tolerated to the other.
        let horizon = time.0.saturating_sub(2 * MAX_SKEW_MS + lease_ms) / 1000;
        #[cfg(feature = "mutants")]
        let horizon = if self.mutant == Some(Mutant::C1) { time.0 / 1000 } else { horizon };
        self.list.drop_before(crate::time::UnixSeconds(horizon));
    }

    fn fence(&mut self) -> ReplicaError {
        self.fenced = true;
        self.lease_until = None;
        self.catching = None;
        self.awaiting = None;
        ReplicaError::Fenced
    }

    /// Looks at the clock. One that stepped back would stretch the lease: it ends it instead, and the polls under way
    /// are void. To be called before each decision, for only what is looked at is seen.
    pub fn notice(&mut self, now: UnixMillis) {
        if self.latest.is_some_and(|latest| now < latest) {
            self.lease_until = None;
            self.polls.clear();
            self.catching = None;
            self.awaiting = None;
        }
        self.latest = Some(now);
    }

    pub fn state(&self, now: UnixMillis) -> State {
        if self.fenced {
            return State::Fenced;
        }
        match self.lease_until {
            Some(until) if now < until && self.latest.is_none_or(|latest| now >= latest) => State::Fresh,
            Some(_) => State::Stale,
            None if self.position.is_some() => State::Stale,
            #[cfg(feature = "mutants")]
            None if self.mutant == Some(Mutant::A8) => State::Fresh,
            None => State::Cold,
        }
    }

    /// Whether it is time to poll again: the poll interval has passed, or half the lease.
    pub fn due(&self, now: UnixMillis) -> bool {
        let last = self.last_sent.max(self.last_held);
        last.is_none_or(|sent| now < sent || now.since(sent) >= self.interval())
    }

    fn interval(&self) -> u64 {
        self.poll_ms.min(self.lease_ms / 2)
    }

    /// Whether a refresh is under way: a poll sent within the last `millis` is not answered yet, segments are coming,
    /// or keys since less than that. A poll that is held may take its time, so nobody waits for one.
    pub fn under_way(&self, millis: u64, now: UnixMillis) -> bool {
        let recent = |since: UnixMillis, millis| now >= since && now.since(since) < millis;
        self.polls.iter().any(|poll| !poll.held && recent(poll.sent, millis))
            || self.catching.as_ref().is_some_and(|catching| recent(catching.progressed(), catching.patience_ms()))
            || self.awaiting.is_some_and(|awaiting| recent(awaiting.since, millis))
    }

    /// Whether a key that is not known here may be known to the authority: no poll was sent within the last second, or
    /// one is under way.
    pub fn keys_doubtful(&self, now: UnixMillis) -> bool {
        let recent = self.last_sent.is_some_and(|sent| now >= sent && now.since(sent) < DOUBT_MS);
        !recent || self.under_way(DOUBT_MS, now)
    }

    pub fn list(&self) -> &Denylist {
        &self.list
    }

    /// The position up to which entries are applied.
    pub fn applied(&self) -> u64 {
        self.position.map_or(0, |position| position.seq)
    }

    pub fn lease_until(&self) -> Option<UnixMillis> {
        self.lease_until
    }
}
