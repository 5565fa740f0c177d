//! An edge or a relay: core's replica and gate, and around them the little that a host does.

use std::rc::Rc;

use countersign_core::denylist::barrier::EdgeId;
use countersign_core::denylist::{Chain, Epoch, SnapshotDigest, snapshot};
use countersign_core::gate::{Facts, Gate, Policy, Refusal, SessionCache, Verdict};
use countersign_core::keys::{KeySet, KeysDigest};
use countersign_core::replica::{Mutant, Nonce, Relay, Replica, ReplicaError, State, Step};
use countersign_core::time::UnixMillis;
use countersign_core::token::Scratch;

use crate::net::Node;
use crate::time::{Clock, Time};
use crate::world::{COOKIE, KeyRing};

/// A poll younger than this is waited for rather than repeated, as in the worker.
const COALESCE_MS: u64 = 1000;

pub struct Host {
    pub clock: Clock,
    pub realm: usize,
    pub replica: Replica,
    pub gate: Gate,
    pub generation: usize,
    pub up: bool,
    /// Counts the processes.
    pub incarnation: u64,
    pub paused_until: Time,
    /// The relay that it asks first.
    pub relay: Option<usize>,
    pub is_relay: bool,
    /// Known to the authority by this name.
    pub edge: Option<EdgeId>,
    /// What it wrote down, and the hash that it knows its own writing by.
    pub disk: Option<(SnapshotDigest, Vec<u8>)>,
    /// What a relay may pass on.
    passes_on: Relay,
    scratch: Scratch,
    pub epoch: Option<Epoch>,
    /// Polls without an answer, which make it ask the authority rather than the relay.
    pub unanswered: u32,
    pub mutant: Option<Mutant>,
    pub fences: u64,
    /// The replica's threshold for snapshots: of logs as small as these.
    cheap: Option<u64>,
    /// The snapshot that was asked for.
    wanted: Option<SnapshotDigest>,
    pub snapshots: u64,
    pub refused_snapshots: u64,
}

/// What an edge makes of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    Accept { applied: u64 },
    Behind,
    Refused(Refusal),
}

impl Host {
    pub fn new(clock: Clock, realm: usize, ring: &KeyRing, cheap: Option<u64>) -> Self {
        let mut host = Self {
            clock,
            realm,
            replica: Replica::new(Some(digest(0))),
            gate: gate(realm, ring, 0),
            generation: 0,
            up: true,
            incarnation: 0,
            paused_until: Time(0),
            relay: None,
            is_relay: false,
            edge: None,
            disk: None,
            passes_on: Relay::default(),
            scratch: Scratch::default(),
            epoch: None,
            unanswered: 0,
            mutant: None,
            fences: 0,
            cheap,
            wanted: None,
            snapshots: 0,
            refused_snapshots: 0,
        };
        host.replica.set_cheap(cheap);
        host
    }

    pub fn now(&self, at: Time) -> UnixMillis {
        self.clock.read(at)
    }

    /// Looks at its clock, in all that it is.
    pub fn look(&mut self, at: Time) {
        let now = self.now(at);
        self.replica.notice(now);
        let _ = self.passes_on.answer(now, now);
    }

    pub fn set_mutant(&mut self, mutant: Option<Mutant>) {
        self.mutant = mutant;
        self.replica.set_mutant(mutant);
    }

    /// Writes down what it has.
    pub fn persist(&mut self) {
        let bytes = snapshot::encode(Epoch([0; 16]), 0, Chain([0; 32]), self.replica.list()).ok();
        self.disk = bytes.map(|bytes| (SnapshotDigest::of(&bytes), bytes));
    }

    pub fn crash(&mut self) {
        self.up = false;
        self.incarnation += 1;
    }

    /// Starts anew, with what was on the disk, which may be old, damaged or gone.
    pub fn restart(&mut self, ring: &KeyRing) {
        self.up = true;
        self.incarnation += 1;
        self.passes_on = Relay::default();
        self.epoch = None;
        self.unanswered = 0;
        // The keys it was deployed with.
        self.generation = 0;
        self.gate = gate(self.realm, ring, 0);
        self.replica = Replica::new(Some(digest(0)));
        let whole = self.disk.as_ref().filter(|(digest, bytes)| SnapshotDigest::of(bytes) == *digest);
        if let Some(seed) = whole.and_then(|(_, bytes)| snapshot::decode(bytes).ok()) {
            self.replica = std::mem::take(&mut self.replica).with_seed(seed.list);
        }
        self.replica.set_mutant(self.mutant);
        self.replica.set_cheap(self.cheap);
    }

