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

/// An attempt that was counted before its outcome is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Held {
    slot: i64,
}

impl Held {
    const NONE: Self = Self { slot: -9 };
}

/// How many attempts may be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// That may fail.
    pub failures: u64,
    /// Seconds after which they are forgotten.
    pub window: u64,
    /// Seconds that an attempt takes at most.
    pub lapse: u64,
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
        self.spend(realm, username, counter, Held::NONE, window, now).await
    }

    /// The same for an attempt that was [reserved](Self::reserve).
    pub async fn spend(
        &self,
        realm: &str,
        username: &str,
        counter: &str,
        held: Held,
        window: u64,
        now: UnixSeconds,
    ) -> Result<Attempts, StoreError> {
        check::line("username", username, check::MAX_NAME)?;
        check::name("counter", counter)?;
        let row: Row = sql("INSERT INTO attempts (realm, username, counter, failures, lockouts, last_at, locked_until)
             VALUES ($1, $2, $3, 1, 0, $4, 0)
             ON CONFLICT (realm, username, counter) DO UPDATE SET
                 failures = CASE WHEN attempts.last_at < $5 THEN 1 ELSE attempts.failures + 1 END,
                 held = attempts.held - CASE WHEN attempts.held_slot = $6 AND attempts.held > 0 THEN 1 ELSE 0 END,
                 held_before = attempts.held_before
                     - CASE WHEN attempts.held_slot = $6 + 1 AND attempts.held_before > 0 THEN 1 ELSE 0 END,
                 last_at = excluded.last_at
             RETURNING failures, lockouts, last_at, locked_until")
        .bind(realm)
        .bind(username)
        .bind(counter)
        .bind(check::time_in(now)?)
        .bind(check::time_in(UnixSeconds(now.0.saturating_sub(window)))?)
        .bind(held.slot)
        .one(&mut self.0.db().write().await?)
        .await?;
        attempts_out(row)
    }

    /// Counts an attempt that is about to be made, if with those under way no more may fail than `rules` say and
    /// nothing is locked. It is to be [spent](Self::spend) or [given back](Self::give_back); what is neither lapses
    /// after one to two times `rules.lapse`.
    pub async fn reserve(
        &self,
        realm: &str,
        username: &str,
        counter: &str,
        rules: Rules,
        now: UnixSeconds,
    ) -> Result<Option<Held>, StoreError> {
        check::line("username", username, check::MAX_NAME)?;
        check::name("counter", counter)?;
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        // Another origin's clock may be a slot ahead.
        let row: Option<(i64,)> = sql("INSERT INTO attempts
                 (realm, username, counter, failures, lockouts, last_at, locked_until, held, held_before, held_slot)
             VALUES ($1, $2, $3, 0, 0, $4, 0, 1, 0, $5)
             ON CONFLICT (realm, username, counter) DO UPDATE SET
                 held = 1 + CASE WHEN attempts.held_slot >= $5 THEN attempts.held ELSE 0 END,
                 held_before = CASE WHEN attempts.held_slot >= $5 THEN attempts.held_before
                                    WHEN attempts.held_slot = $5 - 1 THEN attempts.held ELSE 0 END,
                 held_slot = CASE WHEN attempts.held_slot >= $5 THEN attempts.held_slot ELSE $5 END
             WHERE attempts.locked_until <= $4
               AND CASE WHEN attempts.last_at < $6 THEN 0 ELSE attempts.failures END
                 + CASE WHEN attempts.held_slot >= $5 THEN attempts.held + attempts.held_before
                        WHEN attempts.held_slot = $5 - 1 THEN attempts.held ELSE 0 END < $7
             RETURNING held_slot")
        .bind(realm)
        .bind(username)
        .bind(counter)
        .bind(check::time_in(now)?)
        .bind(whole(now.0 / rules.lapse.max(1)))
        .bind(check::time_in(UnixSeconds(now.0.saturating_sub(rules.window)))?)
        .bind(whole(rules.failures))
        .optional(&mut self.0.db().write().await?)
        .await?;
        Ok(row.map(|(slot,)| Held { slot }))
    }

    /// It was no failure.
    pub async fn give_back(&self, realm: &str, username: &str, counter: &str, held: Held) -> Result<(), StoreError> {
        sql("UPDATE attempts SET
                 held = held - CASE WHEN held_slot = $4 AND held > 0 THEN 1 ELSE 0 END,
                 held_before = held_before - CASE WHEN held_slot = $4 + 1 AND held_before > 0 THEN 1 ELSE 0 END
             WHERE realm = $1 AND username = $2 AND counter = $3")
        .bind(realm)
        .bind(username)
        .bind(counter)
        .bind(held.slot)
        .run(&mut self.0.db().write().await?)
        .await?;
        Ok(())
    }

    /// After a success, which was reserved if `held` says so: forgets all but what else is under way, and a lock in
    /// force.
    pub async fn forgive(
        &self,
        realm: &str,
        username: &str,
        counter: &str,
        held: Option<Held>,
        now: UnixSeconds,
    ) -> Result<(), StoreError> {
        sql("UPDATE attempts SET
                 failures = CASE WHEN locked_until > $5 THEN failures ELSE 0 END,
                 lockouts = CASE WHEN locked_until > $5 THEN lockouts ELSE 0 END,
                 held = held - CASE WHEN held_slot = $4 AND held > 0 THEN 1 ELSE 0 END,
                 held_before = held_before - CASE WHEN held_slot = $4 + 1 AND held_before > 0 THEN 1 ELSE 0 END
             WHERE realm = $1 AND username = $2 AND counter = $3")
        .bind(realm)
        .bind(username)
        .bind(counter)
        .bind(held.unwrap_or(Held::NONE).slot)
        .bind(check::time_in(now)?)
        .run(&mut self.0.db().write().await?)
        .await?;
        Ok(())
    }

    /// Locks until then, if there are so many failures, and begins to count anew; a lock that lasts longer stays. Of
    /// several who do so at once one is told that it did.
    pub async fn lock(
        &self,
        realm: &str,
        username: &str,
        counter: &str,
        failures: u64,
        until: UnixSeconds,
    ) -> Result<bool, StoreError> {
        let rows = sql("UPDATE attempts SET failures = 0, lockouts = lockouts + 1,
                 locked_until = CASE WHEN locked_until > $4 THEN locked_until ELSE $4 END
             WHERE realm = $1 AND username = $2 AND counter = $3 AND failures >= $5")
        .bind(realm)
        .bind(username)
        .bind(counter)
        .bind(check::time_in(until)?)
        .bind(i64::try_from(failures).unwrap_or(i64::MAX))
        .run(&mut self.0.db().write().await?)
        .await?;
        Ok(rows > 0)
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

    /// Forgets one counter, and a lock with it.
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

    on_both!(failures_are_counted_locked_and_forgotten, attempts_under_way_count_until_they_are_given_back_or_lapse);
    on_both!(threads: no_failure_is_lost_when_many_come_at_once,
        of_any_number_at_once_as_many_are_reserved_as_may_fail);

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
        let lock = async |failures, after| counters.lock("/alpha", "demo", "lockout", failures, NOW.plus(after)).await;
        assert_eq!((lock(2, 2000).await, lock(1, 2000).await), (Ok(false), Ok(true)));
        assert_eq!((lock(1, 3000).await, lock(0, 1000).await), (Ok(false), Ok(true)), "counted anew");
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

    async fn attempts_under_way_count_until_they_are_given_back_or_lapse(site: Site) {
        let store = site.store().await;
        let counters = store.attempts();
        let rules = Rules { failures: 3, window: 300, lapse: 30 };
        let reserve =
            async |after: u64| counters.reserve("/alpha", "demo", "lockout", rules, NOW.plus(after)).await.unwrap();
        let spend = async |held: Held, after: u64| {
            let spent = counters.spend("/alpha", "demo", "lockout", held, 300, NOW.plus(after)).await;
            spent.unwrap().failures
        };
        let (first, second, third) = (reserve(0).await.unwrap(), reserve(0).await.unwrap(), reserve(29).await.unwrap());
        assert_eq!(reserve(29).await, None, "three are under way");
        counters.give_back("/alpha", "demo", "lockout", first).await.unwrap();
        let fourth = reserve(30).await.unwrap();
        assert_eq!(reserve(31).await, None);
        // One of the slot before, and one of this.
        assert_eq!((spend(second, 31).await, spend(fourth, 31).await), (1, 2));
        assert_eq!(reserve(31).await, None, "two failures, and one under way");
        counters.give_back("/alpha", "demo", "lockout", third).await.unwrap();
        reserve(31).await.unwrap();
        assert_eq!(reserve(59).await, None);
        // Nobody gave that one back.
        assert_eq!(reserve(89).await, None);
        let last = reserve(90).await.unwrap();
        assert_eq!(spend(last, 90).await, 3);
        assert_eq!(reserve(389).await, None, "three failures");
        assert!(reserve(391).await.is_some(), "out of the window");
        assert_eq!(counters.lock("/alpha", "demo", "lockout", 0, NOW.plus(500)).await, Ok(true));
        assert_eq!(reserve(499).await, None, "locked");
        // Another origin's clock is behind.
        for (after, free) in [(510, true), (509, true), (510, true), (509, false), (540, false), (570, true)] {
            assert_eq!(reserve(after).await.is_some(), free, "{after}");
        }
        // After a success, unless it is locked.
        counters.forgive("/alpha", "demo", "lockout", Some(last), NOW.plus(499)).await.unwrap();
        assert_eq!(counters.get("/alpha", "demo", "lockout").await.unwrap().lockouts, 1);
        counters.forgive("/alpha", "demo", "lockout", None, NOW.plus(500)).await.unwrap();
        assert_eq!(counters.get("/alpha", "demo", "lockout").await.unwrap().lockouts, 0);
        // Forgotten meanwhile.
        counters.clear("/alpha", "demo", "lockout").await.unwrap();
        counters.give_back("/alpha", "demo", "lockout", last).await.unwrap();
        assert_eq!(spend(last, 600).await, 1);
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

    async fn of_any_number_at_once_as_many_are_reserved_as_may_fail(site: Site) {
        let stores = [site.store().await, site.open().await];
        let rules = Rules { failures: 7, window: 300, lapse: 30 };
        let mut tasks = JoinSet::new();
        for n in 0..40 {
            let store = stores[n % 2].clone();
            tasks
                .spawn(async move { store.attempts().reserve("/alpha", "demo", "lockout", rules, NOW).await.unwrap() });
        }
        assert_eq!(tasks.join_all().await.iter().flatten().count(), 7);
    }
}
