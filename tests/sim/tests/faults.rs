//! Faults of replication one by one, by hand: an authority, a copy, and a clock that the test moves. What the simulator
//! finds by chance stands here by name. Those that need a real origin are tested there.
//! Above 600 lines because one authority and one copy, which stand at the top, serve all of them.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use countersign_core::denylist::barrier::{Barrier, EdgeId};
use countersign_core::denylist::fingerprint::DenylistKey;
use countersign_core::denylist::{
    Chain, Entry, Epoch, Fingerprint, Kind as EntryKind, Slot, restart_at, segment, snapshot,
};
use countersign_core::gate::{Facts, Gate, Policy, Refusal, SessionCache, Verdict};
use countersign_core::keys::{KeySet, KeyState, KeysDigest, Kid, MintingKeys, SigningKey};
use countersign_core::replica::{Heartbeat, MAX_SKEW_MS, Nonce, Relay, Replica, ReplicaError, State, Step};
use countersign_core::session::{SessionClaims, SessionId, TokenId};
use countersign_core::time::{UnixMillis, UnixSeconds};
use countersign_core::token::{Envelope, Kind, Scratch, TokenError, mint::mint};

const EPOCH: Epoch = Epoch([5; 16]);
const KEYS: KeysDigest = KeysDigest([6; 16]);
const L: u64 = 10_000;
const START: UnixMillis = UnixMillis(1_800_000_000_000);
const HOUR: u64 = 3_600_000;

fn at(ms: u64) -> UnixMillis {
    START.plus(ms)
}

fn kid(text: &str) -> Kid {
    Kid::try_from(text.to_owned()).unwrap()
}

struct Authority {
    epoch: Epoch,
    base: u64,
    entries: Vec<Entry>,
    floor: u64,
    lease_ms: u64,
    seed: u8,
}

impl Authority {
    fn new() -> Self {
        Self { epoch: EPOCH, base: 0, entries: Vec::new(), floor: 0, lease_ms: L, seed: 1 }
    }

    fn with(entries: u64) -> Self {
        let mut authority = Self::new();
        (1..=entries).for_each(|number| authority.end(number));
        authority
    }

    fn key(&self) -> SigningKey {
        SigningKey::ed25519(kid("feed"), &[self.seed; 32])
    }

    fn keys() -> KeySet {
        let key = Self::new().key().verification_key().unwrap();
        KeySet::new(Envelope::Sign, vec![(KeyState::Active, key)], vec![]).unwrap()
    }

    fn end(&mut self, number: u64) {
        self.entries.push(Entry { kind: EntryKind::Family, slot: slot(), fingerprint: Fingerprint(number) });
    }

    fn head(&self) -> u64 {
        self.base + self.entries.len() as u64
    }

    fn chain(&self, upto: u64) -> Chain {
        let entries = self.entries.iter().take(usize::try_from(upto - self.base).unwrap());
        (self.base + 1..).zip(entries).fold(Chain::genesis(self.epoch), |chain, (seq, entry)| chain.append(seq, entry))
    }

    fn heartbeat(&self, nonce: Nonce, time: UnixMillis) -> Vec<u8> {
        let heartbeat = Heartbeat {
            epoch: self.epoch,
            head: self.head(),
            chain: self.chain(self.head()),
            floor: self.floor.max(self.base),
            floor_chain: self.chain(self.floor.max(self.base)),
            nonce,
            time,
            lease_ms: self.lease_ms,
            poll_ms: 2000,
            keys: KEYS,
            snapshot: None,
        };
        let keys = MintingKeys::new(Envelope::Sign, Some(self.key()), None).unwrap();
        mint(&heartbeat, Kind::Heartbeat, &keys, &mut |_: &mut [u8]| {}).unwrap().into_bytes()
    }

    fn segment(&self, from: u64, to: u64) -> Vec<u8> {
        let place = |seq: u64| usize::try_from(seq - self.base).unwrap();
        segment::encode(self.epoch, from, &self.entries[place(from)..place(to)]).unwrap()
    }
}

fn slot() -> Slot {
    Slot::of(at(HOUR).seconds())
}

fn ended(replica: &Replica, number: u64) -> bool {
    replica.list().family_ended(slot(), Fingerprint(number))
}

fn nonce(number: u64) -> Nonce {
    Nonce(u128::from(number).to_be_bytes())
}

