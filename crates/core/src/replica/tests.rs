#![allow(clippy::cast_possible_truncation, reason = "small numbers, chosen here")]

#[path = "relay_tests.rs"]
mod relay;

#[path = "catch_up_tests.rs"]
mod catch_up;

use super::*;
use crate::denylist::{Entry, Fingerprint, Kind as EntryKind, Slot};
use crate::keys::{KeyState, Kid, MintingKeys, SigningKey};
use crate::token::Envelope;
use crate::token::mint::mint;

const EPOCH: Epoch = Epoch([5; 16]);
const KEYS: KeysDigest = KeysDigest([6; 16]);
const L: u64 = 10_000;
const START: UnixMillis = UnixMillis(1_800_000_000_000);

fn at(ms: u64) -> UnixMillis {
    START.plus(ms)
}

/// An authority: the log and the key that signs for it.
struct Authority {
    epoch: Epoch,
    /// Where the epoch begins.
    base: u64,
    entries: Vec<Entry>,
    floor: u64,
    seed: [u8; 32],
    key_set: KeysDigest,
    /// What its heartbeats name.
    snapshot: Option<SnapshotRef>,
}

impl Authority {
    fn new() -> Self {
        Self { epoch: EPOCH, base: 0, entries: Vec::new(), floor: 0, seed: [1; 32], key_set: KEYS, snapshot: None }
    }

    /// After a restore, with an empty log.
    fn anew(epoch: u8) -> Self {
        Self { epoch: Epoch([epoch; 16]), base: 1 << 40, ..Self::new() }
    }

    fn key(&self) -> SigningKey {
        SigningKey::ed25519(Kid::try_from("feed".to_owned()).unwrap(), &self.seed)
    }

    fn keys(&self) -> KeySet {
        KeySet::new(Envelope::Sign, vec![(KeyState::Active, self.key().verification_key().unwrap())], vec![]).unwrap()
    }

    fn end(&mut self, fingerprint: u64) {
        let slot = Slot::of(at(3_600_000).seconds());
        self.entries.push(Entry { kind: EntryKind::Family, slot, fingerprint: Fingerprint(fingerprint) });
    }

    fn chain(&self, upto: u64) -> Chain {
        (self.base + 1..)
            .zip(self.entries.iter().take((upto - self.base) as usize))
            .fold(Chain::genesis(self.epoch), |c, (seq, e)| c.append(seq, e))
    }

    fn heartbeat(&self, nonce: Nonce, now: UnixMillis) -> Vec<u8> {
        let head = self.base + self.entries.len() as u64;
        let floor = self.floor.max(self.base);
        let heartbeat = Heartbeat {
            epoch: self.epoch,
            head,
            chain: self.chain(head),
            floor,
            floor_chain: self.chain(floor),
            nonce,
            time: now,
            lease_ms: L,
            poll_ms: 2000,
            keys: self.key_set,
            snapshot: self.snapshot,
        };
        let keys = MintingKeys::new(Envelope::Sign, Some(self.key()), None).unwrap();
        mint(&heartbeat, Kind::Heartbeat, &keys, &mut |_: &mut [u8]| {}).unwrap().into_bytes()
    }

    fn segment(&self, from: u64, to: u64) -> Vec<u8> {
        segment::encode(self.epoch, from, &self.entries[(from - self.base) as usize..(to - self.base) as usize])
            .unwrap()
    }
}

fn ended(replica: &Replica, fingerprint: u64) -> bool {
    replica.list().family_ended(Slot::of(at(3_600_000).seconds()), Fingerprint(fingerprint))
}

fn answer(replica: &mut Replica, authority: &Authority, nonce: Nonce, now: UnixMillis) -> Result<Step, ReplicaError> {
    replica.heartbeat(&authority.heartbeat(nonce, now), &authority.keys(), &mut Scratch::default(), now)
}

/// A whole refresh without delay.
fn refresh(replica: &mut Replica, authority: &Authority, now: UnixMillis) -> Result<(), ReplicaError> {
    let nonce = Nonce((now.0 as u128).to_be_bytes());
    replica.poll(nonce, now);
    let mut step = answer(replica, authority, nonce, now)?;
    while let Step::Fetch { from, to, .. } = step {
        step = replica.segment(&authority.segment(from, to), now)?;
    }
    Ok(())
}

