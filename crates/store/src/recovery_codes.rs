use crate::db::{Arg, bulk, sql};
use crate::{Store, StoreError, check, identities};

const MAX_CODES: usize = 64;
const MAX_CODE: usize = 255;

/// Codes that work once, in place of a device; by user and kind of device. A code is short, so its hash is made under
/// the master key: who has the database alone cannot try codes out.
pub struct RecoveryCodes<'a>(pub(crate) &'a Store);

impl RecoveryCodes<'_> {
    /// Puts these in the place of all that there were of that kind.
    pub async fn replace(&self, realm: &str, username: &str, kind: &str, codes: &[&str]) -> Result<(), StoreError> {
        check::name("kind of recovery code", kind)?;
        check::at_most("recovery codes", codes.len(), MAX_CODES)?;
        let mut hashes = std::collections::BTreeSet::new();
        for code in codes {
            check::at_most("recovery code", code.len(), MAX_CODE)?;
            hashes.insert(self.hash(realm, username, kind, code));
        }
        let mut tx = self.0.db().begin().await?;
        identities::lock(&mut tx, realm, username).await?;
        sql("DELETE FROM recovery_codes WHERE realm = $1 AND username = $2 AND kind = $3")
            .bind(realm)
            .bind(username)
            .bind(kind)
            .run(&mut tx)
            .await?;
        let row = |hash: &[u8; 32]| -> Vec<Arg> { vec![realm.into(), username.into(), kind.into(), hash.into()] };
        let rows = hashes.iter().map(row).collect();
        bulk::insert(&mut tx, "recovery_codes", &["realm", "username", "kind", "code_hash"], rows).await?;
        tx.commit().await
    }

    /// Uses a code up: `true` for the one who had it and asked first.
    pub async fn consume(&self, realm: &str, username: &str, kind: &str, code: &str) -> Result<bool, StoreError> {
        if code.len() > MAX_CODE {
            return Ok(false);
        }
        let done = sql("DELETE FROM recovery_codes
             WHERE realm = $1 AND username = $2 AND kind = $3 AND code_hash = $4")
        .bind(realm)
        .bind(username)
        .bind(kind)
        .bind(&self.hash(realm, username, kind, code))
        .run(&mut self.0.db().write().await?)
        .await?;
        Ok(done > 0)
    }

    /// How many are left.
    pub async fn count(&self, realm: &str, username: &str, kind: &str) -> Result<u64, StoreError> {
        let (count,): (i64,) =
            sql("SELECT COUNT(*) FROM recovery_codes WHERE realm = $1 AND username = $2 AND kind = $3")
                .bind(realm)
                .bind(username)
                .bind(kind)
                .one(&mut self.0.db().read().await?)
                .await?;
        Ok(count.unsigned_abs())
    }

    fn hash(&self, realm: &str, username: &str, kind: &str, code: &str) -> [u8; 32] {
        self.0.master().mac(&["recovery code", realm, username, kind, code])
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{NOW, Site, on_both};
    use crate::{Attributes, IdentityStatus, NewIdentity};

    on_both!(a_code_works_once);

    async fn a_code_works_once(site: Site) {
        let store = site.store().await;
        let (codes, none, status) = (store.recovery_codes(), Attributes::new(), IdentityStatus::Active);
        for username in ["demo", "other"] {
            let new = NewIdentity { realm: "/alpha", username, password_hash: "$x", status, attributes: &none };
            store.identities().create(new, NOW).await.unwrap();
        }
        codes.replace("/alpha", "demo", "OATH", &["old"]).await.unwrap();
        codes.replace("/alpha", "demo", "OATH", &["abcd", "efgh", "efgh"]).await.unwrap();
        assert_eq!(codes.count("/alpha", "demo", "OATH").await, Ok(2));
        for (username, kind, code) in
            [("demo", "OATH", "old"), ("demo", "PUSH", "abcd"), ("other", "OATH", "abcd"), ("demo", "OATH", "ABCD")]
        {
            assert_eq!(codes.consume("/alpha", username, kind, code).await, Ok(false), "{username} {kind} {code}");
        }
        assert_eq!(codes.consume("/alpha", "demo", "OATH", "abcd").await, Ok(true));
        assert_eq!(codes.consume("/alpha", "demo", "OATH", "abcd").await, Ok(false));
        assert_eq!(codes.count("/alpha", "demo", "OATH").await, Ok(1));
        assert!(codes.replace("/alpha", "nobody", "OATH", &["x"]).await.is_err());
    }
}
