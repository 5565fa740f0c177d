use countersign_core::keys::{KeyState, Kid};
use countersign_core::time::UnixSeconds;
use zeroize::Zeroizing;

use crate::{Store, StoreError, check};

const MAX_WORD: usize = 64;
const MAX_SECRET: usize = 8 * 1024;

/// What [`Keys::insert`] needs.
#[derive(Clone, Copy)]
pub struct NewKey<'a> {
    pub kid: &'a Kid,
    /// `None` for a key of the whole installation.
    pub realm: Option<&'a str>,
    pub purpose: &'a str,
    pub algorithm: &'a str,
    pub state: KeyState,
    pub secret: &'a [u8],
}

/// A key with its secret opened. No `Debug`.
pub struct StoredKey {
    pub kid: Kid,
    pub realm: Option<String>,
    pub purpose: String,
    pub algorithm: String,
    pub state: KeyState,
    pub created_at: UnixSeconds,
    pub secret: Zeroizing<Vec<u8>>,
}

/// The keys of the installation, sealed under the master key.
pub struct Keys<'a>(pub(crate) &'a Store);

const fn state_text(state: KeyState) -> &'static str {
    match state {
        KeyState::Standby => "standby",
        KeyState::Active => "active",
        KeyState::VerifyOnly => "verify-only",
        KeyState::Retired => "retired",
    }
}

fn state_from(text: &str) -> Option<KeyState> {
    [KeyState::Standby, KeyState::Active, KeyState::VerifyOnly, KeyState::Retired]
        .into_iter()
        .find(|state| state_text(*state) == text)
}

/// What the sealed secret is bound to, so that it opens in its own row only. The state is not in it: it changes.
fn context<'a>(purpose: &'a str, realm: Option<&'a str>, kid: &'a Kid, algorithm: &'a str) -> [&'a str; 5] {
    // No realm has the empty name, so this and `Some` cannot meet.
    ["key", purpose, realm.unwrap_or_default(), kid.as_str(), algorithm]
}

type Row = (String, Option<String>, String, String, String, i64, Vec<u8>);

