//! Authenticated sessions: issue, judge, revoke.

use std::time::Instant;

use countersign_core::cookie::{MAX_SET_COOKIE, SetCookieError};
use countersign_core::denylist::{Entry, Fingerprint, Kind as EntryKind, Slot};
use countersign_core::gate::{self, DenylistView, Judgement, Refusal};
use countersign_core::session::{Marks, Properties, Reference, Session, SessionClaims, SessionId, TokenId};
use countersign_core::time::{UnixMillis, UnixSeconds};
use countersign_core::token::mint::MintError;
use countersign_core::token::{self, Kind, Scratch, TokenError, mint};
use countersign_store::denylist::{Appended, DenylistLog, Lookup, NewEntry, Probe, RequestId};
use countersign_store::{Attributes, StoreError};

use crate::ambient::{Entropy, random};
use crate::app::App;
use crate::keyring::RealmKeys;
use crate::settings::Session as Settings;
use crate::{server_side, session_cookie};

/// Attributes of the identity that ride along as session properties.
const PROPERTIES: [&str; 2] = ["mail", "cn"];

/// From this length on, in bytes, the log warns that a cookie comes near what browsers keep.
const LARGE_COOKIE: usize = 3000;

/// What its renewal adds to a token, in bytes of the cookie at the most: `auth_time`, and a place in the log that has
/// more digits. A session that could not be renewed would end with its idle time, however busy it is.
const RENEWAL_ROOM: usize = 72;

/// A token just made.
pub(crate) struct Issued {
    pub(crate) token: String,
    pub(crate) set_cookie: axum::http::HeaderValue,
    /// When the token does.
    pub(crate) expires: UnixSeconds,
}

/// Why no session was made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum IssueError {
    Store(StoreError),
    /// The cookie would be too long for browsers: the identity's attributes are.
    TooLarge,
    Cookie(SetCookieError),
    Mint(MintError),
    NoSuchRealm,
}

impl std::fmt::Display for IssueError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::TooLarge => write!(
                f,
                "user name and attributes ({}) are too long for a cookie, of which browsers keep {MAX_SET_COOKIE} bytes",
                PROPERTIES.join(", ")
            ),
            Self::Cookie(error) => error.fmt(f),
            Self::Mint(error) => error.fmt(f),
            Self::NoSuchRealm => f.write_str("the realm has no keys"),
        }
    }
}

/// Someone who has just authenticated, and what the journey wants of the session.
pub(crate) struct Authenticated {
    pub(crate) realm: String,
    pub(crate) username: String,
    pub(crate) attributes: Attributes,
    /// Where the denylist log ended before anything was known of the identity.
    pub(crate) rvs: u64,
    pub(crate) auth_level: u32,
    /// RFC 8176.
    pub(crate) amr: Vec<String>,
    pub(crate) properties: Vec<(String, String)>,
    /// Instead of the realm's.
    pub(crate) max_seconds: Option<u64>,
    pub(crate) max_idle_seconds: Option<u64>,
}

impl Authenticated {
    /// Whether a session is of this user.
    pub(crate) fn is_of(&self, claims: &SessionClaims) -> bool {
        claims.sub == self.username && claims.realm == self.realm
    }

    /// What the session says.
    fn claims(&self, settings: &Settings, parent: Option<&SessionClaims>, app: &App) -> SessionClaims {
        let inherited = parent.filter(|claims| self.is_of(claims));
        let subject = Subject {
            realm: &self.realm,
            username: &self.username,
            attributes: &self.attributes,
            inherited: inherited.map(|claims| &claims.properties),
        };
        let mut claims = claims(settings, subject, self.rvs, app.clock.now().seconds(), &*app.entropy);
        // An upgrade takes nothing away: neither the level nor the journeys that were completed.
        let before = inherited.map_or(0, |claims| claims.auth_level);
        claims.auth_level = settings.auth_level.max(self.auth_level).max(before);
        claims.amr.clone_from(&self.amr);
        for method in inherited.into_iter().flat_map(|claims| &claims.amr) {
            if !claims.amr.contains(method) {
                claims.amr.push(method.clone());
            }
        }
        let own = self.properties.iter().map(|(name, value)| {
            let before = inherited.and_then(|claims| claims.properties.get(name));
            (name.clone(), if JOINED.contains(&name.as_str()) { joined(value, before) } else { value.clone() })
        });
        let others = claims.properties.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        claims.properties = own.chain(others).collect();
        if let Some(seconds) = self.max_seconds {
            let end = claims.iat.plus(seconds);
            (claims.exp, claims.fexp) = (end, end);
        }
        let lifetime = claims.fexp.0.saturating_sub(claims.iat.0);
        let idle = self.max_idle_seconds.or(settings.max_idle_seconds.map(u64::from));
        // An idle time that never comes before the end is none.
        claims.idle = idle.filter(|idle| *idle < lifetime).and_then(|idle| u32::try_from(idle).ok());
        claims
    }
}

