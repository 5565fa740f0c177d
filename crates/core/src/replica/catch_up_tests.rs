//! Catching up by a snapshot, and by segments where there is none that holds.

use super::*;
use crate::denylist::snapshot::{self, SnapshotError};
use crate::denylist::{Denylist, SnapshotDigest};

/// More than a segment holds.
const FAR: u64 = 5_000;

impl Authority {
    fn with(entries: u64) -> Self {
        let mut authority = Self::new();
        (1..=entries).for_each(|number| authority.end(spread(number)));
        authority
    }

    /// The log up to `seq`, for a list with these entries.
    fn snapshot_of(&self, seq: u64, entries: &[Entry]) -> Vec<u8> {
        let mut list = Denylist::default();
        (1..).zip(entries).for_each(|(seq, entry)| list.apply(seq, entry));
        snapshot::encode(self.epoch, seq, self.chain(seq), &list).unwrap()
    }

    fn snapshot(&self, seq: u64) -> Vec<u8> {
        self.snapshot_of(seq, &self.entries[..seq as usize])
    }

    /// Has the heartbeats name it.
    fn name(&mut self, seq: u64, bytes: &[u8]) -> SnapshotRef {
        let named = SnapshotRef { digest: SnapshotDigest::of(bytes), seq, size: bytes.len() as u64 };
        self.snapshot = Some(named);
        named
    }
}

fn spread(number: u64) -> u64 {
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ number.rotate_left(31)
}

fn polled(replica: &mut Replica, authority: &Authority, now: UnixMillis) -> Result<Step, ReplicaError> {
    let nonce = Nonce((now.0 as u128).to_be_bytes());
    replica.poll(nonce, now);
    answer(replica, authority, nonce, now)
}

/// Fetches segments until there are no more; how many, and how it ended.
fn segments(replica: &mut Replica, authority: &Authority, mut step: Step, now: UnixMillis) -> (u32, Step) {
    let mut count = 0;
    while let Step::Fetch { from, to, .. } = step {
        step = replica.segment(&authority.segment(from, to), now).unwrap();
        count += 1;
    }
    (count, step)
}

fn all_ended(replica: &Replica, upto: u64) -> bool {
    (1..=upto).all(|number| ended(replica, spread(number)))
}

#[test]
fn r05_r36_a_cold_copy_takes_the_snapshot_and_what_came_after_it() {
    let mut authority = Authority::with(FAR + 20);
    let bytes = authority.snapshot(FAR);
    let named = authority.name(FAR, &bytes);
    // What came before has expired and is served no more.
    authority.floor = 100;
    let mut replica = Replica::new(Some(KEYS));
    assert_eq!(polled(&mut replica, &authority, at(0)), Ok(Step::FetchSnapshot(named)));
    assert_eq!((replica.state(at(0)), replica.head()), (State::Stale, FAR + 20), "no lease before the end");
    let step = replica.snapshot(&bytes, at(10)).unwrap();
    assert_eq!(step, Step::Fetch { epoch: EPOCH, from: FAR, to: FAR + 20 });
    assert_ne!(replica.state(at(10)), State::Fresh, "a snapshot alone is not complete");
    assert!(!ended(&replica, spread(1)), "nor believed before the chain is proven");
    assert_eq!(segments(&mut replica, &authority, step, at(20)), (1, Step::Fresh));
    assert!(all_ended(&replica, FAR + 20));
    assert_eq!(
        (replica.state(at(9_000)), replica.state(at(L))),
        (State::Fresh, State::Stale),
        "counted from the sending"
    );
    authority.end(7);
    refresh(&mut replica, &authority, at(1_000)).unwrap();
    assert!(ended(&replica, 7));
}

/// An undo in the part that a copy skips counts: the snapshot takes the place of what it had from the same log.
#[test]
fn what_was_taken_back_before_a_snapshot_is_let_in_again() {
    let mut authority = Authority::with(10);
    let slot = authority.entries[0].slot;
    authority.entries.push(Entry { kind: EntryKind::User, slot, fingerprint: Fingerprint(77) });
    let mut replica = Replica::new(Some(KEYS));
    refresh(&mut replica, &authority, at(0)).unwrap();
    assert!(all_ended(&replica, 10) && replica.list().user_watermark(Fingerprint(77)) == Some(11));
    let undo = |kind, fingerprint| Entry { kind, slot, fingerprint };
    authority.entries.push(undo(EntryKind::UndoFamily, Fingerprint(spread(4))));
    authority.entries.push(undo(EntryKind::Undo, Fingerprint(11)));
    (11..=FAR).for_each(|number| authority.end(spread(number)));
    authority.entries.push(undo(EntryKind::UndoFamily, Fingerprint(spread(5))));
    let head = authority.entries.len() as u64;
    let bytes = authority.snapshot(head - 1);
    authority.name(head - 1, &bytes);
    assert!(matches!(polled(&mut replica, &authority, at(1_000)), Ok(Step::FetchSnapshot(_))));
    let step = replica.snapshot(&bytes, at(1_000)).unwrap();
    assert!(all_ended(&replica, 10), "not before the chain is proven");
    segments(&mut replica, &authority, step, at(1_000));
    assert_eq!((1..=FAR).filter(|number| !ended(&replica, spread(*number))).collect::<Vec<_>>(), [4, 5]);
    assert_eq!(replica.list().user_watermark(Fingerprint(77)), None);
    assert_eq!(replica.state(at(1_000)), State::Fresh);
}

