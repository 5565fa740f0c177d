//! What held polls wait for: the log moved, or the keys changed.
//!
//! The writer's side of this process says so at once. Of what other processes commit the store's signal tells; one of
//! the waiting polls then looks at the database for all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countersign_core::replica::Known;
use countersign_core::time::UnixMillis;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, watch};

use crate::app::App;

/// Between two looks at the key ring in memory.
const LOOK: Duration = Duration::from_millis(50);

/// The highest position that this process knows to be committed, and when it learnt of it.
#[derive(Clone, Copy, Default)]
struct Seen {
    head: u64,
    at: Option<UnixMillis>,
}

pub(crate) struct News {
    seen: watch::Sender<Seen>,
    /// Who holds it looks for all.
    looking: Mutex<()>,
    places: Arc<Semaphore>,
    all_places: usize,
    closed: AtomicBool,
}

impl News {
    /// With room for so many polls that wait.
    pub(crate) fn new(places: usize) -> Self {
        Self {
            seen: watch::Sender::new(Seen::default()),
            looking: Mutex::default(),
            places: Arc::new(Semaphore::new(places)),
            all_places: places,
            closed: AtomicBool::new(false),
        }
    }

    /// An entry was committed at this position.
    pub(crate) fn committed(&self, head: u64, now: UnixMillis) {
        self.seen.send_if_modified(|seen| {
            let newer = head > seen.head;
            if newer {
                *seen = Seen { head, at: Some(now) };
            }
            newer
        });
    }

    /// Lets every poll go, and holds none from now on: the server stops.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.seen.send_modify(|_| {});
    }

    /// A place to wait in; `None` when all are taken.
    pub(crate) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// How many places are taken.
    pub(crate) fn waiting(&self) -> u64 {
        self.all_places.saturating_sub(self.places.available_permits()) as u64
    }

    /// How long ago this process learnt of the entry at `head`, in milliseconds.
    pub(super) fn age(&self, head: u64, now: UnixMillis) -> Option<u64> {
        let seen = *self.seen.borrow();
        let at = seen.at.filter(|_| seen.head == head)?;
        (now >= at).then(|| now.since(at))
    }
}

/// Waits until something else holds than what is known, or for `limit`.
pub(super) async fn wait(app: &App, known: &Known, limit: Duration) {
    let _ = tokio::time::timeout(limit, until_news(app, known)).await;
}

async fn until_news(app: &App, known: &Known) {
    let news = &app.news;
    let mut changes = news.seen.subscribe();
    if known.epoch != app.epoch() || known.keys != app.keys().digest {
        return;
    }
    let over = |seen: &Seen| seen.head > known.head || news.closed.load(Ordering::Relaxed);
    tokio::select! {
        _ = changes.wait_for(over) => {}
        () = look_for_all(app, known) => {}
    }
}

/// Ends when the caller has its news. Others hear of it by the channel.
async fn look_for_all(app: &App, known: &Known) {
    let _looking = app.news.looking.lock().await;
    let mut changes = app.store.changes();
    loop {
        match commits_elsewhere(app).await {
            Some(head) if head == known.head && app.keys().digest == known.keys => {}
            // Also when the log went back, or cannot be read: the answer will tell.
            _ => return,
        }
        let other_keys = async {
            while app.keys().digest == known.keys {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::select! {
            grown = changes.changed() => if !grown { return },
            () = other_keys => return,
        }
    }
}

/// The one place that asks the database.
async fn commits_elsewhere(app: &App) -> Option<u64> {
    let head = app.store.denylist().head().await.ok()?;
    app.saw(&head);
    app.news.committed(head.seq, app.clock.now());
    Some(head.seq)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_of_news_is_told_for_the_head_alone() {
        let news = News::new(1);
        assert_eq!(news.age(0, UnixMillis(5)), None);
        news.committed(3, UnixMillis(100));
        news.committed(2, UnixMillis(110));
        assert_eq!(news.age(3, UnixMillis(130)), Some(30));
        assert_eq!((news.age(2, UnixMillis(130)), news.age(3, UnixMillis(90))), (None, None));
    }

    #[test]
    fn places_are_bounded_and_given_back() {
        let news = News::new(1);
        let place = news.place();
        assert!(place.is_some() && news.place().is_none());
        drop(place);
        assert!(news.place().is_some());
    }
}