fn take(replica: &mut Replica, bytes: &[u8], now: UnixMillis) -> Result<Step, ReplicaError> {
    replica.heartbeat(bytes, &Authority::keys(), &mut Scratch::default(), now)
}

fn follow(replica: &mut Replica, authority: &Authority, mut step: Step, now: UnixMillis) -> Result<(), ReplicaError> {
    while let Step::Fetch { from, to, .. } = step {
        step = replica.segment(&authority.segment(from, to), now)?;
    }
    Ok(())
}

/// A whole refresh without delay, the clocks of both showing the same.
fn refresh(replica: &mut Replica, authority: &Authority, now: UnixMillis) -> Result<(), ReplicaError> {
    let nonce = nonce(now.0);
    replica.poll(nonce, now);
    let step = take(replica, &authority.heartbeat(nonce, now), now)?;
    follow(replica, authority, step, now)
}

fn fresh(authority: &Authority) -> Replica {
    let mut replica = Replica::new(Some(KEYS));
    refresh(&mut replica, authority, at(0)).unwrap();
    replica
}

#[test]
fn r01_a_partition_is_outlived_for_the_lease_and_no_longer() {
    let replica = fresh(&Authority::with(3));
    assert_eq!(replica.state(at(L - 1000)), State::Fresh);
    assert_eq!(replica.state(at(L)), State::Stale);
    assert_eq!(replica.state(at(L + 1000)), State::Stale);
}

#[test]
fn r02_an_answer_that_took_three_leases_gives_none() {
    let authority = Authority::with(1);
    let mut replica = fresh(&authority);
    replica.poll(nonce(1), at(1000));
    let answer = authority.heartbeat(nonce(1), at(1000));
    assert_eq!(take(&mut replica, &answer, at(1000 + 3 * L)), Ok(Step::Fresh));
    assert_eq!(replica.state(at(1000 + 3 * L)), State::Stale);
}

#[test]
fn r03_a_cached_answer_is_no_answer() {
    let authority = Authority::with(1);
    let mut replica = fresh(&authority);
    replica.poll(nonce(1), at(1000));
    let first = authority.heartbeat(nonce(1), at(1000));
    take(&mut replica, &first, at(1000)).unwrap();
    let until = replica.lease_until();
    replica.poll(nonce(2), at(3000));
    for _ in 0..3 {
        assert_eq!(take(&mut replica, &first, at(3100)), Err(ReplicaError::Nonce));
    }
    assert_eq!(replica.lease_until(), until);
    assert_eq!(take(&mut replica, &authority.heartbeat(nonce(2), at(3000)), at(3200)), Ok(Step::Fresh));
}

#[test]
fn r04_an_older_segment_after_a_newer_one_changes_nothing() {
    let mut authority = Authority::with(10);
    let mut replica = fresh(&authority);
    authority.end(11);
    let older = authority.segment(0, 5);
    replica.poll(nonce(1), at(1000));
    let answer = authority.heartbeat(nonce(1), at(1000));
    let step = take(&mut replica, &answer, at(1000)).unwrap();
    assert_eq!(replica.segment(&older, at(1010)), Err(ReplicaError::Unexpected));
    follow(&mut replica, &authority, step, at(1020)).unwrap();
    assert_eq!(replica.segment(&older, at(1030)), Err(ReplicaError::Unexpected));
    assert_eq!((replica.applied(), ended(&replica, 11)), (11, true));
}

#[test]
fn r05_a_gap_is_not_fresh_until_it_is_filled() {
    let authority = Authority::with(12);
    let mut replica = fresh(&Authority::with(10));
    replica.poll(nonce(1), at(L));
    let step = take(&mut replica, &authority.heartbeat(nonce(1), at(L)), at(L)).unwrap();
    assert_eq!(step, Step::Fetch { epoch: EPOCH, from: 10, to: 12 });
    assert_eq!(replica.segment(&authority.segment(11, 12), at(L)), Err(ReplicaError::Unexpected));
    assert_eq!(replica.state(at(L)), State::Stale);
    let part = replica.segment(&authority.segment(10, 11), at(L));
    assert_eq!(part, Ok(Step::Fetch { epoch: EPOCH, from: 11, to: 12 }));
    assert_eq!(replica.state(at(L)), State::Stale);
    assert_eq!(replica.segment(&authority.segment(11, 12), at(L)), Ok(Step::Fresh));
    assert_eq!(replica.state(at(L)), State::Fresh);
}