/// The log that a copy knows may have had an end which was lost when the authority was restored. What it lists stays,
/// whatever a snapshot of the new epoch says, and whatever it was given to begin with.
#[test]
fn r04_a_snapshot_of_another_epoch_takes_nothing_back() {
    let lost = Authority::with(10);
    let mut seed = Denylist::default();
    seed.apply(1, &lost.entries[9]);
    let mut follower = Replica::new(Some(KEYS));
    refresh(&mut follower, &lost, at(0)).unwrap();
    for mut replica in [follower, Replica::new(Some(KEYS)).with_seed(seed)] {
        let mut restored = Authority { epoch: Epoch([8; 16]), floor: 20, ..Authority::with(20) };
        (21..=FAR + 20).for_each(|number| restored.end(spread(number)));
        for upto in [FAR, 2 * FAR] {
            let bytes = restored.snapshot_of(upto, &restored.entries[(upto - FAR).max(20) as usize..upto as usize]);
            restored.name(upto, &bytes);
            let now = at(1_000 + upto);
            assert!(matches!(polled(&mut replica, &restored, now), Ok(Step::FetchSnapshot(_))));
            let step = replica.snapshot(&bytes, now).unwrap();
            segments(&mut replica, &restored, step, now);
            let newest = restored.entries.last().unwrap().fingerprint.0;
            assert!(ended(&replica, spread(10)) && ended(&replica, newest) && replica.state(now) == State::Fresh);
            (0..FAR).for_each(|number| restored.end(spread(20_000 + number)));
        }
    }
}

#[test]
fn r04_a_snapshot_that_is_old_near_or_large_is_not_asked_for() {
    let mut authority = Authority::with(FAR + 5_000);
    let mut replica = Replica::new(Some(KEYS));
    refresh(&mut replica, &authority, at(0)).unwrap();
    let mut nonce = 0;
    let mut asks = |authority: &Authority, replica: &mut Replica| {
        nonce += 1;
        matches!(polled(replica, authority, at(1_000 + nonce)), Ok(Step::FetchSnapshot(_)))
    };
    let bytes = authority.snapshot(FAR);
    authority.name(FAR, &bytes);
    assert!(!asks(&authority, &mut replica), "it is from before");
    (0..FAR).for_each(|number| authority.end(spread(20_000 + number)));
    assert!(!asks(&authority, &mut replica), "it is still from before");
    let bytes = authority.snapshot(authority.entries.len() as u64);
    let head = authority.entries.len() as u64;
    authority.name(head + 1, &bytes);
    assert!(!asks(&authority, &mut replica), "it is from ahead of the head");
    authority.name(FAR + 5_000 + 4_096, &bytes);
    assert!(!asks(&authority, &mut replica), "one segment does as well");
    let named = authority.name(head, &bytes);
    for size in [MAX_SNAPSHOT + 1, u64::MAX, 9 * FAR] {
        authority.snapshot = Some(SnapshotRef { size, ..named });
        assert!(!asks(&authority, &mut replica), "{size} bytes are more than they are worth");
    }
    authority.snapshot = Some(SnapshotRef { size: 9 * FAR - 1, ..named });
    assert!(asks(&authority, &mut replica));
}

/// Everything stays as it was, the lease too, and segments do it instead.
#[test]
fn r07_a_wrong_snapshot_is_refused_and_segments_are_tried() {
    let mut authority = Authority::with(FAR + 20);
    let bytes = authority.snapshot(FAR);
    let mut altered = bytes.clone();
    altered[200] ^= 4;
    let older = authority.snapshot(4_500);
    let wrongs: [&[u8]; 6] = [&altered, &bytes[..bytes.len() - 1], &[&bytes[..], b"x"].concat(), &older, b"", b"CSS1"];
    let named = authority.name(FAR, &bytes);
    for (number, wrong) in (0..).zip(wrongs) {
        let mut replica = Replica::new(Some(KEYS));
        let now = at(number * 100);
        assert_eq!(polled(&mut replica, &authority, now), Ok(Step::FetchSnapshot(named)));
        assert_eq!(replica.snapshot(wrong, now), Err(ReplicaError::Snapshot(SnapshotError::Other)), "{number}");
        assert!(replica.list().is_empty());
        let step = replica.without_snapshot(named.digest, now).unwrap();
        assert_eq!(step, Step::Fetch { epoch: EPOCH, from: 0, to: 4096 });
        assert_eq!(replica.snapshot(&bytes, now), Err(ReplicaError::Unexpected), "too late");
        assert_eq!(segments(&mut replica, &authority, step, now), (2, Step::Fresh));
        assert!(all_ended(&replica, FAR + 20) && replica.state(now) == State::Fresh);
    }
    // Of this one the hash is right: the authority itself named an older one, or none.
    for (bytes, error) in [(older.as_slice(), SnapshotError::Other), (b"no snapshot", SnapshotError::Framing)] {
        let named = authority.name(FAR, bytes);
        let mut replica = Replica::new(Some(KEYS));
        assert_eq!(polled(&mut replica, &authority, at(0)), Ok(Step::FetchSnapshot(named)));
        assert_eq!(replica.snapshot(bytes, at(0)), Err(ReplicaError::Snapshot(error)));
        assert!(matches!(replica.without_snapshot(named.digest, at(0)), Ok(Step::Fetch { from: 0, .. })));
    }
}