impl Keys<'_> {
    pub async fn insert(&self, new: NewKey<'_>, now: UnixSeconds) -> Result<(), StoreError> {
        new.realm.map_or(Ok(()), check::realm_name)?;
        for (what, word) in [("key purpose", new.purpose), ("key algorithm", new.algorithm)] {
            check::name(what, word)?;
            check::at_most(what, word.len(), MAX_WORD)?;
        }
        check::at_most("key secret", new.secret.len(), MAX_SECRET)?;
        let sealed = self.0.master().seal(&context(new.purpose, new.realm, new.kid, new.algorithm), new.secret)?;
        sqlx::query(
            "INSERT INTO keys (kid, realm, purpose, algorithm, state, created_at, secret)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(new.kid.as_str())
        .bind(new.realm)
        .bind(new.purpose)
        .bind(new.algorithm)
        .bind(state_text(new.state))
        .bind(check::time_in(now)?)
        .bind(sealed)
        .execute(self.0.writer())
        .await
        .map_err(|error| StoreError::of_insert(error, "key", new.kid.as_str(), new.realm))?;
        Ok(())
    }

    /// Every key, oldest first. One that does not open fails the whole listing: a key ring with a hole in it would
    /// refuse sessions or mint with the wrong key, and say nothing.
    pub async fn list(&self) -> Result<Vec<StoredKey>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT kid, realm, purpose, algorithm, state, created_at, secret FROM keys ORDER BY created_at, kid",
        )
        .fetch_all(self.0.readers())
        .await?;
        rows.into_iter().map(|row| self.open(row)).collect()
    }

    fn open(&self, row: Row) -> Result<StoredKey, StoreError> {
        let (kid, realm, purpose, algorithm, state, created_at, sealed) = row;
        let kid = Kid::try_from(kid).map_err(|error| StoreError::corrupt("keys", error.to_string()))?;
        let state = state_from(&state).ok_or_else(|| StoreError::corrupt("keys", format!("{kid}: unknown state")))?;
        let secret =
            self.0.master().open(&context(&purpose, realm.as_deref(), &kid, &algorithm), &sealed).map_err(|_| {
                StoreError::corrupt("keys", format!("{kid}: the sealed secret was altered or is another row's"))
            })?;
        let created_at = check::time_out("keys", created_at)?;
        Ok(StoredKey { kid, realm, purpose, algorithm, state, created_at, secret })
    }

    pub async fn set_state(&self, kid: &Kid, state: KeyState) -> Result<(), StoreError> {
        let done = sqlx::query("UPDATE keys SET state = $2 WHERE kid = $1")
            .bind(kid.as_str())
            .bind(state_text(state))
            .execute(self.0.writer())
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::NotFound { what: "key", name: kid.to_string() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{NOW, store};

    fn kid(text: &str) -> Kid {
        Kid::try_from(text.to_owned()).unwrap()
    }

    async fn insert(store: &Store, name: &str, realm: Option<&str>, secret: &[u8]) -> Result<(), StoreError> {
        let (kid, purpose, algorithm) = (&kid(name), "session-signing", "EdDSA");
        store.keys().insert(NewKey { kid, realm, purpose, algorithm, state: KeyState::Standby, secret }, NOW).await
    }

    #[tokio::test]
    async fn keys_come_back_opened_and_are_sealed_on_disk() {
        let (dir, store) = store().await;
        let secret = b"a secret that is easy to search for";
        insert(&store, "k1", Some("/alpha"), secret).await.unwrap();
        insert(&store, "k2", None, &[2; 32]).await.unwrap();
        let conflict = StoreError::Conflict { what: "key", name: "k1".into() };
        assert_eq!(insert(&store, "k1", None, &[3; 32]).await, Err(conflict));
        let nowhere = StoreError::NotFound { what: "realm", name: "/nowhere".into() };
        assert_eq!(insert(&store, "k3", Some("/nowhere"), &[3; 32]).await, Err(nowhere));

        let keys = store.keys().list().await.ok().unwrap();
        let [first, second] = &keys[..] else { panic!("two keys") };
        assert_eq!((first.kid.as_str(), first.realm.as_deref(), second.realm.as_deref()), ("k1", Some("/alpha"), None));
        assert_eq!((first.secret.as_slice(), second.secret.as_slice()), (&secret[..], &[2; 32][..]));

        store.close().await;
        let file = std::fs::read(dir.path().join("store.db")).unwrap();
        assert!(!file.windows(secret.len()).any(|window| window == secret));
        assert!(file.windows(15).any(|window| window == b"session-signing"), "the row is in the file searched");
    }

    #[tokio::test]
    async fn every_state_is_kept() {
        let (_dir, store) = store().await;
        insert(&store, "k1", None, &[1; 32]).await.unwrap();
        for state in [KeyState::Active, KeyState::VerifyOnly, KeyState::Retired, KeyState::Standby] {
            store.keys().set_state(&kid("k1"), state).await.unwrap();
            assert_eq!(store.keys().list().await.ok().unwrap()[0].state, state);
        }
        let missing = StoreError::NotFound { what: "key", name: "k9".into() };
        assert_eq!(store.keys().set_state(&kid("k9"), KeyState::Active).await, Err(missing));
    }

    /// K08: a sealed secret moved to another row, and a row whose meaning was changed around its secret.
    #[tokio::test]
    async fn k08_swapped_rows_are_refused() {
        for attack in [
            "UPDATE keys SET secret = (SELECT secret FROM keys AS other WHERE other.kid <> keys.kid)",
            "UPDATE keys SET purpose = 'journey-signing' WHERE kid = 'k1'",
            "UPDATE keys SET algorithm = 'HS256' WHERE kid = 'k1'",
            "UPDATE keys SET realm = NULL WHERE kid = 'k1'",
            "UPDATE keys SET realm = '/alpha' WHERE kid = 'k2'",
            "UPDATE keys SET kid = 'k3' WHERE kid = 'k1'",
        ] {
            let (_dir, store) = store().await;
            insert(&store, "k1", Some("/alpha"), &[1; 32]).await.unwrap();
            insert(&store, "k2", None, &[2; 32]).await.unwrap();
            assert!(store.keys().list().await.is_ok());
            let done = sqlx::query(attack).execute(store.writer()).await.unwrap();
            assert!(done.rows_affected() > 0);
            assert!(
                matches!(store.keys().list().await.err(), Some(StoreError::Corrupt { table: "keys", .. })),
                "{attack}"
            );
        }
    }
}