#[test]
fn r06_repeated_and_reordered_segments_give_the_same_set() {
    let authority = Authority::with(500);
    let straight = fresh(&authority);
    let mut replica = Replica::new(Some(KEYS));
    replica.poll(nonce(1), at(0));
    let mut step = take(&mut replica, &authority.heartbeat(nonce(1), at(0)), at(0)).unwrap();
    while let Step::Fetch { from, .. } = step {
        // Everything else that ever was on the way comes too, a hundred times.
        for other in (0..500).step_by(5).filter(|other| *other != from) {
            let piece = authority.segment(other, (other + 5).min(500));
            assert_eq!(replica.segment(&piece, at(0)), Err(ReplicaError::Unexpected));
        }
        step = replica.segment(&authority.segment(from, (from + 50).min(500)), at(0)).unwrap();
    }
    let bytes = |replica: &Replica| snapshot::encode(EPOCH, 0, Chain([0; 32]), replica.list()).unwrap();
    assert_eq!(bytes(&replica), bytes(&straight));
}

#[test]
fn r07_what_was_altered_is_discarded_whole() {
    let authority = Authority::with(4);
    let mut replica = fresh(&Authority::with(1));
    let mut tried = 0;
    for (altered, version) in [(4, false), (40, false), (44, false), (60, false), (3, true)] {
        let now = at(1000 + altered);
        replica.poll(nonce(altered), now);
        assert!(matches!(
            take(&mut replica, &authority.heartbeat(nonce(altered), now), now),
            Ok(Step::Fetch { from: 1, .. })
        ));
        let mut bytes = authority.segment(1, 4);
        if version {
            bytes[3] += 1;
        } else {
            let at = usize::try_from(altered).unwrap() % bytes.len();
            bytes[at] ^= 4;
        }
        assert!(replica.segment(&bytes, now).is_err());
        assert!(replica.segment(&bytes[..bytes.len() - 1], now).is_err());
        assert_eq!((replica.applied(), ended(&replica, 2)), (1, false));
        replica.abandon(nonce(altered));
        tried += 1;
    }
    assert_eq!(tried, 5);
    // Signed by another key, or not as it was signed.
    replica.poll(nonce(9), at(2000));
    let forged = Authority { seed: 2, ..Authority::with(4) }.heartbeat(nonce(9), at(2000));
    assert_eq!(take(&mut replica, &forged, at(2000)), Err(ReplicaError::Token(TokenError::Signature)));
    let mut bent = authority.heartbeat(nonce(9), at(2000));
    let middle = bent.len() / 2;
    bent[middle] = if bent[middle] == b'A' { b'B' } else { b'A' };
    assert!(matches!(take(&mut replica, &bent, at(2000)), Err(ReplicaError::Token(_))));
    // Signed as it should be, and contradicting what was signed before: the authority itself is at fault.
    let mut other = Authority::new();
    other.end(99);
    assert_eq!(take(&mut replica, &other.heartbeat(nonce(9), at(2000)), at(2000)), Err(ReplicaError::Fenced));
    assert_eq!(replica.state(at(2000)), State::Fenced);
    assert!(ended(&replica, 1), "what was listed stays");
}

#[test]
fn r08_a_whole_older_recording_is_refused() {
    let mut authority = Authority::with(2);
    let mut replica = fresh(&authority);
    replica.poll(nonce(1), at(1000));
    let recorded = (authority.heartbeat(nonce(1), at(1000)), authority.segment(0, 2));
    take(&mut replica, &recorded.0, at(1000)).unwrap();
    authority.end(3);
    refresh(&mut replica, &authority, at(2000)).unwrap();
    replica.poll(nonce(2), at(3000));
    assert_eq!(take(&mut replica, &recorded.0, at(3000)), Err(ReplicaError::Nonce));
    assert_eq!(replica.segment(&recorded.1, at(3000)), Err(ReplicaError::Unexpected));
    assert_eq!((replica.applied(), ended(&replica, 3)), (3, true));
}

