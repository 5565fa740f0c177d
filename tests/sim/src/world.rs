//! The run: one thread, one queue of events, true time. What happens next follows from the seed alone.
//! It is one file because it is one event loop: every arm reads and writes the same few fields.

use std::collections::BTreeMap;
use std::rc::Rc;

use countersign_core::denylist::barrier::EdgeId;
use countersign_core::denylist::fingerprint::DenylistKey;
use countersign_core::denylist::{Entry, Epoch, Fingerprint, Kind, Slot, SnapshotDigest};
use countersign_core::keys::{KeySet, KeyState, Kid, MintingKeys, SigningKey};
use countersign_core::replica::{Mutant, Nonce, ReplicaError, State, Step};
use countersign_core::session::{SessionClaims, SessionId, TokenId};
use countersign_core::time::{UnixMillis, UnixSeconds};
use countersign_core::token::mint::mint;
use countersign_core::token::{self, Envelope};

use crate::authority::{Authority, Log};
use crate::faults::Fault;
use crate::host::{Decision, Host, digest, realm_name};
use crate::net::{Envelope as Letter, Message, Node, Path};
use crate::oracle::{Accepted, FamilyId, Oracle, Scope, Violation};
use crate::plan::Plan;
use crate::rng::Rng;
use crate::time::{Clock, MAX_RATE, MAX_STANDSTILL_MS, Time};

pub(crate) const COOKIE: &str = "session";
pub(crate) const REALMS: usize = 2;
pub(crate) const USERS: usize = 12;

/// Between two snapshots of the authority.
const SNAPSHOTS_MS: u64 = 3_000;
/// How long a host waits for one.
const SNAPSHOT_PATIENCE_MS: u64 = 1_500;

pub(crate) type TokenIndex = usize;
pub(crate) type OpIndex = usize;

/// Keys, and the sets of them that were in force one after the other.
pub struct KeyRing {
    pub generations: Vec<KeySet>,
    minting: Vec<MintingKeys>,
    verification: Vec<KeyState>,
    pub feed: KeySet,
    pub denylist: DenylistKey,
    eddsa: bool,
}

impl KeyRing {
    fn new(eddsa: bool) -> (Self, MintingKeys) {
        let feed = signing(eddsa, "feed", 200);
        let feed_set = set(vec![(KeyState::Active, &feed)]);
        let denylist = DenylistKey::new(&[9; 32]);
        let mut ring = Self {
            generations: Vec::new(),
            minting: Vec::new(),
            verification: Vec::new(),
            feed: feed_set,
            denylist,
            eddsa,
        };
        ring.rotate();
        let feed =
            MintingKeys::new(Envelope::Sign, Some(feed), None).expect("a signing key for an envelope that signs");
        (ring, feed)
    }

    /// A new key signs from now on. The one before goes on to verify.
    pub fn rotate(&mut self) {
        if let Some(last) = self.verification.last_mut() {
            *last = KeyState::VerifyOnly;
        }
        self.verification.push(KeyState::Active);
        self.publish();
    }

    /// That key has leaked: it is dead, and another signs if it did. Between the asking and this another may do so
    /// already.
    pub fn revoke(&mut self, key: usize) {
        let was = std::mem::replace(&mut self.verification[key], KeyState::Retired);
        if was == KeyState::Active {
            self.verification.push(KeyState::Active);
        }
        if was != KeyState::Retired {
            self.publish();
        }
    }

    /// The next set of them; the last key signs.
    fn publish(&mut self) {
        let keys: Vec<SigningKey> = (0..self.verification.len()).map(|key| self.signing(key)).collect();
        self.generations.push(set(self.verification.iter().copied().zip(&keys).collect()));
        if self.minting.len() < keys.len() {
            let minting = MintingKeys::new(Envelope::Sign, Some(self.signing(keys.len() - 1)), None);
            self.minting.push(minting.expect("a signing key for an envelope that signs"));
        }
    }

