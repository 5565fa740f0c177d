//! Journeys in progress for the scheme CTS, and what may happen only once.

use countersign_core::time::UnixSeconds;

use crate::db::sql;
use crate::sessions::{MAX_REFERENCE, hashed};
use crate::{Store, StoreError, check};

const MAX_STATE: usize = 256 * 1024;

/// The state of a login, between two requests.
#[derive(Clone, PartialEq, Eq)]
pub struct JourneySession {
    pub realm: String,
    /// Sealed by the origin.
    pub state: Vec<u8>,
    /// One higher with each step.
    pub version: u64,
    pub expires_at: UnixSeconds,
}

pub struct Journeys<'a>(pub(crate) &'a Store);

impl Journeys<'_> {
    /// Keeps a new journey under its reference; its version is 1.
    pub async fn create(
        &self,
        reference: &[u8],
        realm: &str,
        state: &[u8],
        expires_at: UnixSeconds,
    ) -> Result<(), StoreError> {
        check::at_most("journey reference", reference.len(), MAX_REFERENCE)?;
        check::at_most("journey state", state.len(), MAX_STATE)?;
        check::realm_name(realm)?;
        sql("INSERT INTO journeys (id_hash, realm, state, version, expires_at) VALUES ($1, $2, $3, 1, $4)")
            .bind(&hashed(reference))
            .bind(realm)
            .bind(state)
            .bind(check::time_in(expires_at)?)
            .try_run(&mut self.0.db().write().await?)
            .await
            .map_err(|error| StoreError::of_insert(error, "journey", "of that reference", None))?;
        Ok(())
    }

    pub async fn get(&self, reference: &[u8], now: UnixSeconds) -> Result<Option<JourneySession>, StoreError> {
        check::at_most("journey reference", reference.len(), MAX_REFERENCE)?;
        let row: Option<(String, Vec<u8>, i64, i64)> =
            sql("SELECT realm, state, version, expires_at FROM journeys WHERE id_hash = $1 AND expires_at > $2")
                .bind(&hashed(reference))
                .bind(check::time_in(now)?)
                .optional(&mut self.0.db().read().await?)
                .await?;
        row.map(|(realm, state, version, expires_at)| {
            let expires_at = check::time_out("journeys", expires_at)?;
            Ok(JourneySession { realm, state, version: version.unsigned_abs(), expires_at })
        })
        .transpose()
    }

    /// The next step, on the version that it was made from: of two answers to one step the second is
    /// [`StoreError::Outdated`], as it is when the journey has ended.
    pub async fn step(
        &self,
        reference: &[u8],
        from: u64,
        state: &[u8],
        expires_at: UnixSeconds,
        now: UnixSeconds,
    ) -> Result<(), StoreError> {
        check::at_most("journey state", state.len(), MAX_STATE)?;
        let done = sql("UPDATE journeys SET state = $3, version = version + 1, expires_at = $4
             WHERE id_hash = $1 AND version = $2 AND expires_at > $5")
        .bind(&hashed(reference))
        .bind(i64::try_from(from).unwrap_or(i64::MAX))
        .bind(state)
        .bind(check::time_in(expires_at)?)
        .bind(check::time_in(now)?)
        .run(&mut self.0.db().write().await?)
        .await?;
        if done == 0 { Err(StoreError::Outdated { what: "journey" }) } else { Ok(()) }
    }

    /// Ends the journey at that version; `true` for the one who did.
    pub async fn finish(&self, reference: &[u8], version: u64) -> Result<bool, StoreError> {
        let done = sql("DELETE FROM journeys WHERE id_hash = $1 AND version = $2")
            .bind(&hashed(reference))
            .bind(i64::try_from(version).unwrap_or(i64::MAX))
            .run(&mut self.0.db().write().await?)
            .await?;
        Ok(done > 0)
    }

    /// Deletes up to `batch` journeys whose time is over; how many.
    pub async fn prune(&self, batch: u32, now: UnixSeconds) -> Result<u64, StoreError> {
        sql("DELETE FROM journeys WHERE id_hash IN
             (SELECT id_hash FROM journeys WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)")
        .bind(check::time_in(now)?)
        .bind(check::listed(batch))
        .run(&mut self.0.db().write().await?)
        .await
    }
}

/// What may happen once: a client-side journey that is completed, a step that is answered, a link that is followed.
pub struct Once<'a>(pub(crate) &'a Store);