#[test]
fn r15_a_seed_from_the_disk_ends_sessions_and_is_no_reason_to_accept_any() {
    let authority = Authority::with(3);
    let before = fresh(&authority);
    let disk = snapshot::encode(EPOCH, before.applied(), authority.chain(3), before.list()).unwrap();
    let seed = snapshot::decode(&disk).unwrap();
    let mut replica = Replica::new(Some(KEYS)).with_seed(seed.list);
    assert_eq!(replica.state(at(20_000)), State::Cold);
    assert!(ended(&replica, 2));
    assert_eq!(replica.applied(), 0);
    let mut later = Authority::with(3);
    later.end(4);
    refresh(&mut replica, &later, at(20_000)).unwrap();
    assert_eq!((replica.state(at(20_000)), replica.applied()), (State::Fresh, 4));
}

/// A disk that is full, read-only or damaged: there is no seed then, and nothing else is different. Should damage read
/// like a seed all the same, it hides nothing that the log says.
#[test]
fn r16_a_damaged_seed_is_no_seed() {
    let mut authority = Authority::with(3);
    authority.entries.push(Entry { kind: EntryKind::User, slot: slot(), fingerprint: Fingerprint(7) });
    let before = fresh(&authority);
    let disk = snapshot::encode(EPOCH, before.applied(), authority.chain(4), before.list()).unwrap();
    assert!((0..disk.len()).all(|cut| snapshot::decode(&disk[..cut]).is_err()), "half written");
    for bit in 0..disk.len() * 8 {
        let mut damaged = disk.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let seed = snapshot::decode(&damaged).map(|seed| seed.list).unwrap_or_default();
        let mut replica = Replica::new(Some(KEYS)).with_seed(seed);
        assert_eq!(replica.state(at(0)), State::Cold);
        refresh(&mut replica, &authority, at(0)).unwrap();
        assert!(replica.state(at(0)) == State::Fresh && (1..=3).all(|number| ended(&replica, number)), "{bit}");
        assert!(replica.list().user_watermark(Fingerprint(7)) >= Some(4), "{bit}");
        refresh(&mut replica, &authority, at(HOUR)).unwrap();
        assert!(replica.list().user_watermark(Fingerprint(7)) >= Some(4), "dropped too early: {bit}");
    }
}

#[test]
fn r17_the_first_decision_after_a_long_sleep_is_no_accept() {
    let mut replica = fresh(&Authority::with(1));
    // Its process stood still; the clock did not.
    let awake = at(600_000);
    assert_eq!(replica.state(awake), State::Stale);
    replica.notice(awake);
    assert_eq!(replica.state(awake), State::Stale);
    // A copy of the machine from before, on a clock from before, lives until its own lease ends and no longer.
    let copy = fresh(&Authority::with(1));
    assert_eq!((copy.state(at(L - 100)), copy.state(at(L))), (State::Fresh, State::Stale));
}

#[test]
fn r18_a_wall_clock_that_steps_never_makes_a_lease_longer() {
    let authority = Authority::with(1);
    for step in [300_000, 86_400_000u64] {
        let mut ahead = fresh(&authority);
        ahead.notice(at(step));
        assert_eq!(ahead.state(at(step)), State::Stale);
        ahead.notice(at(5_000));
        assert_eq!(ahead.state(at(5_000)), State::Stale, "back again: no lease either");
        let mut behind = fresh(&authority);
        let now = UnixMillis(START.0 - step);
        behind.notice(now);
        assert_eq!(behind.state(now), State::Stale);
        // With a clock that is that wrong there is no lease, for the times of tokens could not be judged.
        behind.poll(nonce(1), now);
        let answer = authority.heartbeat(nonce(1), at(100));
        assert!(matches!(take(&mut behind, &answer, now), Err(ReplicaError::Clock(_))));
        assert_eq!(behind.state(now), State::Stale);
    }
}

#[test]
fn r19_a_frozen_clock_shortens_and_a_backward_one_ends_the_lease() {
    let authority = Authority::new();
    let mut replica = Replica::new(Some(KEYS));
    // Frozen since before the poll left: the lease counts from what it showed then.
    replica.poll(nonce(1), at(0));
    take(&mut replica, &authority.heartbeat(nonce(1), at(40)), at(0)).unwrap();
    assert_eq!(replica.state(at(L - 100)), State::Fresh);
    assert_eq!(replica.state(at(L - 50)), State::Stale, "50 ms are taken off for a clock that stands still now");
    replica.notice(at(5_000));
    replica.notice(at(4_999));
    assert_eq!(replica.state(at(5_000)), State::Stale);
}

