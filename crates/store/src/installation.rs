use countersign_core::denylist::{Chain, Epoch};
use countersign_core::time::UnixSeconds;

use crate::db::{Place, sql};
use crate::{Store, StoreError, check, denylist};

/// What this database is the store of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Installation {
    /// Incarnation of the denylist log.
    pub epoch: Epoch,
    pub created_at: UnixSeconds,
}

/// The one installation of a database.
pub struct InstallationRow<'a>(pub(crate) &'a Store);

impl InstallationRow<'_> {
    pub async fn get(&self) -> Result<Option<Installation>, StoreError> {
        read(&mut self.0.db().read().await?).await
    }

    /// Begins the installation and its denylist log. To repeat it with the same epoch changes nothing; with another
    /// epoch it is [`StoreError::AlreadyInitialised`].
    pub async fn initialise(&self, epoch: Epoch, now: UnixSeconds) -> Result<Installation, StoreError> {
        let created_at = check::time_in(now)?;
        let mut tx = self.0.db().begin().await?;
        tx.lock(denylist::LOCK).await?;
        if let Some(existing) = read(&mut tx).await? {
            return if existing.epoch == epoch { Ok(existing) } else { Err(StoreError::AlreadyInitialised) };
        }
        sql("INSERT INTO installation (id, epoch, created_at) VALUES (1, $1, $2)")
            .bind(epoch.0.as_slice())
            .bind(created_at)
            .run(&mut tx)
            .await?;
        sql("INSERT INTO denylist_floor (id, seq, chain) VALUES (1, 0, $1)")
            .bind(Chain::genesis(epoch).0.as_slice())
            .run(&mut tx)
            .await?;
        tx.commit().await?;
        Ok(Installation { epoch, created_at: now })
    }
}

async fn read(conn: &mut impl Place) -> Result<Option<Installation>, StoreError> {
    let row: Option<(Vec<u8>, i64)> =
        sql("SELECT epoch, created_at FROM installation WHERE id = 1").optional(conn).await?;
    row.map(|(epoch, created_at)| {
        let created_at = check::time_out("installation", created_at)?;
        Ok(Installation { epoch: epoch_from(&epoch)?, created_at })
    })
    .transpose()
}

pub(crate) fn epoch_from(bytes: &[u8]) -> Result<Epoch, StoreError> {
    bytes.try_into().map(Epoch).map_err(|_| StoreError::corrupt("installation", "an epoch has 16 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{EPOCH, NOW, Site, on_both};

    on_both!(there_is_one_installation_and_it_keeps_its_epoch);

    async fn there_is_one_installation_and_it_keeps_its_epoch(site: Site) {
        let store = site.open().await;
        assert_eq!(store.installation().get().await, Ok(None));
        assert_eq!(store.denylist().head().await.err(), Some(StoreError::NotInitialised));

        let first = Installation { epoch: EPOCH, created_at: NOW };
        assert_eq!(store.installation().initialise(EPOCH, NOW).await, Ok(first));
        assert_eq!(store.installation().initialise(EPOCH, NOW.plus(5)).await, Ok(first), "again: nothing changes");
        let other = store.installation().initialise(Epoch([1; 16]), NOW).await;
        assert_eq!(other, Err(StoreError::AlreadyInitialised));

        store.close().await;
        let again = site.open().await;
        assert_eq!(again.installation().get().await, Ok(Some(first)));
    }
}