    fn signing(&self, key: usize) -> SigningKey {
        signing(self.eddsa, &format!("k{key}"), u8::try_from(key % 200).unwrap_or(0))
    }

    pub fn is_retired(&self, key: usize) -> bool {
        self.verification[key] == KeyState::Retired
    }

    pub fn active(&self) -> usize {
        self.verification.len() - 1
    }
}

fn signing(eddsa: bool, kid: &str, seed: u8) -> SigningKey {
    let kid = Kid::try_from(kid.to_owned()).expect("a key identifier");
    if eddsa { SigningKey::ed25519(kid, &[seed; 32]) } else { SigningKey::hs256(kid, &[seed; 32]).expect("a secret") }
}

fn set(keys: Vec<(KeyState, &SigningKey)>) -> KeySet {
    let keys = keys.into_iter().map(|(state, key)| (state, key.verification_key().expect("it verifies")));
    KeySet::new(Envelope::Sign, keys.collect(), vec![]).expect("keys of one kind")
}

pub struct Family {
    pub user: usize,
    pub realm: usize,
    pub began: Time,
    pub fexp: UnixSeconds,
    pub entry: Entry,
    pub tokens: Vec<TokenIndex>,
    /// Something was asked for that ends it, whether or not it was acknowledged.
    pub doomed: bool,
}

pub struct Token {
    pub family: FamilyId,
    pub key: usize,
    pub rvs: u64,
    pub cookie: Rc<[u8]>,
}

/// Something that ends sessions, from the asking to the acknowledgement.
pub struct Op {
    pub scope: Scope,
    pub barrier: bool,
    pub asked: Time,
    pub seq: Option<u64>,
    pub acked: bool,
    /// The edge that is to be caught with it.
    pub against: Option<usize>,
}

#[derive(Clone, Debug)]
pub enum Event {
    Tick(usize),
    Deliver(Letter),
    /// The authority makes a snapshot.
    Snapshot,
    /// A snapshot that did not come is waited for no more.
    GiveUp {
        host: usize,
        incarnation: u64,
        digest: SnapshotDigest,
    },
    /// A user or an operator does something.
    Act,
    Fault,
    Undo(Fault),
    Cut {
        host: usize,
        until: Time,
    },
    Submit(OpIndex),
    Commit {
        incarnation: u64,
    },
    Ack {
        op: OpIndex,
        incarnation: u64,
    },
    Barrier {
        op: OpIndex,
        incarnation: u64,
    },
    /// A login ends, or a renewal of a token.
    Mint {
        user: usize,
        began: Time,
        rvs: u64,
        incarnation: u64,
        renews: Option<TokenIndex>,
    },
    Request {
        host: usize,
        token: TokenIndex,
        tries: u32,
        must: bool,
    },
    Heal,
    LogInAll,
    Verify,
}

#[derive(Clone, Copy, Default, Debug)]
pub struct Stats {
    pub events: u64,
    pub accepts: u64,
    pub acks: u64,
    pub barrier_acks: u64,
    pub unavailable: u64,
    pub fences: u64,
    pub snapshots: u64,
    pub refused_snapshots: u64,
    /// Sums up everything that happened, so that two runs can be compared.
    pub digest: u64,
}

pub struct World {
    pub plan: Plan,
    pub now: Time,
    pub rng: Rng,
    queue: BTreeMap<(Time, u64), Event>,
    count: u64,
    pub authority: Authority,
    pub backup: Option<Log>,
    pub hosts: Vec<Host>,
    /// To the authority and to the relay, for each host.
    pub paths: Vec<[Path; 2]>,
    pub ring: KeyRing,
    pub families: Vec<Family>,
    sids: Vec<[u8; 16]>,
    pub tokens: Vec<Token>,
    pub ops: Vec<Op>,
    queued: Vec<OpIndex>,
    pub oracle: Oracle,
    pub healed: bool,
    pub violation: Option<Violation>,
    pub stats: Stats,
    pub start: UnixMillis,
    trace: Option<Vec<String>>,
    /// For the figures of a large run.
    pub(crate) course: Option<Course>,
}