fn claims(rvs: u64, fexp: UnixSeconds) -> SessionClaims {
    SessionClaims {
        sid: SessionId([4; 16]),
        sub: "demo".to_owned(),
        realm: "/alpha".to_owned(),
        iat: START.seconds(),
        exp: fexp,
        fexp,
        idle: None,
        auth_time: None,
        rvs,
        auth_level: 0,
        amr: vec!["pwd".to_owned()],
        jti: TokenId([5; 12]),
        properties: std::iter::empty::<(String, String)>().collect(),
    }
}

fn session_key() -> SigningKey {
    SigningKey::ed25519(kid("s"), &[3; 32])
}

fn cookie(claims: &SessionClaims) -> String {
    let keys = MintingKeys::new(Envelope::Sign, Some(session_key()), None).unwrap();
    format!("sess={}", mint(claims, Kind::Session, &keys, &mut |_: &mut [u8]| {}).unwrap())
}

fn denylist_key() -> DenylistKey {
    DenylistKey::new(&[8; 32])
}

fn gate() -> Gate {
    let key = session_key().verification_key().unwrap();
    let keys = KeySet::new(Envelope::Sign, vec![(KeyState::Active, key)], vec![]).unwrap();
    let policy = Policy::new("/alpha".to_owned(), "sess".to_owned(), &[]).unwrap();
    Gate::new(policy, keys, denylist_key(), SessionCache::new(8))
}

fn outcome(gate: &mut Gate, replica: &Replica, cookie: &str, now: UnixMillis) -> &'static str {
    match gate.decide(&Facts { path: "/", cookie: cookie.as_bytes(), header: None }, replica, || now) {
        Verdict::Allow(_) => "allow",
        Verdict::Behind => "behind",
        Verdict::Refuse(Refusal::Ended) => "ended",
        Verdict::Refuse(Refusal::Expired) => "expired",
        _ => "other",
    }
}

#[test]
fn r20_an_entry_outlives_its_session_on_every_clock_that_is_tolerated() {
    // The family ends with its slot; the edge's clock is 59 s behind the authority's.
    let fexp = slot().end();
    let behind = |authority: u64| UnixMillis(fexp.0 * 1000 + authority - 59_000);
    let family = denylist_key().fingerprint(EntryKind::Family, "/alpha", &[4; 16]);
    let mut authority = Authority::new();
    let slot = Slot::of(UnixSeconds(fexp.0 - 1));
    authority.entries.push(Entry { kind: EntryKind::Family, slot, fingerprint: family });
    let (mut replica, mut gate) = (Replica::new(Some(KEYS)), gate());
    let cookie = cookie(&claims(0, UnixSeconds(fexp.0 - 1)));
    let mut outcomes = Vec::new();
    for second in [0, 30, 57, 58, 90, 200] {
        let now = behind(second * 1000);
        let nonce = nonce(second);
        replica.poll(nonce, now);
        let answer = authority.heartbeat(nonce, UnixMillis(fexp.0 * 1000 + second * 1000));
        let step = take(&mut replica, &answer, now).unwrap();
        follow(&mut replica, &authority, step, now).unwrap();
        outcomes.push(outcome(&mut gate, &replica, &cookie, now));
    }
    assert_eq!(outcomes, ["ended", "ended", "ended", "expired", "expired", "expired"]);
    assert!(replica.list().is_empty(), "then the whole slot goes");
    const { assert!(MAX_SKEW_MS >= 59_000) };
}

#[test]
fn r23_after_a_proxy_that_held_everything_back_the_next_poll_recovers() {
    let mut authority = Authority::with(1);
    let mut replica = fresh(&authority);
    // It polls as ever; nothing comes for 30 s, then all at once.
    let mut held = Vec::new();
    for number in 1..=15u64 {
        let now = at(number * 2_000);
        if replica.due(now) {
            replica.poll(nonce(number), now);
            held.push(authority.heartbeat(nonce(number), now));
        }
        authority.end(1 + number);
    }
    let now = at(31_000);
    assert_eq!(replica.state(now), State::Stale);
    for bytes in held {
        if let Ok(step) = take(&mut replica, &bytes, now) {
            follow(&mut replica, &authority, step, now).unwrap();
        }
    }
    assert!(replica.lease_until().is_some_and(|until| until <= at(30_000 + L)), "by its own sending, each");
    refresh(&mut replica, &authority, at(31_100)).unwrap();
    assert_eq!((replica.state(at(31_100)), replica.applied()), (State::Fresh, 16));
}