#[test]
fn cold_until_the_first_refresh_then_fresh_for_a_lease() {
    let mut authority = Authority::new();
    authority.end(1);
    let mut replica = Replica::new(Some(KEYS));
    assert_eq!(replica.state(at(0)), State::Cold);
    refresh(&mut replica, &authority, at(0)).unwrap();
    assert!(ended(&replica, 1));
    assert_eq!(replica.applied(), 1);
    assert_eq!(replica.state(at(9_900)), State::Fresh);
    assert_eq!(replica.state(at(L)), State::Stale, "R01");
}

#[test]
fn r02_the_lease_counts_from_the_sending() {
    let authority = Authority::new();
    let mut replica = Replica::new(Some(KEYS));
    let nonce = Nonce([1; 16]);
    replica.poll(nonce, at(0));
    answer(&mut replica, &authority, nonce, at(3 * L)).unwrap();
    assert_eq!(replica.state(at(3 * L)), State::Stale);
    replica.poll(nonce, at(3 * L));
    answer(&mut replica, &authority, nonce, at(3 * L + 9_000)).unwrap();
    assert_eq!(replica.state(at(3 * L + 9_500)), State::Fresh);
    assert_eq!(replica.state(at(4 * L)), State::Stale);
}

#[test]
fn r03_replayed_cached_and_forged_heartbeats_give_nothing() {
    let authority = Authority::new();
    let mut replica = Replica::new(Some(KEYS));
    let nonce = Nonce([1; 16]);
    replica.poll(nonce, at(0));
    let bytes = authority.heartbeat(nonce, at(0));
    let mut take = |bytes: &[u8], authority: &Authority, ms| {
        replica.heartbeat(bytes, &authority.keys(), &mut Scratch::default(), at(ms))
    };
    assert_eq!(take(&authority.heartbeat(Nonce([2; 16]), at(0)), &authority, 0), Err(ReplicaError::Nonce));
    let forger = Authority { seed: [2; 32], ..Authority::new() };
    let forged = forger.heartbeat(nonce, at(0));
    assert_eq!(take(&forged, &authority, 0), Err(ReplicaError::Token(TokenError::Signature)));
    assert_eq!(take(b"garbage", &authority, 0), Err(ReplicaError::Token(TokenError::Format)));
    assert_eq!(take(&bytes, &authority, 0), Ok(Step::Fresh));
    assert_eq!(take(&bytes, &authority, 5_000), Err(ReplicaError::Nonce), "the nonce is spent");
    assert_eq!(replica.state(at(L)), State::Stale);
}

#[test]
fn r04_r05_an_older_or_gapped_segment_changes_nothing() {
    let mut authority = Authority::new();
    for fingerprint in 1..=10 {
        authority.end(fingerprint);
    }
    let mut replica = Replica::new(Some(KEYS));
    let nonce = Nonce([1; 16]);
    replica.poll(nonce, at(0));
    let step = answer(&mut replica, &authority, nonce, at(0)).unwrap();
    assert_eq!(step, Step::Fetch { epoch: EPOCH, from: 0, to: 10 });
    assert_eq!(replica.segment(&authority.segment(2, 10), at(0)), Err(ReplicaError::Unexpected));
    assert_eq!(replica.state(at(0)), State::Stale);
    assert!(!ended(&replica, 3), "nothing unproven is applied");
    refresh(&mut replica, &authority, at(100)).unwrap();
    assert_eq!(replica.segment(&authority.segment(0, 5), at(100)), Err(ReplicaError::Unexpected));
    assert_eq!(replica.applied(), 10);
    assert_eq!(replica.state(at(100)), State::Fresh);
}

#[test]
fn segments_may_come_in_pieces() {
    let mut authority = Authority::new();
    for fingerprint in 0..segment::MAX_ENTRIES as u64 + 10 {
        authority.end(fingerprint);
    }
    let mut replica = Replica::new(Some(KEYS));
    refresh(&mut replica, &authority, at(0)).unwrap();
    assert_eq!(replica.applied(), segment::MAX_ENTRIES as u64 + 10);
    assert!(ended(&replica, segment::MAX_ENTRIES as u64 + 9));
}

