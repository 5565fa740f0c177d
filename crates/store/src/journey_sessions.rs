//! Journeys in progress, for the scheme CTS.

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, Site, on_both};

    on_both!(a_journey_goes_on_from_the_version_it_was_left_at, what_is_over_is_forgotten);

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

    async fn what_is_over_is_forgotten(site: Site) {
        let store = site.store().await;
        for n in 1..=5u8 {
            store.journeys().create(&[n], "/alpha", b"", NOW.plus(n.into())).await.unwrap();
        }
        for deleted in [3, 1, 0] {
            assert_eq!(store.journeys().prune(3, NOW.plus(4)).await, Ok(deleted));
        }
    }
}
