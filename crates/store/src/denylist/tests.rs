//! The log on both databases. Above 600 lines because one list at the top says which tests those are.

use std::time::Duration;

use countersign_core::denylist::segment::MAX_ENTRIES;
use countersign_core::denylist::{Chain, Denylist, Entry, Epoch, Fingerprint, Kind, Slot};
use countersign_core::time::{UnixMillis, UnixSeconds};
use tokio::task::JoinSet;

use super::LOCK;
use super::writer::{BATCH, QUEUE};
use super::{Appended, Filter, Line, Lookup, NewEntry, Probe, RequestId};
use crate::db::Tx;
use crate::store::Patience;
use crate::testing::{EPOCH, NOW, Site, on_both, tamper};
use crate::{Store, StoreError};

on_both!(
    a_batch_is_written_whole_or_not_at_all,
    in_a_batch_each_line_has_its_own_words,
    an_empty_log_ends_at_the_genesis_value,
    a_repeated_logout_keeps_its_number_and_a_watermark_gets_a_new_one,
    concurrent_repetitions_are_one_entry,
    lookup_answers_for_the_exact_session,
    operators_see_the_newest_lines_with_their_reasons,
    what_is_too_long_or_out_of_range_is_refused,
    pruning_takes_a_prefix_and_keeps_the_chain,
    pruning_in_chunks_stops_where_one_would,
    a_gap_in_the_table_is_reported_by_all_who_read_it,
    a_failed_commit_is_told_to_every_waiter,
    a_lock_held_elsewhere_fails_loudly_in_bounded_time,
    r21_a_full_queue_says_so_and_close_drains_it,
    dropping_the_store_finishes_what_was_queued,
    every_scope_is_found_and_can_be_undone,
    r12_a_repeated_request_keeps_its_number,
    lines_are_found_by_realm_user_kind_and_time_page_by_page,
    r09_a_new_epoch_revives_nothing_that_was_lost,
    appends_wake_those_who_wait_in_every_process,
    what_another_process_did_to_the_log_is_noticed,
    an_end_that_moved_back_leaves_no_gap,
    r10_a_writer_of_before_goes_on_in_the_new_epoch,
    every_line_is_in_the_audit_once,
    the_line_that_ended_a_session_is_found,
    a_rehearsal_leaves_nothing_behind
);

fn millis(time: UnixSeconds) -> UnixMillis {
    UnixMillis(time.0 * 1000)
}

on_both!(threads: r14_no_reader_ever_skips_a_number, r11_two_stores_on_one_file_leave_no_gap_and_no_fork);

const NONE: Probe =
    Probe { slot: Slot(0), family: Fingerprint(0), user: Fingerprint(0), realm: Fingerprint(0), keys: [None; 2] };

fn new(kind: Kind, slot: u32, fingerprint: u64) -> NewEntry {
    let entry = Entry { kind, slot: Slot(slot), fingerprint: Fingerprint(fingerprint) };
    NewEntry::new(entry, "/alpha", "logout", "demo")
}

async fn append(store: &Store, kind: Kind, slot: u32, fingerprint: u64) -> Result<Appended, StoreError> {
    store.denylist().append(new(kind, slot, fingerprint), NOW).await
}

async fn a_rehearsal_leaves_nothing_behind(site: Site) {
    let store = site.store().await;
    append(&store, Kind::Family, 1, 1).await.unwrap();
    let before = store.denylist().head().await;
    store.denylist().rehearse().await.unwrap();
    assert_eq!(store.denylist().head().await, before);
    assert_eq!(append(&store, Kind::Family, 1, 2).await.unwrap().seq, 2);
}

/// A disk that is full is noticed by who writes to it alone.
#[tokio::test]
async fn a_rehearsal_writes_to_the_disk() {
    let site = Site::sqlite();
    let store = site.store().await;
    append(&store, Kind::Family, 1, 1).await.unwrap();
    let Site::Sqlite(dir) = &site else { unreachable!() };
    let wal = || std::fs::metadata(dir.path().join("store.db-wal")).unwrap().len();
    for _ in 0..3 {
        let before = wal();
        store.denylist().rehearse().await.unwrap();
        assert!(wal() > before);
    }
}

/// What a replica that begins at the floor computes from the entries it is given.
async fn replayed(store: &Store) -> (u64, Chain) {
    let head = store.denylist().head().await.unwrap();
    let (mut seq, mut chain) = (head.floor_seq, head.floor_chain);
    loop {
        let entries = store.denylist().entries(seq, 100).await.unwrap().unwrap();
        if entries.is_empty() {
            return (seq, chain);
        }
        for entry in entries {
            seq += 1;
            chain = chain.append(seq, &entry);
        }
    }
}

async fn assert_consistent(store: &Store, length: u64) {
    let head = store.denylist().head().await.unwrap();
    assert_eq!(head.seq, length);
    assert_eq!(replayed(store).await, (head.seq, head.chain));
}