/// What happened when.
#[derive(Default)]
pub(crate) struct Course {
    /// An edge has applied the log up to there.
    pub(crate) applied: Vec<(Time, usize, u64)>,
    pub(crate) acks: Vec<(Time, u64)>,
    /// Of all answers to hosts.
    pub(crate) answers: u64,
    pub(crate) bytes: u64,
    /// Looks at which an edge was not fresh.
    pub(crate) stale: u64,
}

impl World {
    pub fn new(plan: Plan, mutant: Option<Mutant>, trace: bool) -> Self {
        let mut rng = Rng::new(plan.seed);
        // Some slot ends soon after the start.
        let slot = Slot(2_000_000).end().0 * 1000;
        let start = UnixMillis(slot - plan.slot_end_ms);
        let (ring, feed) = KeyRing::new(plan.eddsa);
        let rates = [0, 0, MAX_RATE, -MAX_RATE, MAX_RATE / 2];
        let rate = if plan.drifting { MAX_RATE } else { rng.pick(&rates) };
        let clock = Clock::new(start, 0, rate, 1);
        let mut log = Log::new(Epoch(rng.bytes()), 0);
        for _ in 0..rng.within(0, 200) {
            // What has expired long ago, so that the floor moves.
            let fingerprint = Fingerprint(rng.next());
            log.append(Entry { kind: Kind::Family, slot: Slot(1_999_990), fingerprint });
        }
        let mut authority = Authority::new(log, clock, (plan.lease_ms, plan.poll_ms), digest(0), feed);
        authority.set_mutant(mutant);
        let count = plan.edges + plan.relays;
        let hosts = (0..count)
            .map(|index| {
                let offset = rng.within(0, 50_000).cast_signed() - 25_000;
                let offset = if rng.chance(300) { -(rng.within(30_000, 55_000).cast_signed()) } else { offset };
                let rate = rng.pick(&[0, -MAX_RATE, -MAX_RATE, MAX_RATE, -MAX_RATE / 2]);
                let standstill = rng.pick(&[1, 1, 10, MAX_STANDSTILL_MS]);
                let (rate, standstill) =
                    if plan.drifting { (-MAX_RATE, MAX_STANDSTILL_MS) } else { (rate, standstill) };
                let clock = Clock::new(start, offset, rate, standstill);
                let mut host = Host::new(clock, index % REALMS, &ring, plan.cheap);
                host.is_relay = index >= plan.edges;
                if !host.is_relay && plan.relays > 0 && rng.chance(700) {
                    host.relay = Some(plan.edges + rng.index(plan.relays));
                }
                host.edge = (!host.is_relay && rng.chance(600)).then_some(EdgeId(index as u64));
                host.set_mutant(mutant);
                host
            })
            .collect();
        let mut paths: Vec<_> = (0..count).map(|_| [Path::healthy(), Path::healthy()]).collect();
        if plan.drifting {
            paths.iter_mut().flatten().for_each(Path::hasten);
        }
        let mut world = Self {
            now: Time(0),
            rng,
            queue: BTreeMap::new(),
            count: 0,
            authority,
            backup: None,
            hosts,
            paths,
            ring,
            families: Vec::new(),
            sids: Vec::new(),
            tokens: Vec::new(),
            ops: Vec::new(),
            queued: Vec::new(),
            oracle: Oracle::default(),
            healed: false,
            violation: None,
            stats: Stats::default(),
            start,
            trace: trace.then(Vec::new),
            course: None,
            plan,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        for host in 0..self.hosts.len() {
            let at = Time(self.rng.within(0, 300_000));
            self.at(at, Event::Tick(host));
        }
        for number in 0..self.plan.families {
            self.mint(number % USERS, Time(0), self.authority.log.head(), None);
        }
        self.at(Time(1_000_000), Event::Act);
        self.at(Time(1_500_000), Event::Snapshot);
        self.at(Time(2_000_000), Event::Fault);
        self.at(self.plan.heal, Event::Heal);
        self.at(self.plan.heal.plus_ms(3_000), Event::LogInAll);
        self.at(self.plan.heal.plus_ms(10_000), Event::Verify);
    }

    pub fn at(&mut self, at: Time, event: Event) {
        self.count += 1;
        self.queue.insert((at.max(self.now), self.count), event);
    }

    pub fn after_ms(&mut self, low: u64, high: u64, event: Event) {
        let at = self.now.plus_us(self.rng.within(low * 1000, high * 1000));
        self.at(at, event);
    }

    pub fn trace(&mut self, line: impl FnOnce(&Self) -> String) {
        let Some(mut lines) = self.trace.take() else { return };
        lines.push(format!("{} {}", self.now, line(self)));
        self.trace = Some(lines);
    }

    pub fn take_trace(&mut self) -> Vec<String> {
        self.trace.take().unwrap_or_default()
    }

    pub fn run(&mut self) {
        self.run_until(self.plan.end);
    }

    /// Everything up to that time.
    pub fn run_until(&mut self, until: Time) {
        while let Some(((at, count), event)) = self.queue.pop_first() {
            if at > until || self.violation.is_some() {
                self.queue.insert((at, count), event);
                break;
            }
            self.now = at;
            self.stats.events += 1;
            self.note(at.0);
            self.handle(event);
        }
        self.stats.accepts = self.oracle.accepts;
        self.stats.acks = self.oracle.acks;
        self.stats.barrier_acks = self.oracle.barrier_acks;
        self.stats.snapshots = self.hosts.iter().map(|host| host.snapshots).sum();
        self.stats.refused_snapshots = self.hosts.iter().map(|host| host.refused_snapshots).sum();
        self.stats.fences = self.hosts.iter().map(|host| host.fences).sum();
    }

    fn note(&mut self, number: u64) {
        self.stats.digest = (self.stats.digest.rotate_left(5) ^ number).wrapping_mul(0x0100_0000_01B3);
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Tick(host) => self.tick(host),
            Event::Deliver(letter) => self.deliver(letter),
            Event::Snapshot => {
                self.at(self.now.plus_ms(SNAPSHOTS_MS), Event::Snapshot);
                if self.authority.up {
                    self.authority.take_snapshot(self.now);
                }
            }
            Event::GiveUp { host, incarnation, digest } => self.give_up(host, incarnation, digest),
            Event::Act => self.act(),
            Event::Fault => self.fault(),
            Event::Undo(fault) => self.undo(&fault),
            Event::Cut { host, until } => self.cut(host, until),
            Event::Submit(op) => self.submit(op),
            Event::Commit { incarnation } => self.commit(incarnation),
            Event::Ack { op, incarnation } => self.ack(op, incarnation),
            Event::Barrier { op, incarnation } => self.barrier(op, incarnation),
            Event::Mint { user, began, rvs, incarnation, renews } => {
                if self.authority.up
                    && self.authority.incarnation == incarnation
                    && renews.is_none_or(|t| self.holds(t))
                {
                    self.mint(user, began, rvs, renews);
                }
            }
            Event::Request { host, token, tries, must } => self.request(host, token, tries, must),
            Event::Heal => self.heal(),
            Event::LogInAll => {
                for user in 0..USERS {
                    self.log_in(user);
                }
            }
            Event::Verify => self.verify(),
        }
    }

