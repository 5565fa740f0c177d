//! Heartbeats that come through a relay: a hub polls the authority once for many edges near by.
//!
//! The relay passes on the authority's own bytes, and beside them how much of their lease was left when it was asked.
//! For what was acknowledged before the relay *sent* its poll, `h0`, is in what those bytes speak of; they are good
//! until `h0 + L`, wherever they are read. An edge that sent its question at `s` cannot know `h0`, but the question
//! arrived after `s`, at `a`, so `s + (h0 + L - a)` is no later. Each side takes off its own margin; no clocks are
//! compared.
//!
//! Who vouches for what: the edge verifies the signature, over the very bytes whose nonce the relay compared with its
//! own. That the lease left is told truly rests on the relay alone, which is a part of the edge's own deployment. A
//! relay that lies is bounded by the signed lease and by the authority's signed clock: [`MAX_SKEW_MS`] after they were
//! signed, the bytes are good for nothing.

use super::catch_up::Catching;
use super::{Heartbeat, MARGIN_MS, MAX_LEASE_MS, MAX_POLLS, Nonce, Replica, ReplicaError, SnapshotRef, Step};
use crate::denylist::Epoch;
use crate::encoding;
use crate::keys::{KeySet, KeysDigest};
use crate::time::UnixMillis;
use crate::token::{self, Kind, Scratch};

/// What an asker knows already: it wants to hear when something else holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Known {
    pub epoch: Epoch,
    pub head: u64,
    pub keys: KeysDigest,
}

/// The relay's part. It lives in memory only: one that was restarted has nothing to pass on.
#[derive(Default)]
pub struct Relay {
    polls: Vec<(Nonce, UnixMillis)>,
    newest: Option<Newest>,
    latest: Option<UnixMillis>,
}

struct Newest {
    bytes: Vec<u8>,
    heartbeat: Heartbeat,
    sent: UnixMillis,
}

impl Relay {
    /// Begins a poll: send it now, with this nonce.
    pub fn poll(&mut self, nonce: Nonce, now: UnixMillis) {
        self.notice(now);
        if self.polls.len() >= MAX_POLLS {
            self.polls.remove(0);
        }
        self.polls.push((nonce, now));
    }

    /// Takes the answer to a poll. It is read without verification, which is its readers' part: what is forged is
    /// refused by every one of them.
    pub fn heartbeat(&mut self, bytes: &[u8], now: UnixMillis) -> Result<(), ReplicaError> {
        self.notice(now);
        let heartbeat = peek(bytes).ok_or(ReplicaError::Token(token::TokenError::Format))?;
        let at = self.polls.iter().position(|(nonce, _)| *nonce == heartbeat.nonce).ok_or(ReplicaError::Nonce)?;
        let (_, sent) = self.polls.remove(at);
        if self.newest.as_ref().is_none_or(|newest| newest.sent <= sent) {
            self.newest = Some(Newest { bytes: bytes.to_vec(), heartbeat, sent });
        }
        Ok(())
    }

    /// The newest heartbeat, and what was left of its lease, in milliseconds, when the question arrived. `None` when
    /// nothing is left by now.
    pub fn answer(&mut self, arrived: UnixMillis, now: UnixMillis) -> Option<(&[u8], u64)> {
        self.notice(now);
        let newest = self.newest.as_ref()?;
        let lease_ms = newest.heartbeat.lease_ms.min(MAX_LEASE_MS);
        let until = newest.sent.plus(lease_ms.saturating_sub(MARGIN_MS + lease_ms / 1000));
        // A question from the future is one from before the clock stepped back.
        (now < until && arrived <= now).then(|| (newest.bytes.as_slice(), until.since(arrived).min(lease_ms)))
    }

    /// Whether the newest heartbeat says something else than an asker knows.
    pub fn has_news(&self, known: &Known) -> bool {
        self.knows().is_some_and(|own| own != *known)
    }

    /// What the newest heartbeat says.
    pub fn knows(&self) -> Option<Known> {
        let Heartbeat { epoch, head, keys, .. } = self.newest.as_ref()?.heartbeat;
        Some(Known { epoch, head, keys })
    }