async fn an_empty_log_ends_at_the_genesis_value(site: Site) {
    let store = site.store().await;
    let head = store.denylist().head().await.unwrap();
    assert_eq!((head.epoch, head.seq, head.floor_seq), (EPOCH, 0, 0));
    assert_eq!((head.chain, head.floor_chain), (Chain::genesis(EPOCH), Chain::genesis(EPOCH)));
    assert_eq!(store.denylist().entries(0, 10).await, Ok(Some(vec![])));
}

async fn a_repeated_logout_keeps_its_number_and_a_watermark_gets_a_new_one(site: Site) {
    let store = site.store().await;
    let at = |seq, already| Ok(Appended { seq, already });
    assert_eq!(append(&store, Kind::Family, 5, u64::MAX).await, at(1, false));
    assert_eq!(append(&store, Kind::Family, 5, u64::MAX).await, at(1, true));
    assert_eq!(append(&store, Kind::User, 5, u64::MAX).await, at(2, false));
    assert_eq!(append(&store, Kind::User, 5, u64::MAX).await, at(3, false));
    assert_eq!(append(&store, Kind::Family, 5, 0).await, at(4, false));
    // The same fingerprint in another slot is another family; to call it listed would leave it alive.
    assert_eq!(append(&store, Kind::Family, 6, u64::MAX).await, at(5, false));
    assert_consistent(&store, 5).await;
}

/// The repetition is noticed inside one batch too.
async fn concurrent_repetitions_are_one_entry(site: Site) {
    let store = site.store().await;
    let mut tasks = JoinSet::new();
    for _ in 0..50 {
        let store = store.clone();
        tasks.spawn(async move { append(&store, Kind::Family, 5, 1).await.unwrap() });
    }
    let all = tasks.join_all().await;
    assert!(all.iter().all(|appended| appended.seq == 1));
    assert_eq!(all.iter().filter(|appended| !appended.already).count(), 1);
}

async fn lookup_answers_for_the_exact_session(site: Site) {
    let store = site.store().await;
    append(&store, Kind::Family, 5, 1).await.unwrap();
    append(&store, Kind::User, 9, 2).await.unwrap();
    append(&store, Kind::User, 9, 2).await.unwrap();
    for (slot, family, user, family_ended, user_watermark) in [
        (5, 1, 2, true, Some(3)),
        (6, 1, 9, false, None), // right fingerprint, wrong slot
        (9, 2, 1, false, None), // a user's fingerprint is not a family's, nor the reverse
    ] {
        let probe = Probe { slot: Slot(slot), family: Fingerprint(family), user: Fingerprint(user), ..NONE };
        let found = store.denylist().lookup(&probe).await;
        assert_eq!(found, Ok(Lookup { family_ended, user_watermark, key_ended: false, realm_watermark: None }));
    }
}

async fn operators_see_the_newest_lines_with_their_reasons(site: Site) {
    let store = site.store().await;
    for fingerprint in 1..=3 {
        append(&store, Kind::Family, 5, fingerprint).await.unwrap();
    }
    let lines = store.denylist().list(2).await.unwrap();
    assert_eq!(lines.iter().map(|line| line.seq).collect::<Vec<_>>(), [3, 2]);
    let line = lines.into_iter().next().unwrap();
    assert_eq!(NewEntry::new(line.entry, &line.realm, &line.reason, &line.actor), new(Kind::Family, 5, 3));
    assert_eq!(line.created_at, NOW);
}

async fn what_is_too_long_or_out_of_range_is_refused(site: Site) {
    let store = site.store().await;
    let long = NewEntry { reason: "x".repeat(513), ..new(Kind::Family, 5, 1) };
    assert_eq!(store.denylist().append(long, NOW).await, Err(StoreError::TooLarge { what: "reason", max: 512 }));
    let forged = NewEntry { actor: "demo\nroot".into(), ..new(Kind::Family, 5, 1) };
    assert!(matches!(store.denylist().append(forged, NOW).await, Err(StoreError::Invalid { .. })));
    assert!(store.denylist().entries(u64::MAX, 1).await.is_err());
    assert_eq!(store.denylist().entries(1000, 1).await, Ok(Some(vec![])), "ahead of the head there is nothing");
}

/// Two stores on one file, as two processes would be.
async fn r11_two_stores_on_one_file_leave_no_gap_and_no_fork(site: Site) {
    let first = site.store().await;
    let second = site.open().await;
    let mut tasks = JoinSet::new();
    for task in 0..8u64 {
        let store = if task % 2 == 0 { first.clone() } else { second.clone() };
        tasks.spawn(async move {
            let mut seqs = Vec::new();
            for n in 0..100 {
                let appended = append(&store, Kind::Family, 5, task * 1000 + n).await.unwrap();
                assert!(!appended.already);
                // Linearizable: whoever was acknowledged sees it.
                assert!(store.denylist().head().await.unwrap().seq >= appended.seq);
                seqs.push(appended.seq);
            }
            seqs
        });
    }
    let mut seqs = tasks.join_all().await.concat();
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=800).collect::<Vec<_>>());
    assert_consistent(&first, 800).await;
    assert_consistent(&second, 800).await;
    assert_eq!(first.denylist().entries(0, usize::MAX).await.unwrap().unwrap().len(), 800);
    const { assert!(800 < MAX_ENTRIES) };
}

