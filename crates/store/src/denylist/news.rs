//! When those who listen are told that the log has grown.
//!
//! A commit that notifies takes the server another process's attention and the listeners theirs, and in a storm the next
//! is there before they have read the last. So a commit tells them by itself only where they have heard nothing for a
//! moment, as each does while there is no storm. The others owe it, and the next that tells pays for all of them; where
//! none comes, the writer tells them without one. What is owed by a process that dies they find when they poll.

use std::time::{Duration, Instant};

pub(super) struct News {
    every: Duration,
    told: Option<Instant>,
    owed: bool,
}

impl News {
    pub(super) fn new(every: Duration) -> Self {
        Self { every, told: None, owed: false }
    }

    /// Whether a commit is to tell them by itself.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.told.is_none_or(|told| now.saturating_duration_since(told) >= self.every)
    }

    pub(super) fn committed(&mut self, telling: bool, now: Instant) {
        self.owed = !telling;
        if telling {
            self.told = Some(now);
        }
    }

    /// When they are to be told even though nothing more is written; `None` where they know all.
    pub(super) fn owed_at(&self) -> Option<Instant> {
        if self.owed { self.told.map(|told| told + self.every) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use countersign_core::denylist::{Entry, Fingerprint, Kind, Slot};
    use sqlx::postgres::PgListener;

    use super::*;
    use crate::Store;
    use crate::denylist::{CHANNEL, NewEntry};
    use crate::store::Patience;
    use crate::testing::{NOW, Site, tamper};

    const EVERY: Duration = Duration::from_millis(10);
    const LOSE_THE_WRITERS_CONNECTION: &str = "
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND query LIKE '%WITH turn%' AND pid <> pg_backend_pid()";

    #[test]
    fn in_a_storm_some_tell_for_all_and_the_last_is_told_of_in_time() {
        let (mut news, start) = (News::new(EVERY), Instant::now());
        assert_eq!(news.owed_at(), None);
        let mut told = Vec::new();
        for millisecond in 0..25 {
            let now = start + Duration::from_millis(millisecond);
            let telling = news.is_due(now);
            news.committed(telling, now);
            if telling {
                told.push(millisecond);
            }
            assert_eq!(news.owed_at().is_none(), telling);
            assert!(news.owed_at().is_none_or(|at| at <= now + EVERY));
        }
        assert_eq!(told, [0, 10, 20]);
        assert_eq!(news.owed_at(), Some(start + Duration::from_millis(30)));
        news.committed(true, start + Duration::from_millis(30));
        assert_eq!(news.owed_at(), None);
    }

    #[test]
    fn where_there_is_no_storm_each_tells() {
        let (mut news, start) = (News::new(EVERY), Instant::now());
        for n in 0..3 {
            let now = start + EVERY * n;
            assert!(news.is_due(now));
            news.committed(true, now);
        }
    }

    async fn append(store: &Store, fingerprint: u64) {
        let entry = Entry { kind: Kind::Family, slot: Slot(5), fingerprint: Fingerprint(fingerprint) };
        store.denylist().append(NewEntry::new(entry, "/alpha", "logout", "demo"), NOW).await.unwrap();
    }

    /// A store that is in no hurry, and who hears it.
    async fn heard(site: &Site, news: Duration) -> (Store, PgListener) {
        let Site::Postgres(database) = site else { panic!("a file notifies nobody") };
        site.store().await.close().await;
        let mut listener = PgListener::connect(&database.url()).await.unwrap();
        listener.listen(CHANNEL).await.unwrap();
        (site.open_with(Patience { news, ..Patience::default() }).await, listener)
    }

    async fn hears(listener: &mut PgListener) {
        tokio::time::timeout(Duration::from_secs(5), listener.recv()).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn what_is_owed_is_paid_without_another_commit() {
        let (site, news) = (Site::postgres(), Duration::from_millis(300));
        let (store, mut listener) = heard(&site, news).await;
        for fingerprint in [1, 2] {
            append(&store, fingerprint).await;
        }
        for _ in [1, 2] {
            hears(&mut listener).await;
        }
        append(&store, 3).await;
        hears(&mut listener).await;
    }

    /// The writer ends with what it owes, even to a connection that is gone; nothing that was acknowledged is.
    #[tokio::test]
    async fn a_writer_that_ends_owes_nothing() {
        let site = Site::postgres();
        let (store, mut listener) = heard(&site, Duration::from_secs(3600)).await;
        for fingerprint in 1..=20 {
            append(&store, fingerprint).await;
        }
        store.close().await;
        for _ in ["the first commit", "the end"] {
            hears(&mut listener).await;
        }
        assert!(listener.next_buffered().is_none(), "the others told by themselves");

        let store = site.open_with(Patience { news: Duration::from_secs(3600), ..Patience::default() }).await;
        append(&store, 21).await;
        append(&store, 22).await;
        assert_eq!(tamper(&store, LOSE_THE_WRITERS_CONNECTION).await, 1);
        store.close().await;
        assert_eq!(site.open().await.denylist().head().await.unwrap().seq, 22);
    }

    /// A connection that is lost with what it owes is made anew by the next batch, which tells.
    #[tokio::test]
    async fn what_a_lost_connection_owed_the_next_tells() {
        let site = Site::postgres();
        let (store, mut listener) = heard(&site, Duration::from_secs(3600)).await;
        append(&store, 1).await;
        append(&store, 2).await;
        hears(&mut listener).await;
        assert_eq!(tamper(&store, LOSE_THE_WRITERS_CONNECTION).await, 1);
        append(&store, 3).await;
        hears(&mut listener).await;
        assert_eq!(store.denylist().head().await.unwrap().seq, 3);
    }
}