/// Strict profile, one slow answer: it was signed before the other and comes after it.
#[test]
fn an_answer_that_was_overtaken_is_no_rollback() {
    let mut authority = Authority::new();
    authority.end(1);
    let mut replica = Replica::new(Some(KEYS));
    refresh(&mut replica, &authority, at(0)).unwrap();
    let (slow, fast) = (Nonce([1; 16]), Nonce([2; 16]));
    replica.poll(slow, at(1_000));
    let early = authority.heartbeat(slow, at(1_000));
    authority.end(2);
    replica.poll(fast, at(2_000));
    assert_eq!(answer(&mut replica, &authority, fast, at(2_010)), Ok(Step::Fetch { epoch: EPOCH, from: 1, to: 2 }));
    assert_eq!(replica.segment(&authority.segment(1, 2), at(2_020)), Ok(Step::Fresh));
    let late = replica.heartbeat(&early, &authority.keys(), &mut Scratch::default(), at(2_030));
    assert_eq!(late, Ok(Step::Fresh));
    assert_eq!((replica.state(at(2_030)), replica.applied()), (State::Fresh, 2));

    // The other order: the origin read the head for the poll that was sent later before the one sent earlier.
    replica.poll(slow, at(3_000));
    replica.poll(fast, at(3_100));
    let early = authority.heartbeat(fast, at(3_100));
    authority.end(3);
    assert_eq!(answer(&mut replica, &authority, slow, at(3_200)), Ok(Step::Fetch { epoch: EPOCH, from: 2, to: 3 }));
    assert_eq!(replica.segment(&authority.segment(2, 3), at(3_210)), Ok(Step::Fresh));
    let late = replica.heartbeat(&early, &authority.keys(), &mut Scratch::default(), at(3_220));
    assert_eq!(late, Ok(Step::Fresh));
    // A head below what was known when the poll was sent is one.
    replica.poll(slow, at(4_000));
    let shorter = Authority { entries: authority.entries[..2].to_vec(), ..Authority::new() };
    assert_eq!(answer(&mut replica, &shorter, slow, at(4_010)), Err(ReplicaError::Fenced));
}

#[test]
fn a_long_catch_up_survives_other_polls() {
    let mut authority = Authority::new();
    let many = segment::MAX_ENTRIES as u64;
    for fingerprint in 0..3 * many {
        authority.end(fingerprint);
    }
    let mut replica = Replica::new(Some(KEYS));
    let (first, second) = (Nonce([1; 16]), Nonce([2; 16]));
    replica.poll(first, at(0));
    assert_eq!(answer(&mut replica, &authority, first, at(0)), Ok(Step::Fetch { epoch: EPOCH, from: 0, to: many }));
    assert_eq!(
        replica.segment(&authority.segment(0, many), at(900)),
        Ok(Step::Fetch { epoch: EPOCH, from: many, to: 2 * many })
    );
    assert!(replica.under_way(1_000, at(2_000)), "segments are coming, though the poll is old");
    authority.end(3 * many);
    replica.poll(second, at(2_000));
    assert_eq!(
        answer(&mut replica, &authority, second, at(2_000)),
        Ok(Step::Fetch { epoch: EPOCH, from: many, to: 2 * many }),
        "what was fetched is kept"
    );
    let piece = authority.segment(many, 2 * many);
    assert_eq!(replica.segment(&piece, at(2_100)), Ok(Step::Fetch { epoch: EPOCH, from: 2 * many, to: 3 * many }));
    assert_eq!(replica.segment(&piece, at(2_200)), Err(ReplicaError::Unexpected), "the other request's copy of it");
    assert_eq!(
        replica.segment(&authority.segment(2 * many, 3 * many), at(2_300)),
        Ok(Step::Fetch { epoch: EPOCH, from: 3 * many, to: 3 * many + 1 })
    );
    assert_eq!(replica.segment(&authority.segment(3 * many, 3 * many + 1), at(2_400)), Ok(Step::Fresh));
    assert_eq!(replica.state(at(2_000 + 9_900)), State::Fresh, "the lease is the second poll's");
    assert_eq!(replica.state(at(2_000 + L)), State::Stale);
    assert!(!replica.under_way(1_000, at(2_500)));
}

#[test]
fn r07_an_altered_segment_is_discarded_whole() {
    let mut authority = Authority::new();
    for fingerprint in 1..=3 {
        authority.end(fingerprint);
    }
    for bit in 32 * 8..authority.segment(0, 3).len() * 8 {
        let mut replica = Replica::new(Some(KEYS));
        let nonce = Nonce([1; 16]);
        replica.poll(nonce, at(0));
        answer(&mut replica, &authority, nonce, at(0)).unwrap();
        let mut bytes = authority.segment(0, 3);
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(
            matches!(replica.segment(&bytes, at(0)), Err(ReplicaError::Chain | ReplicaError::Segment(_))),
            "bit {bit}"
        );
        assert!(replica.list().is_empty());
        assert_ne!(replica.state(at(0)), State::Fresh);
        refresh(&mut replica, &authority, at(10)).unwrap();
        assert_eq!(replica.state(at(10)), State::Fresh, "the next one is taken");
    }
}