    // Hosts.

    fn tick(&mut self, host: usize) {
        let next = self.now.plus_us(100_000 + host as u64 * 1013 % 50_000);
        self.at(next.max(self.hosts[host].paused_until), Event::Tick(host));
        if let Some(course) = &mut self.course {
            course.stale += u64::from(self.hosts[host].state(self.now) != State::Fresh);
        }
        if self.hosts[host].up && self.hosts[host].paused_until <= self.now {
            self.poll(host, false);
        }
    }

    pub fn poll(&mut self, host: usize, urgent: bool) {
        let nonce = Nonce(self.rng.bytes());
        let this = &mut self.hosts[host];
        let Some(to) = this.poll(nonce, self.now, urgent) else { return };
        let applied = this.epoch.map(|epoch| (epoch, this.replica.applied()));
        let edge = this.edge;
        self.request_of(host, to, Message::Poll { nonce, edge, applied });
    }

    fn request_of(&mut self, host: usize, to: Node, message: Message) {
        let letter = Letter { from: Node::Host(host), to, message };
        let path = &mut self.paths[host][usize::from(to != Node::Authority)];
        for (at, letter) in path.request(letter, self.now, &mut self.rng) {
            self.at(at, Event::Deliver(letter));
        }
    }

    fn answer_to(&mut self, host: usize, from: Node, message: Message) {
        if let Some(course) = &mut self.course {
            course.answers += 1;
            course.bytes += message.length();
        }
        let letter = Letter { from, to: Node::Host(host), message };
        let path = &mut self.paths[host][usize::from(from != Node::Authority)];
        for (at, letter) in path.respond(letter, self.now, &mut self.rng) {
            self.at(at, Event::Deliver(letter));
        }
    }