    /// Begins a poll if one is due, or `urgent` and none is under way; whom to send it to.
    pub fn poll(&mut self, nonce: Nonce, at: Time, urgent: bool) -> Option<Node> {
        let now = self.now(at);
        self.replica.notice(now);
        if !(urgent || self.replica.due(now)) || self.replica.under_way(COALESCE_MS, now) {
            return None;
        }
        self.replica.poll(nonce, now);
        if self.is_relay {
            self.passes_on.poll(nonce, now);
        }
        self.unanswered += 1;
        // What a request waits for is asked of the authority: a token can be from ahead of a relay's copy, or be signed
        // with a key that the relay's statement does not name yet. So is every third poll, in case the relay has
        // nothing.
        Some(match self.relay {
            Some(relay) if !urgent && !self.unanswered.is_multiple_of(3) => Node::Host(relay),
            _ => Node::Authority,
        })
    }

    pub fn heartbeat(&mut self, bytes: &Rc<[u8]>, ring: &KeyRing, at: Time) -> Result<Step, ReplicaError> {
        let now = self.now(at);
        let taken = self.replica.heartbeat(bytes, &ring.feed, &mut self.scratch, now);
        if taken.is_ok() && self.is_relay {
            // It keeps only what its own copy has verified, which is more than the hub does.
            let _ = self.passes_on.heartbeat(bytes, now);
        }
        self.counted(taken)
    }

    pub fn relayed(
        &mut self,
        nonce: Nonce,
        bytes: &[u8],
        left_ms: u64,
        ring: &KeyRing,
        at: Time,
    ) -> Result<Step, ReplicaError> {
        let now = self.now(at);
        let taken = self.replica.relayed(nonce, bytes, left_ms, &ring.feed, &mut self.scratch, now);
        self.counted(taken)
    }

    pub fn segment(&mut self, bytes: &[u8], at: Time) -> Result<Step, ReplicaError> {
        let now = self.now(at);
        let taken = self.replica.segment(bytes, now);
        self.counted(taken)
    }

    /// Takes a snapshot, or goes on with segments where it is refused.
    pub fn snapshot(&mut self, bytes: &[u8], at: Time) -> Result<Step, ReplicaError> {
        let now = self.now(at);
        let mut taken = self.replica.snapshot(bytes, now);
        match (&taken, self.wanted) {
            (Err(ReplicaError::Snapshot(_)), Some(wanted)) => {
                self.refused_snapshots += 1;
                taken = self.replica.without_snapshot(wanted, now);
            }
            (Ok(_), _) => self.snapshots += 1,
            _ => {}
        }
        self.counted(taken)
    }

    /// The snapshot did not come.
    pub fn without_snapshot(&mut self, digest: SnapshotDigest, at: Time) -> Result<Step, ReplicaError> {
        let now = self.now(at);
        let taken = self.replica.without_snapshot(digest, now);
        self.counted(taken)
    }

    fn counted(&mut self, taken: Result<Step, ReplicaError>) -> Result<Step, ReplicaError> {
        match &taken {
            Ok(Step::Fetch { epoch, .. }) => self.epoch = Some(*epoch),
            Ok(Step::FetchSnapshot(named)) => self.wanted = Some(named.digest),
            Ok(_) => self.unanswered = 0,
            Err(ReplicaError::Fenced) => self.fences += 1,
            Err(_) => {}
        }
        taken
    }

    pub fn keys(&mut self, generation: usize, ring: &KeyRing, at: Time) -> Result<(), ReplicaError> {
        let now = self.now(at);
        self.gate.replace_keys(ring.generations[generation].clone());
        self.generation = generation;
        self.replica.keys(digest(generation), now)
    }

    /// What a relay answers to a poll.
    pub fn pass_on(&mut self, at: Time) -> Option<(Rc<[u8]>, u64)> {
        let now = self.now(at);
        let (bytes, left_ms) = self.passes_on.answer(now, now)?;
        Some((bytes.into(), left_ms))
    }

    pub fn decide(&mut self, cookie: &[u8], at: Time) -> Decision {
        let now = self.now(at);
        self.replica.notice(now);
        let facts = Facts { path: "/", cookie, header: None };
        let applied = self.replica.applied();
        match self.gate.decide(&facts, &self.replica, || now) {
            Verdict::Allow(_) => Decision::Accept { applied },
            Verdict::Refuse(refusal) => Decision::Refused(refusal),
            _ => Decision::Behind,
        }
    }

    pub fn state(&self, at: Time) -> State {
        self.replica.state(self.now(at))
    }
}

pub(crate) fn digest(generation: usize) -> KeysDigest {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&(generation as u64).to_be_bytes());
    KeysDigest(bytes)
}

fn gate(realm: usize, ring: &KeyRing, generation: usize) -> Gate {
    let keys: KeySet = ring.generations[generation].clone();
    let policy = Policy::new(realm_name(realm).to_owned(), COOKIE.to_owned(), &[]).expect("a policy without routes");
    Gate::new(policy, keys, ring.denylist.clone(), SessionCache::new(64))
}

pub(crate) fn realm_name(realm: usize) -> &'static str {
    ["/alpha", "/beta"][realm]
}
