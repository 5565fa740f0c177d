//! Takes what has expired out of the log and the token store, once a minute.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::time::UnixSeconds;

use crate::app::App;
use crate::background::every;

const EVERY: Duration = Duration::from_secs(60);
/// Clock skew between the origin and an edge that is still tolerated (core's `MAX_SKEW_MS`).
const SKEW_SECONDS: u64 = 60;
/// More than any edge's own margin, and for the time that a poll is under way.
const MARGIN_SECONDS: u64 = 60;

/// What ended before this can be accepted by no edge any more, whatever its clock and its lease.
pub(crate) fn horizon(app: &App) -> UnixSeconds {
    let lease = app.longest_lease_ms().div_ceil(1000);
    UnixSeconds(app.clock.now().seconds().0.saturating_sub(SKEW_SECONDS + lease + MARGIN_SECONDS))
}

pub(crate) async fn once(app: &App) {
    match app.store.denylist().prune(horizon(app)).await {
        Ok(0) => {}
        Ok(entries) => tracing::info!(entries, "pruned the denylist log"),
        // The next minute tries again; until then the log is merely longer than it need be.
        Err(error) => tracing::warn!(%error, "the denylist log was not pruned"),
    }
}

/// Rows that one statement deletes.
const BATCH: u32 = 1000;
/// A counter of failed attempts that nobody touched for so long means nothing any more.
const ATTEMPTS_SECONDS: u64 = 7 * 24 * 3600;

/// Everything in the store that ends by itself.
pub(crate) async fn rows(app: &App) {
    let now = app.clock.now().seconds();
    let ago = |seconds| UnixSeconds(now.0.saturating_sub(seconds));
    let (store, audit) = (&app.store, ago(app.settings().audit_seconds));
    loop {
        let batches = [
            ("server-side sessions", store.sessions().prune(BATCH, now).await),
            ("journeys", store.journeys().prune(BATCH, now).await),
            ("one-time uses", store.once().prune(BATCH, now).await),
            ("failed attempts", store.attempts().prune(BATCH, ago(ATTEMPTS_SECONDS), now).await),
            ("audit", store.audit().prune(BATCH, audit).await),
        ];
        for (what, batch) in &batches {
            match batch {
                Ok(0) => {}
                Ok(rows) => tracing::debug!(rows, what, "pruned"),
                Err(error) => tracing::warn!(%error, what, "what has ended was not pruned"),
            }
        }
        if !batches.iter().any(|(_, batch)| *batch == Ok(u64::from(BATCH))) {
            return;
        }
    }
}

pub(crate) async fn run(app: Arc<App>) {
    let mut ticks = every(EVERY);
    loop {
        ticks.tick().await;
        once(&app).await;
        rows(&app).await;
        crate::key_upkeep::prune(&app).await;
    }
}

#[cfg(test)]
mod tests {
    use super::BATCH;
    use crate::testing::Origin;

    #[tokio::test]
    async fn what_ends_by_itself_leaves_no_row_behind() {
        let origin = Origin::new().await;
        let (store, now) = (&origin.app.store, origin.app.clock.now().seconds());
        // More than one batch.
        for n in 0..BATCH + 1 {
            assert!(store.once().consume("test", &n.to_be_bytes(), now.plus(60)).await.unwrap());
        }
        store.journeys().create(b"reference", "/alpha", b"state", now.plus(300)).await.unwrap();
        store.attempts().fail("/alpha", "demo", "password", 60, now).await.unwrap();
        origin.clock.advance(60);
        super::rows(&origin.app).await;
        assert!(!store.once().is_consumed("test", &BATCH.to_be_bytes()).await.unwrap());
        assert!(store.journeys().get(b"reference", now).await.unwrap().is_some());
        origin.clock.advance(8 * 24 * 3600);
        super::rows(&origin.app).await;
        assert!(store.journeys().get(b"reference", now).await.unwrap().is_none());
        assert_eq!(store.attempts().get("/alpha", "demo", "password").await.unwrap().failures, 0);
    }

    #[tokio::test]
    async fn an_entry_outlives_its_family_by_skew_and_lease() {
        let origin = Origin::new().await;
        let token = origin.log_in().await;
        origin.log_out(&token).await;
        origin.clock.advance(120 * 60);
        super::once(&origin.app).await;
        assert_eq!(origin.app.store.denylist().head().await.unwrap().floor_seq, 0);
        origin.clock.advance(15 * 60 + 60 + 10 + 60);
        super::once(&origin.app).await;
        assert_eq!(origin.app.store.denylist().head().await.unwrap().floor_seq, 1);
    }
}