impl Once<'_> {
    /// `true` for the first who asks, durably; `false` for all others until `until`, when the thing itself has expired.
    /// `kind` keeps different things apart.
    pub async fn consume(&self, kind: &str, id: &[u8], until: UnixSeconds) -> Result<bool, StoreError> {
        check::name("kind of use", kind)?;
        check::at_most("one-time identifier", id.len(), MAX_REFERENCE)?;
        let done = sql("INSERT INTO once (use_hash, expires_at) VALUES ($1, $2) ON CONFLICT (use_hash) DO NOTHING")
            .bind(&use_hash(kind, id))
            .bind(check::time_in(until)?)
            .run(&mut self.0.db().write().await?)
            .await?;
        Ok(done > 0)
    }

    /// Takes a use back that came to nothing.
    pub async fn release(&self, kind: &str, id: &[u8]) -> Result<(), StoreError> {
        sql("DELETE FROM once WHERE use_hash = $1")
            .bind(&use_hash(kind, id))
            .run(&mut self.0.db().write().await?)
            .await
            .map(drop)
    }

    /// Whether it was consumed.
    pub async fn is_consumed(&self, kind: &str, id: &[u8]) -> Result<bool, StoreError> {
        let (consumed,): (bool,) = sql("SELECT EXISTS (SELECT 1 FROM once WHERE use_hash = $1)")
            .bind(&use_hash(kind, id))
            .one(&mut self.0.db().read().await?)
            .await?;
        Ok(consumed)
    }

    /// Whether one of two was consumed, in one question.
    pub async fn is_one_consumed(&self, one: (&str, &[u8]), other: (&str, &[u8])) -> Result<bool, StoreError> {
        let (consumed,): (bool,) = sql("SELECT EXISTS (SELECT 1 FROM once WHERE use_hash IN ($1, $2))")
            .bind(&use_hash(one.0, one.1))
            .bind(&use_hash(other.0, other.1))
            .one(&mut self.0.db().read().await?)
            .await?;
        Ok(consumed)
    }

    /// Forgets up to `batch` uses whose time is over; how many.
    pub async fn prune(&self, batch: u32, now: UnixSeconds) -> Result<u64, StoreError> {
        sql("DELETE FROM once WHERE use_hash IN
             (SELECT use_hash FROM once WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)")
        .bind(check::time_in(now)?)
        .bind(check::listed(batch))
        .run(&mut self.0.db().write().await?)
        .await
    }
}

fn use_hash(kind: &str, id: &[u8]) -> [u8; 32] {
    hashed(&[&(kind.len() as u64).to_be_bytes(), kind.as_bytes(), id].concat())
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;

    use super::*;
    use crate::testing::{NOW, Site, on_both};

    on_both!(a_journey_goes_on_from_the_version_it_was_left_at, what_is_over_is_forgotten);
    on_both!(threads: s10_a_thing_happens_once_however_many_ask);

    async fn a_journey_goes_on_from_the_version_it_was_left_at(site: Site) {
        let store = site.store().await;
        let (journeys, end) = (store.journeys(), NOW.plus(300));
        journeys.create(b"j1", "/alpha", b"one", end).await.unwrap();
        assert!(matches!(journeys.create(b"j1", "/alpha", b"x", end).await, Err(StoreError::Conflict { .. })));
        let outdated = Err(StoreError::Outdated { what: "journey" });
        assert_eq!(journeys.step(b"j1", 1, b"two", end.plus(60), NOW).await, Ok(()));
        assert_eq!(journeys.step(b"j1", 1, b"other", end, NOW).await, outdated, "S10: the same step twice");
        let now = journeys.get(b"j1", NOW).await.unwrap().unwrap();
        assert_eq!((now.state.as_slice(), now.version, now.expires_at), (&b"two"[..], 2, end.plus(60)));
        assert!(journeys.get(b"j1", end.plus(60)).await.unwrap().is_none());
        assert_eq!(journeys.step(b"j1", 2, b"late", end.plus(90), end.plus(60)).await, outdated);
        assert_eq!(journeys.finish(b"j1", 1).await, Ok(false));
        assert_eq!(journeys.finish(b"j1", 2).await, Ok(true));
        assert_eq!(journeys.finish(b"j1", 2).await, Ok(false));
        assert_eq!(journeys.step(b"j1", 2, b"after", end, NOW).await, outdated);
    }

    async fn s10_a_thing_happens_once_however_many_ask(site: Site) {
        let stores = [site.store().await, site.open().await];
        let mut tasks = JoinSet::new();
        for n in 0..20 {
            let store = stores[n % 2].clone();
            tasks.spawn(async move { store.once().consume("journey", b"id", NOW.plus(300)).await.unwrap() });
        }
        assert_eq!(tasks.join_all().await.into_iter().filter(|first| *first).count(), 1);
        let once = stores[0].once();
        assert_eq!(once.is_consumed("journey", b"id").await, Ok(true));
        assert_eq!(once.is_consumed("journe", b"yid").await, Ok(false));
        for (one, other, consumed) in [("id", "no", true), ("no", "id", true), ("id", "id", true), ("no", "no", false)]
        {
            let (one, other) = (("journey", one.as_bytes()), ("journey", other.as_bytes()));
            assert_eq!(once.is_one_consumed(one, other).await, Ok(consumed));
        }
        assert_eq!(once.consume("link", b"id", NOW).await, Ok(true), "another kind is another thing");
    }

    async fn what_is_over_is_forgotten(site: Site) {
        let store = site.store().await;
        for n in 1..=5u8 {
            store.once().consume("step", &[n], NOW.plus(n.into())).await.unwrap();
            store.journeys().create(&[n], "/alpha", b"", NOW.plus(n.into())).await.unwrap();
        }
        for deleted in [3, 1, 0] {
            assert_eq!(store.once().prune(3, NOW.plus(4)).await, Ok(deleted));
            assert_eq!(store.journeys().prune(3, NOW.plus(4)).await, Ok(deleted));
        }
        assert_eq!(store.once().consume("step", &[5], NOW.plus(9)).await, Ok(false));
    }
}
