use std::collections::{BTreeMap, BTreeSet};

use countersign_core::time::UnixSeconds;

use crate::db::{Arg, Tx, bulk, sql};
use crate::names::{self, name_key};
use crate::{Store, StoreError, check};

/// What is known of an identity beside its name: each attribute has a list of values, as in AM.
pub type Attributes = BTreeMap<String, Vec<String>>;

const MAX_ATTRIBUTES: usize = 16 * 1024;
const MAX_PASSWORD_HASH: usize = 1024;
/// Longest value by which an identity is found.
const MAX_INDEXED: usize = 255;
/// Passwords of before that are kept, at most.
const MAX_HISTORY: u32 = 24;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IdentityStatus {
    Active,
    /// May not log in.
    Inactive,
}

impl IdentityStatus {
    pub const fn text(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Inactive => "Inactive",
        }
    }
}

/// Someone who can log in. No `Debug`: the password's hash is not for logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    pub realm: String,
    pub username: String,
    /// A PHC string.
    pub password_hash: String,
    pub status: IdentityStatus,
    pub attributes: Attributes,
    pub created_at: UnixSeconds,
}

/// What [`Identities::create`] needs.
#[derive(Clone, Copy)]
pub struct NewIdentity<'a> {
    pub realm: &'a str,
    pub username: &'a str,
    pub password_hash: &'a str,
    pub status: IdentityStatus,
    pub attributes: &'a Attributes,
}

impl NewIdentity<'_> {
    /// Whether the store would take it, but for a name that is taken and a realm that is not there.
    pub fn check(&self) -> Result<(), StoreError> {
        names::new_name(self.username)?;
        if name_key(self.username) == CANARY {
            return Err(StoreError::Invalid { what: "username", rule: "is reserved for the canary" });
        }
        password_hash(self.password_hash)?;
        attributes_in(self.attributes).map(drop)
    }
}

/// What of a realm's password hashes other systems made. No `Debug`: hashes are not for logs.
#[derive(Clone, Default)]
pub struct ForeignHashes {
    pub sample: Vec<String>,
    pub foreign: u64,
    /// All users of the realm.
    pub all: u64,
}

/// When a password was set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PasswordState {
    pub changed_at: UnixSeconds,
    /// By someone else than its user.
    pub reset: bool,
}

/// What [`Identities::change_password`] needs.
#[derive(Clone, Copy)]
pub struct NewPassword<'a> {
    pub hash: &'a str,
    /// The change is made only while this is the hash: a password that was changed meanwhile stays.
    pub instead_of: Option<&'a str>,
    pub reset: bool,
    /// How many hashes of before are kept (at most 24), the one that goes now among them.
    pub history: u32,
}

pub struct Identities<'a>(pub(crate) &'a Store);

type Row = (String, String, String, String, String, i64);

fn identity((realm, username, password_hash, status, attributes, created_at): Row) -> Result<Identity, StoreError> {
    let status = match status.as_str() {
        "Active" => IdentityStatus::Active,
        "Inactive" => IdentityStatus::Inactive,
        _ => return Err(StoreError::corrupt("identities", "unknown status")),
    };
    let attributes = attributes_out(&attributes)?;
    let created_at = check::time_out("identities", created_at)?;
    Ok(Identity { realm, username, password_hash, status, attributes, created_at })
}

fn attributes_in(attributes: &Attributes) -> Result<String, StoreError> {
    let text = serde_json::to_string(attributes).map_err(|error| StoreError::Internal { detail: error.to_string() })?;
    check::at_most("attributes", text.len(), MAX_ATTRIBUTES)?;
    Ok(text)
}

fn attributes_out(text: &str) -> Result<Attributes, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::corrupt("identities", "attributes are not a map of lists"))
}

/// Only the beginning of a PHC string is looked at: enough that no clear text is ever stored by mistake.
fn password_hash(text: &str) -> Result<(), StoreError> {
    check::line("password hash", text, MAX_PASSWORD_HASH)?;
    let rule = "must be a PHC string, which begins with $";
    if text.starts_with('$') { Ok(()) } else { Err(StoreError::Invalid { what: "password hash", rule }) }
}

/// Whose sessions the canary ends: nobody's. There can be no such user, so that nobody can log in as it.
pub const CANARY: &str = "countersign-canary";