async fn pruning_takes_a_prefix_and_keeps_the_chain(site: Site) {
    let store = site.store().await;
    let denylist = store.denylist();
    for (seq, slot) in [10, 11, 10, 30, 10, 12].into_iter().enumerate() {
        append(&store, Kind::Family, slot, seq as u64).await.unwrap();
    }
    let before = denylist.head().await.unwrap();
    assert_eq!(denylist.prune(Slot(9).end()).await, Ok(0));
    assert_eq!(denylist.prune(Slot(12).end()).await, Ok(3), "the entry of slot 30 keeps what follows it");
    let after = denylist.head().await.unwrap();
    assert_eq!((after.seq, after.chain, after.floor_seq), (before.seq, before.chain, 3));
    assert_eq!(denylist.entries(2, 10).await, Ok(None), "position 3 is gone");
    assert_eq!(denylist.entries(3, 10).await.unwrap().unwrap().len(), 3);
    assert_consistent(&store, 6).await;
    assert_eq!(denylist.prune(Slot(12).end()).await, Ok(0));

    // Everything goes; the numbers and the chain go on.
    assert_eq!(denylist.prune(Slot(30).end()).await, Ok(3));
    let emptied = denylist.head().await.unwrap();
    assert_eq!((emptied.seq, emptied.chain, emptied.floor_seq), (6, before.chain, 6));
    assert_eq!(emptied.floor_chain, emptied.chain);
    assert_eq!(denylist.entries(5, 10).await, Ok(None));
    assert_eq!(denylist.entries(6, 10).await, Ok(Some(vec![])));
    assert_eq!(append(&store, Kind::Family, 40, 1).await, Ok(Appended { seq: 7, already: false }));
    assert_consistent(&store, 7).await;
}

/// A writer remembers where it saw the log end. Whatever is done to the log elsewhere, it goes on from where that left
/// it.
async fn what_another_process_did_to_the_log_is_noticed(site: Site) {
    let (here, there) = (site.store().await, site.open().await);
    let at = |seq, already| Ok(Appended { seq, already });
    let request = |store: &Store, number: u8| {
        let (store, new) = (store.clone(), new(Kind::User, 5, 7).request(RequestId([number; 16])));
        async move { store.denylist().append(new, NOW).await }
    };
    assert_eq!(append(&here, Kind::Family, 5, 1).await, at(1, false));
    assert_eq!(append(&here, Kind::Family, 5, 2).await, at(2, false), "in the short way");

    assert_eq!(append(&there, Kind::Family, 5, 3).await, at(3, false));
    assert_eq!(append(&here, Kind::Family, 5, 4).await, at(4, false), "it grew");
    assert_eq!(append(&there, Kind::Family, 5, 4).await, at(4, true), "the same was listed");
    assert_eq!(append(&here, Kind::Family, 5, 3).await, at(3, true), "likewise, and the log did not grow");
    assert_eq!(request(&here, 1).await, at(5, false));
    assert_eq!(request(&there, 1).await, at(5, true));
    assert_eq!(request(&here, 1).await, at(5, true));

    assert_eq!(there.denylist().undo(4, "a mistake", "admin", NOW).await, at(6, false));
    assert_eq!(append(&here, Kind::Family, 5, 4).await, at(7, false), "undone, and ended anew");

    assert_eq!(there.denylist().prune(Slot(5).end()).await, Ok(7));
    assert_eq!(append(&here, Kind::Family, 40, 1).await, at(8, false), "emptied");
    assert_consistent(&here, 8).await;

    let head = there.denylist().begin_epoch(Epoch([8; 16]), NOW.plus(7200), "admin", millis(NOW)).await.unwrap();
    assert_eq!(append(&here, Kind::Family, 40, 1).await, at(head.seq + 1, false), "of another epoch");
    assert_consistent(&there, head.seq + 1).await;
}

async fn pruning_in_chunks_stops_where_one_would(site: Site) {
    let store = site.store().await;
    for (seq, slot) in [10, 10, 10, 10, 10, 30, 10].into_iter().enumerate() {
        append(&store, Kind::Family, slot, seq as u64).await.unwrap();
    }
    for (pruned, floor) in [(2, 2), (2, 4), (1, 5), (0, 5)] {
        assert_eq!(store.denylist().prune_chunk(Slot(10).end(), 2).await, Ok(pruned));
        assert_eq!(store.denylist().head().await.unwrap().floor_seq, floor);
        assert_consistent(&store, 7).await;
    }
}

