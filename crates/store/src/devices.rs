use countersign_core::time::UnixSeconds;
use zeroize::Zeroizing;

use crate::db::{Place, sql};
use crate::{MasterKey, Store, StoreError, check};

const MAX_KIND: usize = 32;
const MAX_PROFILE: usize = 16 * 1024;
/// Of one user and kind.
const MAX_DEVICES: i64 = 64;

/// A second factor of a user. No `Debug`: the profile has secrets.
pub struct Device {
    pub id: String,
    pub profile: Zeroizing<Vec<u8>>,
    /// One higher with each change.
    pub version: i64,
    pub created_at: UnixSeconds,
}

/// What [`Devices::add`] needs.
#[derive(Clone, Copy)]
pub struct NewDevice<'a> {
    pub realm: &'a str,
    pub username: &'a str,
    pub kind: &'a str,
    pub id: &'a str,
    /// Found by this, and nobody else's: the id of a WebAuthn credential.
    pub credential_id: Option<&'a str>,
    pub profile: &'a [u8],
    /// In the place of all others of the kind.
    pub replace: bool,
}

/// The second factors of users; they go with the user.
pub struct Devices<'a>(pub(crate) &'a Store);

type Row = (String, Vec<u8>, i64, i64);

impl Devices<'_> {
    /// `false` when the credential is somebody's already, or the user has as many devices of the kind as there may be.
    pub async fn add(&self, new: NewDevice<'_>, now: UnixSeconds) -> Result<bool, StoreError> {
        let NewDevice { realm, username, kind, id, .. } = new;
        check::name("kind of device", kind)?;
        check::at_most("kind of device", kind.len(), MAX_KIND)?;
        check::name("device", id)?;
        let profile = self.seal(realm, username, kind, id, new.profile)?;
        let credential = new.credential_id.map(|credential| self.hash(realm, kind, credential));
        let mut tx = self.0.db().begin().await?;
        tx.lock(&["identity", realm, username]).await?;
        if new.replace {
            sql("DELETE FROM devices WHERE realm = $1 AND username = $2 AND kind = $3")
                .bind(realm)
                .bind(username)
                .bind(kind)
                .run(&mut tx)
                .await?;
        }
        let (count,): (i64,) = sql("SELECT COUNT(*) FROM devices WHERE realm = $1 AND username = $2 AND kind = $3")
            .bind(realm)
            .bind(username)
            .bind(kind)
            .one(&mut tx)
            .await?;
        if count >= MAX_DEVICES {
            return Ok(false);
        }
        let done = sql("INSERT INTO devices (realm, username, kind, id, credential, profile, version, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, 1, $7)")
        .bind(realm)
        .bind(username)
        .bind(kind)
        .bind(id)
        .bind(credential.map(Vec::from))
        .bind(profile)
        .bind(check::time_in(now)?)
        .try_run(&mut tx)
        .await
        .map_err(|error| StoreError::of_insert(error, "device", id, None));
        match done {
            Ok(_) => tx.commit().await.map(|()| true),
            Err(StoreError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Those of a user, oldest first.
    pub async fn list(&self, realm: &str, username: &str, kind: &str) -> Result<Vec<Device>, StoreError> {
        let rows: Vec<Row> = sql("SELECT id, profile, version, created_at FROM devices
             WHERE realm = $1 AND username = $2 AND kind = $3 ORDER BY created_at, id LIMIT $4")
        .bind(realm)
        .bind(username)
        .bind(kind)
        .bind(MAX_DEVICES)
        .all(&mut self.0.db().read().await?)
        .await?;
        let device = |(id, sealed, version, created_at): Row| {
            let profile = self.open(realm, username, kind, &id, &sealed)?;
            Ok(Device { profile, version, created_at: check::time_out("devices", created_at)?, id })
        };
        rows.into_iter().map(device).collect()
    }

    /// Whose credential it is.
    pub async fn owner(&self, realm: &str, kind: &str, credential_id: &str) -> Result<Option<String>, StoreError> {
        let row: Option<(String,)> =
            sql("SELECT username FROM devices WHERE realm = $1 AND kind = $2 AND credential = $3")
                .bind(realm)
                .bind(kind)
                .bind(&self.hash(realm, kind, credential_id))
                .optional(&mut self.0.db().read().await?)
                .await?;
        Ok(row.map(|(username,)| username))
    }

    /// Puts another profile in the place of that of this version; `false` when it has been changed or removed since.
    pub async fn update(
        &self,
        realm: &str,
        username: &str,
        kind: &str,
        id: &str,
        version: i64,
        profile: &[u8],
    ) -> Result<bool, StoreError> {
        let sealed = self.seal(realm, username, kind, id, profile)?;
        let done = sql("UPDATE devices SET profile = $6, version = version + 1
             WHERE realm = $1 AND username = $2 AND kind = $3 AND id = $4 AND version = $5")
        .bind(realm)
        .bind(username)
        .bind(kind)
        .bind(id)
        .bind(version)
        .bind(sealed)
        .run(&mut self.0.db().write().await?)
        .await?;
        Ok(done > 0)
    }

    /// `false` when there is none.
    pub async fn remove(&self, realm: &str, username: &str, kind: &str, id: &str) -> Result<bool, StoreError> {
        let done = sql("DELETE FROM devices WHERE realm = $1 AND username = $2 AND kind = $3 AND id = $4")
            .bind(realm)
            .bind(username)
            .bind(kind)
            .bind(id)
            .run(&mut self.0.db().write().await?)
            .await?;
        Ok(done > 0)
    }

    /// How many do not open.
    pub(crate) async fn findings(&self, place: &mut impl Place) -> Result<Vec<String>, StoreError> {
        let mut findings = Vec::new();
        let (mut last, mut more) = ((String::new(), String::new(), String::new(), String::new()), true);
        while more {
            type Row = (String, String, String, String, Vec<u8>);
            let rows: Vec<Row> = sql("SELECT realm, username, kind, id, profile FROM devices
                 WHERE (realm, username, kind, id) > ($1, $2, $3, $4) ORDER BY realm, username, kind, id LIMIT 1000")
            .bind(&last.0)
            .bind(&last.1)
            .bind(&last.2)
            .bind(&last.3)
            .all(place)
            .await?;
            more = !rows.is_empty();
            for (realm, username, kind, id, sealed) in rows {
                if let Err(error) = self.open(&realm, &username, &kind, &id, &sealed) {
                    findings.push(error.to_string());
                }
                last = (realm, username, kind, id);
            }
        }
        Ok(findings)
    }

    /// Profiles change with every login, and a key is good for 2³² seals with random nonces (NIST SP 800-38D §8.3):
    /// each device has a key of its own, which follows from the master key.
    fn key(&self, realm: &str, username: &str, kind: &str, id: &str) -> MasterKey {
        MasterKey::from_bytes(&self.0.master().mac(&["device key", realm, username, kind, id]))
    }

    fn seal(&self, realm: &str, username: &str, kind: &str, id: &str, profile: &[u8]) -> Result<Vec<u8>, StoreError> {
        check::at_most("device profile", profile.len(), MAX_PROFILE)?;
        self.key(realm, username, kind, id).seal(&["device", realm, username, kind, id], profile)
    }

    fn open(
        &self,
        realm: &str,
        username: &str,
        kind: &str,
        id: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let opened = self.key(realm, username, kind, id).open(&["device", realm, username, kind, id], sealed);
        opened.map_err(|_| {
            StoreError::corrupt("devices", format!("{id}: the sealed profile was altered or is another row's"))
        })
    }

    fn hash(&self, realm: &str, kind: &str, credential_id: &str) -> [u8; 32] {
        self.0.master().mac(&["device credential", realm, kind, credential_id])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, Site, on_both, tamper};
    use crate::{Attributes, IdentityStatus, NewIdentity};

    on_both!(
        a_device_is_of_a_user_and_goes_with_it,
        a_credential_is_of_one_user,
        of_two_changes_at_once_one_is_made,
        bounds_are_kept,
        a_profile_is_sealed_to_its_row,
    );

    fn new<'a>(username: &'a str, id: &'a str) -> NewDevice<'a> {
        NewDevice {
            realm: "/alpha",
            username,
            kind: "webauthn",
            id,
            credential_id: None,
            profile: b"secret",
            replace: false,
        }
    }

    async fn store(site: &Site) -> Store {
        let store = site.store().await;
        for username in ["demo", "other"] {
            let (status, none) = (IdentityStatus::Active, Attributes::new());
            let new = NewIdentity { realm: "/alpha", username, password_hash: "$x", status, attributes: &none };
            store.identities().create(new, NOW).await.unwrap();
        }
        store
    }

    async fn ids(store: &Store, username: &str, kind: &str) -> Vec<String> {
        let devices = store.devices().list("/alpha", username, kind).await.unwrap();
        devices.into_iter().map(|device| device.id).collect()
    }

    async fn a_device_is_of_a_user_and_goes_with_it(site: Site) {
        let store = store(&site).await;
        let devices = store.devices();
        assert!(devices.add(new("nobody", "1"), NOW).await.is_err());
        assert_eq!(devices.add(new("demo", "1"), NOW.plus(1)).await, Ok(true));
        assert_eq!(devices.add(new("demo", "2"), NOW).await, Ok(true));
        assert_eq!(devices.add(NewDevice { kind: "oath", ..new("demo", "3") }, NOW).await, Ok(true));
        assert_eq!(ids(&store, "demo", "webauthn").await, ["2", "1"]);
        assert_eq!(devices.add(NewDevice { replace: true, ..new("demo", "4") }, NOW).await, Ok(true));
        assert_eq!(
            (ids(&store, "demo", "webauthn").await, ids(&store, "demo", "oath").await.len()),
            (vec!["4".to_owned()], 1)
        );
        assert_eq!(devices.remove("/alpha", "demo", "oath", "4").await, Ok(false));
        assert_eq!(devices.remove("/alpha", "demo", "oath", "3").await, Ok(true));
        store.identities().delete("/alpha", "demo").await.unwrap();
        assert!(ids(&store, "demo", "webauthn").await.is_empty());
    }

    async fn a_credential_is_of_one_user(site: Site) {
        let store = store(&site).await;
        let devices = store.devices();
        let with = |username, id| NewDevice { credential_id: Some("abc"), ..new(username, id) };
        assert_eq!(devices.owner("/alpha", "webauthn", "abc").await, Ok(None));
        assert_eq!(devices.add(with("demo", "1"), NOW).await, Ok(true));
        assert_eq!(devices.add(with("demo", "2"), NOW).await, Ok(false));
        assert_eq!(devices.add(with("other", "3"), NOW).await, Ok(false));
        assert_eq!(devices.owner("/alpha", "webauthn", "abc").await, Ok(Some("demo".to_owned())));
        assert_eq!(devices.owner("/alpha", "oath", "abc").await, Ok(None));
        devices.remove("/alpha", "demo", "webauthn", "1").await.unwrap();
        assert_eq!(devices.add(with("other", "3"), NOW).await, Ok(true));
    }

    async fn of_two_changes_at_once_one_is_made(site: Site) {
        let store = store(&site).await;
        let devices = store.devices();
        devices.add(new("demo", "1"), NOW).await.unwrap();
        let device = devices.list("/alpha", "demo", "webauthn").await.unwrap().remove(0);
        let update =
            |profile: &'static [u8]| devices.update("/alpha", "demo", "webauthn", "1", device.version, profile);
        assert_eq!((update(b"a").await, update(b"b").await), (Ok(true), Ok(false)));
        let device = devices.list("/alpha", "demo", "webauthn").await.unwrap().remove(0);
        assert_eq!((device.profile.as_slice(), device.version, device.created_at), (&b"a"[..], 2, NOW));
    }

    async fn bounds_are_kept(site: Site) {
        let store = store(&site).await;
        let devices = store.devices();
        let large = vec![0; MAX_PROFILE + 1];
        for bad in [
            NewDevice { profile: &large, ..new("demo", "1") },
            NewDevice { kind: "", ..new("demo", "1") },
            NewDevice { kind: &"x".repeat(33), ..new("demo", "1") },
            new("demo", ""),
            new("demo", &"x".repeat(256)),
        ] {
            assert_eq!(devices.add(bad, NOW).await.unwrap_err().fault(), crate::Fault::Caller);
        }
        for n in 0..MAX_DEVICES {
            assert_eq!(devices.add(new("demo", &n.to_string()), NOW).await, Ok(true));
        }
        assert_eq!(devices.add(new("demo", "more"), NOW).await, Ok(false));
        assert_eq!(devices.add(new("other", "more"), NOW).await, Ok(true));
    }

    async fn a_profile_is_sealed_to_its_row(site: Site) {
        let store = store(&site).await;
        let devices = store.devices();
        devices.add(new("demo", "1"), NOW).await.unwrap();
        devices.add(new("other", "2"), NOW).await.unwrap();
        assert_eq!(store.check().await.unwrap().findings, Vec::<String>::new());
        tamper(&store, "UPDATE devices SET profile = (SELECT profile FROM devices WHERE id = '2') WHERE id = '1'")
            .await;
        let error = devices.list("/alpha", "demo", "webauthn").await.err();
        assert!(matches!(error, Some(StoreError::Corrupt { .. })));
        let findings = store.check().await.unwrap().findings;
        assert!(findings.len() == 1 && findings[0].contains("the sealed profile was altered"), "{findings:?}");
    }
}
