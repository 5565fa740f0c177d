use crate::db::sql;
use crate::{Store, StoreError, check};

/// Numbers that a realm keeps beside its users: login counts, retries. They go with the user.
pub struct Counters<'a>(pub(crate) &'a Store);

impl Counters<'_> {
    pub async fn get(&self, realm: &str, username: &str, name: &str) -> Result<Option<i64>, StoreError> {
        let row: Option<(i64,)> =
            sql("SELECT value FROM identity_counters WHERE realm = $1 AND username = $2 AND name = $3")
                .bind(realm)
                .bind(username)
                .bind(name)
                .optional(&mut self.0.db().read().await?)
                .await?;
        Ok(row.map(|(value,)| value))
    }

    /// `false` when there is no such user.
    pub async fn set(&self, realm: &str, username: &str, name: &str, value: i64) -> Result<bool, StoreError> {
        check::name("counter", name)?;
        let done = sql("INSERT INTO identity_counters (realm, username, name, value)
             SELECT realm, username, CAST($3 AS TEXT), CAST($4 AS BIGINT) FROM identities
             WHERE realm = $1 AND username = $2
             ON CONFLICT (realm, username, name) DO UPDATE SET value = excluded.value")
        .bind(realm)
        .bind(username)
        .bind(name)
        .bind(value)
        .run(&mut self.0.db().write().await?)
        .await?;
        Ok(done > 0)
    }

    /// Raises it to `value`, unless it is there or above already.
    pub async fn raise(&self, realm: &str, username: &str, name: &str, value: i64) -> Result<(), StoreError> {
        check::name("counter", name)?;
        sql("INSERT INTO identity_counters (realm, username, name, value)
             SELECT realm, username, CAST($3 AS TEXT), CAST($4 AS BIGINT) FROM identities
             WHERE realm = $1 AND username = $2
             ON CONFLICT (realm, username, name) DO UPDATE SET value = excluded.value
             WHERE identity_counters.value < excluded.value")
        .bind(realm)
        .bind(username)
        .bind(name)
        .bind(value)
        .run(&mut self.0.db().write().await?)
        .await
        .map(drop)
    }

    pub async fn remove(&self, realm: &str, username: &str, name: &str) -> Result<(), StoreError> {
        sql("DELETE FROM identity_counters WHERE realm = $1 AND username = $2 AND name = $3")
            .bind(realm)
            .bind(username)
            .bind(name)
            .run(&mut self.0.db().write().await?)
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{NOW, Site, on_both};
    use crate::{Attributes, IdentityStatus, NewIdentity};

    on_both!(a_counter_is_of_a_user_and_goes_with_it);

    async fn a_counter_is_of_a_user_and_goes_with_it(site: Site) {
        let store = site.store().await;
        let (counters, none) = (store.counters(), Attributes::new());
        let status = IdentityStatus::Active;
        let new = NewIdentity { realm: "/alpha", username: "demo", password_hash: "$x", status, attributes: &none };
        assert_eq!(counters.set("/alpha", "demo", "loginCount", 1).await, Ok(false));
        store.identities().create(new, NOW).await.unwrap();
        for value in [1, i64::MAX, -2] {
            assert_eq!(counters.set("/alpha", "demo", "loginCount", value).await, Ok(true));
            assert_eq!(counters.get("/alpha", "demo", "loginCount").await, Ok(Some(value)));
        }
        assert_eq!(counters.get("/alpha", "demo", "other").await, Ok(None));
        for (raised, then) in [(3, 3), (2, 3), (5, 5)] {
            counters.raise("/alpha", "demo", "raised", raised).await.unwrap();
            assert_eq!(counters.get("/alpha", "demo", "raised").await, Ok(Some(then)));
        }
        counters.raise("/alpha", "nobody", "raised", 1).await.unwrap();
        counters.remove("/alpha", "demo", "loginCount").await.unwrap();
        assert_eq!(counters.get("/alpha", "demo", "loginCount").await, Ok(None));
        counters.set("/alpha", "demo", "loginCount", 3).await.unwrap();
        store.identities().delete("/alpha", "demo").await.unwrap();
        store.identities().create(new, NOW).await.unwrap();
        assert_eq!(counters.get("/alpha", "demo", "loginCount").await, Ok(None));
        assert!(counters.set("/alpha", "demo", &"x".repeat(256), 1).await.is_err());
    }
}
