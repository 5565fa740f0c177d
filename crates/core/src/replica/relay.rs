//! A relay keeps a copy of its own and answers polls near by, with the authority's signed statement that it has its own
//! lease from and what is left of that lease. It is believed in nothing but the age of the statement: it can neither make
//! up a head nor stretch a lease beyond what was signed.

use super::{Heartbeat, MAX_LEASE_MS, Nonce, Replica, ReplicaError, State, Step};
use crate::keys::KeySet;
use crate::time::UnixMillis;
use crate::token::{self, Kind, Scratch};

/// What a relay may pass on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Relay {
    /// The poll whose answer is to be passed on, byte by byte.
    pub of: Nonce,
    /// What is left of the lease, in milliseconds. Read it after the request came in: it is what the lease of whoever
    /// asks counts from the moment it asked.
    pub left_ms: u64,
}

impl Replica {
    /// What this copy may pass on at `now`; nothing without a lease.
    pub fn relay(&self, now: UnixMillis) -> Option<Relay> {
        let (of, until) = (self.granted_by?, self.lease_until?);
        (self.state(now) == State::Fresh).then(|| Relay { of, left_ms: until.since(now) })
    }

    /// Takes a relay's answer to the poll with this nonce: the signed statement and what is left of the relay's lease.
    /// The channel must be authenticated; the statement is verified here.
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
        let mut poll = self.answered(nonce)?;
        // Epochs follow each other at higher positions, and a relay may be behind: whoever has been ahead of it learns
        // nothing from it.
        if self.position.is_some_and(|own| own.epoch != heartbeat.epoch && heartbeat.head <= own.seq) {
            return Err(ReplicaError::Overtaken);
        }
        // For the same reason a lower head is no rollback here.
        poll.known = None;
        let signed = heartbeat.lease_ms.min(MAX_LEASE_MS);
        let left = left_ms.min(signed);
        heartbeat.time = heartbeat.time.plus(signed - left);
        heartbeat.lease_ms = left;
        heartbeat.nonce = nonce;
        let taken = self.take(heartbeat, poll, now);
        self.lease_ms = signed;
        taken
    }
}
