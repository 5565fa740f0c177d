//! The origin's log service: a durable log, and what a process has in memory until it dies.

use std::collections::BTreeMap;
use std::rc::Rc;

use countersign_core::denylist::barrier::{Barrier, EdgeId};
use countersign_core::denylist::{
    Chain, Denylist, Entry, Epoch, Fingerprint, Gathered, Kind, Slot, SnapshotDigest, restart_at, segment, snapshot,
};
use countersign_core::keys::{KeysDigest, MintingKeys};
use countersign_core::replica::{Heartbeat, MAX_SKEW_MS, Mutant, Nonce, SnapshotRef};
use countersign_core::time::{UnixMillis, UnixSeconds};
use countersign_core::token::{self, mint::mint};

use crate::time::{Clock, Time};

/// What survives a crash.
#[derive(Clone)]
pub struct Log {
    pub epoch: Epoch,
    /// Position after which this epoch began.
    base: u64,
    entries: Vec<Entry>,
    /// The chain value after each entry, that of the base first.
    chains: Vec<Chain>,
    /// Position up to which entries are gone.
    pub floor: u64,
    families: BTreeMap<(Slot, Fingerprint), u64>,
}

impl Log {
    pub fn new(epoch: Epoch, base: u64) -> Self {
        Self {
            epoch,
            base,
            entries: Vec::new(),
            chains: vec![Chain::genesis(epoch)],
            floor: base,
            families: BTreeMap::new(),
        }
    }

    pub fn head(&self) -> u64 {
        self.base + self.entries.len() as u64
    }

    fn place(&self, seq: u64) -> usize {
        usize::try_from(seq - self.base).unwrap_or(usize::MAX)
    }

    pub fn chain(&self, seq: u64) -> Chain {
        self.chains[self.place(seq)]
    }

    /// A family that is listed keeps its number.
    pub fn append(&mut self, entry: Entry) -> u64 {
        if let Some(seq) = self.listed(&entry) {
            return seq;
        }
        let seq = self.head() + 1;
        self.chains.push(self.chain(seq - 1).append(seq, &entry));
        self.entries.push(entry);
        if entry.kind == Kind::Family {
            self.families.insert((entry.slot, entry.fingerprint), seq);
        }
        seq
    }

    pub fn listed(&self, family: &Entry) -> Option<u64> {
        let seq = self.families.get(&(family.slot, family.fingerprint)).copied();
        seq.filter(|_| family.kind == Kind::Family)
    }

    /// The last entry of a watermark.
    pub fn watermark(&self, wanted: &Entry) -> Option<u64> {
        let same = |own: &Entry| own.kind == wanted.kind && own.fingerprint == wanted.fingerprint;
        self.entries.iter().rposition(same).map(|at| self.base + at as u64 + 1)
    }

    pub fn segment(&self, epoch: Epoch, from: u64, to: u64) -> Option<Vec<u8>> {
        if epoch != self.epoch || from < self.floor || to > self.head() || from >= to {
            return None;
        }
        segment::encode(epoch, from, &self.entries[self.place(from)..self.place(to)]).ok()
    }

    /// What a snapshot of all of it has.
    fn live(&self, horizon: UnixSeconds) -> Denylist {
        let mut gathered = Gathered::default();
        for (seq, entry) in (self.floor + 1..).zip(&self.entries[self.place(self.floor)..]) {
            gathered.add(seq, entry);
        }
        let mut list = Denylist::default();
        list.absorb(gathered);
        list.drop_before(horizon);
        list
    }

    /// Moves the floor over all whose slots ended by `horizon`.
    fn compact(&mut self, horizon: UnixSeconds) -> u64 {
        while self.floor < self.head() && self.entries[self.place(self.floor)].slot.end() <= horizon {
            self.floor += 1;
        }
        self.floor
    }
}

pub struct Authority {
    pub log: Log,
    pub up: bool,
    /// Counts the processes.
    pub incarnation: u64,
    pub barrier: Barrier,
    pub clock: Clock,
    pub lease_ms: u64,
    pub poll_ms: u64,
    /// Leases that were configured before, and until when they may still run.
    past: Vec<(u64, Time)>,
    pub keys: KeysDigest,
    pub feed: MintingKeys,
    pub mutant: Option<Mutant>,
    /// The last two snapshots, in the memory of the process.
    snapshots: Vec<(Epoch, SnapshotRef, Rc<[u8]>)>,
}

impl Authority {
    /// The longest lease that may run now: the published bound.
    pub fn longest_lease_ms(&self, now: Time) -> u64 {
        let past = self.past.iter().filter(|(_, until)| *until > now).map(|(lease, _)| *lease);
        past.chain([self.lease_ms]).max().unwrap_or(self.lease_ms)
    }

