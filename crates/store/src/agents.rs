use countersign_core::time::UnixSeconds;

use crate::db::sql;
use crate::{Store, StoreError, check};

const MAX_PASSWORD_HASH: usize = 1024;

/// A program that logs in. No `Debug`: the password's hash is not for logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Agent {
    pub name: String,
    /// A PHC string.
    pub password_hash: String,
    pub active: bool,
    pub created_at: UnixSeconds,
}

/// The agents of each realm, which are apart from its users.
pub struct Agents<'a>(pub(crate) &'a Store);

type Row = (String, String, bool, i64);

fn agent((name, password_hash, active, created_at): Row) -> Result<Agent, StoreError> {
    Ok(Agent { name, password_hash, active, created_at: check::time_out("agents", created_at)? })
}

impl Agents<'_> {
    pub async fn create(
        &self,
        realm: &str,
        name: &str,
        password_hash: &str,
        now: UnixSeconds,
    ) -> Result<(), StoreError> {
        check::name("agent name", name)?;
        check::line("password hash", password_hash, MAX_PASSWORD_HASH)?;
        if !password_hash.starts_with('$') {
            return Err(StoreError::Invalid { what: "password hash", rule: "must be a PHC string" });
        }
        sql("INSERT INTO agents (realm, name, password_hash, active, created_at) VALUES ($1, $2, $3, $4, $5)")
            .bind(realm)
            .bind(name)
            .bind(password_hash)
            .bind(true)
            .bind(check::time_in(now)?)
            .try_run(&mut self.0.db().write().await?)
            .await
            .map_err(|error| StoreError::of_insert(error, "agent", name, Some(realm)))?;
        Ok(())
    }

    pub async fn get(&self, realm: &str, name: &str) -> Result<Option<Agent>, StoreError> {
        let row: Option<Row> =
            sql("SELECT name, password_hash, active, created_at FROM agents WHERE realm = $1 AND name = $2")
                .bind(realm)
                .bind(name)
                .optional(&mut self.0.db().read().await?)
                .await?;
        row.map(agent).transpose()
    }

    /// Up to 1,000 by name.
    pub async fn list(&self, realm: &str) -> Result<Vec<Agent>, StoreError> {
        let rows: Vec<Row> =
            sql("SELECT name, password_hash, active, created_at FROM agents WHERE realm = $1 ORDER BY name LIMIT $2")
                .bind(realm)
                .bind(check::listed(u32::MAX))
                .all(&mut self.0.db().read().await?)
                .await?;
        rows.into_iter().map(agent).collect()
    }

    /// Whether that was one.
    pub async fn delete(&self, realm: &str, name: &str) -> Result<bool, StoreError> {
        let done = sql("DELETE FROM agents WHERE realm = $1 AND name = $2")
            .bind(realm)
            .bind(name)
            .run(&mut self.0.db().write().await?)
            .await?;
        Ok(done > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, Site, on_both};

    on_both!(agents_are_of_a_realm);

    async fn agents_are_of_a_realm(site: Site) {
        let store = site.store().await;
        let agents = store.agents();
        agents.create("/alpha", "reader", "$argon2id$x", NOW).await.unwrap();
        let again = agents.create("/alpha", "reader", "$argon2id$x", NOW).await;
        assert_eq!(again, Err(StoreError::Conflict { what: "agent", name: "reader".into() }));
        assert!(agents.create("/nowhere", "reader", "$x", NOW).await.is_err());
        assert!(agents.create("/alpha", "clear", "secret", NOW).await.is_err());
        let known = agents.get("/alpha", "reader").await.unwrap().unwrap();
        assert_eq!((known.name.as_str(), known.active, known.created_at), ("reader", true, NOW));
        assert!(agents.get("/beta", "reader").await.unwrap().is_none());
        assert_eq!(agents.list("/alpha").await.unwrap().len(), 1);
        assert_eq!(agents.delete("/alpha", "reader").await, Ok(true));
        assert_eq!(agents.delete("/alpha", "reader").await, Ok(false));
    }
}