/// A relay and an edge behind it, on clocks that differ.
#[test]
fn r26_a_relay_passes_on_what_is_left_and_cannot_add_to_it() {
    let mut authority = Authority::with(2);
    let mut relay = Relay::default();
    relay.poll(nonce(1), at(0));
    let signed = authority.heartbeat(nonce(1), at(0));
    relay.heartbeat(&signed, at(0)).unwrap();
    let (passed, left_ms) = relay.answer(at(6_000), at(6_000)).unwrap();
    assert_eq!((passed, left_ms), (signed.as_slice(), L - 60 - 6_000));
    assert_eq!(relay.answer(at(L), at(L)), None, "nothing of a lease that is over");

    // The edge's clock is 20 s ahead, and only its own counts.
    let edge_at = |ms: u64| at(20_000 + ms);
    let ask = |left_ms: u64, bytes: &[u8], authority: &Authority| {
        let mut edge = Replica::new(Some(KEYS));
        edge.poll(nonce(7), edge_at(6_000));
        let taken = edge.relayed(nonce(7), bytes, left_ms, &Authority::keys(), &mut Scratch::default(), edge_at(6_100));
        if let Ok(step) = taken {
            follow(&mut edge, authority, step, edge_at(6_100)).unwrap();
        }
        (taken, edge)
    };
    let (taken, edge) = ask(left_ms, &signed, &authority);
    assert!(taken.is_ok());
    assert_eq!(edge.state(edge_at(9_800)), State::Fresh);
    assert_eq!(edge.state(edge_at(L)), State::Stale, "the relay's lease ends then");

    // A relay that adds an hour gets what was signed, which ends a lease after the edge asked.
    let (_, lied) = ask(left_ms + HOUR, &signed, &authority);
    assert!(lied.lease_until().is_some_and(|until| until < edge_at(6_000 + L)));
    // It can make up no head and no longer lease.
    let mut bent = signed.clone();
    let middle = bent.len() / 2;
    bent[middle] = if bent[middle] == b'A' { b'B' } else { b'A' };
    assert!(matches!(ask(1000, &bent, &authority).0, Err(ReplicaError::Token(_))));
    // What was not asked for is not taken.
    let mut edge = edge;
    let again = edge.relayed(nonce(7), &signed, 9_000, &Authority::keys(), &mut Scratch::default(), edge_at(7_000));
    assert_eq!(again, Err(ReplicaError::Nonce));

    // One that withholds what came since does not take back what the edge has, and does not fence it.
    authority.end(3);
    let now = edge_at(7_500);
    edge.poll(nonce(8), now);
    let answer = authority.heartbeat(nonce(8), now);
    let step = take(&mut edge, &answer, now).unwrap();
    follow(&mut edge, &authority, step, now).unwrap();
    edge.poll(nonce(9), edge_at(8_000));
    let old = edge.relayed(nonce(9), &signed, 1_900, &Authority::keys(), &mut Scratch::default(), edge_at(8_000));
    assert_eq!(old, Err(ReplicaError::Overtaken));
    assert_eq!((edge.applied(), edge.state(edge_at(8_000))), (3, State::Fresh));
    assert!(ended(&edge, 3));
}

const NAMED: Option<EdgeId> = Some(EdgeId(1));

#[test]
fn r32_a_barrier_with_a_dead_edge_answers_when_its_lease_has_ended() {
    let mut barrier = Barrier::new(UnixMillis(START.0 - HOUR), L);
    barrier.granted(NAMED, 4, L, at(0));
    barrier.granted(Some(EdgeId(2)), 4, L, at(500));
    barrier.applied(EdgeId(1), 5);
    let effective = barrier.effective_at(5);
    assert!(effective >= at(500 + L) && effective <= at(500 + L + 100), "{effective:?}");
}

