use countersign_core::time::UnixSeconds;

use crate::db::sql;
use crate::denylist::{Appended, NewEntry, append_in};
use crate::{AuditEvent, Store, StoreError, audit, check};

/// A tenant: its identities, journeys and keys are its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Realm {
    /// A path such as `/alpha`.
    pub name: String,
    pub active: bool,
    pub created_at: UnixSeconds,
}

/// What a realm has in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RealmContents {
    pub users: u64,
    /// Server-side ones that live.
    pub sessions: u64,
}

pub struct Realms<'a>(pub(crate) &'a Store);

type Row = (String, bool, i64);

fn realm((name, active, created_at): Row) -> Result<Realm, StoreError> {
    Ok(Realm { name, active, created_at: check::time_out("realms", created_at)? })
}

impl Realms<'_> {
    /// Creates an active realm. Names that differ by no more than case are one: addresses and edges must not lead to
    /// another realm by a slip of a key.
    pub async fn create(&self, name: &str, now: UnixSeconds) -> Result<Realm, StoreError> {
        check::realm_name(name)?;
        check::realm_name_is_free(name)?;
        let mut tx = self.0.db().begin().await?;
        tx.lock(&["realms"]).await?;
        let like: Option<(String,)> =
            sql("SELECT name FROM realms WHERE lower(name) = lower($1) ORDER BY name = $1 DESC LIMIT 1")
                .bind(name)
                .optional(&mut tx)
                .await?;
        if let Some((name,)) = like {
            return Err(StoreError::Conflict { what: "realm", name });
        }
        sql("INSERT INTO realms (name, active, created_at) VALUES ($1, $2, $3)")
            .bind(name)
            .bind(true)
            .bind(check::time_in(now)?)
            .try_run(&mut tx)
            .await
            .map_err(|error| StoreError::of_insert(error, "realm", name, None))?;
        tx.commit().await?;
        Ok(Realm { name: name.to_owned(), active: true, created_at: now })
    }

    pub async fn get(&self, name: &str) -> Result<Option<Realm>, StoreError> {
        let row: Option<Row> = sql("SELECT name, active, created_at FROM realms WHERE name = $1")
            .bind(name)
            .optional(&mut self.0.db().read().await?)
            .await?;
        row.map(realm).transpose()
    }

    /// What would go with a realm.
    pub async fn contents(&self, name: &str, now: UnixSeconds) -> Result<RealmContents, StoreError> {
        let mut tx = self.0.db().snapshot().await?;
        let (users,): (i64,) = sql("SELECT COUNT(*) FROM identities WHERE realm = $1").bind(name).one(&mut tx).await?;
        let (sessions,): (i64,) = sql("SELECT COUNT(*) FROM sessions WHERE realm = $1 AND expires_at > $2")
            .bind(name)
            .bind(check::time_in(now)?)
            .one(&mut tx)
            .await?;
        Ok(RealmContents { users: users.unsigned_abs(), sessions: sessions.unsigned_abs() })
    }

    /// Deletes a realm with all that is in it, ends its sessions by `end`, and tells the audit: all of it or nothing.
    /// The log and the audit keep what they have. The last realm stays.
    pub async fn delete(
        &self,
        name: &str,
        end: &NewEntry,
        told: &AuditEvent,
        now: UnixSeconds,
    ) -> Result<Appended, StoreError> {
        let mut tx = self.0.db().begin().await?;
        tx.lock(&["realms"]).await?;
        tx.lock(&["keys"]).await?;
        let (realms,): (i64,) = sql("SELECT COUNT(*) FROM realms").one(&mut tx).await?;
        if realms < 2 {
            return Err(StoreError::Invalid { what: "realm", rule: "must not be the last one" });
        }
        // Running servers see by the history that there are other keys now.
        sql("INSERT INTO key_history (kid, at, state, actor)
             SELECT kid, $2, 'revoked', $3 FROM keys WHERE realm = $1 ORDER BY kid")
        .bind(name)
        .bind(check::time_in(now)?)
        .bind(&told.actor)
        .run(&mut tx)
        .await?;
        for statement in [
            "DELETE FROM sessions WHERE realm = $1",
            "DELETE FROM journeys WHERE realm = $1",
            "DELETE FROM attempts WHERE realm = $1",
            "DELETE FROM settings WHERE realm = $1",
            "DELETE FROM journey_documents WHERE realm = $1",
            "DELETE FROM journey_generations WHERE realm = $1",
            "DELETE FROM agents WHERE realm = $1",
            "DELETE FROM identities WHERE realm = $1",
            "DELETE FROM key_tokens WHERE kid IN (SELECT kid FROM keys WHERE realm = $1)",
            "DELETE FROM keys WHERE realm = $1",
        ] {
            sql(statement).bind(name).run(&mut tx).await?;
        }
        if sql("DELETE FROM realms WHERE name = $1").bind(name).run(&mut tx).await? == 0 {
            return Err(StoreError::NotFound { what: "realm", name: name.to_owned() });
        }
        audit::write(&mut tx, told).await?;
        let appended = append_in(&mut tx, end, check::time_in(now)?).await?;
        tx.commit().await?;
        Ok(appended)
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
    use countersign_core::denylist::{Entry, Fingerprint, Kind, Slot};
    use countersign_core::keys::{KeyState, Kid};

    use super::*;
    use crate::testing::{NOW, Site, on_both};
    use crate::{Attributes, IdentityStatus, NewIdentity, NewKey};

    on_both!(realms_are_created_once_and_found_by_exact_name, a_realm_goes_with_all_that_is_in_it);

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
        // Neither what differs by case alone, nor a word of the paths that realms are in.
        let folded = store.realms().create("/ALPHA", NOW).await;
        assert_eq!(folded, Err(StoreError::Conflict { what: "realm", name: "/alpha".into() }));
        for name in ["/sessions", "/authenticate", "/Realms", "/beta/users", "/serverinfo", "/root", "/realm-config"] {
            assert!(matches!(store.realms().create(name, NOW).await, Err(StoreError::Invalid { .. })), "{name}");
        }
        assert!(store.realms().create("/sessions-of-beta", NOW).await.is_ok());
    }

    async fn a_realm_goes_with_all_that_is_in_it(site: Site) {
        let store = site.store().await;
        let entry = Entry { kind: Kind::Realm, slot: Slot(9), fingerprint: Fingerprint(1) };
        let end = NewEntry::new(entry, "/alpha", "the realm was deleted", "ops");
        let detail = serde_json::json!({"object": "realm", "operation": "delete"});
        let told = AuditEvent::config_change(NOW, "/alpha", "ops", detail);
        let delete = async || store.realms().delete("/alpha", &end, &told, NOW).await;
        assert_eq!(delete().await, Err(StoreError::Invalid { what: "realm", rule: "must not be the last one" }));
        store.realms().create("/beta", NOW).await.unwrap();
        let attributes = Attributes::from([("mail".to_owned(), vec!["a@example.com".to_owned()])]);
        for realm in ["/alpha", "/beta"] {
            let (username, status) = ("demo", IdentityStatus::Active);
            let new = NewIdentity { realm, username, password_hash: "$x", status, attributes: &attributes };
            store.identities().create(new, NOW).await.unwrap();
            store.administrators().grant(realm, "demo", NOW).await.unwrap();
            store.agents().create(realm, "robot", "$x", NOW).await.unwrap();
            store.attempts().fail(realm, "demo", "lockout", 60, NOW).await.unwrap();
            store.journeys().create(realm.as_bytes(), realm, b"state", NOW.plus(60)).await.unwrap();
            let kid = Kid::try_from(format!("kid{}", realm.replace('/', "-"))).unwrap();
            let (purpose, algorithm, state, activates_at) = ("sign", "EdDSA", KeyState::Active, None);
            let secret = b"secret".as_slice();
            let new = NewKey { kid: &kid, realm: Some(realm), purpose, algorithm, state, activates_at, secret };
            store.keys().insert(new, NOW).await.unwrap();
        }
        let contents = store.realms().contents("/alpha", NOW).await;
        assert_eq!(contents, Ok(RealmContents { users: 1, sessions: 0 }));
        let generation = store.keys().generation().await.unwrap();
        assert_eq!(delete().await.unwrap().seq, 1);
        assert!(store.keys().generation().await.unwrap() > generation);
        assert_eq!(store.denylist().head().await.unwrap().seq, 1);
        assert_eq!(delete().await, Err(StoreError::Invalid { what: "realm", rule: "must not be the last one" }));
        let names: Vec<_> = store.realms().list().await.unwrap().into_iter().map(|realm| realm.name).collect();
        assert_eq!(names, ["/beta"]);
        assert!(store.identities().get("/alpha", "demo").await.unwrap().is_none());
        assert!(store.identities().get("/beta", "demo").await.unwrap().is_some());
        let keys = store.keys().list().await.unwrap();
        assert_eq!(keys.iter().map(|key| key.realm.as_deref()).collect::<Vec<_>>(), [Some("/beta")]);
        let filter = crate::AuditFilter { realm: Some("/alpha"), ..Default::default() };
        let lines = store.audit().find(filter, 9).await.unwrap();
        assert!(lines.iter().any(|line| line.event.detail["operation"] == "delete"));
        // It may be made anew, with nothing of before.
        store.realms().create("/alpha", NOW).await.unwrap();
        assert_eq!(store.realms().contents("/alpha", NOW).await, Ok(RealmContents { users: 0, sessions: 0 }));
        store.realms().create("/gamma", NOW).await.unwrap();
        let end = NewEntry::new(entry, "/delta", "", "ops");
        let missing = store.realms().delete("/delta", &end, &told, NOW).await;
        assert_eq!(missing, Err(StoreError::NotFound { what: "realm", name: "/delta".into() }));
        assert_eq!(store.denylist().head().await.unwrap().seq, 1, "nothing of it was written");
    }
}
