use countersign_core::time::UnixSeconds;

use crate::db::sql;
use crate::{Store, StoreError, check};

/// A tenant: its identities, journeys and keys are its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Realm {
    /// A path such as `/alpha`.
    pub name: String,
    pub active: bool,
    pub created_at: UnixSeconds,
}

pub struct Realms<'a>(pub(crate) &'a Store);

type Row = (String, bool, i64);

fn realm((name, active, created_at): Row) -> Result<Realm, StoreError> {
    Ok(Realm { name, active, created_at: check::time_out("realms", created_at)? })
}

impl Realms<'_> {
    /// Creates an active realm.
    pub async fn create(&self, name: &str, now: UnixSeconds) -> Result<Realm, StoreError> {
        check::realm_name(name)?;
        sql("INSERT INTO realms (name, active, created_at) VALUES ($1, $2, $3)")
            .bind(name)
            .bind(true)
            .bind(check::time_in(now)?)
            .try_run(&mut self.0.db().write().await?)
            .await
            .map_err(|error| StoreError::of_insert(error, "realm", name, None))?;
        Ok(Realm { name: name.to_owned(), active: true, created_at: now })
    }

    pub async fn get(&self, name: &str) -> Result<Option<Realm>, StoreError> {
        let row: Option<Row> = sql("SELECT name, active, created_at FROM realms WHERE name = $1")
            .bind(name)
            .optional(&mut self.0.db().read().await?)
            .await?;
        row.map(realm).transpose()
    }

    /// The first 1,000 realms by name.
    pub async fn list(&self) -> Result<Vec<Realm>, StoreError> {
        let rows: Vec<Row> = sql("SELECT name, active, created_at FROM realms ORDER BY name LIMIT $1")
            .bind(check::listed(check::MAX_LISTED))
            .all(&mut self.0.db().read().await?)
            .await?;
        rows.into_iter().map(realm).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, Site, on_both};

    on_both!(realms_are_created_once_and_found_by_exact_name);

    async fn realms_are_created_once_and_found_by_exact_name(site: Site) {
        let store = site.store().await;
        let alpha = Realm { name: "/alpha".into(), active: true, created_at: NOW };
        let root = store.realms().create("/", NOW).await.unwrap();
        let again = store.realms().create("/alpha", NOW).await;
        assert_eq!(again, Err(StoreError::Conflict { what: "realm", name: "/alpha".into() }));
        assert_eq!(store.realms().get("/alpha").await, Ok(Some(alpha.clone())));
        assert_eq!(store.realms().get("/Alpha").await, Ok(None));
        assert_eq!(store.realms().list().await, Ok(vec![root, alpha]));
        assert!(store.realms().create("alpha/../beta", NOW).await.is_err());
    }
}