/// Properties that name all the journeys and methods of a session, as AM has them.
const JOINED: [&str; 2] = ["Service", "AuthType"];
/// Most of them that are named.
const MAX_JOINED: usize = 8;

fn joined(value: &str, before: Option<&str>) -> String {
    let mut all = Vec::new();
    for one in value.split('|').chain(before.into_iter().flat_map(|before| before.split('|'))) {
        if !all.contains(&one) && all.len() < MAX_JOINED {
            all.push(one);
        }
    }
    all.join("|")
}

/// Mints a session for someone who has just authenticated. The session that the request presented, its parent, is
/// ended: with the new token made, so that whoever gets none keeps what it had, and before that is handed out. What the
/// parent's properties say of the same user goes on to hold.
pub(crate) async fn issue(
    app: &App,
    authenticated: &Authenticated,
    parent: Option<&Session>,
) -> Result<Issued, IssueError> {
    let Authenticated { realm, username, .. } = authenticated;
    let ring = app.keys();
    let keys = ring.realms.get(realm).ok_or(IssueError::NoSuchRealm)?;
    let settings = app.settings();
    let settings = &settings.realm(realm).session;
    let claims = authenticated.claims(settings, parent.map(Session::claims), app);
    let kept = server_side::is_due(app, settings, realm, username).await.map_err(IssueError::Store)?;
    let sealed = if kept { None } else { Some(seal(settings, keys, claims.clone(), &*app.entropy)) };
    let issued = match sealed {
        Some(Ok(issued)) => {
            app.issued.count(&keys.session.minting, issued.expires);
            issued
        }
        Some(Err(IssueError::TooLarge)) if settings.oversize_server_side => {
            tracing::info!(user = username, "a session is too long for a cookie and is kept in the store");
            server_side::create(app, settings, claims, parent).await?
        }
        Some(Err(error)) => return Err(error),
        None => server_side::create(app, settings, claims, parent).await?,
    };
    app.metrics.logins.count();
    if let Some(parent) = parent {
        revoke(app, parent, "replaced by a new login").await.map_err(IssueError::Store)?;
    }
    Ok(issued)
}

/// Whom a session is for.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) realm: &'a str,
    pub(crate) username: &'a str,
    pub(crate) attributes: &'a Attributes,
    /// Properties of a session that the new one replaces.
    pub(crate) inherited: Option<&'a Properties>,
}

/// A token and its cookie, whether anybody gets it or not.
pub(crate) fn mint(
    settings: &Settings,
    keys: &RealmKeys,
    subject: Subject<'_>,
    rvs: u64,
    now: UnixSeconds,
    entropy: &dyn Entropy,
) -> Result<Issued, IssueError> {
    seal(settings, keys, claims(settings, subject, rvs, now, entropy), entropy)
}

/// What a new session says.
fn claims(
    settings: &Settings,
    subject: Subject<'_>,
    rvs: u64,
    now: UnixSeconds,
    entropy: &dyn Entropy,
) -> SessionClaims {
    let end = now.plus(settings.max_seconds);
    let own = PROPERTIES.iter().filter_map(|name| Some((*name, subject.attributes.get(*name)?.first()?.as_str())));
    // The first of two values stays: what the identity says now.
    let properties: Properties = own.chain(subject.inherited.into_iter().flat_map(Properties::iter)).collect();
    SessionClaims {
        sid: SessionId(random(entropy)),
        sub: subject.username.to_owned(),
        realm: subject.realm.to_owned(),
        iat: now,
        exp: end,
        fexp: end,
        idle: settings.max_idle_seconds,
        auth_time: None,
        rvs,
        auth_level: settings.auth_level,
        amr: vec!["pwd".to_owned()],
        jti: TokenId(random(entropy)),
        properties,
    }
}