#[test]
fn r33_a_barrier_during_a_restart_waits_for_the_leases_nobody_knows_of() {
    let mut barrier = Barrier::new(at(0), L);
    assert!(barrier.effective_at(1) >= at(L * 1002 / 1000));
    barrier.applied(EdgeId(1), 100);
    assert!(barrier.effective_at(1) >= at(L * 1002 / 1000), "nobody can talk it out of that");
}

#[test]
fn r34_a_token_from_ahead_makes_an_edge_refresh_and_is_never_accepted_before() {
    let mut authority = Authority::with(3);
    let (mut replica, mut gate) = (fresh(&authority), gate());
    let ahead = cookie(&claims(4, at(HOUR).seconds()));
    assert_eq!(outcome(&mut gate, &replica, &ahead, at(100)), "behind");
    refresh(&mut replica, &authority, at(200)).unwrap();
    assert_eq!(
        outcome(&mut gate, &replica, &ahead, at(200)),
        "behind",
        "the log does not reach it: no accept, no loop"
    );
    authority.end(4);
    refresh(&mut replica, &authority, at(300)).unwrap();
    assert_eq!(outcome(&mut gate, &replica, &ahead, at(300)), "allow");
}

/// G4: positions of one epoch mean nothing in another, unless no position is ever given twice.
#[test]
fn r34_after_a_restore_tokens_of_the_lost_part_stay_dead() {
    let realm = denylist_key().fingerprint(EntryKind::Realm, "/alpha", b"");
    let (lost, mut gate) = (cookie(&claims(90, at(HOUR).seconds())), gate());
    // The backup ends at 50; 90 was real, and so was what ended a session in between.
    let base = restart_at(50, at(0));
    assert!(base > 1 << 50 && restart_at(base + 7, at(0)) > base + 7);
    // Restored once more from the same backup, it begins above what the first attempt can have written meanwhile.
    assert!(restart_at(50, at(1)) > base + 1_000);
    let mut restored = Authority { epoch: Epoch([6; 16]), base, ..Authority::new() };
    restored.entries.push(Entry { kind: EntryKind::Realm, slot: slot(), fingerprint: realm });
    for seq in 0..100 {
        restored.end(1000 + seq);
    }
    let cold = fresh(&restored);
    assert_eq!(outcome(&mut gate, &cold, &lost, at(100)), "ended", "though the log has long passed position 90 of old");
    let anew = cookie(&claims(base + 5, at(HOUR).seconds()));
    assert_eq!(outcome(&mut gate, &cold, &anew, at(100)), "allow");
}

#[test]
fn r35_a_lease_keeps_the_length_it_was_granted_with() {
    let mut authority = Authority::with(1);
    let mut replica = fresh(&authority);
    authority.lease_ms = 2_000;
    refresh(&mut replica, &authority, at(1_000)).unwrap();
    assert_eq!(replica.state(at(9_900)), State::Fresh, "the old lease, by the old length");
    assert_eq!(replica.state(at(L)), State::Stale);
    refresh(&mut replica, &authority, at(L)).unwrap();
    assert_eq!(replica.state(at(L + 2_000)), State::Stale, "the new one, by the new");
    // The barrier counts the longer of them.
    let mut barrier = Barrier::new(UnixMillis(START.0 - HOUR), L);
    barrier.granted(NAMED, 1, L, at(0));
    barrier.granted(NAMED, 1, 2_000, at(1_000));
    assert!(barrier.effective_at(2) >= at(L));
    // Raised: nothing that was granted before lasts longer.
    authority.lease_ms = 60_000;
    assert_eq!(replica.state(at(L + 2_000)), State::Stale);
}

#[test]
fn r36_below_the_floor_nothing_is_skipped_that_still_counts() {
    let mut authority = Authority::with(4);
    let mut replica = fresh(&authority);
    (5..=20).for_each(|number| authority.end(number));
    authority.floor = 12;
    replica.poll(nonce(1), at(2_000));
    let step = take(&mut replica, &authority.heartbeat(nonce(1), at(2_000)), at(2_000)).unwrap();
    assert_eq!(step, Step::Fetch { epoch: EPOCH, from: 12, to: 20 }, "the floor says: all up to it has expired");
    follow(&mut replica, &authority, step, at(2_000)).unwrap();
    assert_eq!((replica.applied(), ended(&replica, 20), ended(&replica, 2)), (20, true, true));
}
