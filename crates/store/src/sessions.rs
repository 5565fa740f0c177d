//! Server-side sessions: the rows of the token store (CTS) behind reference cookies.

use countersign_core::session::{Properties, SessionId};
use countersign_core::time::UnixSeconds;
use sha2::{Digest as _, Sha256};

use crate::db::{Tx, sql, sql_of};
use crate::denylist::{seq_in, seq_out};
use crate::{Store, StoreError, check};

/// A reference has 256 random bits; its plain hash is as hard to guess as the reference.
pub(crate) const MAX_REFERENCE: usize = 256;
const MAX_PROPERTIES: usize = 64 * 1024;
const MAX_AMR: usize = 1024;

/// A session that is kept here; the browser has a reference to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerSession {
    /// The family, by which the denylist knows it, and the handle by which operators end it.
    pub sid: SessionId,
    pub realm: String,
    pub username: String,
    pub auth_level: u32,
    pub amr: Vec<String>,
    pub properties: Properties,
    /// Position of the denylist log when it was made: watermarks end it as they end a token.
    pub rvs: u64,
    pub created_at: UnixSeconds,
    pub last_used: UnixSeconds,
    /// In seconds.
    pub max_idle: u64,
    /// When it ends, however much it is used.
    pub ends_at: UnixSeconds,
}

impl ServerSession {
    /// When it ends unless it is used.
    pub fn expires_at(&self) -> UnixSeconds {
        self.ends_at.min(self.last_used.plus(self.max_idle))
    }
}

/// What AM calls the resulting behaviour if the session quota is exhausted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum QuotaAction {
    DenyAccess,
    /// Ends the session that would end first.
    DestroyNextExpiring,
    /// Ends the session that was made first.
    DestroyOldest,
    /// Ends all that there were.
    DestroyOldSessions,
}

/// How many sessions a user may have at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quota {
    pub limit: u32,
    pub action: QuotaAction,
}

pub struct Sessions<'a>(pub(crate) &'a Store);

const COLUMNS: &str =
    "sid, realm, username, auth_level, amr, properties, rvs, created_at, last_used, max_idle, ends_at, expires_at";

type Row = (Vec<u8>, String, String, i64, String, String, i64, i64, i64, i64, i64, i64);

fn session_out(row: Row) -> Result<ServerSession, StoreError> {
    let (sid, realm, username, auth_level, amr, properties, rvs, created_at, last_used, max_idle, ends_at, _) = row;
    let damaged = |detail: &'static str| StoreError::corrupt("sessions", detail);
    let time = |seconds| check::time_out("sessions", seconds);
    Ok(ServerSession {
        sid: SessionId(sid.try_into().map_err(|_| damaged("a handle has 16 bytes"))?),
        realm,
        username,
        auth_level: u32::try_from(auth_level).map_err(|_| damaged("impossible level"))?,
        amr: serde_json::from_str(&amr).map_err(|_| damaged("methods are not a list"))?,
        properties: serde_json::from_str(&properties).map_err(|_| damaged("properties are not a map"))?,
        rvs: seq_out(rvs)?,
        created_at: time(created_at)?,
        last_used: time(last_used)?,
        max_idle: u64::try_from(max_idle).map_err(|_| damaged("impossible idle time"))?,
        ends_at: time(ends_at)?,
    })
}

/// What stands for a secret in the database.
pub(crate) fn hashed(reference: &[u8]) -> [u8; 32] {
    Sha256::digest(reference).into()
}

fn json(what: &'static str, value: &impl serde::Serialize, max: usize) -> Result<String, StoreError> {
    let text = serde_json::to_string(value).map_err(|error| StoreError::Internal { detail: error.to_string() })?;
    check::at_most(what, text.len(), max)?;
    Ok(text)
}