    fn deliver(&mut self, letter: Letter) {
        match letter.to {
            Node::Authority => self.at_authority(letter),
            Node::Host(host) => {
                let this = &self.hosts[host];
                if !this.up {
                    return;
                }
                if this.paused_until > self.now {
                    let at = this.paused_until.plus_us(self.rng.within(0, 5000));
                    self.at(at, Event::Deliver(letter));
                    return;
                }
                self.at_host(host, letter);
            }
        }
    }

    fn at_authority(&mut self, letter: Letter) {
        let Node::Host(host) = letter.from else { return };
        if !self.authority.up {
            return;
        }
        match letter.message {
            Message::Poll { nonce, edge, applied } => {
                let bytes = self.authority.heartbeat(nonce, edge, applied, self.now);
                self.trace(|w| format!("authority answers host {host}: head {}", w.authority.log.head()));
                let answer = Message::Heartbeat { bytes };
                if !self.healed && self.rng.chance(self.plan.snipe) {
                    self.snipe(host, answer);
                } else {
                    self.answer_to(host, Node::Authority, answer);
                }
            }
            Message::FetchSegment { epoch, from, to } => {
                if let Some(bytes) = self.authority.log.segment(epoch, from, to) {
                    self.answer_to(host, Node::Authority, Message::Segment(bytes.into()));
                }
            }
            Message::FetchSnapshot(digest) => {
                if let Some(bytes) = self.authority.snapshot(digest) {
                    self.answer_to(host, Node::Authority, Message::Snapshot(bytes));
                }
            }
            Message::FetchKeys => {
                let generation = self.ring.generations.len() - 1;
                self.answer_to(host, Node::Authority, Message::Keys(generation));
            }
            _ => {}
        }
    }

    pub fn answer_poll(&mut self, host: usize, answer: Message) {
        self.answer_to(host, Node::Authority, answer);
    }

    fn at_host(&mut self, host: usize, letter: Letter) {
        let this = &mut self.hosts[host];
        let taken = match letter.message {
            Message::Poll { nonce, .. } => {
                let Node::Host(asks) = letter.from else { return };
                match this.pass_on(self.now) {
                    Some((bytes, left_ms)) => {
                        self.trace(|_| format!("relay {host} passes {left_ms} ms on to host {asks}"));
                        self.answer_to(asks, Node::Host(host), Message::Relayed { nonce, bytes, left_ms });
                    }
                    None => self.poll(host, true),
                }
                return;
            }
            Message::Heartbeat { bytes } => this.heartbeat(&bytes, &self.ring, self.now),
            Message::Relayed { nonce, bytes, left_ms } => this.relayed(nonce, &bytes, left_ms, &self.ring, self.now),
            Message::Segment(bytes) => this.segment(&bytes, self.now),
            Message::Snapshot(bytes) => this.snapshot(&bytes, self.now),
            Message::Keys(generation) => {
                let taken = this.keys(generation, &self.ring, self.now);
                taken.map(|()| Step::Fresh)
            }
            Message::FetchSegment { .. } | Message::FetchSnapshot(_) | Message::FetchKeys => return,
        };
        self.trace(|w| {
            let replica = &w.hosts[host].replica;
            let now = w.hosts[host].now(w.now);
            let left = replica.lease_until().map(|until| until.0.cast_signed() - now.0.cast_signed());
            format!("host {host}: {taken:?}, applied {}, lease {left:?} ms", replica.applied())
        });
        self.go_on(host, taken);
    }

