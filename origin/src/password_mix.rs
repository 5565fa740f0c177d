//! What a name that nobody has is checked against. Users that came from elsewhere have hashes of other costs until
//! their next login, and the time that a check takes would tell who they are: so as many of the unknown names as there
//! are of such users are checked against a hash like theirs, each name always against the same.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use countersign_core::time::UnixSeconds;
use countersign_store::{ForeignHashes, Store, StoreError};

/// For so long it is not looked again how many there are.
const GOOD_SECONDS: u64 = 600;
/// Hashes that stand for all of a realm.
const SAMPLE: u32 = 200;

#[derive(Default)]
pub(crate) struct Mixes {
    by_realm: Mutex<HashMap<String, (UnixSeconds, Arc<ForeignHashes>)>>,
    hash: RandomState,
}

impl Mixes {
    /// The hash for a name that nobody has; `None` for one of our own kind. No password is right for it.
    pub(crate) async fn dummy(
        &self,
        store: &Store,
        realm: &str,
        username: &str,
        now: UnixSeconds,
    ) -> Result<Option<String>, StoreError> {
        let mix = self.mix(store, realm, now).await?;
        if mix.sample.is_empty() {
            return Ok(None);
        }
        // Nobody outside can tell which way a name falls.
        let number = self.hash.hash_one((realm, username));
        if number % mix.all.max(1) >= mix.foreign {
            return Ok(None);
        }
        let of_sample = self.hash.hash_one((realm, username, "sample")) % mix.sample.len() as u64;
        Ok(usize::try_from(of_sample).ok().and_then(|at| mix.sample.get(at)).cloned())
    }

    async fn mix(&self, store: &Store, realm: &str, now: UnixSeconds) -> Result<Arc<ForeignHashes>, StoreError> {
        let known = self.by_realm.lock().unwrap_or_else(PoisonError::into_inner).get(realm).cloned();
        if let Some((since, mix)) = known
            && now.0.abs_diff(since.0) < GOOD_SECONDS
        {
            return Ok(mix);
        }
        let mix = Arc::new(store.identities().foreign_hashes(realm, SAMPLE).await?);
        let mut by_realm = self.by_realm.lock().unwrap_or_else(PoisonError::into_inner);
        by_realm.insert(realm.to_owned(), (now, Arc::clone(&mix)));
        Ok(mix)
    }
}

#[cfg(test)]
mod tests {
    use countersign_store::{Attributes, IdentityStatus, NewIdentity};

    use super::*;
    use crate::testing::Origin;

    #[tokio::test]
    async fn s14_unknown_names_are_of_each_kind_as_often_as_users_are() {
        let origin = Origin::new().await;
        let (store, now) = (&origin.app.store, origin.app.clock.now().seconds());
        let mixes = Mixes::default();
        assert_eq!(mixes.dummy(store, "/alpha", "nobody", now).await, Ok(None));
        let foreign = "$ssha$AAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let none = Attributes::new();
        // Beside the two that every origin of the tests has.
        for username in ["a", "b"] {
            let status = IdentityStatus::Active;
            let new = NewIdentity { realm: "/alpha", username, password_hash: foreign, status, attributes: &none };
            store.identities().create(new, now).await.unwrap();
        }
        let later = now.plus(GOOD_SECONDS);
        let mut foreigners = 0;
        for n in 0..400 {
            let dummy = mixes.dummy(store, "/alpha", &n.to_string(), later).await.unwrap();
            assert_eq!(dummy, mixes.dummy(store, "/alpha", &n.to_string(), later).await.unwrap());
            foreigners += i32::from(dummy.as_deref() == Some(foreign));
        }
        assert!((140..260).contains(&foreigners), "{foreigners} of 400, not about half");
    }
}
