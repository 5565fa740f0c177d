use countersign_core::time::UnixSeconds;

use crate::db::sql;
use crate::{Store, StoreError, check};

/// The users who may administer their realm, and those of the root realm all realms.
pub struct Administrators<'a>(pub(crate) &'a Store);

impl Administrators<'_> {
    /// Makes a user an administrator; one who is it already stays it.
    pub async fn grant(&self, realm: &str, username: &str, now: UnixSeconds) -> Result<(), StoreError> {
        let done = sql("INSERT INTO administrators (realm, username, granted_at)
             SELECT realm, username, CAST($3 AS BIGINT) FROM identities WHERE realm = $1 AND username = $2
             ON CONFLICT (realm, username) DO UPDATE SET granted_at = administrators.granted_at")
        .bind(realm)
        .bind(username)
        .bind(check::time_in(now)?)
        .run(&mut self.0.db().write().await?)
        .await?;
        match done {
            0 => Err(StoreError::NotFound { what: "identity", name: username.to_owned() }),
            _ => Ok(()),
        }
    }

    /// Whether that was one.
    pub async fn revoke(&self, realm: &str, username: &str) -> Result<bool, StoreError> {
        let done = sql("DELETE FROM administrators WHERE realm = $1 AND username = $2")
            .bind(realm)
            .bind(username)
            .run(&mut self.0.db().write().await?)
            .await?;
        Ok(done > 0)
    }

    /// Whether the user is an administrator, whether or not it may log in.
    pub async fn is_granted(&self, realm: &str, username: &str) -> Result<bool, StoreError> {
        let (granted,): (bool,) =
            sql("SELECT EXISTS (SELECT 1 FROM administrators WHERE realm = $1 AND username = $2)")
                .bind(realm)
                .bind(username)
                .one(&mut self.0.db().read().await?)
                .await?;
        Ok(granted)
    }

    /// Whether the user is an administrator and may log in.
    pub async fn has(&self, realm: &str, username: &str) -> Result<bool, StoreError> {
        let found: Option<(String,)> = sql(
            "SELECT a.username FROM administrators a JOIN identities i ON i.realm = a.realm AND i.username = a.username
             WHERE a.realm = $1 AND a.username = $2 AND i.status = 'Active'",
        )
        .bind(realm)
        .bind(username)
        .optional(&mut self.0.db().read().await?)
        .await?;
        Ok(found.is_some())
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{NOW, Site, on_both};
    use crate::{Attributes, IdentityStatus, NewIdentity, StoreError};

    on_both!(a_privilege_is_granted_withdrawn_and_goes_with_the_user);

    async fn a_privilege_is_granted_withdrawn_and_goes_with_the_user(site: Site) {
        let store = site.store().await;
        let (administrators, identities) = (store.administrators(), store.identities());
        let attributes = Attributes::from([("admin".into(), vec!["true".into()])]);
        let new = NewIdentity {
            realm: "/alpha",
            username: "ada",
            password_hash: "$argon2id$x",
            status: IdentityStatus::Active,
            attributes: &attributes,
        };
        let nobody = administrators.grant("/alpha", "ada", NOW).await;
        assert_eq!(nobody, Err(StoreError::NotFound { what: "identity", name: "ada".into() }));
        identities.create(new, NOW).await.unwrap();
        let has = async || administrators.has("/alpha", "ada").await.unwrap();
        assert!(!has().await, "an attribute is no privilege");
        administrators.grant("/alpha", "ada", NOW).await.unwrap();
        administrators.grant("/alpha", "ada", NOW).await.unwrap();
        assert!(has().await);
        assert!(!administrators.has("/", "ada").await.unwrap() && !administrators.has("/alpha", "Ada").await.unwrap());
        identities.set_status("/alpha", "ada", IdentityStatus::Inactive).await.unwrap();
        assert!(!has().await);
        identities.set_status("/alpha", "ada", IdentityStatus::Active).await.unwrap();
        identities.delete("/alpha", "ada").await.unwrap();
        identities.create(new, NOW).await.unwrap();
        assert!(!has().await, "whoever comes after has nothing of it");
        administrators.grant("/alpha", "ada", NOW).await.unwrap();
        assert!(administrators.revoke("/alpha", "ada").await.unwrap());
        assert!(!administrators.revoke("/alpha", "ada").await.unwrap());
        assert!(!has().await);
    }
}