#[test]
fn r08_r09_a_log_that_goes_back_fences_until_a_new_epoch() {
    let mut authority = Authority::new();
    authority.end(1);
    authority.end(2);
    let mut replica = Replica::new(Some(KEYS));
    refresh(&mut replica, &authority, at(0)).unwrap();
    let restored = Authority { entries: authority.entries[..1].to_vec(), ..Authority::new() };
    assert_eq!(refresh(&mut replica, &restored, at(1000)), Err(ReplicaError::Fenced));
    assert_eq!(replica.state(at(1000)), State::Fenced);
    assert_eq!(refresh(&mut replica, &authority, at(1500)), Err(ReplicaError::Fenced), "it stays");
    let anew = Authority::anew(6);
    refresh(&mut replica, &anew, at(2000)).unwrap();
    assert_eq!(replica.state(at(2000)), State::Fresh);
    assert!(ended(&replica, 2), "G4: what was ended stays ended");
}

#[test]
fn one_position_with_two_chain_values_fences() {
    let mut authority = Authority::new();
    authority.end(1);
    let mut replica = Replica::new(Some(KEYS));
    refresh(&mut replica, &authority, at(0)).unwrap();
    let mut other = Authority::new();
    other.end(99);
    assert_eq!(refresh(&mut replica, &other, at(1000)), Err(ReplicaError::Fenced));
}

#[test]
fn r18_r19_a_clock_that_steps_back_ends_the_lease() {
    let authority = Authority::new();
    let mut replica = Replica::new(Some(KEYS));
    refresh(&mut replica, &authority, at(100_000)).unwrap();
    assert_eq!(replica.state(at(100_000)), State::Fresh);
    assert_eq!(replica.state(at(99_999)), State::Stale);
    // A step that stays above the last poll is seen by whoever looks at the clock for a decision.
    replica.notice(at(109_000));
    assert_eq!(replica.state(at(109_000)), State::Fresh);
    replica.notice(at(101_000));
    assert_eq!(replica.state(at(101_000)), State::Stale);
    refresh(&mut replica, &authority, at(101_000)).unwrap();
    let nonce = Nonce([9; 16]);
    replica.poll(nonce, at(50_000));
    assert_eq!(replica.state(at(101_001)), State::Stale);
}

#[test]
fn r18_a_wrong_wall_clock_gives_no_lease() {
    let authority = Authority::new();
    let mut replica = Replica::new(Some(KEYS));
    let nonce = Nonce([1; 16]);
    replica.poll(nonce, at(0));
    let bytes = authority.heartbeat(nonce, at(MAX_SKEW_MS + 1));
    let taken = replica.heartbeat(&bytes, &authority.keys(), &mut Scratch::default(), at(0));
    assert_eq!(taken, Err(ReplicaError::Clock(MAX_SKEW_MS + 1)));
    assert_eq!(replica.state(at(0)), State::Cold);
}

#[test]
fn r36_below_the_floor_it_goes_on_from_the_floor() {
    let mut authority = Authority::new();
    for fingerprint in 1..=10 {
        authority.end(fingerprint);
    }
    authority.floor = 6;
    let mut replica = Replica::new(Some(KEYS));
    let nonce = Nonce([1; 16]);
    replica.poll(nonce, at(0));
    assert_eq!(answer(&mut replica, &authority, nonce, at(0)), Ok(Step::Fetch { epoch: EPOCH, from: 6, to: 10 }));
    assert_eq!(replica.segment(&authority.segment(6, 10), at(0)), Ok(Step::Fresh));
    assert_eq!(replica.applied(), 10);
}

#[test]
fn polls_are_due_by_the_interval_and_half_the_lease() {
    let authority = Authority::new();
    let mut replica = Replica::new(Some(KEYS));
    assert!(replica.due(at(0)));
    refresh(&mut replica, &authority, at(0)).unwrap();
    assert!(!replica.due(at(1_999)));
    assert!(replica.due(at(2_000)));
    replica.poll(Nonce([7; 16]), at(2_000));
    assert!(replica.under_way(500, at(2_400)));
    assert!(!replica.under_way(500, at(2_600)), "a lost poll does not hold up the next");
    replica.abandon(Nonce([7; 16]));
    assert!(!replica.under_way(500, at(2_400)), "nor does one that was given up");
    assert_eq!(answer(&mut replica, &authority, Nonce([7; 16]), at(2_500)), Err(ReplicaError::Nonce));
}

