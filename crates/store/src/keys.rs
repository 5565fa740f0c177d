use std::collections::BTreeMap;

use countersign_core::keys::{KeyState, Kid};
use countersign_core::time::UnixSeconds;
use serde_json::json;
use zeroize::Zeroizing;

use crate::audit::{self, AuditEvent};
use crate::db::{Place, sql};
use crate::{Store, StoreError, check};

const MAX_WORD: usize = 64;
const MAX_SECRET: usize = 8 * 1024;
const MAX_CHANGES: usize = 1024;

/// Expiry times of tokens are counted by this many seconds.
const TOKEN_SLOT: u64 = 15 * 60;

/// A key to be stored.
#[derive(Clone, Copy)]
pub struct NewKey<'a> {
    pub kid: &'a Kid,
    /// `None` for a key of the whole installation.
    pub realm: Option<&'a str>,
    pub purpose: &'a str,
    pub algorithm: &'a str,
    pub state: KeyState,
    /// Of a standby key: not used before.
    pub activates_at: Option<UnixSeconds>,
    pub secret: &'a [u8],
}

/// One step of [`Keys::change`].
#[derive(Clone, Copy)]
pub enum Change<'a> {
    Add(NewKey<'a>),
    Move {
        kid: &'a Kid,
        to: KeyState,
        /// Of a verify-only key: needed until then.
        retires_at: Option<UnixSeconds>,
    },
}

/// A key with its secret opened. No `Debug`.
pub struct StoredKey {
    pub kid: Kid,
    pub realm: Option<String>,
    pub purpose: String,
    pub algorithm: String,
    pub state: KeyState,
    pub created_at: UnixSeconds,
    pub activates_at: Option<UnixSeconds>,
    pub retires_at: Option<UnixSeconds>,
    /// Encryptions reserved so far.
    pub seals: u64,
    pub secret: Zeroizing<Vec<u8>>,
}

/// All keys, as of one moment.
pub struct KeyRows {
    /// Another one whenever a key was added or changed its state.
    pub generation: u64,
    /// Oldest first.
    pub keys: Vec<StoredKey>,
}

/// The tokens of a key that have not expired, by what was counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LiveTokens {
    pub tokens: u64,
    /// When the last of them has expired.
    pub until: UnixSeconds,
}

/// A line of the history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyEvent {
    pub kid: String,
    pub at: UnixSeconds,
    /// The new state.
    pub state: String,
    pub actor: String,
}

/// The keys of the installation, sealed under the master key.
pub struct Keys<'a>(pub(crate) &'a Store);

fn state_from(text: &str) -> Option<KeyState> {
    KeyState::ALL.into_iter().find(|state| state.name() == text)
}

/// What the sealed secret is bound to, so that it opens in its own row only. The state is not in it: it changes.
fn context<'a>(purpose: &'a str, realm: Option<&'a str>, kid: &'a Kid, algorithm: &'a str) -> [&'a str; 5] {
    // No realm has the empty name, so this and `Some` cannot meet.
    ["key", purpose, realm.unwrap_or_default(), kid.as_str(), algorithm]
}

type Row = (String, Option<String>, String, String, String, i64, Option<i64>, Option<i64>, i64, Vec<u8>);