async fn a_gap_in_the_table_is_reported_by_all_who_read_it(site: Site) {
    let store = site.store().await;
    for fingerprint in 1..=3 {
        append(&store, Kind::Family, 5, fingerprint).await.unwrap();
    }
    tamper(&store, "DELETE FROM denylist WHERE seq = 2").await;
    assert!(matches!(store.denylist().entries(0, 10).await, Err(StoreError::Corrupt { .. })));
    assert!(matches!(store.denylist().prune(Slot(5).end()).await, Err(StoreError::Corrupt { .. })));
    assert_eq!(store.denylist().head().await.unwrap().floor_seq, 0, "and nothing was changed");
}

async fn a_failed_commit_is_told_to_every_waiter(site: Site) {
    let store = site.store().await;
    append(&store, Kind::Family, 5, 1).await.unwrap();
    tamper(&store, "ALTER TABLE denylist RENAME TO gone").await;
    let mut tasks = JoinSet::new();
    for fingerprint in 2..50 {
        let store = store.clone();
        tasks.spawn(async move { append(&store, Kind::Family, 5, fingerprint).await });
    }
    for outcome in tasks.join_all().await {
        assert!(matches!(outcome, Err(StoreError::Internal { .. })), "{outcome:?}");
    }
    tamper(&store, "ALTER TABLE gone RENAME TO denylist").await;
    assert_eq!(append(&store, Kind::Family, 5, 2).await, Ok(Appended { seq: 2, already: false }));
    assert_consistent(&store, 2).await;
}

/// An entry that the database refuses in the middle of a batch takes the whole batch with it.
async fn a_batch_is_written_whole_or_not_at_all(site: Site) {
    let store = site.store().await;
    tamper(
        &store,
        match site {
            Site::Sqlite(_) => {
                "CREATE TRIGGER refuse BEFORE INSERT ON denylist WHEN NEW.fingerprint = 13
             BEGIN SELECT RAISE(ABORT, 'refused'); END"
            }
            Site::Postgres(_) => "ALTER TABLE denylist ADD CONSTRAINT refuse CHECK (fingerprint <> 13)",
        },
    )
    .await;
    // While the test holds the lock, all of these gather in the queue and become one batch.
    let held = hold(&store).await;
    let mut tasks = JoinSet::new();
    append_in_order(&store, &mut tasks, 0..1).await; // taken by the writer at once, alone
    append_in_order(&store, &mut tasks, 10..20).await;
    drop(held);
    let outcomes = tasks.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_consistent(&store, 1).await;
}

/// One whose every column tells it from its neighbours, in characters that an encoding may trip over.
fn telling(n: u8) -> NewEntry {
    let kind = [Kind::Family, Kind::User, Kind::Realm, Kind::Key][usize::from(n) % 4];
    let fingerprint = Fingerprint(u64::MAX - u64::from(n));
    NewEntry {
        entry: Entry { kind, slot: Slot(u32::from(n)), fingerprint },
        realm: format!("/realm{n}"),
        username: format!("{{zo\u{eb}, \"{n}\"}}"),
        object: format!("a\\b{n}\u{1f511}"),
        reason: format!("NULL {n}"),
        actor: format!("'{n}'"),
        request: Some(RequestId([n; 16])),
    }
}

/// The columns of a batch travel apart from each other.
async fn in_a_batch_each_line_has_its_own_words(site: Site) {
    let store = site.store().await;
    let mut tasks = JoinSet::new();
    let mut append = async |n: u8| {
        let store = store.clone();
        tasks.spawn(async move { store.denylist().append(telling(n), NOW.plus(n.into())).await });
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
    };
    append(1).await;
    append(2).await;
    let held = hold(&store).await;
    for n in 3..=12 {
        append(n).await;
    }
    drop(held);
    assert!(tasks.join_all().await.iter().all(Result::is_ok));
    assert_consistent(&store, 12).await;
    let lines = store.denylist().list(100).await.unwrap();
    let notes = store.audit().find(crate::AuditFilter::default(), 100).await.unwrap();
    assert_eq!((lines.len(), notes.len()), (12, 12));
    for (line, note) in lines.iter().zip(&notes) {
        let n = u8::try_from(line.seq).unwrap();
        let NewEntry { entry, realm, username, object, reason, actor, .. } = telling(n);
        let note = &note.event;
        let transaction = format!("{n:02x}").repeat(16);
        assert_eq!(
            (note.at, &note.realm, &note.username, &note.actor, &note.transaction_id),
            (NOW.plus(n.into()), &realm, &username, &actor, &transaction)
        );
        let told = ["object", "reason"].map(|name| note.detail[name].as_str().unwrap().to_owned());
        assert_eq!((told, note.detail["line"].as_u64()), ([object.clone(), reason.clone()], Some(n.into())));
        let created_at = NOW.plus(n.into());
        let seq = n.into();
        let expected = Line { seq, entry, realm, username, object, reason, actor, created_at, undone_by: None };
        assert_eq!(*line, expected);
        let made_by = store.denylist().made_by(RequestId([n; 16])).await.unwrap();
        assert_eq!(made_by, Some((seq, created_at)));
    }
}