/// The value as the index has it.
fn indexed(value: &str) -> Option<String> {
    let fits = value.len() <= MAX_INDEXED && !value.contains('\0');
    fits.then(|| value.to_ascii_lowercase())
}

async fn insert(tx: &mut Tx<'_>, new: NewIdentity<'_>, now: UnixSeconds) -> Result<(), StoreError> {
    new.check()?;
    let key = name_key(new.username);
    let (taken,): (bool,) = sql("SELECT EXISTS (SELECT 1 FROM identities
         WHERE realm = $1 AND (username = $2 OR name_key = $3))")
    .bind(new.realm)
    .bind(new.username)
    .bind(&key)
    .one(tx)
    .await?;
    if taken {
        return Err(StoreError::Conflict { what: "identity", name: new.username.to_owned() });
    }
    sql("INSERT INTO identities (realm, username, name_key, password_hash, status, attributes, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)")
    .bind(new.realm)
    .bind(new.username)
    .bind(&key)
    .bind(new.password_hash)
    .bind(new.status.text())
    .bind(attributes_in(new.attributes)?)
    .bind(check::time_in(now)?)
    .try_run(tx)
    .await
    .map_err(|error| StoreError::of_insert(error, "identity", new.username, Some(new.realm)))?;
    index(tx, new.realm, new.username, entries(new.attributes), now).await
}

/// Keeps two that make users in a realm from taking two spellings of one name.
async fn lock_names(tx: &mut Tx<'_>, new: &[NewIdentity<'_>]) -> Result<(), StoreError> {
    let realms: BTreeSet<&str> = new.iter().map(|new| new.realm).collect();
    for realm in realms {
        tx.lock(&["user names", realm]).await?;
    }
    Ok(())
}

/// Gives users of before, and those of an origin of before, the key by which their names are found.
pub(crate) async fn fill_keys(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    loop {
        let rows: Vec<(String, String)> =
            sql("SELECT realm, username FROM identities WHERE name_key IS NULL LIMIT 1000").all(tx).await?;
        if rows.is_empty() {
            return Ok(());
        }
        for (realm, username) in rows {
            sql("UPDATE identities SET name_key = $3 WHERE realm = $1 AND username = $2")
                .bind(&realm)
                .bind(&username)
                .bind(name_key(&username))
                .run(tx)
                .await?;
        }
    }
}

/// What the index has of these attributes: names and values.
fn entries(attributes: &Attributes) -> BTreeSet<(String, String)> {
    let short = attributes.iter().filter(|(attribute, _)| attribute.len() <= MAX_INDEXED);
    short
        .flat_map(|(attribute, values)| values.iter().filter_map(|value| Some((attribute.clone(), indexed(value)?))))
        .collect()
}

async fn index(
    tx: &mut Tx<'_>,
    realm: &str,
    username: &str,
    entries: impl IntoIterator<Item = (String, String)>,
    now: UnixSeconds,
) -> Result<(), StoreError> {
    let since = check::time_in(now)?;
    let row = |(attribute, value): (String, String)| -> Vec<Arg> {
        vec![realm.into(), attribute.into(), value.into(), username.into(), since.into()]
    };
    let rows = entries.into_iter().map(row).collect();
    bulk::insert(tx, "identity_index", &["realm", "attribute", "value", "username", "since"], rows).await
}

