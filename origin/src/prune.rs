//! Takes what has expired out of the log and the token store, once a minute.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::time::UnixSeconds;

use crate::app::App;

const EVERY: Duration = Duration::from_secs(60);
/// Clock skew between the origin and an edge that is still tolerated (core's `MAX_SKEW_MS`).
const SKEW_SECONDS: u64 = 60;
/// More than any edge's own margin, and for the time that a poll is under way.
const MARGIN_SECONDS: u64 = 60;

/// What ended before this can be accepted by no edge any more, whatever its clock and its lease.
fn horizon(app: &App) -> UnixSeconds {
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

/// Rows at a time: others write in between.
const BATCH: u32 = 1000;

/// Server-side sessions that are over, and completed journeys that would have expired.
pub(crate) async fn token_store(app: &App) {
    let now = app.clock.now().seconds();
    let (sessions, once) = (app.store.sessions(), app.store.once());
    loop {
        let pruned = match sessions.prune(BATCH, now).await {
            Ok(sessions) => once.prune(BATCH, now).await.map(|once| sessions.max(once)),
            error => error,
        };
        match pruned {
            Ok(rows) if rows < u64::from(BATCH) => return,
            Ok(_) => {}
            Err(error) => return tracing::warn!(%error, "the token store was not pruned"),
        }
    }
}

pub(crate) async fn run(app: Arc<App>) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        once(&app).await;
        token_store(&app).await;
        crate::key_upkeep::prune(&app).await;
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Origin;

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