/// Re-issues the token of a session that holds, as if it were used just now: of the same family, hence dead with it. Of
/// a server-side session the use is noted.
pub(crate) async fn renew(app: &App, token: &[u8], when: Renew) -> Result<Renewal, IssueError> {
    if let Some(reference) = Reference::read(token) {
        return server_side::renew(app, &reference, when).await.map_err(IssueError::Store);
    }
    // Before the session is judged, as at a login before the password is checked: a watermark that comes after the
    // judgement must not be older than the new token.
    let rvs = app.store.denylist().head().await.map_err(IssueError::Store)?.seq;
    let Some(session) = judge(app, token).await.map_err(IssueError::Store)?.valid() else { return Ok(Renewal::Over) };
    let now = app.clock.now().seconds();
    let claims = session.claims();
    let settings = app.settings();
    let settings = &settings.realm(&claims.realm).session;
    let idle = settings.max_idle_seconds;
    if idle.is_none() || when == Renew::IfDue && !claims.renewal_due(now) {
        return Ok(Renewal::Needless);
    }
    let ring = app.keys();
    let keys = ring.realms.get(&claims.realm).ok_or(IssueError::NoSuchRealm)?;
    let renewed = SessionClaims {
        iat: now.max(claims.iat),
        idle,
        auth_time: Some(claims.auth_time()),
        rvs,
        jti: TokenId(random(&*app.entropy)),
        ..claims.clone()
    };
    let issued = seal(settings, keys, renewed, &*app.entropy)?;
    app.issued.count(&keys.session.minting, issued.expires);
    app.metrics.renewals.count();
    Ok(Renewal::Issued(issued))
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Renew {
    /// When part of the idle time has passed, so that a busy session does not have a token made for each request.
    IfDue,
    Now,
}

/// What came of [`renew`].
pub(crate) enum Renewal {
    Issued(Issued),
    /// The store knows of the use: there is no new token.
    Noted,
    /// It is too soon, or sessions have no idle time.
    Needless,
    /// The session does not hold.
    Over,
}

/// Signs, seals and puts into a cookie; without droppable properties where that is needed to have browsers keep it.
fn seal(
    settings: &Settings,
    keys: &RealmKeys,
    mut claims: SessionClaims,
    entropy: &dyn Entropy,
) -> Result<Issued, IssueError> {
    let mut droppable = settings.droppable.iter();
    loop {
        match seal_as_it_is(settings, keys, &claims, entropy) {
            Err(IssueError::TooLarge) => {
                // The next one that the session has.
                let property = droppable.find(|name| claims.properties.get(name).is_some());
                let property = property.ok_or(IssueError::TooLarge)?;
                let user = claims.sub.as_str();
                tracing::warn!(user, property, "a session property is left out: the cookie would be too long");
                claims.properties.remove(property);
            }
            Ok(issued) if issued.set_cookie.len() >= LARGE_COOKIE => {
                let (user, bytes) = (claims.sub.as_str(), issued.set_cookie.len());
                tracing::warn!(user, bytes, "a session cookie comes near the 4,096 bytes that browsers keep");
                return Ok(issued);
            }
            made => return made,
        }
    }
}

fn seal_as_it_is(
    settings: &Settings,
    keys: &RealmKeys,
    claims: &SessionClaims,
    entropy: &dyn Entropy,
) -> Result<Issued, IssueError> {
    let mut dice = |out: &mut [u8]| entropy.fill(out);
    let token = mint::mint(claims, Kind::Session, &keys.session.minting, &mut dice).map_err(|error| match error {
        MintError::TooLong => IssueError::TooLarge,
        error => IssueError::Mint(error),
    })?;
    let set_cookie = session_cookie::set(settings, &token).map_err(|error| match error {
        SetCookieError::TooLong(_) => IssueError::TooLarge,
        error => IssueError::Cookie(error),
    })?;
    let is_renewable = claims.idle.is_some() && claims.auth_time.is_none();
    if is_renewable && set_cookie.len() + RENEWAL_ROOM > MAX_SET_COOKIE {
        return Err(IssueError::TooLarge);
    }
    Ok(Issued { token, set_cookie, expires: claims.exp })
}

/// What a presented token is.
pub(crate) enum Standing {
    Valid(Session),
    /// Well made, but over: expired, logged out, or not yet begun.
    Dead(Session, Refusal),
    /// Not a session token of ours.
    Foreign,
}

impl Standing {
    pub(crate) fn valid(self) -> Option<Session> {
        match self {
            Self::Valid(session) => Some(session),
            _ => None,
        }
    }
}

/// A look into the log itself: it is always current.
struct Authority {
    lookup: Lookup,
    head: u64,
}

impl DenylistView for Authority {
    fn family_ended(&self, _: Slot, _: Fingerprint) -> bool {
        self.lookup.family_ended
    }

    fn user_watermark(&self, _: Fingerprint) -> Option<u64> {
        self.lookup.user_watermark
    }

    fn realm_watermark(&self, _: Fingerprint) -> Option<u64> {
        self.lookup.realm_watermark
    }

    fn key_ended(&self, _: Fingerprint) -> bool {
        self.lookup.key_ended
    }

    fn applied(&self) -> u64 {
        self.head
    }

    fn current(&self, _: UnixMillis) -> bool {
        true
    }
}

/// What the log says of a session, under each denylist key that there may be entries of.
pub(crate) async fn lookup(log: &DenylistLog<'_>, session: &Session) -> Result<Lookup, StoreError> {
    let mut all = Lookup { family_ended: false, key_ended: false, user_watermark: None, realm_watermark: None };
    for Marks { family, user, realm, keys } in session.marks() {
        let one = log.lookup(&Probe { slot: session.slot(), family, user, realm, keys }).await?;
        all.family_ended |= one.family_ended;
        all.key_ended |= one.key_ended;
        all.user_watermark = all.user_watermark.max(one.user_watermark);
        all.realm_watermark = all.realm_watermark.max(one.realm_watermark);
    }
    Ok(all)
}

/// The line that the logout by a reference made that has no row any more, and when it was asked for.
pub(crate) async fn logout_of(app: &App, token: &[u8]) -> Result<Option<(u64, UnixSeconds)>, StoreError> {
    let Some(reference) = Reference::read(token) else { return Ok(None) };
    app.store.denylist().made_by(server_side::logout_of(&reference)).await
}

/// The line that ended a session, and when it was asked for.
pub(crate) async fn ending(log: &DenylistLog<'_>, session: &Session) -> Result<Option<(u64, UnixSeconds)>, StoreError> {
    let mut first: Option<(u64, UnixSeconds)> = None;
    for Marks { family, user, realm, keys } in session.marks() {
        let probe = Probe { slot: session.slot(), family, user, realm, keys };
        let ending = log.ending(&probe, session.claims().rvs).await?;
        first = first.into_iter().chain(ending).min_by_key(|(seq, _)| *seq);
    }
    Ok(first)
}

/// Judges a token as the edge does, but on the log itself.
pub(crate) async fn judge(app: &App, token: &[u8]) -> Result<Standing, StoreError> {
    let standing = standing(app, token).await?;
    match &standing {
        Standing::Valid(_) => {}
        Standing::Dead(_, refusal) => app.metrics.refused(refusal.code()),
        Standing::Foreign => app.metrics.refused("foreign"),
    }
    Ok(standing)
}

async fn standing(app: &App, token: &[u8]) -> Result<Standing, StoreError> {
    if let Some(reference) = Reference::read(token) {
        return match server_side::find(app, &reference).await? {
            Some(session) => holds(app, session).await,
            None => Ok(Standing::Foreign),
        };
    }
    let mut scratch = Scratch::default();
    let mut opened = open(app, token, &mut scratch);
    if opened.as_ref().is_err_and(|error| *error == TokenError::UnknownKey) && app.keys_current().await.is_ok() {
        opened = open(app, token, &mut scratch); // another origin may use a key that was not known here yet
    }
    let session = match opened {
        Ok(session) => session,
        Err(error) => {
            tracing::debug!(code = error.code(), "a presented token is not ours");
            return Ok(Standing::Foreign);
        }
    };
    holds(app, session).await
}

/// Judges a session of either kind.
pub(crate) async fn holds(app: &App, session: Session) -> Result<Standing, StoreError> {
    let log = app.store.denylist();
    let lookup = lookup(&log, &session).await?;
    let view = Authority { lookup, head: log.head().await?.seq };
    let realm = session.claims().realm.clone();
    Ok(match gate::judge(&session, &realm, &view, || app.clock.now()) {
        Ok(()) => Standing::Valid(session),
        Err(Judgement::Refuse(refusal)) => Standing::Dead(session, refusal),
        // Made after the end of the log: the log was restored from an older backup, and what it lost is unknown.
        Err(Judgement::Behind) => Standing::Dead(session, Refusal::Unavailable),
    })
}

/// The key identifier tells the realm; the realm's key set must then name the same realm in the claims. Realms may have
/// tokens of other layers, so what is no token at all for one of them may be another's.
pub(crate) fn open(app: &App, token: &[u8], scratch: &mut Scratch) -> Result<Session, TokenError> {
    let ring = app.keys();
    let mut refused = TokenError::UnknownKey;
    for (at, (realm, keys)) in ring.realms.iter().enumerate() {
        match token::open::<SessionClaims>(token, Kind::Session, &keys.session.verifying, scratch) {
            Ok(verified) if verified.claims().realm == *realm => return Ok(Session::new(verified, &ring.denylist)),
            Ok(_) => return Err(TokenError::Claims),
            Err(error) if !error.is_of_another_set() => return Err(error),
            // That a key is unknown says the most: where another origin may have made it, the ring is loaded anew.
            Err(error) if at == 0 || error == TokenError::UnknownKey => refused = error,
            Err(_) => {}
        }
    }
    Err(refused)
}

/// Ends the session's family. When this returns `Ok`, that is on the disk. A server-side session is in the log as well:
/// edges remember what they were told of it.
pub(crate) async fn revoke(app: &App, session: &Session, reason: &str) -> Result<Appended, StoreError> {
    revoke_by(app, session, reason, &session.claims().sub).await
}

/// The same, by another than the session's user.
pub(crate) async fn revoke_by(app: &App, session: &Session, reason: &str, actor: &str) -> Result<Appended, StoreError> {
    append(app, session, reason, actor, None).await
}

/// The same as [`revoke`], by whoever presented the token. A reference leads to nothing once its row is gone; so that
/// its logout is known again when it is repeated, the line is made under a request that follows from it.
pub(crate) async fn revoke_presented(
    app: &App,
    session: &Session,
    token: &[u8],
    reason: &str,
) -> Result<Appended, StoreError> {
    let Some(reference) = Reference::read(token) else { return revoke(app, session, reason).await };
    let request = server_side::logout_of(&reference);
    match append(app, session, reason, &session.claims().sub, Some(request)).await {
        // There was such a line, and it was taken back or is one of another denylist key: it ends nothing now.
        Ok(appended) if appended.already && !lookup(&app.store.denylist(), session).await?.family_ended => {
            revoke(app, session, reason).await
        }
        Err(StoreError::Conflict { .. }) => revoke(app, session, reason).await,
        appended => appended,
    }
}

async fn append(
    app: &App,
    session: &Session,
    reason: &str,
    actor: &str,
    request: Option<RequestId>,
) -> Result<Appended, StoreError> {
    let claims = session.claims();
    let entry = Entry { kind: EntryKind::Family, slot: session.slot(), fingerprint: session.family() };
    let new = NewEntry::new(entry, &claims.realm, reason, actor).username(&claims.sub).object(&claims.sid.to_string());
    let new = NewEntry { request, ..new };
    let began = Instant::now();
    let appended = app.store.denylist().append(new, app.clock.now().seconds()).await;
    app.metrics.committed(appended.is_ok(), began.elapsed());
    let appended = appended?;
    app.news.committed(appended.seq, app.clock.now());
    if session.is_server_side() {
        server_side::forget(app, claims.sid).await;
    }
    Ok(appended)
}

#[cfg(test)]
#[path = "sessions_tests.rs"]
mod tests;
