//! Server-side sessions: a row in the token store, and a reference to it in the cookie.
//!
//! A row has the same facts as a token, so both kinds are judged alike: times, watermarks, the family's entry. AM calls
//! the choice Use Client-Side Sessions; a session stays of the kind it was made.

use countersign_core::session::{Reference, Session, SessionClaims, SessionId, TokenId};
use countersign_core::time::UnixSeconds;
use countersign_store::denylist::RequestId;
use countersign_store::{ServerSession, StoreError};
use sha2::{Digest as _, Sha256};

use crate::ambient::random;
use crate::app::App;
use crate::session_cookie;
use crate::sessions::{self, IssueError, Issued, Renew, Renewal, Standing};
use crate::settings::Session as Settings;

/// Longest claims, in bytes of JSON: what is said of a session to an edge must fit into a token of 16 KiB.
const MAX_CLAIMS: usize = 10_000;

/// Whether a new session of this user is kept in the store.
pub(crate) async fn is_due(app: &App, settings: &Settings, realm: &str, username: &str) -> Result<bool, StoreError> {
    if settings.server_side.always {
        return Ok(true);
    }
    Ok(settings.server_side.administrators && app.store.administrators().has(realm, username).await?)
}

/// Keeps a session under a new reference. Sessions that the quota sends away are ended everywhere.
pub(crate) async fn create(
    app: &App,
    settings: &Settings,
    claims: SessionClaims,
    parent: Option<&Session>,
) -> Result<Issued, IssueError> {
    if serde_json::to_vec(&claims).map_or(usize::MAX, |json| json.len()) > MAX_CLAIMS {
        return Err(IssueError::TooLarge);
    }
    let reference = Reference::new(random(&*app.entropy));
    let token = reference.value();
    let set_cookie = session_cookie::set(settings, &token).map_err(IssueError::Cookie)?;
    let expires = claims.fexp;
    let row = row(claims);
    let parent = parent.filter(|parent| parent.is_server_side()).map(|parent| parent.claims().sid);
    let (quota, now) = (settings.server_side.quota(), app.clock.now().seconds());
    let store = app.store.sessions();
    let ended = store.replace(reference.secret(), &row, parent, quota, now).await.map_err(IssueError::Store)?;
    for session in ended {
        let session = session_of(app, session);
        // The rows are gone. Whoever cannot be told forgets them with its lease.
        if let Err(error) = sessions::revoke(app, &session, "session quota").await {
            tracing::warn!(%error, "a session that the quota ended is not in the log");
        }
    }
    Ok(Issued { token, set_cookie, expires })
}

/// The session of a reference, whether it holds or not.
pub(crate) async fn find(app: &App, reference: &Reference) -> Result<Option<Session>, StoreError> {
    let row = app.store.sessions().get(reference.secret(), app.clock.now().seconds()).await?;
    Ok(row.map(|row| session_of(app, row)))
}

/// Notes the use of a session that holds. AM's Latest Access Time Update Frequency bounds how often that is written; in
/// a session with a short idle time it is a quarter of that, or use would not keep it.
pub(crate) async fn renew(app: &App, reference: &Reference, when: Renew) -> Result<Renewal, StoreError> {
    let Some(session) = find(app, reference).await? else { return Ok(Renewal::Over) };
    let Some(session) = sessions::holds(app, session).await?.valid() else { return Ok(Renewal::Over) };
    note_use(app, reference, &session, when).await
}

/// The same of a session that was found to hold.
pub(crate) async fn note_use(
    app: &App,
    reference: &Reference,
    session: &Session,
    when: Renew,
) -> Result<Renewal, StoreError> {
    let claims = session.claims();
    let settings = app.settings();
    let frequency = settings.realm(&claims.realm).session.server_side.access_update_seconds;
    let every = match when {
        Renew::Now => 1,
        Renew::IfDue => claims.idle.map_or(frequency, |idle| frequency.min(u64::from(idle) / 4)).max(1),
    };
    app.store.sessions().touch(reference.secret(), every, app.clock.now().seconds()).await?;
    // Told as done also when another request had it noted a moment ago.
    Ok(Renewal::Noted)
}

/// What edges are told of a reference; the asking is a use of the session.
pub(crate) async fn check(app: &App, reference: &Reference) -> Result<Option<SessionClaims>, StoreError> {
    let Some(session) = find(app, reference).await? else { return Ok(None) };
    let Standing::Valid(session) = sessions::holds(app, session).await? else { return Ok(None) };
    note_use(app, reference, &session, Renew::IfDue).await?;
    Ok(find(app, reference).await?.map(|session| session.claims().clone()))
}

/// The request for the logout by a reference. It says nothing of the reference to whoever reads the log.
pub(crate) fn logout_of(reference: &Reference) -> RequestId {
    let mut hash = Sha256::new();
    hash.update(b"countersign logout by reference\0");
    hash.update(reference.secret());
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..]: [u8; 32] = hash.finalize().into();
    RequestId([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
}

/// Takes the row away. Its family is in the log already, so that it is over even where this fails.
pub(crate) async fn forget(app: &App, sid: SessionId) {
    if let Err(error) = app.store.sessions().end(sid).await {
        tracing::warn!(%error, "the row of an ended session stays until it expires");
    }
}

/// The row as a session, judged like any other.
pub(crate) fn session_of(app: &App, row: ServerSession) -> Session {
    let lifetime = row.ends_at.0.saturating_sub(row.created_at.0);
    let claims = SessionClaims {
        sid: row.sid,
        sub: row.username,
        realm: row.realm,
        iat: row.last_used,
        exp: row.ends_at,
        fexp: row.ends_at,
        idle: u32::try_from(row.max_idle).ok().filter(|_| row.max_idle < lifetime),
        auth_time: Some(row.created_at),
        rvs: row.rvs,
        auth_level: row.auth_level,
        amr: row.amr,
        // There is no token; assertions about it are told apart by this.
        jti: TokenId(random(&*app.entropy)),
        properties: row.properties,
    };
    Session::server_side(claims, &app.keys().denylist)
}

fn row(claims: SessionClaims) -> ServerSession {
    let lifetime = claims.fexp.0.saturating_sub(claims.iat.0);
    ServerSession {
        sid: claims.sid,
        realm: claims.realm,
        username: claims.sub,
        auth_level: claims.auth_level,
        amr: claims.amr,
        properties: claims.properties,
        rvs: claims.rvs,
        created_at: claims.iat,
        last_used: claims.iat,
        max_idle: claims.idle.map_or(lifetime, u64::from),
        ends_at: claims.fexp,
    }
}

/// The sessions of a realm, or of one user in it, that hold now; at most `limit` are looked at.
pub(crate) async fn list(
    app: &App,
    realm: &str,
    username: Option<&str>,
    limit: u32,
) -> Result<Vec<Session>, StoreError> {
    let (store, now): (_, UnixSeconds) = (app.store.sessions(), app.clock.now().seconds());
    let rows = match username {
        Some(username) => store.list(realm, username, limit, now).await?,
        None => store.list_realm(realm, limit, now).await?,
    };
    let mut sessions = Vec::with_capacity(rows.len());
    for row in rows {
        if let Standing::Valid(session) = sessions::holds(app, session_of(app, row)).await? {
            sessions.push(session);
        }
    }
    Ok(sessions)
}

/// The session of a handle that an operator was shown.
pub(crate) async fn by_handle(app: &App, sid: SessionId) -> Result<Option<Session>, StoreError> {
    let row = app.store.sessions().by_handle(sid, app.clock.now().seconds()).await?;
    Ok(row.map(|row| session_of(app, row)))
}