#[test]
fn polls_under_way_are_bounded() {
    let authority = Authority::new();
    let mut replica = Replica::new(Some(KEYS));
    for n in 0..10 {
        replica.poll(Nonce([n; 16]), at(u64::from(n)));
    }
    assert_eq!(answer(&mut replica, &authority, Nonce([0; 16]), at(20)), Err(ReplicaError::Nonce));
    assert_eq!(answer(&mut replica, &authority, Nonce([9; 16]), at(20)), Ok(Step::Fresh));
}

/// K03: once a heartbeat names another key set, there is no lease from it before that set is in use.
#[test]
fn k03_no_new_lease_before_the_key_set_in_force_is_in_use() {
    let mut authority = Authority::new();
    let mut replica = Replica::new(Some(KEYS));
    refresh(&mut replica, &authority, at(0)).unwrap();
    let granted = replica.lease_until().unwrap();

    authority.key_set = KeysDigest([7; 16]);
    replica.poll(Nonce([2; 16]), at(2000));
    assert_eq!(answer(&mut replica, &authority, Nonce([2; 16]), at(2010)), Ok(Step::FetchKeys));
    assert_eq!(replica.lease_until(), Some(granted), "the old lease runs out, within T");
    assert!(replica.under_way(1000, at(2010)), "others wait for the fetch");
    assert_eq!(replica.state(granted), State::Stale);

    replica.keys(KeysDigest([7; 16]), at(2020)).unwrap();
    assert!(replica.lease_until().unwrap() > granted, "counted from the sending of the poll that named it");
    assert!(!replica.under_way(1000, at(2020)));
    refresh(&mut replica, &authority, at(4000)).unwrap();

    // A set that was not asked for, such as an old one replayed, ends the lease.
    replica.poll(Nonce([3; 16]), at(5000));
    authority.key_set = KeysDigest([8; 16]);
    assert_eq!(answer(&mut replica, &authority, Nonce([3; 16]), at(5000)), Ok(Step::FetchKeys));
    assert_eq!(replica.keys(KEYS, at(5010)), Err(ReplicaError::Keys));
    assert_eq!(replica.state(at(5010)), State::Stale);
    assert_eq!(replica.keys(KeysDigest([9; 16]), at(5020)), Ok(()));
    assert_eq!(replica.state(at(5020)), State::Stale);
}

#[test]
fn unknown_keys_are_doubted_once_a_second() {
    let authority = Authority::new();
    let mut replica = Replica::new(Some(KEYS));
    assert!(replica.keys_doubtful(at(0)), "nothing was asked yet");
    replica.poll(Nonce([1; 16]), at(0));
    assert!(replica.keys_doubtful(at(10)), "the answer is under way");
    answer(&mut replica, &authority, Nonce([1; 16]), at(20)).unwrap();
    assert!(!replica.keys_doubtful(at(30)) && !replica.keys_doubtful(at(999)));
    assert!(replica.keys_doubtful(at(1000)));
}

/// What an answer that was overtaken says of the keys may be old too: it gives no lease where they differ.
#[test]
fn an_overtaken_answer_with_other_keys_gives_no_lease() {
    let mut authority = Authority::new();
    authority.end(1);
    let mut replica = Replica::new(Some(KEYS));
    refresh(&mut replica, &authority, at(0)).unwrap();
    let (slow, fast) = (Nonce([1; 16]), Nonce([2; 16]));
    replica.poll(slow, at(2_000));
    let early = authority.heartbeat(slow, at(2_000));
    authority.end(2);
    authority.key_set = KeysDigest([7; 16]);
    replica.poll(fast, at(2_100));
    assert_eq!(answer(&mut replica, &authority, fast, at(2_110)), Ok(Step::Fetch { epoch: EPOCH, from: 1, to: 2 }));
    assert_eq!(replica.segment(&authority.segment(1, 2), at(2_120)), Ok(Step::FetchKeys));
    assert!(replica.under_way(1_000, at(2_200)), "keys are fetched after a catch-up as well");
    replica.keys(authority.key_set, at(2_130)).unwrap();
    let granted = replica.lease_until();
    let late = replica.heartbeat(&early, &authority.keys(), &mut Scratch::default(), at(2_140));
    assert_eq!((late, replica.lease_until()), (Ok(Step::Fresh), granted));
}