impl Keys<'_> {
    /// Adds one key.
    pub async fn insert(&self, new: NewKey<'_>, now: UnixSeconds) -> Result<(), StoreError> {
        self.change(&[Change::Add(new)], None, "installation", now).await.map(drop)
    }

    /// All of the changes or none, with a line of history and one of the audit for each. With `on`, only while the key
    /// ring is still of that generation: two who decide at once on the same state cannot both have their way. Gives the
    /// new generation.
    pub async fn change(
        &self,
        changes: &[Change<'_>],
        on: Option<u64>,
        actor: &str,
        now: UnixSeconds,
    ) -> Result<u64, StoreError> {
        check::at_most("list of key changes", changes.len(), MAX_CHANGES)?;
        check::line("actor", actor, check::MAX_NAME)?;
        let mut tx = self.0.db().begin().await?;
        tx.lock(&["keys"]).await?; // so that generations are visible in the order of their numbers
        if on.is_some() && on != Some(generation(&mut tx).await?) {
            return Err(StoreError::Outdated { what: "key ring" });
        }
        for change in changes {
            let (kid, state, told) = match change {
                Change::Add(new) => {
                    self.add(&mut tx, *new, now).await?;
                    (new.kid, new.state, Told::of_new(new))
                }
                Change::Move { kid, to, retires_at } => {
                    let told = Told::of_stored(&mut tx, kid).await?;
                    move_to(&mut tx, kid, *to, *retires_at).await?;
                    (*kid, *to, told)
                }
            };
            sql("INSERT INTO key_history (kid, at, state, actor) VALUES ($1, $2, $3, $4)")
                .bind(kid.as_str())
                .bind(check::time_in(now)?)
                .bind(state.name())
                .bind(actor)
                .run(&mut tx)
                .await?;
            audit::write(&mut tx, &told.event(kid, state, actor, now)).await?;
        }
        let generation = generation(&mut tx).await?;
        tx.commit().await?;
        Ok(generation)
    }

    async fn add(&self, conn: &mut impl Place, new: NewKey<'_>, now: UnixSeconds) -> Result<(), StoreError> {
        new.realm.map_or(Ok(()), check::realm_name)?;
        for (what, word) in [("key purpose", new.purpose), ("key algorithm", new.algorithm)] {
            check::name(what, word)?;
            check::at_most(what, word.len(), MAX_WORD)?;
        }
        check::at_most("key secret", new.secret.len(), MAX_SECRET)?;
        let sealed = self.0.master().seal(&context(new.purpose, new.realm, new.kid, new.algorithm), new.secret)?;
        sql("INSERT INTO keys (kid, realm, purpose, algorithm, state, created_at, secret, activates_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
        .bind(new.kid.as_str())
        .bind(new.realm)
        .bind(new.purpose)
        .bind(new.algorithm)
        .bind(new.state.name())
        .bind(check::time_in(now)?)
        .bind(sealed)
        .bind(new.activates_at.map(check::time_in).transpose()?)
        .try_run(conn)
        .await
        .map_err(|error| StoreError::of_insert(error, "key", new.kid.as_str(), new.realm))?;
        Ok(())
    }

    pub async fn set_state(&self, kid: &Kid, to: KeyState) -> Result<(), StoreError> {
        let change = Change::Move { kid, to, retires_at: None };
        self.change(&[change], None, "installation", UnixSeconds(0)).await.map(drop)
    }

    /// The generation alone: cheap enough to ask on every poll of an edge.
    pub async fn generation(&self) -> Result<u64, StoreError> {
        generation(&mut self.0.db().read().await?).await
    }

    /// Every key, oldest first.
    pub async fn list(&self) -> Result<Vec<StoredKey>, StoreError> {
        Ok(self.rows().await?.keys)
    }

    /// Every key and the generation they are of. One key that does not open fails it all: a key ring with a hole in it
    /// would refuse sessions or mint with the wrong key, and say nothing.
    pub async fn rows(&self) -> Result<KeyRows, StoreError> {
        // One transaction, so that both are of the same moment.
        let mut tx = self.0.db().snapshot().await?;
        let generation = generation(&mut tx).await?;
        let rows: Vec<Row> =
            sql("SELECT kid, realm, purpose, algorithm, state, created_at, activates_at, retires_at, seals, secret
             FROM keys ORDER BY created_at, kid")
            .all(&mut tx)
            .await?;
        let keys = rows.into_iter().map(|row| self.open(row)).collect::<Result<_, _>>()?;
        Ok(KeyRows { generation, keys })
    }

    /// What is wrong with the sealed keys, and how many there are.
    pub(crate) async fn findings(&self, place: &mut impl Place) -> Result<(u64, Vec<String>), StoreError> {
        let rows = sealed(place).await?;
        let count = rows.len() as u64;
        let bad = rows.into_iter().filter_map(|row| self.open(row).err().map(|error| error.to_string()));
        Ok((count, bad.collect()))
    }

    fn open(&self, row: Row) -> Result<StoredKey, StoreError> {
        let (kid, realm, purpose, algorithm, state, created_at, activates_at, retires_at, seals, sealed) = row;
        let kid = Kid::try_from(kid).map_err(|error| StoreError::corrupt("keys", error.to_string()))?;
        let state = state_from(&state).ok_or_else(|| StoreError::corrupt("keys", format!("{kid}: unknown state")))?;
        let secret =
            self.0.master().open(&context(&purpose, realm.as_deref(), &kid, &algorithm), &sealed).map_err(|_| {
                StoreError::corrupt("keys", format!("{kid}: the sealed secret was altered or is another row's"))
            })?;
        let time = |seconds| check::time_out("keys", seconds);
        Ok(StoredKey {
            kid,
            realm,
            purpose,
            algorithm,
            state,
            created_at: time(created_at)?,
            activates_at: activates_at.map(time).transpose()?,
            retires_at: retires_at.map(time).transpose()?,
            seals: count_out(seals)?,
            secret,
        })
    }

    /// Reserves up to `count` more encryptions with a key, so that all of them together are never more than `limit`.
    /// Gives how many. They are counted before they are made: a crash loses some, and never makes one too many.
    pub async fn reserve_seals(&self, kid: &Kid, count: u64, limit: u64) -> Result<u64, StoreError> {
        let mut tx = self.0.db().begin().await?;
        tx.lock(&["seals", kid.as_str()]).await?;
        let seals: Option<(i64,)> =
            sql("SELECT seals FROM keys WHERE kid = $1").bind(kid.as_str()).optional(&mut tx).await?;
        let (seals,) = seals.ok_or_else(|| StoreError::NotFound { what: "key", name: kid.to_string() })?;
        let granted = limit.saturating_sub(count_out(seals)?).min(count);
        let seals = seals.saturating_add(i64::try_from(granted).unwrap_or(i64::MAX));
        sql("UPDATE keys SET seals = $2 WHERE kid = $1").bind(kid.as_str()).bind(seals).run(&mut tx).await?;
        tx.commit().await?;
        Ok(granted)
    }

    /// Adds to the counts of tokens made, `(key, when they expire, how many)`, in one commit.
    pub async fn count_tokens(&self, counts: &[(Kid, UnixSeconds, u64)]) -> Result<(), StoreError> {
        let mut tx = self.0.db().begin().await?;
        tx.lock(&["key tokens"]).await?; // two that touch the same rows in different order would block each other
        for (kid, expires, tokens) in counts {
            sql("INSERT INTO key_tokens (kid, slot, tokens) VALUES ($1, $2, $3)
                 ON CONFLICT (kid, slot) DO UPDATE SET tokens = key_tokens.tokens + excluded.tokens")
            .bind(kid.as_str())
            .bind(slot(*expires)?)
            .bind(i64::try_from(*tokens).unwrap_or(i64::MAX))
            .run(&mut tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// By key, the tokens that have not expired; keys without any are left out. Logged-out ones are still in it.
    pub async fn live_tokens(&self, now: UnixSeconds) -> Result<BTreeMap<String, LiveTokens>, StoreError> {
        let rows: Vec<(String, i64, i64)> =
            sql("SELECT kid, CAST(SUM(tokens) AS BIGINT), MAX(slot) FROM key_tokens WHERE slot >= $1 GROUP BY kid")
                .bind(slot(now)?)
                .all(&mut self.0.db().read().await?)
                .await?;
        rows.into_iter()
            .map(|(kid, tokens, slot)| {
                let until = UnixSeconds(count_out(slot)?.saturating_add(1).saturating_mul(TOKEN_SLOT));
                Ok((kid, LiveTokens { tokens: count_out(tokens)?, until }))
            })
            .collect()
    }

    /// Forgets the counts of tokens that have expired.
    pub async fn prune_tokens(&self, now: UnixSeconds) -> Result<(), StoreError> {
        sql("DELETE FROM key_tokens WHERE slot < $1").bind(slot(now)?).run(&mut self.0.db().write().await?).await?;
        Ok(())
    }

    /// The latest changes, newest first.
    pub async fn history(&self, limit: u32) -> Result<Vec<KeyEvent>, StoreError> {
        let rows: Vec<(String, i64, String, String)> =
            sql("SELECT kid, at, state, actor FROM key_history ORDER BY id DESC LIMIT $1")
                .bind(check::listed(limit))
                .all(&mut self.0.db().read().await?)
                .await?;
        rows.into_iter()
            .map(|(kid, at, state, actor)| Ok(KeyEvent { kid, at: check::time_out("key_history", at)?, state, actor }))
            .collect()
    }
}

/// What the audit tells of a key beside its identifier.
struct Told {
    realm: Option<String>,
    purpose: String,
    algorithm: String,
    /// The state of before.
    before: Option<String>,
}

impl Told {
    fn of_new(new: &NewKey<'_>) -> Self {
        let [purpose, algorithm] = [new.purpose, new.algorithm].map(str::to_owned);
        Self { realm: new.realm.map(str::to_owned), purpose, algorithm, before: None }
    }

    async fn of_stored(conn: &mut impl Place, kid: &Kid) -> Result<Self, StoreError> {
        let row: Option<(Option<String>, String, String, String)> =
            sql("SELECT realm, purpose, algorithm, state FROM keys WHERE kid = $1")
                .bind(kid.as_str())
                .optional(conn)
                .await?;
        let (realm, purpose, algorithm, state) =
            row.ok_or_else(|| StoreError::NotFound { what: "key", name: kid.to_string() })?;
        Ok(Self { realm, purpose, algorithm, before: Some(state) })
    }

    fn event(self, kid: &Kid, state: KeyState, actor: &str, now: UnixSeconds) -> AuditEvent {
        let operation = if self.before.is_none() { "CREATE" } else { "UPDATE" };
        let detail = json!({
            "objectId": format!("keys/{kid}"),
            "operation": operation,
            "purpose": self.purpose,
            "algorithm": self.algorithm,
            "before": self.before,
            "after": state.name(),
        });
        AuditEvent::config_change(now, self.realm.as_deref().unwrap_or_default(), actor, detail)
    }
}

async fn sealed(place: &mut impl Place) -> Result<Vec<Row>, StoreError> {
    sql("SELECT kid, realm, purpose, algorithm, state, created_at, activates_at, retires_at, seals, secret
         FROM keys ORDER BY created_at, kid")
    .all(place)
    .await
}

async fn generation(conn: &mut impl Place) -> Result<u64, StoreError> {
    let (id,): (i64,) = sql("SELECT COALESCE(MAX(id), 0) FROM key_history").one(conn).await?;
    count_out(id)
}

async fn move_to(
    conn: &mut impl Place,
    kid: &Kid,
    to: KeyState,
    retires_at: Option<UnixSeconds>,
) -> Result<(), StoreError> {
    let done = sql("UPDATE keys SET state = $2, activates_at = NULL, retires_at = $3 WHERE kid = $1")
        .bind(kid.as_str())
        .bind(to.name())
        .bind(retires_at.map(check::time_in).transpose()?)
        .run(conn)
        .await?;
    if done == 0 {
        return Err(StoreError::NotFound { what: "key", name: kid.to_string() });
    }
    Ok(())
}

fn slot(time: UnixSeconds) -> Result<i64, StoreError> {
    check::time_in(UnixSeconds(time.0 / TOKEN_SLOT))
}

fn count_out(count: i64) -> Result<u64, StoreError> {
    u64::try_from(count).map_err(|_| StoreError::corrupt("keys", "a count is negative"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AuditFilter;
    use crate::testing::{NOW, Site, on_both, tamper};

    on_both!(
        keys_come_back_opened_and_are_sealed_on_disk,
        every_state_is_kept,
        a_change_is_whole_and_on_the_state_it_was_decided_on,
        a_change_is_in_the_audit,
        seals_are_counted_before_they_are_made_and_end_at_the_limit,
        tokens_are_counted_until_they_expire,
        k08_swapped_rows_are_refused
    );

    fn kid(text: &str) -> Kid {
        Kid::try_from(text.to_owned()).unwrap()
    }

    async fn insert(store: &Store, name: &str, realm: Option<&str>, secret: &[u8]) -> Result<(), StoreError> {
        let (kid, purpose, algorithm) = (&kid(name), "session-signing", "EdDSA");
        store
            .keys()
            .insert(
                NewKey { kid, realm, purpose, algorithm, state: KeyState::Standby, activates_at: None, secret },
                NOW,
            )
            .await
    }

    async fn keys_come_back_opened_and_are_sealed_on_disk(site: Site) {
        let store = site.store().await;
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

        let rows: Vec<(Vec<u8>,)> =
            sql("SELECT secret FROM keys").all(&mut store.db().read().await.unwrap()).await.unwrap();
        for (sealed,) in rows {
            assert!(sealed.len() > 32 && !sealed.windows(secret.len()).any(|window| window == secret));
        }
    }

    async fn every_state_is_kept(site: Site) {
        let store = site.store().await;
        insert(&store, "k1", None, &[1; 32]).await.unwrap();
        for state in [KeyState::Active, KeyState::VerifyOnly, KeyState::Retired, KeyState::Revoked, KeyState::Standby] {
            store.keys().set_state(&kid("k1"), state).await.unwrap();
            assert_eq!(store.keys().list().await.ok().unwrap()[0].state, state);
        }
        let missing = StoreError::NotFound { what: "key", name: "k9".into() };
        assert_eq!(store.keys().set_state(&kid("k9"), KeyState::Active).await, Err(missing));
    }

    async fn a_change_is_whole_and_on_the_state_it_was_decided_on(site: Site) {
        let store = site.store().await;
        insert(&store, "k1", None, &[1; 32]).await.unwrap();
        let keys = store.keys();
        let generation = keys.generation().await.unwrap();
        let (first, missing) = (kid("k1"), kid("k9"));
        let to = |kid, to| Change::Move { kid, to, retires_at: Some(NOW) };
        let half = [to(&first, KeyState::Active), to(&missing, KeyState::Retired)];
        assert!(matches!(keys.change(&half, None, "test", NOW).await, Err(StoreError::NotFound { .. })));
        assert_eq!(
            (keys.list().await.ok().unwrap()[0].state, keys.generation().await),
            (KeyState::Standby, Ok(generation))
        );

        let whole = [to(&first, KeyState::VerifyOnly)];
        let next = keys.change(&whole, Some(generation), "test", NOW).await.unwrap();
        assert!(next > generation);
        let outdated = StoreError::Outdated { what: "key ring" };
        assert_eq!(keys.change(&whole, Some(generation), "test", NOW).await, Err(outdated));
        let rows = keys.rows().await.ok().unwrap();
        assert_eq!((rows.generation, rows.keys[0].retires_at), (next, Some(NOW)));
        let history = keys.history(10).await.unwrap();
        let lines: Vec<_> = history.iter().map(|event| (event.state.as_str(), event.actor.as_str())).collect();
        assert_eq!(lines, [("verify-only", "test"), ("standby", "installation")]);
    }

    /// Of what was done, and of nothing that was not.
    async fn a_change_is_in_the_audit(site: Site) {
        let store = site.store().await;
        insert(&store, "k1", Some("/alpha"), b"a secret that is easy to search for").await.unwrap();
        let (keys, first, missing) = (store.keys(), kid("k1"), kid("k9"));
        let to = |kid, to| Change::Move { kid, to, retires_at: None };
        keys.change(&[to(&first, KeyState::Revoked)], None, "command line, ada", NOW).await.unwrap();
        keys.change(&[to(&first, KeyState::Active), to(&missing, KeyState::Retired)], None, "x", NOW)
            .await
            .unwrap_err();
        let filter = AuditFilter { topic: Some("config"), ..AuditFilter::default() };
        let lines = store.audit().find(filter, 10).await.unwrap();
        let [revoked, made] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!(
            (revoked.event.event.as_str(), revoked.event.actor.as_str(), revoked.event.realm.as_str()),
            ("AM-CONFIG-CHANGE", "command line, ada", "/alpha")
        );
        assert_eq!(
            revoked.event.detail,
            json!({
                "objectId": "keys/k1", "operation": "UPDATE", "purpose": "session-signing", "algorithm": "EdDSA",
                "before": "standby", "after": "revoked",
            })
        );
        assert_eq!((&made.event.detail["operation"], &made.event.detail["before"]), (&json!("CREATE"), &json!(null)));
    }

    async fn seals_are_counted_before_they_are_made_and_end_at_the_limit(site: Site) {
        let store = site.store().await;
        insert(&store, "k1", None, &[1; 32]).await.unwrap();
        let kid = kid("k1");
        for granted in [40, 40, 20, 0] {
            assert_eq!(store.keys().reserve_seals(&kid, 40, 100).await, Ok(granted));
        }
        assert_eq!(store.keys().list().await.ok().unwrap()[0].seals, 100);
    }

    async fn tokens_are_counted_until_they_expire(site: Site) {
        let store = site.store().await;
        let (keys, first) = (store.keys(), kid("k1"));
        let later = UnixSeconds(NOW.0 + 3600);
        keys.count_tokens(&[(first.clone(), NOW, 3), (first.clone(), later, 2)]).await.unwrap();
        keys.count_tokens(&[(first, later, 1)]).await.unwrap();
        let live = async |at| keys.live_tokens(UnixSeconds(at)).await.unwrap().get("k1").copied();
        let until = UnixSeconds((later.0 / 900 + 1) * 900);
        assert_eq!(live(NOW.0).await, Some(LiveTokens { tokens: 6, until }));
        assert_eq!(live(NOW.0 + 1800).await, Some(LiveTokens { tokens: 3, until }));
        assert_eq!(live(until.0).await, None);
        keys.prune_tokens(until).await.unwrap();
        assert_eq!(live(NOW.0).await, None);
    }

    /// K08: a sealed secret moved to another row, and a row whose meaning was changed around its secret.
    async fn k08_swapped_rows_are_refused(site: Site) {
        let store = site.store().await;
        for attack in [
            "UPDATE keys SET secret = (SELECT secret FROM keys AS other WHERE other.kid <> keys.kid)",
            "UPDATE keys SET purpose = 'journey-signing' WHERE kid = 'k1'",
            "UPDATE keys SET algorithm = 'HS256' WHERE kid = 'k1'",
            "UPDATE keys SET realm = NULL WHERE kid = 'k1'",
            "UPDATE keys SET realm = '/alpha' WHERE kid = 'k2'",
            "UPDATE keys SET kid = 'k3' WHERE kid = 'k1'",
        ] {
            tamper(&store, "DELETE FROM keys").await;
            insert(&store, "k1", Some("/alpha"), &[1; 32]).await.unwrap();
            insert(&store, "k2", None, &[2; 32]).await.unwrap();
            assert!(store.keys().list().await.is_ok());
            assert!(tamper(&store, attack).await > 0);
            assert!(
                matches!(store.keys().list().await.err(), Some(StoreError::Corrupt { table: "keys", .. })),
                "{attack}"
            );
        }
    }
}