    fn go_on(&mut self, host: usize, taken: Result<Step, ReplicaError>) {
        if let (Some(course), Ok(Step::Fresh)) = (&mut self.course, &taken) {
            course.applied.push((self.now, host, self.hosts[host].replica.applied()));
        }
        match taken {
            Ok(Step::FetchSnapshot(named)) => {
                self.request_of(host, Node::Authority, Message::FetchSnapshot(named.digest));
                let incarnation = self.hosts[host].incarnation;
                let at = self.now.plus_ms(SNAPSHOT_PATIENCE_MS);
                self.at(at, Event::GiveUp { host, incarnation, digest: named.digest });
            }
            Ok(Step::Fetch { epoch, from, to }) => {
                self.request_of(host, Node::Authority, Message::FetchSegment { epoch, from, to });
            }
            Ok(Step::FetchKeys) => self.request_of(host, Node::Authority, Message::FetchKeys),
            Ok(Step::Fresh) | Err(_) => {}
        }
    }

    fn give_up(&mut self, host: usize, incarnation: u64, digest: SnapshotDigest) {
        let this = &mut self.hosts[host];
        if !this.up || this.incarnation != incarnation {
            return;
        }
        if this.paused_until > self.now {
            let until = this.paused_until;
            self.at(until, Event::GiveUp { host, incarnation, digest });
            return;
        }
        let taken = this.without_snapshot(digest, self.now);
        self.go_on(host, taken);
    }

    fn request(&mut self, host: usize, token: TokenIndex, tries: u32, must: bool) {
        let this = &mut self.hosts[host];
        if !this.up {
            return;
        }
        if this.paused_until > self.now {
            let at = this.paused_until.plus_us(self.rng.within(0, 2000));
            self.at(at, Event::Request { host, token, tries, must });
            return;
        }
        let cookie = Rc::clone(&self.tokens[token].cookie);
        let decision = this.decide(&cookie, self.now);
        match decision {
            Decision::Accept { applied } => {
                let accepted = self.facts_of(token, applied, host);
                if let Some(violation) = self.oracle.accepted(&accepted, self.now) {
                    self.trace(|_| format!("host {host} accepts token {token} of {accepted:?}: {violation:?}"));
                    self.violation = Some(violation);
                }
                self.note(token as u64);
            }
            Decision::Behind if tries < if must { 60 } else { 8 } => {
                self.poll(host, true);
                self.after_ms(80, 160, Event::Request { host, token, tries: tries + 1, must });
            }
            Decision::Behind | Decision::Refused(_) => {
                self.stats.unavailable += u64::from(decision == Decision::Behind);
                // Something that was asked for long ago may have ended it this moment.
                if must && self.holds(token) {
                    let state = self.hosts[host].state(self.now);
                    let what = format!(
                        "edge {host} ({state:?}) answers {decision:?} to token {token} at {}: {:?}",
                        self.now,
                        self.facts_of(token, 0, host)
                    );
                    self.violation = Some(Violation::Dead(what));
                }
            }
        }
    }

    pub fn facts_of(&self, token: TokenIndex, applied: u64, edge: usize) -> Accepted {
        let Token { family, key, rvs, .. } = self.tokens[token];
        let Family { user, realm, began, .. } = self.families[family];
        Accepted { family, user, realm, key, began, rvs, applied, edge }
    }

    // The authority.