impl Sessions<'_> {
    /// Keeps a session under its reference. With a quota, counting, making room and adding are one step: of any number
    /// of logins at once no more succeed than there is room for. Gives the sessions that had to go.
    pub async fn create(
        &self,
        reference: &[u8],
        new: &ServerSession,
        quota: Option<Quota>,
        now: UnixSeconds,
    ) -> Result<Vec<ServerSession>, StoreError> {
        self.replace(reference, new, None, quota, now).await
    }

    /// The same, in the place of a session that it follows, which takes no room any more.
    pub async fn replace(
        &self,
        reference: &[u8],
        new: &ServerSession,
        parent: Option<SessionId>,
        quota: Option<Quota>,
        now: UnixSeconds,
    ) -> Result<Vec<ServerSession>, StoreError> {
        check::at_most("session reference", reference.len(), MAX_REFERENCE)?;
        check::realm_name(&new.realm)?;
        check::name("username", &new.username)?;
        let amr = json("authentication methods", &new.amr, MAX_AMR)?;
        let properties = json("session properties", &new.properties, MAX_PROPERTIES)?;
        let mut tx = self.0.db().begin().await?;
        if quota.is_some() {
            tx.lock(&["session quota", &new.realm, &new.username]).await?;
        }
        if let Some(parent) = parent {
            sql("DELETE FROM sessions WHERE sid = $1").bind(&parent.0).run(&mut tx).await?;
        }
        let ended = match quota {
            Some(quota) => make_room(&mut tx, new, quota, now).await?,
            None => Vec::new(),
        };
        let max_idle = i64::try_from(new.max_idle).unwrap_or(i64::MAX);
        sql("INSERT INTO sessions (token_hash, sid, realm, username, auth_level, amr, properties, rvs, created_at,
                                   last_used, max_idle, ends_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)")
        .bind(&hashed(reference))
        .bind(&new.sid.0)
        .bind(&new.realm)
        .bind(&new.username)
        .bind(i64::from(new.auth_level))
        .bind(amr)
        .bind(properties)
        .bind(seq_in(new.rvs)?)
        .bind(check::time_in(new.created_at)?)
        .bind(check::time_in(new.last_used)?)
        .bind(max_idle)
        .bind(check::time_in(new.ends_at)?)
        .bind(check::time_in(new.expires_at())?)
        .try_run(&mut tx)
        .await
        .map_err(|error| StoreError::of_insert(error, "session", &new.sid.to_string(), None))?;
        tx.commit().await?;
        Ok(ended)
    }

    /// The session of a reference, unless it has ended.
    pub async fn get(&self, reference: &[u8], now: UnixSeconds) -> Result<Option<ServerSession>, StoreError> {
        check::at_most("session reference", reference.len(), MAX_REFERENCE)?;
        let row: Option<Row> =
            sql_of(format!("SELECT {COLUMNS} FROM sessions WHERE token_hash = $1 AND expires_at > $2"))
                .bind(&hashed(reference))
                .bind(check::time_in(now)?)
                .optional(&mut self.0.db().read().await?)
                .await?;
        row.map(session_out).transpose()
    }

    /// Notes that the session is in use, unless that was noted within `every` seconds: AM's Latest Access Time Update
    /// Frequency, which bounds the writes. An ended session stays ended. Whether it was noted.
    pub async fn touch(&self, reference: &[u8], every: u64, now: UnixSeconds) -> Result<bool, StoreError> {
        let done = sql("UPDATE sessions SET last_used = $2,
                 expires_at = CASE WHEN ends_at - $2 < max_idle THEN ends_at ELSE $2 + max_idle END
             WHERE token_hash = $1 AND expires_at > $2 AND last_used <= $3")
        .bind(&hashed(reference))
        .bind(check::time_in(now)?)
        .bind(check::time_in(UnixSeconds(now.0.saturating_sub(every)))?)
        .run(&mut self.0.db().write().await?)
        .await?;
        Ok(done > 0)
    }

    /// Sets some of the properties and leaves the others; gives all of them. [`StoreError::NotFound`] when the session
    /// has ended.
    pub async fn update_properties(
        &self,
        sid: SessionId,
        changes: &Properties,
        now: UnixSeconds,
    ) -> Result<Properties, StoreError> {
        let sid_text = sid.to_string();
        let gone = || StoreError::NotFound { what: "session", name: sid_text.clone() };
        let mut tx = self.0.db().begin().await?;
        tx.lock(&["session properties", &sid_text]).await?;
        let row: Option<Row> = sql_of(format!("SELECT {COLUMNS} FROM sessions WHERE sid = $1 AND expires_at > $2"))
            .bind(&sid.0)
            .bind(check::time_in(now)?)
            .optional(&mut tx)
            .await?;
        let known = session_out(row.ok_or_else(gone)?)?.properties;
        // The first of two values stays.
        let properties: Properties = changes.iter().chain(known.iter()).collect();
        let text = json("session properties", &properties, MAX_PROPERTIES)?;
        sql("UPDATE sessions SET properties = $2 WHERE sid = $1").bind(&sid.0).bind(text).run(&mut tx).await?;
        tx.commit().await?;
        Ok(properties)
    }

    /// Sets the properties; [`StoreError::NotFound`] when the session has ended.
    pub async fn set_properties(
        &self,
        sid: SessionId,
        properties: &Properties,
        now: UnixSeconds,
    ) -> Result<(), StoreError> {
        let properties = json("session properties", properties, MAX_PROPERTIES)?;
        let done = sql("UPDATE sessions SET properties = $2 WHERE sid = $1 AND expires_at > $3")
            .bind(&sid.0)
            .bind(properties)
            .bind(check::time_in(now)?)
            .run(&mut self.0.db().write().await?)
            .await?;
        if done == 0 { Err(StoreError::NotFound { what: "session", name: sid.to_string() }) } else { Ok(()) }
    }

    /// The user's sessions that have not ended, oldest first, at most 1,000.
    pub async fn list(
        &self,
        realm: &str,
        username: &str,
        limit: u32,
        now: UnixSeconds,
    ) -> Result<Vec<ServerSession>, StoreError> {
        let rows: Vec<Row> = sql_of(format!(
            "SELECT {COLUMNS} FROM sessions WHERE realm = $1 AND username = $2 AND expires_at > $3
             ORDER BY created_at, sid LIMIT $4"
        ))
        .bind(realm)
        .bind(username)
        .bind(check::time_in(now)?)
        .bind(check::listed(limit))
        .all(&mut self.0.db().read().await?)
        .await?;
        rows.into_iter().map(session_out).collect()
    }

    /// The realm's sessions that have not ended, by user, at most 1,000.
    pub async fn list_realm(
        &self,
        realm: &str,
        limit: u32,
        now: UnixSeconds,
    ) -> Result<Vec<ServerSession>, StoreError> {
        let rows: Vec<Row> = sql_of(format!(
            "SELECT {COLUMNS} FROM sessions WHERE realm = $1 AND expires_at > $2
             ORDER BY username, created_at, sid LIMIT $3"
        ))
        .bind(realm)
        .bind(check::time_in(now)?)
        .bind(check::listed(limit))
        .all(&mut self.0.db().read().await?)
        .await?;
        rows.into_iter().map(session_out).collect()
    }

    /// The session of a handle, unless it has ended.
    pub async fn by_handle(&self, sid: SessionId, now: UnixSeconds) -> Result<Option<ServerSession>, StoreError> {
        let row: Option<Row> = sql_of(format!("SELECT {COLUMNS} FROM sessions WHERE sid = $1 AND expires_at > $2"))
            .bind(&sid.0)
            .bind(check::time_in(now)?)
            .optional(&mut self.0.db().read().await?)
            .await?;
        row.map(session_out).transpose()
    }

    /// Ends one session; whether there was one.
    pub async fn end(&self, sid: SessionId) -> Result<bool, StoreError> {
        let statement = sql("DELETE FROM sessions WHERE sid = $1").bind(&sid.0);
        Ok(statement.run(&mut self.0.db().write().await?).await? > 0)
    }

    /// Ends all of a user's sessions; how many.
    pub async fn end_user(&self, realm: &str, username: &str) -> Result<u64, StoreError> {
        let statement = sql("DELETE FROM sessions WHERE realm = $1 AND username = $2").bind(realm).bind(username);
        statement.run(&mut self.0.db().write().await?).await
    }

    /// Ends all sessions of a realm; how many.
    pub async fn end_realm(&self, realm: &str) -> Result<u64, StoreError> {
        sql("DELETE FROM sessions WHERE realm = $1").bind(realm).run(&mut self.0.db().write().await?).await
    }

    /// How many sessions of the realm have not ended.
    pub async fn count(&self, realm: &str, now: UnixSeconds) -> Result<u64, StoreError> {
        let (count,): (i64,) = sql("SELECT COUNT(*) FROM sessions WHERE realm = $1 AND expires_at > $2")
            .bind(realm)
            .bind(check::time_in(now)?)
            .one(&mut self.0.db().read().await?)
            .await?;
        Ok(count.unsigned_abs())
    }

    /// Deletes up to `batch` sessions that have ended, longest ago first; how many.
    pub async fn prune(&self, batch: u32, now: UnixSeconds) -> Result<u64, StoreError> {
        sql("DELETE FROM sessions WHERE token_hash IN
             (SELECT token_hash FROM sessions WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)")
        .bind(check::time_in(now)?)
        .bind(check::listed(batch))
        .run(&mut self.0.db().write().await?)
        .await
    }
}

/// One more session of the user must fit in. The caller holds the user's lock until the new row is committed.
async fn make_room(
    tx: &mut Tx<'_>,
    new: &ServerSession,
    quota: Quota,
    now: UnixSeconds,
) -> Result<Vec<ServerSession>, StoreError> {
    let order = match quota.action {
        QuotaAction::DestroyNextExpiring => "expires_at, created_at, sid",
        _ => "created_at, expires_at, sid",
    };
    let rows: Vec<Row> = sql_of(format!(
        "SELECT {COLUMNS} FROM sessions WHERE realm = $1 AND username = $2 AND expires_at > $3 ORDER BY {order}"
    ))
    .bind(&new.realm)
    .bind(&new.username)
    .bind(check::time_in(now)?)
    .all(tx)
    .await?;
    let limit = usize::try_from(quota.limit).unwrap_or(usize::MAX);
    let over = (rows.len() + 1).saturating_sub(limit);
    if over == 0 {
        return Ok(Vec::new());
    }
    let going = match quota.action {
        QuotaAction::DenyAccess => return Err(StoreError::QuotaExhausted),
        QuotaAction::DestroyOldSessions => rows.len(),
        QuotaAction::DestroyNextExpiring | QuotaAction::DestroyOldest => over.min(rows.len()),
    };
    if limit == 0 {
        return Err(StoreError::QuotaExhausted);
    }
    let mut ended = Vec::with_capacity(going);
    for row in rows.into_iter().take(going) {
        let session = session_out(row)?;
        sql("DELETE FROM sessions WHERE sid = $1").bind(&session.sid.0).run(tx).await?;
        ended.push(session);
    }
    Ok(ended)
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;

    use super::*;
    use crate::testing::{NOW, Site, on_both};

    on_both!(
        a_session_is_kept_used_and_ended,
        the_reference_is_nowhere_in_the_database,
        touches_are_bounded_and_never_outlive_the_session,
        each_quota_action_does_what_am_says,
        a_replaced_session_takes_no_room,
        ended_sessions_go_in_batches,
    );
    on_both!(threads: s17_the_quota_holds_under_parallel_logins);

    fn session(n: u8) -> ServerSession {
        ServerSession {
            sid: SessionId([n; 16]),
            realm: "/alpha".into(),
            username: "demo".into(),
            auth_level: 5,
            amr: vec!["pwd".into()],
            properties: Properties::default(),
            rvs: 7,
            created_at: NOW.plus(n.into()),
            last_used: NOW.plus(n.into()),
            max_idle: 1800,
            ends_at: NOW.plus(7200),
        }
    }

    async fn sids(store: &Store) -> Vec<u8> {
        let sessions = store.sessions().list("/alpha", "demo", 100, NOW.plus(60)).await.unwrap();
        sessions.iter().map(|session| session.sid.0[0]).collect()
    }

    async fn a_session_is_kept_used_and_ended(site: Site) {
        let store = site.store().await;
        let sessions = store.sessions();
        for n in 1..=3 {
            assert_eq!(sessions.create(&[n; 32], &session(n), None, NOW).await, Ok(vec![]));
        }
        let other = ServerSession { username: "other".into(), ..session(4) };
        sessions.create(&[4; 32], &other, None, NOW).await.unwrap();
        assert_eq!(sessions.get(&[2; 32], NOW).await, Ok(Some(session(2))));
        assert_eq!(sessions.get(&[9; 32], NOW).await, Ok(None));
        assert_eq!(sessions.by_handle(SessionId([2; 16]), NOW).await, Ok(Some(session(2))));
        let again = sessions.create(&[5; 32], &session(2), None, NOW).await;
        assert!(matches!(again, Err(StoreError::Conflict { .. })));
        assert_eq!((sids(&store).await, sessions.count("/alpha", NOW).await), (vec![1, 2, 3], Ok(4)));

        let properties: Properties = [("a".to_owned(), "b".to_owned())].into_iter().collect();
        sessions.set_properties(SessionId([2; 16]), &properties, NOW).await.unwrap();
        assert_eq!(sessions.get(&[2; 32], NOW).await.unwrap().unwrap().properties, properties);
        assert!(sessions.set_properties(SessionId([9; 16]), &properties, NOW).await.is_err());

        let change = [("c", "d"), ("a", "x")].into_iter().collect();
        let all: Properties = [("c", "d"), ("a", "x")].into_iter().collect();
        assert_eq!(sessions.update_properties(SessionId([2; 16]), &change, NOW).await.as_ref(), Ok(&all));
        let one = [("a", "y")].into_iter().collect();
        sessions.update_properties(SessionId([2; 16]), &one, NOW).await.unwrap();
        let kept = sessions.get(&[2; 32], NOW).await.unwrap().unwrap().properties;
        assert_eq!((kept.get("a"), kept.get("c")), (Some("y"), Some("d")));
        assert!(sessions.update_properties(SessionId([9; 16]), &one, NOW).await.is_err());
        let listed = sessions.list_realm("/alpha", 3, NOW).await.unwrap();
        assert_eq!(listed.iter().map(|session| session.sid.0[0]).collect::<Vec<_>>(), [1, 2, 3]);

        assert_eq!(sessions.end(SessionId([2; 16])).await, Ok(true));
        assert_eq!(sessions.end(SessionId([2; 16])).await, Ok(false));
        assert_eq!(sessions.get(&[2; 32], NOW).await, Ok(None));
        assert_eq!(sessions.end_user("/alpha", "demo").await, Ok(2));
        assert_eq!(sessions.end_realm("/alpha").await, Ok(1));
    }

    async fn the_reference_is_nowhere_in_the_database(site: Site) {
        let store = site.store().await;
        let reference = b"a reference that is easy to find";
        store.sessions().create(reference, &session(1), None, NOW).await.unwrap();
        let mut copy = Vec::new();
        store.export(&mut copy, NOW).await.unwrap();
        let text = String::from_utf8(copy).unwrap();
        assert!(text.contains("demo") && !text.contains("easy to find"));
        assert!(!text.contains(&countersign_core::encoding::encode(reference)));
    }

    async fn touches_are_bounded_and_never_outlive_the_session(site: Site) {
        let store = site.store().await;
        let sessions = store.sessions();
        sessions.create(&[0; 32], &session(0), None, NOW).await.unwrap();
        let touch = async |after: u64| sessions.touch(&[0; 32], 60, NOW.plus(after)).await.unwrap();
        let used = async |after: u64| {
            let found = sessions.get(&[0; 32], NOW.plus(after)).await.unwrap();
            found.map(|session| (session.last_used.0 - NOW.0, session.expires_at().0 - NOW.0))
        };
        assert!(!touch(59).await);
        assert_eq!(used(59).await, Some((0, 1800)));
        assert!(touch(60).await);
        assert!(!touch(61).await && !touch(0).await, "a clock that is behind does not shorten it");
        assert_eq!(used(61).await, Some((60, 1860)));
        for after in (1000..7000).step_by(1000) {
            assert!(touch(after).await);
        }
        assert_eq!(used(7199).await, Some((6000, 7200)));
        assert_eq!(used(7200).await, None, "the end is not moved");
        assert!(!touch(7200).await);

        sessions.create(&[1; 32], &session(1), None, NOW).await.unwrap();
        assert!(sessions.get(&[1; 32], NOW.plus(1800)).await.unwrap().is_some());
        assert!(sessions.get(&[1; 32], NOW.plus(1801)).await.unwrap().is_none(), "idle");
        assert!(!sessions.touch(&[1; 32], 60, NOW.plus(1801)).await.unwrap(), "and stays so");
    }

    async fn each_quota_action_does_what_am_says(site: Site) {
        let store = site.store().await;
        let sessions = store.sessions();
        for (action, left) in [
            (QuotaAction::DenyAccess, None),
            (QuotaAction::DestroyNextExpiring, Some(vec![1, 3, 4])),
            (QuotaAction::DestroyOldest, Some(vec![2, 3, 4])),
            (QuotaAction::DestroyOldSessions, Some(vec![4])),
        ] {
            sessions.end_user("/alpha", "demo").await.unwrap();
            for n in 1..=3 {
                let ends_at = NOW.plus(if n == 2 { 1000 } else { 7200 });
                sessions.create(&[n; 32], &ServerSession { ends_at, ..session(n) }, None, NOW).await.unwrap();
            }
            let ended = sessions.create(&[4; 32], &session(4), Some(Quota { limit: 3, action }), NOW).await;
            match left {
                None => {
                    assert_eq!(ended, Err(StoreError::QuotaExhausted));
                    assert_eq!(sids(&store).await, [1, 2, 3]);
                }
                Some(left) => {
                    assert_eq!(ended.unwrap().len(), 4 - left.len(), "{action:?}");
                    assert_eq!(sids(&store).await, left, "{action:?}");
                }
            }
        }
        // Ended sessions take no room, and another's neither.
        let quota = Quota { limit: 1, action: QuotaAction::DenyAccess };
        let later = NOW.plus(7200);
        let late = ServerSession { created_at: later, last_used: later, ends_at: later.plus(60), ..session(5) };
        assert_eq!(sessions.create(&[5; 32], &late, Some(quota), later).await, Ok(vec![]));
        let other = ServerSession { username: "other".into(), ..late };
        let other = ServerSession { sid: SessionId([6; 16]), ..other };
        assert_eq!(sessions.create(&[6; 32], &other, Some(quota), later).await, Ok(vec![]));
    }

    async fn ended_sessions_go_in_batches(site: Site) {
        let store = site.store().await;
        for n in 1..=5 {
            store.sessions().create(&[n; 32], &session(n), None, NOW).await.unwrap();
        }
        let at = NOW.plus(1800 + 4);
        for deleted in [3, 1, 0] {
            assert_eq!(store.sessions().prune(3, at).await, Ok(deleted));
        }
        assert!(store.sessions().get(&[5; 32], at).await.unwrap().is_some());
    }

    async fn a_replaced_session_takes_no_room(site: Site) {
        let store = site.store().await;
        let sessions = store.sessions();
        let quota = Some(Quota { limit: 1, action: QuotaAction::DenyAccess });
        sessions.create(&[1; 32], &session(1), quota, NOW).await.unwrap();
        assert_eq!(sessions.create(&[2; 32], &session(2), quota, NOW).await, Err(StoreError::QuotaExhausted));
        let parent = Some(SessionId([1; 16]));
        assert_eq!(sessions.replace(&[2; 32], &session(2), parent, quota, NOW).await, Ok(vec![]));
        let again = sessions.replace(&[3; 32], &session(3), parent, quota, NOW).await;
        assert_eq!(again, Err(StoreError::QuotaExhausted), "it can be followed once");
        assert_eq!(sids(&store).await, [2]);
    }

    /// S17: N + 5 logins at once, through two origins.
    async fn s17_the_quota_holds_under_parallel_logins(site: Site) {
        let stores = [site.store().await, site.open().await];
        for (action, succeed) in [(QuotaAction::DenyAccess, 5), (QuotaAction::DestroyOldest, 20)] {
            let mut tasks = JoinSet::new();
            for n in 0..20u8 {
                let store = stores[usize::from(n) % 2].clone();
                tasks.spawn(async move {
                    let quota = Quota { limit: 5, action };
                    store.sessions().create(&[n; 32], &session(n), Some(quota), NOW).await
                });
            }
            let outcomes = tasks.join_all().await;
            assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), succeed, "{outcomes:?}");
            assert_eq!(sids(&stores[0]).await.len(), 5);
            stores[1].sessions().end_user("/alpha", "demo").await.unwrap();
        }
    }
}
