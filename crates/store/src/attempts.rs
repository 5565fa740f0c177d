//! Failures by user: account lockout, and retry limits of journeys.

use countersign_core::time::UnixSeconds;

use crate::db::sql;
use crate::{Store, StoreError, check};

/// What a counter says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attempts {
    /// Since the last success, or within the window.
    pub failures: u64,
    /// How often the counter led to a lock, for durations that grow.
    pub lockouts: u64,
    pub last_at: UnixSeconds,
    /// Before this time nothing is to be tried. 0 when not locked.
    pub locked_until: UnixSeconds,
}

impl Attempts {
    const NONE: Self = Self { failures: 0, lockouts: 0, last_at: UnixSeconds(0), locked_until: UnixSeconds(0) };

    pub fn is_locked(&self, now: UnixSeconds) -> bool {
        now < self.locked_until
    }
}

/// Counters by realm, username and a name of the caller's: `lockout`, or a node of a journey. The username need not
/// exist: to count only those that do would tell them apart.
pub struct AttemptCounters<'a>(pub(crate) &'a Store);

type Row = (i64, i64, i64, i64);

fn attempts_out((failures, lockouts, last_at, locked_until): Row) -> Result<Attempts, StoreError> {
    let time = |seconds| check::time_out("attempts", seconds);
    let (last_at, locked_until) = (time(last_at)?, time(locked_until)?);
    Ok(Attempts { failures: failures.unsigned_abs(), lockouts: lockouts.unsigned_abs(), last_at, locked_until })
}

impl AttemptCounters<'_> {
    /// Counts a failure, and gives the counter with it: of any number at once each gets another count. Failures that
    /// lie longer back than `window` seconds before this one are forgotten.
    pub async fn fail(
        &self,
        realm: &str,
        username: &str,
        counter: &str,
        window: u64,
        now: UnixSeconds,
    ) -> Result<Attempts, StoreError> {
        check::line("username", username, check::MAX_NAME)?;
        check::name("counter", counter)?;
        let row: Row = sql("INSERT INTO attempts (realm, username, counter, failures, lockouts, last_at, locked_until)
             VALUES ($1, $2, $3, 1, 0, $4, 0)
             ON CONFLICT (realm, username, counter) DO UPDATE SET
                 failures = CASE WHEN attempts.last_at < $5 THEN 1 ELSE attempts.failures + 1 END,
                 last_at = excluded.last_at
             RETURNING failures, lockouts, last_at, locked_until")
        .bind(realm)
        .bind(username)
        .bind(counter)
        .bind(check::time_in(now)?)
        .bind(check::time_in(UnixSeconds(now.0.saturating_sub(window)))?)
        .one(&mut self.0.db().write().await?)
        .await?;
        attempts_out(row)
    }

    /// Locks until then, and begins to count anew; a lock that lasts longer stays.
    pub async fn lock(&self, realm: &str, username: &str, counter: &str, until: UnixSeconds) -> Result<(), StoreError> {
        sql("UPDATE attempts SET failures = 0, lockouts = lockouts + 1,
                 locked_until = CASE WHEN locked_until > $4 THEN locked_until ELSE $4 END
             WHERE realm = $1 AND username = $2 AND counter = $3")
        .bind(realm)
        .bind(username)
        .bind(counter)
        .bind(check::time_in(until)?)
        .run(&mut self.0.db().write().await?)
        .await?;
        Ok(())
    }

    pub async fn get(&self, realm: &str, username: &str, counter: &str) -> Result<Attempts, StoreError> {
        let row: Option<Row> = sql("SELECT failures, lockouts, last_at, locked_until FROM attempts
             WHERE realm = $1 AND username = $2 AND counter = $3")
        .bind(realm)
        .bind(username)
        .bind(counter)
        .optional(&mut self.0.db().read().await?)
        .await?;
        row.map_or(Ok(Attempts::NONE), attempts_out)
    }

    /// Forgets one counter: after a success.
    pub async fn clear(&self, realm: &str, username: &str, counter: &str) -> Result<(), StoreError> {
        sql("DELETE FROM attempts WHERE realm = $1 AND username = $2 AND counter = $3")
            .bind(realm)
            .bind(username)
            .bind(counter)
            .run(&mut self.0.db().write().await?)
            .await?;
        Ok(())
    }

    /// Forgets up to `batch` counters without a failure since `before`, that are not locked at `now`; how many.
    pub async fn prune(&self, batch: u32, before: UnixSeconds, now: UnixSeconds) -> Result<u64, StoreError> {
        // Both databases have row values.
        sql("DELETE FROM attempts WHERE (realm, username, counter) IN
             (SELECT realm, username, counter FROM attempts
              WHERE last_at < $1 AND locked_until <= $2 ORDER BY last_at LIMIT $3)")
        .bind(check::time_in(before)?)
        .bind(check::time_in(now)?)
        .bind(check::listed(batch))
        .run(&mut self.0.db().write().await?)
        .await
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;

    use super::*;
    use crate::testing::{NOW, Site, on_both};

    on_both!(failures_are_counted_locked_and_forgotten);
    on_both!(threads: no_failure_is_lost_when_many_come_at_once);

    async fn failures_are_counted_locked_and_forgotten(site: Site) {
        let store = site.store().await;
        let counters = store.attempts();
        let fail = async |after: u64| {
            let attempts = counters.fail("/alpha", "demo", "lockout", 300, NOW.plus(after)).await.unwrap();
            attempts.failures
        };
        assert_eq!((fail(0).await, fail(100).await, fail(400).await), (1, 2, 3));
        assert_eq!(fail(701).await, 1, "the last one lies outside of the window");
        counters.fail("/alpha", "demo", "retry:Login/otp", 300, NOW).await.unwrap();
        counters.lock("/alpha", "demo", "lockout", NOW.plus(2000)).await.unwrap();
        counters.lock("/alpha", "demo", "lockout", NOW.plus(1000)).await.unwrap();
        let locked = counters.get("/alpha", "demo", "lockout").await.unwrap();
        assert_eq!((locked.failures, locked.lockouts, locked.locked_until), (0, 2, NOW.plus(2000)));
        assert!(locked.is_locked(NOW.plus(1999)) && !locked.is_locked(NOW.plus(2000)));
        assert_eq!(counters.get("/alpha", "demo", "retry:Login/otp").await.unwrap().failures, 1);

        assert_eq!(counters.prune(10, NOW.plus(9000), NOW.plus(1999)).await, Ok(1), "the locked one stays");
        assert_eq!(counters.prune(10, NOW.plus(9000), NOW.plus(2000)).await, Ok(1));
        fail(0).await;
        counters.clear("/alpha", "demo", "lockout").await.unwrap();
        assert_eq!(counters.get("/alpha", "demo", "lockout").await, Ok(Attempts::NONE));
    }

    async fn no_failure_is_lost_when_many_come_at_once(site: Site) {
        let stores = [site.store().await, site.open().await];
        let mut tasks = JoinSet::new();
        for n in 0..40 {
            let store = stores[n % 2].clone();
            tasks.spawn(
                async move { store.attempts().fail("/alpha", "demo", "lockout", 300, NOW).await.unwrap().failures },
            );
        }
        let mut counts = tasks.join_all().await;
        counts.sort_unstable();
        assert_eq!(counts, (1..=40).collect::<Vec<_>>());
    }
}
