use countersign_core::denylist::{Entry, Fingerprint, Kind};
use countersign_core::encoding;
use countersign_store::denylist::NewEntry;
use tokio::task::JoinSet;

use super::*;
use crate::http::FeedEdge as Edge;
use crate::testing::{NOW, Origin};

fn spread(number: u64) -> Fingerprint {
    Fingerprint(number.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ number.rotate_left(31))
}

fn slot(hours: u64) -> Slot {
    Slot::of(UnixSeconds(NOW + hours * 3600))
}

/// Families numbered so, ended by many at once, so that they share commits.
async fn end(origin: &Origin, numbers: std::ops::Range<u64>, slot: Slot) {
    let mut tasks = JoinSet::new();
    for number in numbers {
        let store = origin.app.store.clone();
        let entry = Entry { kind: Kind::Family, slot, fingerprint: spread(number) };
        tasks.spawn(async move {
            store.denylist().append(NewEntry::new(entry, "/alpha", "test", "test"), UnixSeconds(NOW)).await.unwrap();
        });
        if tasks.len() >= 900 {
            tasks.join_next().await.unwrap().unwrap();
        }
    }
    tasks.join_all().await;
}

async fn newest(origin: &Origin) -> Option<SnapshotRef> {
    let head = origin.app.store.denylist().head().await.unwrap();
    origin.app.snapshots.newest(&head).map(|made| made.named)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r36_a_cold_edge_begins_with_the_snapshot() {
    let origin = Origin::new().await;
    let mut maker = Maker::default();
    end(&origin, 0..4_096, slot(2)).await;
    maker.once(&origin.app).await.unwrap();
    assert_eq!(newest(&origin).await, None, "a segment tells it as well");

    end(&origin, 4_096..8_300, slot(1)).await;
    maker.once(&origin.app).await.unwrap();
    let first = newest(&origin).await.unwrap();
    assert_eq!(first.seq, 8_192);
    assert!(first.size * 10 <= 68 * first.seq, "{first:?}: less than seven bytes for each");
    let mut edge = Edge::of(&origin);
    edge.poll(&origin, [1; 16]).await;
    assert_eq!((edge.fetched, edge.replica.applied()), ((1, 1), 8_300));
    let list = edge.replica.list();
    assert!((0..4_096).all(|number| list.family_ended(slot(2), spread(number))));
    assert!((4_096..8_300).all(|number| list.family_ended(slot(1), spread(number))));
    // It is by its content; what is no digest, or of nothing, is refused.
    let path = |digest: &[u8]| format!("/countersign/v1/denylist/snapshots/{}", encoding::encode(digest));
    assert_eq!(edge.get(&origin, &path(&first.digest.0)).await.status, 200);
    assert_eq!(edge.get(&origin, &path(&[0; 32])).await.status, 404);
    assert_eq!(edge.get(&origin, &path(&[0; 31])).await.status, 400);
    assert_eq!(origin.get(&path(&first.digest.0)).await.status, 401, "for the bearer of the credential");
    // Whoever does not ask for it is not told of it.
    let plain = format!("/countersign/v1/denylist/heartbeat?nonce={}", encoding::encode(&[3; 16]));
    let plain = edge.get(&origin, &plain).await.text();
    let payload = encoding::decode(plain.split('.').nth(1).unwrap().as_bytes()).unwrap();
    assert!(!String::from_utf8(payload).unwrap().contains("snapshot"));

    // Nothing is made for a few entries more; another process makes the very same.
    maker.once(&origin.app).await.unwrap();
    assert_eq!(newest(&origin).await, Some(first));
    let second = origin.second().await;
    Maker::default().once(&second.app).await.unwrap();
    assert_eq!(newest(&second).await, Some(first));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r36_what_has_expired_is_left_out_and_a_new_epoch_begins_anew() {
    let origin = Origin::new().await;
    let mut maker = Maker::default();
    // A long session first, so that nothing can be pruned.
    end(&origin, 0..1, slot(48)).await;
    end(&origin, 1..5_000, slot(1)).await;
    end(&origin, 5_000..9_000, slot(5)).await;
    maker.once(&origin.app).await.unwrap();
    let whole = newest(&origin).await.unwrap();
    origin.clock.advance(2 * 3600);
    prune::once(&origin.app).await;
    maker.once(&origin.app).await.unwrap();
    let less = newest(&origin).await.unwrap();
    assert_eq!(less.seq, whole.seq);
    assert!(less.size < whole.size / 2, "{whole:?} {less:?}");
    assert!(origin.app.snapshots.find(whole.digest).is_some(), "somebody may just have been told of it");
    assert_eq!(origin.app.snapshots.0.read().unwrap().len(), KEPT);

    // All of it has expired.
    origin.clock.advance(60 * 3600);
    prune::once(&origin.app).await;
    maker.once(&origin.app).await.unwrap();
    assert_eq!((newest(&origin).await, maker.at.is_none()), (None, true));

    end(&origin, 10_000..19_000, slot(70)).await;
    maker.once(&origin.app).await.unwrap();
    let old = newest(&origin).await.unwrap();
    let until = origin.app.clock.now().seconds().plus(7200);
    origin.app.store.denylist().begin_epoch(Epoch([8; 16]), until, "admin", origin.app.clock.now()).await.unwrap();
    assert_eq!(newest(&origin).await, None, "one of another epoch is not named");
    maker.once(&origin.app).await.unwrap();
    assert_eq!((origin.app.snapshots.find(old.digest).is_some(), origin.app.epoch()), (false, Epoch([8; 16])));
}