    fn submit(&mut self, op: OpIndex) {
        if !self.authority.up {
            // Whoever asks tries again, or gives up.
            if self.healed || self.rng.chance(700) {
                self.after_ms(300, 2000, Event::Submit(op));
            }
            return;
        }
        if self.queued.is_empty() {
            let incarnation = self.authority.incarnation;
            let at = self.now.plus_us(self.rng.pick(&[100, 500, 2_000, 8_000]));
            self.at(at, Event::Commit { incarnation });
        }
        self.queued.push(op);
    }

    fn commit(&mut self, incarnation: u64) {
        let queued = std::mem::take(&mut self.queued);
        if !self.authority.up || self.authority.incarnation != incarnation {
            // It died first: nothing of it is there. Some ask again.
            for op in queued {
                if self.rng.chance(500) {
                    self.after_ms(300, 3000, Event::Submit(op));
                }
            }
            return;
        }
        for op in queued {
            let seq = match self.ops[op].scope {
                Scope::Family(family) => self.authority.log.append(self.families[family].entry),
                Scope::User(user) => self.authority.log.append(self.user_mark(user)),
                Scope::Realm(realm) => self.authority.log.append(self.realm_mark(realm)),
                Scope::Key(key) => {
                    self.ring.revoke(key);
                    self.authority.keys = digest(self.ring.generations.len() - 1);
                    self.authority.log.head()
                }
            };
            self.trace(|w| format!("committed {:?} at {seq}", w.ops[op].scope));
            self.ops[op].seq = Some(seq);
            let at = self.now.plus_us(self.rng.pick(&[0, 200, 1_000, 5_000]));
            let event =
                if self.ops[op].barrier { Event::Barrier { op, incarnation } } else { Event::Ack { op, incarnation } };
            self.at(at, event);
        }
    }

    /// Answers when no edge can accept any more; asks again until then.
    fn barrier(&mut self, op: OpIndex, incarnation: u64) {
        if !self.authority.up || self.authority.incarnation != incarnation {
            if self.rng.chance(500) {
                self.after_ms(300, 3000, Event::Submit(op));
            }
            return;
        }
        let Some(seq) = self.ops[op].seq else { return };
        let left = self.authority.barrier.effective_at(seq).since(self.authority.wall(self.now));
        if left == 0 {
            self.ack(op, incarnation);
        } else {
            // What edges say meanwhile can make it sooner.
            let at = self.now.plus_ms(left.min(250));
            self.at(at, Event::Barrier { op, incarnation });
        }
    }

    fn ack(&mut self, op: OpIndex, incarnation: u64) {
        if !self.authority.up || self.authority.incarnation != incarnation {
            if self.rng.chance(500) {
                self.after_ms(300, 3000, Event::Submit(op));
            }
            return;
        }
        if std::mem::replace(&mut self.ops[op].acked, true) {
            return;
        }
        let Op { scope, barrier, asked, against, seq, .. } = self.ops[op];
        if let (Some(course), Some(seq)) = (&mut self.course, seq) {
            course.acks.push((self.now, seq));
        }
        let t_us = self.authority.longest_lease_ms(self.now) * 1000;
        self.trace(|_| {
            format!("acknowledged {scope:?} asked for at {asked}{}", if barrier { ", barrier" } else { "" })
        });
        self.oracle.acked(scope, asked, self.now, t_us, barrier);
        self.probe(scope, t_us, barrier, against);
    }

    /// Whether the origin, looking into its log, takes the session for alive.
    pub(crate) fn holds(&self, token: TokenIndex) -> bool {
        let Token { family, key, rvs, .. } = self.tokens[token];
        let log = &self.authority.log;
        let Family { user, realm, ref entry, .. } = self.families[family];
        let before = |mark: Entry| log.watermark(&mark).is_some_and(|seq| rvs < seq);
        let now = self.authority.wall(self.now).seconds();
        !self.ring.is_retired(key)
            && rvs <= log.head()
            && log.listed(entry).is_none()
            && !before(self.user_mark(user))
            && !before(self.realm_mark(realm))
            && now < self.families[family].fexp
    }