/// Keeps the writer waiting.
async fn hold(store: &Store) -> Tx<'static> {
    let mut tx = store.db().begin().await.unwrap();
    tx.lock(LOCK).await.unwrap();
    tx
}

/// Spawns appends and lets each reach the queue: on the one thread of a test, a task runs until it waits.
async fn append_in_order(
    store: &Store,
    tasks: &mut JoinSet<Result<Appended, StoreError>>,
    fingerprints: std::ops::Range<u64>,
) {
    for fingerprint in fingerprints {
        let store = store.clone();
        tasks.spawn(async move { append(&store, Kind::Family, 5, fingerprint).await });
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_not_the_end() {
    let site = Site::sqlite();
    let store = site.store().await;
    tamper(&store, "PRAGMA max_page_count = 1").await; // means: no page more than now
    let mut written = 0;
    let error = loop {
        match append(&store, Kind::Family, 5, written + 1).await {
            Ok(appended) => written = appended.seq,
            Err(error) => break error,
        }
        assert!(written < 10_000, "the pages must run out");
    };
    assert_eq!(error, StoreError::DiskFull);
    assert_consistent(&store, written).await;
    tamper(&store, "PRAGMA max_page_count = 1000000").await;
    assert_eq!(append(&store, Kind::Family, 5, 0).await, Ok(Appended { seq: written + 1, already: false }));
    assert_consistent(&store, written + 1).await;
}

async fn a_lock_held_elsewhere_fails_loudly_in_bounded_time(site: Site) {
    let other = site.store().await;
    let patience =
        Patience { lock: Duration::from_millis(50), queue: Duration::from_millis(50), ..Patience::default() };
    let store = site.open_with(patience).await;
    let lock = hold(&other).await;
    assert_eq!(append(&store, Kind::Family, 5, 1).await, Err(StoreError::Busy));
    drop(lock);
    assert_eq!(append(&store, Kind::Family, 5, 1).await, Ok(Appended { seq: 1, already: false }));
}

async fn r21_a_full_queue_says_so_and_close_drains_it(site: Site) {
    let other = site.store().await;
    let patience = Patience { lock: Duration::from_secs(30), queue: Duration::ZERO, ..Patience::default() };
    let store = site.open_with(patience).await;
    let held = hold(&store).await;
    let mut tasks = JoinSet::new();
    // One more than fits: the writer has taken the first alone and waits for the connection.
    append_in_order(&store, &mut tasks, 0..QUEUE as u64 + 1).await;
    assert_eq!(append(&store, Kind::Family, 5, u64::MAX).await, Err(StoreError::Overloaded));

    tokio::join!(store.close(), async { drop(held) });
    for outcome in tasks.join_all().await {
        assert!(outcome.is_ok(), "{outcome:?}");
    }
    assert_eq!(append(&store, Kind::Family, 5, u64::MAX).await, Err(StoreError::Closed));
    assert_consistent(&other, QUEUE as u64 + 1).await;
    const { assert!(BATCH < QUEUE, "the drain took several commits") };
}

async fn dropping_the_store_finishes_what_was_queued(site: Site) {
    let store = site.store().await;
    let held = hold(&store).await;
    let mut tasks = JoinSet::new();
    append_in_order(&store, &mut tasks, 0..3).await;
    tasks.detach_all(); // their clones of the store live on until they are answered
    let ended = store.denylist_writer().ended();
    drop((store, held));
    ended.await;
    let again = site.open().await;
    assert_consistent(&again, 3).await;
}

async fn every_scope_is_found_and_can_be_undone(site: Site) {
    let store = site.store().await;
    let log = store.denylist();
    let probe = Probe {
        slot: Slot(5),
        family: Fingerprint(1),
        user: Fingerprint(2),
        realm: Fingerprint(3),
        keys: [None, Some(Fingerprint(u64::MAX))],
    };
    for (kind, fingerprint) in [
        (Kind::Family, 1),
        (Kind::User, 2),
        (Kind::User, 2),
        (Kind::Realm, 3),
        (Kind::Key, u64::MAX),
        (Kind::Installation, 0),
    ] {
        append(&store, kind, 5, fingerprint).await.unwrap();
    }
    let found = |family_ended, key_ended, user_watermark, realm_watermark| {
        Ok(Lookup { family_ended, key_ended, user_watermark, realm_watermark })
    };
    assert_eq!(log.lookup(&probe).await, found(true, true, Some(3), Some(6)));
    assert_eq!(log.lookup(&Probe { keys: [None; 2], ..probe }).await, found(true, false, Some(3), Some(6)));

    let undo = async |seq| log.undo(seq, "a mistake", "admin", NOW).await;
    let at = |seq, already| Ok(Appended { seq, already });
    for (seq, line, expected) in [
        (1, 7, found(false, true, Some(3), Some(6))),
        (3, 8, found(false, true, Some(2), Some(6))),
        (6, 9, found(false, true, Some(2), Some(4))),
        (5, 10, found(false, false, Some(2), Some(4))),
        (4, 11, found(false, false, Some(2), None)),
    ] {
        assert_eq!(undo(seq).await, at(line, false));
        assert_eq!(undo(seq).await, at(line, true), "to repeat it changes nothing");
        assert_eq!(log.lookup(&probe).await, expected, "after the undo of {seq}");
    }
    assert_eq!(undo(99).await, Err(StoreError::NotFound { what: "denylist line", name: "99".into() }));
    assert!(matches!(undo(7).await, Err(StoreError::Invalid { .. })), "an undo is not undone");
    assert!(matches!(append(&store, Kind::Undo, 5, 1).await, Err(StoreError::Invalid { .. })));

    // Ended anew: the undone line is no reason to call it a repetition.
    assert_eq!(append(&store, Kind::Family, 5, 1).await, at(12, false));
    assert_eq!(log.lookup(&probe).await, found(true, false, Some(2), None));
    assert_consistent(&store, 12).await;

    // A replica that applies the same lines comes to the same.
    let mut list = Denylist::default();
    for (seq, entry) in (1..).zip(log.entries(0, 100).await.unwrap().unwrap()) {
        list.apply(seq, &entry);
    }
    assert!(list.family_ended(probe.slot, probe.family));
    assert_eq!((list.user_watermark(probe.user), list.realm_watermark(probe.realm)), (Some(2), None));
    assert!(!list.key_ended(Fingerprint(u64::MAX)));

    let line = log.list(100).await.unwrap().into_iter().find(|line| line.seq == 8).unwrap();
    assert_eq!((line.object.as_str(), line.reason.as_str(), line.actor.as_str()), ("3", "a mistake", "admin"));
}

/// R12: a request whose answer was lost is repeated, and has the number that it had.
async fn r12_a_repeated_request_keeps_its_number(site: Site) {
    let store = site.store().await;
    let request = |n| RequestId([n; 16]);
    let mark = |n| new(Kind::User, 5, 7).request(request(n));
    let at = |seq, already| Ok(Appended { seq, already });
    assert_eq!(store.denylist().append(mark(1), NOW).await, at(1, false));
    assert_eq!(store.denylist().append(mark(2), NOW).await, at(2, false));
    let elsewhere = site.open().await;
    assert_eq!(elsewhere.denylist().append(mark(1), NOW.plus(9)).await, at(1, true));
    let other = new(Kind::User, 5, 8).request(request(1));
    assert!(matches!(store.denylist().append(other, NOW).await, Err(StoreError::Conflict { .. })));
    assert_consistent(&store, 2).await;
}

async fn lines_are_found_by_realm_user_kind_and_time_page_by_page(site: Site) {
    let store = site.store().await;
    let entry = |kind, fingerprint| Entry { kind, slot: Slot(5), fingerprint: Fingerprint(fingerprint) };
    for n in 0..40u64 {
        let kind = if n % 4 == 0 { Kind::User } else { Kind::Family };
        let realm = if n % 2 == 0 { "/alpha" } else { "/beta" };
        let username = if n % 10 < 5 { "anna" } else { "ben" };
        let line = NewEntry::new(entry(kind, n), realm, "test", "admin").username(username).object("handle");
        store.denylist().append(line, NOW.plus(n)).await.unwrap();
    }
    let found = async |filter: Filter<'_>, limit| {
        let lines = store.denylist().find(filter, limit).await.unwrap();
        lines.iter().map(|line| line.seq).collect::<Vec<_>>()
    };
    let filter = Filter { realm: Some("/alpha"), username: Some("anna"), kind: Some(Kind::User), ..Filter::default() };
    assert_eq!(found(filter, 100).await, [33, 25, 21, 13, 5, 1]);
    let since = Filter { since: Some(NOW.plus(20)), ..filter };
    assert_eq!(found(since, 100).await, [33, 25, 21]);
    assert_eq!(found(filter, 2).await, [33, 25]);
    assert_eq!(found(Filter { before: Some(21), ..filter }, 2).await, [13, 5]);
    assert_eq!(found(Filter { before: Some(1), ..filter }, 2).await, [0; 0]);
    assert_eq!(found(Filter::default(), u32::MAX).await.len(), 40);
    assert_eq!(found(Filter { realm: Some("/' OR 1=1 --"), ..Filter::default() }, 2).await, [0; 0]);
}

/// As a server that took over without the last commits has it, behind a proxy that keeps the connection.
async fn an_end_that_moved_back_leaves_no_gap(site: Site) {
    let store = site.store().await;
    for family in 1..=3 {
        append(&store, Kind::Family, 1, family).await.unwrap();
    }
    tamper(&store, "DELETE FROM denylist WHERE seq = 3").await;
    let next = append(&store, Kind::Family, 1, 4).await.unwrap();
    assert_eq!(next, Appended { seq: 3, already: false });
    assert_eq!(store.denylist().head().await.unwrap().seq, 3);
}

/// A database may be set to isolate more than the writer asks for: it would then see the log as it was before it had
/// the lock.
#[tokio::test]
async fn the_isolation_that_a_database_is_set_to_is_not_the_writers() {
    let site = Site::postgres();
    let store = site.store().await;
    let set = "DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = serializable', current_database());
    END $$";
    tamper(&store, set).await;
    store.close().await;
    let (one, other) = (site.open().await, site.open().await);
    let storm = async |store: &Store, from: u64| {
        for family in from..from + 25 {
            append(store, Kind::Family, 1, family).await.unwrap();
        }
    };
    tokio::join!(storm(&one, 100), storm(&other, 200));
    assert_eq!(one.denylist().head().await.unwrap().seq, 50);
}

/// A process that did not hear of the new epoch: what it acknowledges stands in the log that edges follow, above the
/// line that began the epoch.
async fn r10_a_writer_of_before_goes_on_in_the_new_epoch(site: Site) {
    let store = site.store().await;
    let other = site.open().await;
    append(&other, Kind::Family, 5, 1).await.unwrap();
    let head = store.denylist().begin_epoch(Epoch([8; 16]), NOW.plus(7200), "admin", millis(NOW)).await.unwrap();
    let late = append(&other, Kind::Family, 5, 2).await.unwrap();
    assert_eq!((late.seq, late.already), (head.seq + 1, false));
    // What stood in the lost part is not taken for there.
    assert_eq!(append(&other, Kind::Family, 5, 1).await.unwrap(), Appended { seq: head.seq + 2, already: false });
    let now = store.denylist().head().await.unwrap();
    assert_eq!((now.epoch, now.seq), (Epoch([8; 16]), head.seq + 2));
    assert_eq!(replayed(&store).await, (now.seq, now.chain));
}

/// In one transaction with the line: neither is there without the other.
async fn every_line_is_in_the_audit_once(site: Site) {
    let store = site.store().await;
    let log = store.denylist();
    let entry = |kind, n| Entry { kind, slot: Slot(5), fingerprint: Fingerprint(n) };
    let family = NewEntry::new(entry(Kind::Family, 1), "/alpha", "logout", "anna").username("anna").object("sid1");
    for _ in 0..2 {
        log.append(family.clone().request(RequestId([0xAB; 16])), NOW).await.unwrap();
    }
    let user = NewEntry::new(entry(Kind::User, 2), "/alpha", "left us", "admin of /").username("ben");
    log.append(user, NOW.plus(1)).await.unwrap();
    log.undo(2, "not he", "admin of /", NOW.plus(2)).await.unwrap();
    log.undo(2, "not he", "admin of /", NOW.plus(3)).await.unwrap();
    let head = log.begin_epoch(Epoch([8; 16]), NOW.plus(7200), "root", millis(NOW.plus(4))).await.unwrap();
    let lines = store.audit().find(crate::AuditFilter::default(), 10).await.unwrap();
    let told: Vec<_> = lines
        .iter()
        .rev()
        .map(|line| {
            let event = &line.event;
            let text = |name: &str| event.detail[name].as_str().unwrap_or_default().to_owned();
            let what = [&event.topic, &event.event, &event.realm, &event.username, &event.actor].map(String::as_str);
            (
                event.at.0 - NOW.0,
                what.join(" "),
                text("scope"),
                text("object"),
                text("reason"),
                event.detail["line"].as_u64(),
            )
        })
        .collect();
    let line = |at, what: &str, scope: &str, object: &str, reason: &str, line| {
        (at, what.to_owned(), scope.to_owned(), object.to_owned(), reason.to_owned(), Some(line))
    };
    let lost = "the end of the log may be lost";
    assert_eq!(
        told,
        [
            line(0, "activity AM-SESSION-LOGGED_OUT /alpha anna anna", "session", "sid1", "logout", 1),
            line(1, "activity AM-SESSION-DESTROYED /alpha ben admin of /", "user", "", "left us", 2),
            line(2, "config DENYLIST-UNDO /alpha ben admin of /", "line", "2", "not he", 3),
            line(4, "config DENYLIST-NEW-EPOCH   root", "everything", "epoch", lost, head.seq),
        ]
    );
    assert_eq!(lines.last().unwrap().event.transaction_id, "ab".repeat(16));
}

async fn the_line_that_ended_a_session_is_found(site: Site) {
    let store = site.store().await;
    let log = store.denylist();
    let probe = Probe {
        slot: Slot(5),
        family: Fingerprint(1),
        user: Fingerprint(2),
        realm: Fingerprint(3),
        keys: [Some(Fingerprint(4)), None],
    };
    assert_eq!(log.ending(&probe, 0).await, Ok(None));
    let ends = [(Kind::User, 2), (Kind::Realm, 3), (Kind::Installation, 0), (Kind::Key, 4), (Kind::Family, 1)];
    for (seq, (kind, fingerprint)) in (1..).zip(ends) {
        append(&store, kind, 5, fingerprint).await.unwrap();
        append(&store, kind, 5, 99 + seq).await.unwrap();
    }
    // A watermark ends what was made before it; a key and a family end whatever there is.
    for (rvs, seq) in [(0, 1), (1, 3), (3, 5), (5, 7), (1_000, 7)] {
        assert_eq!(log.ending(&probe, rvs).await, Ok(Some((seq, NOW))), "{rvs}");
    }
    log.undo(7, "test", "admin", NOW).await.unwrap();
    assert_eq!(log.ending(&probe, 1_000).await, Ok(Some((9, NOW))));
    assert_eq!(log.chain(11).await.unwrap(), Some(log.head().await.unwrap().chain));
    assert_eq!((log.chain(0).await.unwrap(), log.chain(12).await.unwrap()), (Some(Chain::genesis(EPOCH)), None));
}

/// The tail of the log was lost with the machine; the copy from before is put back.
async fn r09_a_new_epoch_revives_nothing_that_was_lost(site: Site) {
    let store = site.store().await;
    let log = store.denylist();
    append(&store, Kind::Family, 5, 1).await.unwrap();
    let lost_head = 1000; // tokens made after the copy carry positions up to here
    let (epoch, until) = (Epoch([8; 16]), NOW.plus(7200));
    let head = log.begin_epoch(epoch, until, "admin", millis(NOW)).await.unwrap();
    assert_eq!(log.begin_epoch(epoch, until, "admin", millis(NOW.plus(5))).await, Ok(head), "again: nothing changes");
    assert_eq!(log.head().await, Ok(head));
    assert_eq!((head.epoch, head.floor_chain), (epoch, Chain::genesis(epoch)));
    let found = log.lookup(&NONE).await.unwrap();
    assert!(found.realm_watermark.is_some_and(|seq| seq > lost_head && seq == head.seq));
    assert_eq!(log.entries(1, 10).await, Ok(None), "whoever knows the old epoch begins anew");
    assert_eq!(replayed(&store).await, (head.seq, head.chain));
    assert!(matches!(log.undo(head.seq, "", "admin", NOW).await, Err(StoreError::Invalid { .. })));

    // A copy from before this epoch is put back a day later: its new epoch lies above this one's positions too.
    append(&store, Kind::Family, 5, 2).await.unwrap();
    let next = log.begin_epoch(Epoch([7; 16]), until, "admin", millis(NOW.plus(86_400))).await.unwrap();
    assert!(next.floor_seq > head.seq + 1_000_000_000);
    assert_eq!(append(&store, Kind::Family, 500, 1).await, Ok(Appended { seq: next.seq + 1, already: false }));
    assert_eq!(replayed(&store).await.0, next.seq + 1);
    assert_eq!(log.prune(Slot(499).end()).await, Ok(0), "the watermark of the epoch lives until the sessions end");
    assert_eq!(log.prune(until.plus(Slot::SECONDS)).await, Ok(2));
}

/// Whoever waits is woken by an append here and by one elsewhere; nobody is woken by nothing.
async fn appends_wake_those_who_wait_in_every_process(site: Site) {
    let (here, elsewhere) = (site.store().await, site.open().await);
    let (mut changes, mut far) = (here.changes(), elsewhere.changes());
    for n in 1..=3 {
        append(&here, Kind::Family, 5, n).await.unwrap();
        for changes in [&mut changes, &mut far] {
            assert_eq!(tokio::time::timeout(Duration::from_secs(5), changes.changed()).await, Ok(true));
        }
    }
    assert!(tokio::time::timeout(Duration::from_millis(1500), far.changed()).await.is_err());
}

/// R14: while a transaction that has taken its number is not committed, no later number can be seen; readers in the
/// middle of a storm never see a gap.
async fn r14_no_reader_ever_skips_a_number(site: Site) {
    let stores = [site.store().await, site.open().await, site.open().await];
    let mut tasks = JoinSet::new();
    for task in 0..12u64 {
        let store = stores[usize::try_from(task).unwrap() % 3].clone();
        tasks.spawn(async move {
            for n in 0..50 {
                append(&store, Kind::Family, 5, task * 1000 + n).await.unwrap();
            }
        });
    }
    let reader = site.open().await;
    let mut position = 0;
    while position < 600 {
        // `entries` itself reports a gap; what is seen together with the head must reach it.
        let head = reader.denylist().head().await.unwrap().seq;
        position += reader.denylist().entries(position, 500).await.unwrap().unwrap().len() as u64;
        let all = reader.denylist().entries(0, usize::MAX).await.unwrap().unwrap();
        assert!(all.len() as u64 >= head, "head {head}, but {} entries", all.len());
    }
    tasks.join_all().await;
    assert_consistent(&reader, 600).await;
}