    /// The snapshot that its readers may ask for.
    pub fn snapshot(&self) -> Option<SnapshotRef> {
        self.newest.as_ref()?.heartbeat.snapshot
    }

    /// Up to where the log has expired, and its epoch: segments that end there or earlier are asked for no more.
    pub fn floor(&self) -> Option<(Epoch, u64)> {
        self.newest.as_ref().map(|newest| (newest.heartbeat.epoch, newest.heartbeat.floor))
    }

    /// How long to have the next poll held, in milliseconds.
    pub fn pace(&self) -> Option<u64> {
        let heartbeat = &self.newest.as_ref()?.heartbeat;
        Some(pace(heartbeat.poll_ms.min(heartbeat.lease_ms.min(MAX_LEASE_MS) / 2)))
    }

    /// A clock that stepped back would stretch the lease: what there is is forgotten.
    fn notice(&mut self, now: UnixMillis) {
        if self.latest.is_some_and(|latest| now < latest) {
            self.polls.clear();
            self.newest = None;
        }
        self.latest = Some(now);
    }
}

impl Replica {
    /// Begins a poll whose answer the authority holds until there is news, for [`pace`](Self::pace) at most. Its lease
    /// counts from now like any other; it is in nobody's way meanwhile.
    pub fn hold(&mut self, nonce: Nonce, now: UnixMillis) {
        self.sends(nonce, now, true);
        self.last_held = Some(now);
    }

    /// How long to have a poll held, in milliseconds: a little less than the interval of polls, so that a chain of them
    /// takes their place.
    pub fn pace(&self) -> u64 {
        pace(self.interval())
    }

    /// `L` as the last heartbeat had it, in milliseconds.
    pub const fn lease_ms(&self) -> u64 {
        self.lease_ms
    }

    /// The end of the log as far as it is known here: ahead of what is applied during a catch-up.
    pub fn head(&self) -> u64 {
        self.catching.as_ref().map_or(self.applied(), Catching::head)
    }

    /// What this copy and the keys beside it are, for a question to be held; `None` before they are complete.
    pub fn known(&self) -> Option<Known> {
        let position = self.position?;
        Some(Known { epoch: position.epoch, head: position.seq, keys: self.keys? })
    }

    /// Takes what a relay answered to the question `nonce`: a heartbeat of the relay's own poll, of whose lease
    /// `left_ms` were left when the question arrived there.
    pub fn relayed(
        &mut self,
        nonce: Nonce,
        bytes: &[u8],
        left_ms: u64,
        keys: &KeySet,
        scratch: &mut Scratch,
        now: UnixMillis,
    ) -> Result<Step, ReplicaError> {
        self.notice(now);
        let mut heartbeat: Heartbeat =
            token::open(bytes, Kind::Heartbeat, keys, scratch).map_err(ReplicaError::Token)?.into_claims();
        let poll = self.answered(nonce)?;
        self.pace_of(&heartbeat, now)?;
        if self.fenced {
            return Err(ReplicaError::Fenced);
        }
        // The relay may have asked long before this edge did. A head behind what was known here, or another epoch, may
        // be the past or the future; taken for the past it would hide a log that went back, so it gives nothing at all.
        let overtaken = self.position.is_some_and(|own| own.epoch != heartbeat.epoch)
            || poll.known.is_some_and(|known| heartbeat.head < known.seq);
        if overtaken {
            return Err(ReplicaError::Overtaken);
        }
        // From here on it is this edge's own poll, with the lease that is left.
        heartbeat.nonce = nonce;
        heartbeat.lease_ms = heartbeat.lease_ms.min(left_ms);
        let position = self.position_for(&heartbeat, poll.known)?;
        self.follow(heartbeat, position, poll.sent, now)
    }
}

const fn pace(interval: u64) -> u64 {
    interval - interval / 8
}

/// The payload of a JWS, unverified.
fn peek(bytes: &[u8]) -> Option<Heartbeat> {
    let payload = bytes.split(|byte| *byte == b'.').nth(1)?;
    serde_json::from_slice(&encoding::decode(payload).ok()?).ok()
}