    pub fn user_mark(&self, user: usize) -> Entry {
        let name = format!("user{user}");
        let fingerprint = self.ring.denylist.fingerprint(Kind::User, realm_name(user % REALMS), name.as_bytes());
        Entry { kind: Kind::User, slot: self.last_slot(), fingerprint }
    }

    pub fn realm_mark(&self, realm: usize) -> Entry {
        let fingerprint = self.ring.denylist.fingerprint(Kind::Realm, realm_name(realm), b"");
        Entry { kind: Kind::Realm, slot: self.last_slot(), fingerprint }
    }

    /// No session lasts longer than into this one.
    fn last_slot(&self) -> Slot {
        Slot::of(self.start.seconds().plus(3 * 3600))
    }

    pub fn log_in(&mut self, user: usize) {
        if !self.authority.up {
            return;
        }
        // The log's position is read before the password is checked, and that takes its time.
        let (began, rvs, incarnation) = (self.now, self.authority.log.head(), self.authority.incarnation);
        self.after_ms(5, 1500, Event::Mint { user, began, rvs, incarnation, renews: None });
    }

    pub fn renew(&mut self, token: TokenIndex) {
        if self.authority.up {
            let family = &self.families[self.tokens[token].family];
            let (user, began) = (family.user, family.began);
            let (rvs, incarnation) = (self.authority.log.head(), self.authority.incarnation);
            self.after_ms(1, 400, Event::Mint { user, began, rvs, incarnation, renews: Some(token) });
        }
    }

    pub(crate) fn mint(&mut self, user: usize, began: Time, rvs: u64, renews: Option<TokenIndex>) {
        let realm = user % REALMS;
        let now = self.authority.wall(self.now).seconds();
        let family = match renews {
            Some(token) => self.tokens[token].family,
            None => {
                let sid: [u8; 16] = self.rng.bytes();
                let fexp = self.family_end(now);
                let fingerprint = self.ring.denylist.fingerprint(Kind::Family, realm_name(realm), &sid);
                let entry = Entry { kind: Kind::Family, slot: Slot::of(fexp), fingerprint };
                let tokens = Vec::new();
                self.families.push(Family { user, realm, began, fexp, entry, tokens, doomed: false });
                self.sids.push(sid);
                self.families.len() - 1
            }
        };
        let fexp = self.families[family].fexp;
        let claims = SessionClaims {
            sid: SessionId(self.sids[family]),
            sub: format!("user{user}"),
            realm: realm_name(realm).to_owned(),
            iat: now,
            exp: fexp,
            fexp,
            idle: None,
            auth_time: None,
            rvs,
            auth_level: 0,
            amr: vec!["pwd".to_owned()],
            jti: TokenId(self.rng.bytes()),
            properties: std::iter::empty::<(String, String)>().collect(),
        };
        let key = self.ring.active();
        let bytes = mint(&claims, token::Kind::Session, &self.ring.minting[key], &mut |_: &mut [u8]| {});
        let cookie = format!("{COOKIE}={}", bytes.expect("a small token")).into_bytes().into();
        self.families[family].tokens.push(self.tokens.len());
        self.tokens.push(Token { family, key, rvs, cookie });
    }

    /// Many end shortly before the slot does, where purging too early would show.
    fn family_end(&mut self, now: UnixSeconds) -> UnixSeconds {
        let slot_end = Slot::of(now).end().0;
        let last = slot_end.saturating_sub(self.rng.within(1, 40));
        if self.rng.chance(450) && last > now.0 + 10 {
            UnixSeconds(last)
        } else {
            now.plus(self.rng.pick(&[1800, 7200]))
        }
    }
}

impl Stats {
    pub fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.accepts += other.accepts;
        self.acks += other.acks;
        self.barrier_acks += other.barrier_acks;
        self.unavailable += other.unavailable;
        self.fences += other.fences;
        self.snapshots += other.snapshots;
        self.refused_snapshots += other.refused_snapshots;
        self.digest ^= other.digest;
    }
}
