use std::time::Duration;

use countersign_core::denylist::segment::MAX_ENTRIES;
use countersign_core::denylist::{Chain, Entry, Fingerprint, Kind, Slot};
use tokio::task::JoinSet;

use super::writer::{BATCH, QUEUE};
use super::{Appended, Lookup, NewEntry};
use crate::store::Patience;
use crate::store::tests::{EPOCH, NOW, master, store};
use crate::{Store, StoreError};

fn new(kind: Kind, slot: u32, fingerprint: u64) -> NewEntry {
    let entry = Entry { kind, slot: Slot(slot), fingerprint: Fingerprint(fingerprint) };
    NewEntry { entry, realm: "/alpha".into(), reason: "logout".into(), actor: "demo".into() }
}

async fn append(store: &Store, kind: Kind, slot: u32, fingerprint: u64) -> Result<Appended, StoreError> {
    store.denylist().append(new(kind, slot, fingerprint), NOW).await
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

#[tokio::test]
async fn an_empty_log_ends_at_the_genesis_value() {
    let (_dir, store) = store().await;
    let head = store.denylist().head().await.unwrap();
    assert_eq!((head.epoch, head.seq, head.floor_seq), (EPOCH, 0, 0));
    assert_eq!((head.chain, head.floor_chain), (Chain::genesis(EPOCH), Chain::genesis(EPOCH)));
    assert_eq!(store.denylist().entries(0, 10).await, Ok(Some(vec![])));
}

#[tokio::test]
async fn a_repeated_logout_keeps_its_number_and_a_watermark_gets_a_new_one() {
    let (_dir, store) = store().await;
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
#[tokio::test]
async fn concurrent_repetitions_are_one_entry() {
    let (_dir, store) = store().await;
    let mut tasks = JoinSet::new();
    for _ in 0..50 {
        let store = store.clone();
        tasks.spawn(async move { append(&store, Kind::Family, 5, 1).await.unwrap() });
    }
    let all = tasks.join_all().await;
    assert!(all.iter().all(|appended| appended.seq == 1));
    assert_eq!(all.iter().filter(|appended| !appended.already).count(), 1);
}

#[tokio::test]
async fn lookup_answers_for_the_exact_session() {
    let (_dir, store) = store().await;
    append(&store, Kind::Family, 5, 1).await.unwrap();
    append(&store, Kind::User, 9, 2).await.unwrap();
    append(&store, Kind::User, 9, 2).await.unwrap();
    for (slot, family, user, family_ended, user_watermark) in [
        (5, 1, 2, true, Some(3)),
        (6, 1, 9, false, None), // right fingerprint, wrong slot
        (9, 2, 1, false, None), // a user's fingerprint is not a family's, nor the reverse
    ] {
        let found = store.denylist().lookup(Slot(slot), Fingerprint(family), Fingerprint(user)).await;
        assert_eq!(found, Ok(Lookup { family_ended, user_watermark }));
    }
}

#[tokio::test]
async fn operators_see_the_newest_lines_with_their_reasons() {
    let (_dir, store) = store().await;
    for fingerprint in 1..=3 {
        append(&store, Kind::Family, 5, fingerprint).await.unwrap();
    }
    let lines = store.denylist().list(2).await.unwrap();
    assert_eq!(lines.iter().map(|line| line.seq).collect::<Vec<_>>(), [3, 2]);
    let line = lines.into_iter().next().unwrap();
    assert_eq!(
        NewEntry { entry: line.entry, realm: line.realm, reason: line.reason, actor: line.actor },
        new(Kind::Family, 5, 3)
    );
    assert_eq!(line.created_at, NOW);
}

#[tokio::test]
async fn what_is_too_long_or_out_of_range_is_refused() {
    let (_dir, store) = store().await;
    let long = NewEntry { reason: "x".repeat(513), ..new(Kind::Family, 5, 1) };
    assert_eq!(store.denylist().append(long, NOW).await, Err(StoreError::TooLarge { what: "reason", max: 512 }));
    let forged = NewEntry { actor: "demo\nroot".into(), ..new(Kind::Family, 5, 1) };
    assert!(matches!(store.denylist().append(forged, NOW).await, Err(StoreError::Invalid { .. })));
    assert!(store.denylist().entries(u64::MAX, 1).await.is_err());
    assert_eq!(store.denylist().entries(1000, 1).await, Ok(Some(vec![])), "ahead of the head there is nothing");
}

/// Two stores on one file, as two processes would be.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_stores_on_one_file_leave_no_gap_and_no_fork() {
    let (dir, first) = store().await;
    let second = Store::open(&dir.path().join("store.db"), master()).await.unwrap();
    let mut tasks = JoinSet::new();
    for task in 0..8u64 {
        let store = if task % 2 == 0 { first.clone() } else { second.clone() };
        tasks.spawn(async move {
            let mut seqs = Vec::new();
            for n in 0..200 {
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
    assert_eq!(seqs, (1..=1600).collect::<Vec<_>>());
    assert_consistent(&first, 1600).await;
    assert_consistent(&second, 1600).await;
    assert_eq!(first.denylist().entries(0, usize::MAX).await.unwrap().unwrap().len(), 1600);
    const { assert!(1600 < MAX_ENTRIES) };
}

#[tokio::test]
async fn pruning_takes_a_prefix_and_keeps_the_chain() {
    let (_dir, store) = store().await;
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

#[tokio::test]
async fn pruning_in_chunks_stops_where_one_would() {
    let (_dir, store) = store().await;
    for (seq, slot) in [10, 10, 10, 10, 10, 30, 10].into_iter().enumerate() {
        append(&store, Kind::Family, slot, seq as u64).await.unwrap();
    }
    for (pruned, floor) in [(2, 2), (2, 4), (1, 5), (0, 5)] {
        assert_eq!(store.denylist().prune_chunk(Slot(10).end(), 2).await, Ok(pruned));
        assert_eq!(store.denylist().head().await.unwrap().floor_seq, floor);
        assert_consistent(&store, 7).await;
    }
}

#[tokio::test]
async fn a_gap_in_the_table_is_reported_by_all_who_read_it() {
    let (_dir, store) = store().await;
    for fingerprint in 1..=3 {
        append(&store, Kind::Family, 5, fingerprint).await.unwrap();
    }
    sqlx::query("DELETE FROM denylist WHERE seq = 2").execute(store.writer()).await.unwrap();
    assert!(matches!(store.denylist().entries(0, 10).await, Err(StoreError::Corrupt { .. })));
    assert!(matches!(store.denylist().prune(Slot(5).end()).await, Err(StoreError::Corrupt { .. })));
    assert_eq!(store.denylist().head().await.unwrap().floor_seq, 0, "and nothing was changed");
}

#[tokio::test]
async fn a_failed_commit_is_told_to_every_waiter() {
    let (_dir, store) = store().await;
    append(&store, Kind::Family, 5, 1).await.unwrap();
    sqlx::query("ALTER TABLE denylist RENAME TO gone").execute(store.writer()).await.unwrap();
    let mut tasks = JoinSet::new();
    for fingerprint in 2..50 {
        let store = store.clone();
        tasks.spawn(async move { append(&store, Kind::Family, 5, fingerprint).await });
    }
    for outcome in tasks.join_all().await {
        assert!(matches!(outcome, Err(StoreError::Internal { .. })), "{outcome:?}");
    }
    sqlx::query("ALTER TABLE gone RENAME TO denylist").execute(store.writer()).await.unwrap();
    assert_eq!(append(&store, Kind::Family, 5, 2).await, Ok(Appended { seq: 2, already: false }));
    assert_consistent(&store, 2).await;
}

/// An entry that the database refuses in the middle of a batch takes the whole batch with it.
#[tokio::test]
async fn a_batch_is_written_whole_or_not_at_all() {
    let (_dir, store) = store().await;
    sqlx::query(
        "CREATE TRIGGER refuse BEFORE INSERT ON denylist WHEN NEW.fingerprint = 13
         BEGIN SELECT RAISE(ABORT, 'refused'); END",
    )
    .execute(store.writer())
    .await
    .unwrap();
    // While the test holds the one writing connection, all of these gather in the queue and become one batch.
    let held = store.writer().acquire().await.unwrap();
    let mut tasks = JoinSet::new();
    append_in_order(&store, &mut tasks, 0..1).await; // taken by the writer at once, alone
    append_in_order(&store, &mut tasks, 10..20).await;
    drop(held);
    let outcomes = tasks.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_consistent(&store, 1).await;
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
    let (_dir, store) = store().await;
    sqlx::query("PRAGMA max_page_count = 1").execute(store.writer()).await.unwrap(); // means: no page more than now
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
    sqlx::query("PRAGMA max_page_count = 1000000").execute(store.writer()).await.unwrap();
    assert_eq!(append(&store, Kind::Family, 5, 0).await, Ok(Appended { seq: written + 1, already: false }));
    assert_consistent(&store, written + 1).await;
}

#[tokio::test]
async fn a_lock_held_elsewhere_fails_loudly_in_bounded_time() {
    let (dir, other) = store().await;
    let patience = Patience { lock: Duration::from_millis(50), queue: Duration::from_millis(50) };
    let store = Store::open_with(&dir.path().join("store.db"), master(), patience).await.unwrap();
    let lock = other.writer().begin_with("BEGIN IMMEDIATE").await.unwrap();
    assert_eq!(append(&store, Kind::Family, 5, 1).await, Err(StoreError::Busy));
    lock.rollback().await.unwrap();
    assert_eq!(append(&store, Kind::Family, 5, 1).await, Ok(Appended { seq: 1, already: false }));
}

#[tokio::test]
async fn a_full_queue_says_so_and_close_drains_it() {
    let (dir, other) = store().await;
    let patience = Patience { lock: Duration::from_secs(30), queue: Duration::ZERO };
    let store = Store::open_with(&dir.path().join("store.db"), master(), patience).await.unwrap();
    let held = store.writer().acquire().await.unwrap();
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

#[tokio::test]
async fn dropping_the_store_finishes_what_was_queued() {
    let (dir, store) = store().await;
    let held = store.writer().acquire().await.unwrap();
    let mut tasks = JoinSet::new();
    append_in_order(&store, &mut tasks, 0..3).await;
    tasks.detach_all(); // their clones of the store live on until they are answered
    let ended = store.denylist_writer().ended();
    drop((store, held));
    ended.await;
    let again = Store::open(&dir.path().join("store.db"), master()).await.unwrap();
    assert_consistent(&again, 3).await;
}