    pub fn configure(&mut self, lease_ms: u64, poll_ms: u64, now: Time) {
        self.past.push((self.lease_ms, now.plus_ms(self.lease_ms + self.lease_ms / 500)));
        (self.lease_ms, self.poll_ms) = (lease_ms, poll_ms);
    }

    pub fn new(log: Log, clock: Clock, (lease_ms, poll_ms): (u64, u64), keys: KeysDigest, feed: MintingKeys) -> Self {
        let mut barrier = Barrier::new(clock.read(Time(0)), lease_ms);
        barrier.set_mutant(None);
        let (up, incarnation, mutant) = (true, 0, None);
        Self {
            log,
            up,
            incarnation,
            barrier,
            clock,
            lease_ms,
            poll_ms,
            past: Vec::new(),
            keys,
            feed,
            mutant,
            snapshots: Vec::new(),
        }
    }

    pub fn set_mutant(&mut self, mutant: Option<Mutant>) {
        self.mutant = mutant;
        self.barrier.set_mutant(mutant);
    }

    pub fn crash(&mut self) {
        self.up = false;
        self.incarnation += 1;
    }

    pub fn restart(&mut self, now: Time) {
        self.up = true;
        self.incarnation += 1;
        self.snapshots.clear();
        self.barrier = Barrier::new(self.clock.read(now), self.longest_lease_ms(now));
        self.barrier.set_mutant(self.mutant);
    }

    /// Goes on from a backup: a new epoch beyond every position there was, and watermarks for what cannot be known.
    pub fn restore(&mut self, backup: &Log, epoch: Epoch, realms: &[Entry], now: Time) {
        let base = restart_at(backup.head(), self.clock.read(now));
        self.log = Log::new(epoch, base);
        for realm in realms {
            self.log.append(*realm);
        }
        self.restart(now);
    }

    pub fn compact(&mut self, now: Time) -> u64 {
        self.log.compact(self.horizon(now))
    }

    /// What ended before this is over on every clock.
    fn horizon(&self, now: Time) -> UnixSeconds {
        let margin = if self.mutant == Some(Mutant::C1) { 0 } else { MAX_SKEW_MS + self.longest_lease_ms(now) };
        let wall = self.clock.read(now).0;
        UnixSeconds(wall.saturating_sub(margin) / 1000)
    }

    /// Makes a snapshot, to be named from now on.
    pub fn take_snapshot(&mut self, now: Time) {
        let (epoch, seq) = (self.log.epoch, self.log.head());
        if self.snapshots.last().is_some_and(|(known, named, _)| *known == epoch && named.seq == seq) {
            return;
        }
        let list = self.log.live(self.horizon(now));
        let bytes = snapshot::encode(epoch, seq, self.log.chain(seq), &list).expect("few entries");
        let named = SnapshotRef { digest: SnapshotDigest::of(&bytes), seq, size: bytes.len() as u64 };
        self.snapshots.push((epoch, named, bytes.into()));
        let surplus = self.snapshots.len().saturating_sub(2);
        self.snapshots.drain(..surplus);
    }

    pub fn snapshot(&self, digest: SnapshotDigest) -> Option<Rc<[u8]>> {
        self.snapshots.iter().find(|(_, named, _)| named.digest == digest).map(|(.., bytes)| Rc::clone(bytes))
    }

    pub fn heartbeat(
        &mut self,
        nonce: Nonce,
        edge: Option<EdgeId>,
        applied: Option<(Epoch, u64)>,
        now: Time,
    ) -> Rc<[u8]> {
        let time = self.clock.read(now);
        let head = self.log.head();
        if let (Some(edge), Some((epoch, seq))) = (edge, applied)
            && epoch == self.log.epoch
        {
            self.barrier.applied(edge, seq);
        }
        self.barrier.granted(edge, head, self.lease_ms, time);
        let heartbeat = Heartbeat {
            epoch: self.log.epoch,
            head,
            chain: self.log.chain(head),
            floor: self.log.floor,
            floor_chain: self.log.chain(self.log.floor),
            nonce,
            time,
            lease_ms: self.lease_ms,
            poll_ms: self.poll_ms,
            keys: self.keys,
            snapshot: self.snapshots.last().filter(|(epoch, ..)| *epoch == self.log.epoch).map(|(_, named, _)| *named),
        };
        let signed = mint(&heartbeat, token::Kind::Heartbeat, &self.feed, &mut |_: &mut [u8]| {});
        signed.expect("a heartbeat can be signed").into_bytes().into()
    }

    pub fn wall(&self, now: Time) -> UnixMillis {
        self.clock.read(now)
    }
}