impl Identities<'_> {
    pub async fn create(&self, new: NewIdentity<'_>, now: UnixSeconds) -> Result<(), StoreError> {
        let mut tx = self.0.db().begin().await?;
        lock_names(&mut tx, &[new]).await?;
        insert(&mut tx, new, now).await?;
        tx.commit().await
    }

    /// Creates all of them, or none where one cannot be; which one that was, by its position.
    pub async fn create_all(&self, new: &[NewIdentity<'_>], now: UnixSeconds) -> Result<(), (usize, StoreError)> {
        let mut tx = self.0.db().begin().await.map_err(|error| (0, error))?;
        lock_names(&mut tx, new).await.map_err(|error| (0, error))?;
        for (at, new) in new.iter().enumerate() {
            insert(&mut tx, *new, now).await.map_err(|error| (at, error))?;
        }
        tx.commit().await.map_err(|error| (0, error))
    }

    /// The identities with this value among those of an attribute, without regard to the case of ASCII letters; at most
    /// `limit`. Who has had the value for longest comes first: no one else can take that place by taking the value.
    pub async fn find(
        &self,
        realm: &str,
        attribute: &str,
        value: &str,
        limit: u32,
    ) -> Result<Vec<Identity>, StoreError> {
        let Some(value) = indexed(value) else { return Ok(Vec::new()) };
        let rows: Vec<Row> = sql("SELECT i.realm, i.username, i.password_hash, i.status, i.attributes, i.created_at
             FROM identity_index AS x JOIN identities AS i ON i.realm = x.realm AND i.username = x.username
             WHERE x.realm = $1 AND x.attribute = $2 AND x.value = $3
             ORDER BY x.since, i.created_at, i.username LIMIT $4")
        .bind(realm)
        .bind(attribute)
        .bind(value)
        .bind(check::listed(limit))
        .all(&mut self.0.db().read().await?)
        .await?;
        rows.into_iter().map(identity).collect()
    }

    /// The identity of a name as somebody has typed it: the one that is called just so, else the only one whose name is
    /// the same (see [`name_key`]). Of before that was looked at there may be several, who are found by their exact
    /// names.
    pub async fn named(&self, realm: &str, name: &str) -> Result<Option<Identity>, StoreError> {
        let rows: Vec<Row> = sql("SELECT realm, username, password_hash, status, attributes, created_at
             FROM identities WHERE realm = $1 AND (username = $2 OR name_key = $3)
             ORDER BY CASE WHEN username = $2 THEN 0 ELSE 1 END LIMIT 2")
        .bind(realm)
        .bind(name)
        .bind(name_key(name))
        .all(&mut self.0.db().read().await?)
        .await?;
        let exact = rows.first().is_some_and(|(_, username, ..)| username == name);
        if rows.len() > 1 && !exact {
            tracing::warn!(realm, "several users have names that differ only in case; only the exact names find them");
            return Ok(None);
        }
        rows.into_iter().next().map(identity).transpose()
    }

    /// By its exact name, as sessions have it.
    pub async fn get(&self, realm: &str, username: &str) -> Result<Option<Identity>, StoreError> {
        let row: Option<Row> = sql("SELECT realm, username, password_hash, status, attributes, created_at
             FROM identities WHERE realm = $1 AND username = $2")
        .bind(realm)
        .bind(username)
        .optional(&mut self.0.db().read().await?)
        .await?;
        row.map(identity).transpose()
    }

    /// Puts a new hash of the same password in the place of the old one, unless the password was changed meanwhile.
    /// Whether it did.
    pub async fn renew_password_hash(
        &self,
        realm: &str,
        username: &str,
        old: &str,
        new: &str,
    ) -> Result<bool, StoreError> {
        password_hash(new)?;
        let done = sql("UPDATE identities SET password_hash = $4
             WHERE realm = $1 AND username = $2 AND password_hash = $3")
        .bind(realm)
        .bind(username)
        .bind(old)
        .bind(new)
        .run(&mut self.0.db().write().await?)
        .await?;
        Ok(done > 0)
    }

    /// Sets another password; `false` when it was changed meanwhile. The user's sessions are the caller's to end.
    pub async fn change_password(
        &self,
        realm: &str,
        username: &str,
        new: NewPassword<'_>,
        now: UnixSeconds,
    ) -> Result<bool, StoreError> {
        password_hash(new.hash)?;
        let mut tx = self.0.db().begin().await?;
        tx.lock(&["identity", realm, username]).await?;
        let row: Option<(String,)> = sql("SELECT password_hash FROM identities WHERE realm = $1 AND username = $2")
            .bind(realm)
            .bind(username)
            .optional(&mut tx)
            .await?;
        let missing = || StoreError::NotFound { what: "identity", name: username.to_owned() };
        let (old,) = row.ok_or_else(missing)?;
        if new.instead_of.is_some_and(|expected| expected != old) {
            return Ok(false);
        }
        sql("UPDATE identities SET password_hash = $3 WHERE realm = $1 AND username = $2")
            .bind(realm)
            .bind(username)
            .bind(new.hash)
            .run(&mut tx)
            .await?;
        sql("INSERT INTO identity_passwords (realm, username, changed_at, reset) VALUES ($1, $2, $3, $4)
             ON CONFLICT (realm, username) DO UPDATE SET changed_at = excluded.changed_at, reset = excluded.reset")
        .bind(realm)
        .bind(username)
        .bind(check::time_in(now)?)
        .bind(new.reset)
        .run(&mut tx)
        .await?;
        let keep = i64::from(new.history.min(MAX_HISTORY));
        if keep > 0 {
            sql("INSERT INTO password_history (realm, username, number, password_hash)
                 SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), COALESCE(MAX(number), 0) + 1, CAST($3 AS TEXT)
                 FROM password_history WHERE realm = $1 AND username = $2")
            .bind(realm)
            .bind(username)
            .bind(old)
            .run(&mut tx)
            .await?;
        }
        sql("DELETE FROM password_history WHERE realm = $1 AND username = $2 AND number <=
             (SELECT COALESCE(MAX(number), 0) FROM password_history WHERE realm = $1 AND username = $2) - $3")
        .bind(realm)
        .bind(username)
        .bind(keep)
        .run(&mut tx)
        .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// `None` for a password that is as old as its user.
    pub async fn password_state(&self, realm: &str, username: &str) -> Result<Option<PasswordState>, StoreError> {
        let row: Option<(i64, bool)> =
            sql("SELECT changed_at, reset FROM identity_passwords WHERE realm = $1 AND username = $2")
                .bind(realm)
                .bind(username)
                .optional(&mut self.0.db().read().await?)
                .await?;
        row.map(|(changed_at, reset)| {
            Ok(PasswordState { changed_at: check::time_out("identity_passwords", changed_at)?, reset })
        })
        .transpose()
    }

    /// The hashes of before, newest first.
    pub async fn password_history(&self, realm: &str, username: &str) -> Result<Vec<String>, StoreError> {
        let rows: Vec<(String,)> = sql("SELECT password_hash FROM password_history
             WHERE realm = $1 AND username = $2 ORDER BY number DESC LIMIT $3")
        .bind(realm)
        .bind(username)
        .bind(i64::from(MAX_HISTORY))
        .all(&mut self.0.db().read().await?)
        .await?;
        Ok(rows.into_iter().map(|(hash,)| hash).collect())
    }

    /// Sets the attributes named, and removes those whose list is empty; the others stay as they are, also when someone
    /// else changes them at the same time.
    pub async fn update_attributes(
        &self,
        realm: &str,
        username: &str,
        changes: &Attributes,
        now: UnixSeconds,
    ) -> Result<Attributes, StoreError> {
        let mut tx = self.0.db().begin().await?;
        tx.lock(&["identity", realm, username]).await?;
        let row: Option<(String,)> = sql("SELECT attributes FROM identities WHERE realm = $1 AND username = $2")
            .bind(realm)
            .bind(username)
            .optional(&mut tx)
            .await?;
        let missing = || StoreError::NotFound { what: "identity", name: username.to_owned() };
        let mut attributes = attributes_out(&row.ok_or_else(missing)?.0)?;
        for (name, values) in changes {
            check::name("attribute name", name)?;
            if values.is_empty() {
                attributes.remove(name);
            } else {
                attributes.insert(name.clone(), values.clone());
            }
        }
        sql("UPDATE identities SET attributes = $3 WHERE realm = $1 AND username = $2")
            .bind(realm)
            .bind(username)
            .bind(attributes_in(&attributes)?)
            .run(&mut tx)
            .await?;
        let indexed: Vec<(String, String)> =
            sql("SELECT attribute, value FROM identity_index WHERE realm = $1 AND username = $2")
                .bind(realm)
                .bind(username)
                .all(&mut tx)
                .await?;
        let (before, after): (BTreeSet<_>, _) = (indexed.into_iter().collect(), entries(&attributes));
        for (attribute, value) in before.difference(&after) {
            sql("DELETE FROM identity_index WHERE realm = $1 AND username = $2 AND attribute = $3 AND value = $4")
                .bind(realm)
                .bind(username)
                .bind(attribute)
                .bind(value)
                .run(&mut tx)
                .await?;
        }
        index(&mut tx, realm, username, after.difference(&before).cloned(), now).await?;
        tx.commit().await?;
        Ok(attributes)
    }

    pub async fn set_status(&self, realm: &str, username: &str, status: IdentityStatus) -> Result<(), StoreError> {
        let done = sql("UPDATE identities SET status = $3 WHERE realm = $1 AND username = $2")
            .bind(realm)
            .bind(username)
            .bind(status.text())
            .run(&mut self.0.db().write().await?)
            .await?;
        one_row(done, username)
    }

    /// Deletes the identity, with its server-side sessions and its counters. Client-side sessions live on until the
    /// caller sets a watermark.
    pub async fn delete(&self, realm: &str, username: &str) -> Result<(), StoreError> {
        let mut tx = self.0.db().begin().await?;
        tx.lock(&["identity", realm, username]).await?;
        for statement in [
            "DELETE FROM sessions WHERE realm = $1 AND username = $2",
            "DELETE FROM attempts WHERE realm = $1 AND username = $2",
        ] {
            sql(statement).bind(realm).bind(username).run(&mut tx).await?;
        }
        let done = sql("DELETE FROM identities WHERE realm = $1 AND username = $2")
            .bind(realm)
            .bind(username)
            .run(&mut tx)
            .await?;
        one_row(done, username)?;
        tx.commit().await
    }

    /// How many users have a password hash that is not our own, and up to `limit` (at most 1,000) of those hashes.
    pub async fn foreign_hashes(&self, realm: &str, limit: u32) -> Result<ForeignHashes, StoreError> {
        // The condition is that of an index, word for word.
        let mut place = self.0.db().read().await?;
        let sample: Vec<(String,)> = sql("SELECT password_hash FROM identities
             WHERE realm = $1 AND substr(password_hash, 1, 7) <> '$argon2' LIMIT $2")
        .bind(realm)
        .bind(check::listed(limit))
        .all(&mut place)
        .await?;
        if sample.is_empty() {
            return Ok(ForeignHashes::default());
        }
        let (foreign,): (i64,) = sql("SELECT COUNT(*) FROM identities
             WHERE realm = $1 AND substr(password_hash, 1, 7) <> '$argon2'")
        .bind(realm)
        .one(&mut place)
        .await?;
        let (all,): (i64,) =
            sql("SELECT COUNT(*) FROM identities WHERE realm = $1").bind(realm).one(&mut place).await?;
        let sample = sample.into_iter().map(|(hash,)| hash).collect();
        Ok(ForeignHashes { sample, foreign: foreign.unsigned_abs(), all: all.unsigned_abs() })
    }

    /// Up to `limit` (at most 1,000) identities of the realm by username, beginning behind `after`.
    pub async fn list(&self, realm: &str, after: Option<&str>, limit: u32) -> Result<Vec<Identity>, StoreError> {
        // No username is empty, so all are behind "".
        let rows: Vec<Row> = sql("SELECT realm, username, password_hash, status, attributes, created_at
             FROM identities WHERE realm = $1 AND username > $2 ORDER BY username LIMIT $3")
        .bind(realm)
        .bind(after.unwrap_or_default())
        .bind(check::listed(limit))
        .all(&mut self.0.db().read().await?)
        .await?;
        rows.into_iter().map(identity).collect()
    }
}

/// Keeps others from changing what belongs to this user until the transaction ends.
pub(crate) async fn lock(tx: &mut Tx<'_>, realm: &str, username: &str) -> Result<(), StoreError> {
    tx.lock(&["identity", realm, username]).await?;
    let (known,): (bool,) = sql("SELECT EXISTS (SELECT 1 FROM identities WHERE realm = $1 AND username = $2)")
        .bind(realm)
        .bind(username)
        .one(tx)
        .await?;
    if known { Ok(()) } else { Err(StoreError::NotFound { what: "identity", name: username.to_owned() }) }
}

fn one_row(affected: u64, username: &str) -> Result<(), StoreError> {
    if affected == 0 { Err(StoreError::NotFound { what: "identity", name: username.to_owned() }) } else { Ok(()) }
}

#[cfg(test)]
#[path = "identities_tests.rs"]
mod tests;