/// A snapshot that does not lead to the signed chain value was of another log: nothing of it is kept.
#[test]
fn r07_a_snapshot_of_another_log_is_not_believed() {
    let mut authority = Authority::with(FAR + 20);
    let list = Denylist::default();
    let bytes = snapshot::encode(EPOCH, FAR, Chain([9; 32]), &list).unwrap();
    authority.name(FAR, &bytes);
    let mut replica = Replica::new(Some(KEYS));
    assert!(matches!(polled(&mut replica, &authority, at(0)), Ok(Step::FetchSnapshot(_))));
    let Step::Fetch { from, to, .. } = replica.snapshot(&bytes, at(0)).unwrap() else { panic!("no segments") };
    assert_eq!(replica.segment(&authority.segment(from, to), at(0)), Err(ReplicaError::Chain));
    assert_ne!(replica.state(at(0)), State::Fresh);
    let step = polled(&mut replica, &authority, at(100)).unwrap();
    assert!(matches!(step, Step::Fetch { from: 0, .. }), "{step:?}: it is asked for no more");
    assert_eq!(segments(&mut replica, &authority, step, at(100)), (2, Step::Fresh));
}

#[test]
fn a_snapshot_on_its_way_is_waited_for_and_survives_the_next_poll() {
    let mut authority = Authority::with(FAR + 20);
    let bytes = authority.snapshot(FAR);
    let named = authority.name(FAR, &bytes);
    let mut replica = Replica::new(Some(KEYS));
    polled(&mut replica, &authority, at(0)).unwrap();
    assert!(replica.under_way(1_000, at(9_000)) && !replica.under_way(1_000, at(10_000)));
    assert_eq!(replica.segment(&authority.segment(0, 4096), at(9_000)), Err(ReplicaError::Unexpected));
    replica.snapshot(&bytes, at(9_000)).unwrap();
    assert!(replica.under_way(1_000, at(11_000)) && !replica.under_way(1_000, at(12_000)));
    // The segments after it did not come; the next poll goes on from it.
    authority.end(7);
    let step = polled(&mut replica, &authority, at(12_000)).unwrap();
    assert_eq!(step, Step::Fetch { epoch: EPOCH, from: FAR, to: FAR + 21 });
    assert_eq!(segments(&mut replica, &authority, step, at(12_000)), (1, Step::Fresh));
    assert!(all_ended(&replica, FAR + 20) && ended(&replica, 7));
    assert_eq!(replica.without_snapshot(named.digest, at(12_000)), Err(ReplicaError::Unexpected));
}

/// The members that edges of before do not know are there for who asked alone.
#[test]
fn a_heartbeat_without_a_snapshot_is_that_of_before() {
    let mut authority = Authority::with(1);
    let payload = |authority: &Authority| {
        let token = authority.heartbeat(Nonce([1; 16]), at(0));
        let payload = token.split(|byte| *byte == b'.').nth(1).unwrap();
        String::from_utf8(crate::encoding::decode(payload).unwrap()).unwrap()
    };
    assert!(!payload(&authority).contains("snapshot"));
    authority.name(1, b"");
    assert!(payload(&authority).contains(r#""snapshot":{"digest":""#));
}

#[test]
fn marks_come_with_a_snapshot() {
    let mut authority = Authority::with(FAR);
    let slot = Slot::of(at(3_600_000).seconds());
    for kind in [EntryKind::User, EntryKind::Realm, EntryKind::Key] {
        authority.entries.push(Entry { kind, slot, fingerprint: Fingerprint(77) });
    }
    let head = authority.entries.len() as u64;
    let bytes = authority.snapshot(head);
    authority.name(head, &bytes);
    let mut replica = Replica::new(Some(KEYS));
    polled(&mut replica, &authority, at(0)).unwrap();
    assert_eq!(replica.snapshot(&bytes, at(0)), Ok(Step::Fresh), "nothing came after it");
    let list = replica.list();
    assert_eq!(list.user_watermark(Fingerprint(77)), Some(FAR + 1));
    assert_eq!((list.realm_watermark(Fingerprint(77)), list.key_ended(Fingerprint(77))), (Some(FAR + 2), true));
    assert_eq!(replica.state(at(0)), State::Fresh);
}
