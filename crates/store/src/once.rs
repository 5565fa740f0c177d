//! What may happen only once.

use countersign_core::time::UnixSeconds;

use crate::db::sql;
use crate::sessions::{MAX_REFERENCE, hashed};
use crate::{Store, StoreError, check};

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

    use crate::testing::{NOW, Site, on_both};

    on_both!(what_is_over_is_forgotten);
    on_both!(threads: s10_a_thing_happens_once_however_many_ask);

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
        }
        for deleted in [3, 1, 0] {
            assert_eq!(store.once().prune(3, NOW.plus(4)).await, Ok(deleted));
        }
        assert_eq!(store.once().consume("step", &[5], NOW.plus(9)).await, Ok(false));
    }
}