/// A lease that waits for keys is of one log: under a new epoch nothing is known yet.
#[test]
fn a_new_epoch_voids_a_lease_that_waits_for_keys() {
    let mut authority = Authority::new();
    let mut replica = Replica::new(None);
    let (first, second) = (Nonce([1; 16]), Nonce([2; 16]));
    replica.poll(first, at(0));
    replica.poll(second, at(10));
    assert_eq!(answer(&mut replica, &authority, first, at(20)), Ok(Step::FetchKeys));
    authority = Authority::anew(8);
    authority.end(1);
    let base = authority.base;
    let fetch = Step::Fetch { epoch: authority.epoch, from: base, to: base + 1 };
    assert_eq!(answer(&mut replica, &authority, second, at(30)), Ok(fetch));
    assert_eq!(replica.keys(KEYS, at(40)), Ok(()));
    assert_eq!(replica.state(at(40)), State::Stale);
    assert_eq!(replica.segment(&authority.segment(base, base + 1), at(50)), Ok(Step::Fresh));
    assert_eq!(replica.state(at(50)), State::Fresh);
}

/// Found by the simulator (seed 241 of its time): what was purged by a clock that leapt ahead was accepted when the
/// clock was right again.
#[test]
fn g4_a_clock_that_leaps_ahead_during_a_catch_up_purges_nothing() {
    let mut authority = Authority::new();
    authority.end(1);
    let mut replica = Replica::new(Some(KEYS));
    refresh(&mut replica, &authority, at(0)).unwrap();
    authority.end(2);
    let nonce = Nonce([1; 16]);
    replica.poll(nonce, at(1_000));
    answer(&mut replica, &authority, nonce, at(1_000)).unwrap();
    let day = 24 * 3_600_000;
    replica.segment(&authority.segment(1, 2), at(day)).unwrap();
    refresh(&mut replica, &authority, at(2_000)).unwrap();
    assert_eq!(replica.state(at(2_000)), State::Fresh);
    assert!(ended(&replica, 1) && ended(&replica, 2));
}

#[test]
fn an_answer_from_an_epoch_that_has_ended_meanwhile_changes_nothing() {
    let mut authority = Authority::new();
    authority.end(1);
    let mut replica = Replica::new(Some(KEYS));
    refresh(&mut replica, &authority, at(0)).unwrap();
    let (slow, fast) = (Nonce([1; 16]), Nonce([2; 16]));
    replica.poll(slow, at(1_000));
    let early = authority.heartbeat(slow, at(1_000));
    let anew = Authority::anew(6);
    replica.poll(fast, at(1_100));
    assert_eq!(answer(&mut replica, &anew, fast, at(1_200)), Ok(Step::Fresh));
    let late = replica.heartbeat(&early, &authority.keys(), &mut Scratch::default(), at(1_300));
    assert_eq!(late, Err(ReplicaError::Overtaken));
    assert_eq!(replica.state(at(1_300)), State::Fresh);
}

/// A leader that was replaced goes on to answer: it gives neither entries nor leases to who has heard of the next one.
#[test]
fn r11_of_two_leaders_the_one_of_the_higher_epoch_is_followed() {
    let mut old = Authority::new();
    old.end(1);
    let mut replica = Replica::new(Some(KEYS));
    refresh(&mut replica, &old, at(0)).unwrap();
    let mut new = Authority::anew(6);
    new.end(2);
    refresh(&mut replica, &new, at(1_000)).unwrap();
    old.end(3);
    for ms in (2_000..60_000).step_by(2_000) {
        assert_eq!(refresh(&mut replica, &old, at(ms)), Err(ReplicaError::Overtaken));
        assert!(ended(&replica, 1) && ended(&replica, 2) && !ended(&replica, 3));
        let wanted = if ms < 1_000 + L { State::Fresh } else { State::Stale };
        assert_eq!(replica.state(at(ms + 100)), wanted, "the lease is that of the new one");
    }
    new.end(4);
    refresh(&mut replica, &new, at(60_000)).unwrap();
    assert_eq!((ended(&replica, 4), replica.state(at(60_000))), (true, State::Fresh));
}
