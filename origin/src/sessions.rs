//! Authenticated sessions: issue, judge, revoke.

use countersign_core::cookie::SetCookieError;
use countersign_core::denylist::{Entry, Fingerprint, Kind as EntryKind, Slot};
use countersign_core::gate::{self, DenylistView, Judgement, Refusal};
use countersign_core::session::{Properties, Session, SessionClaims, SessionId, TokenId};
use countersign_core::time::UnixMillis;
use countersign_core::token::{self, Kind, Scratch, TokenError, mint};
use countersign_store::denylist::{Lookup, NewEntry};
use countersign_store::{Identity, StoreError};

use crate::ambient::random;
use crate::app::App;
use crate::session_cookie;

/// Attributes of the identity that ride along as session properties.
const PROPERTIES: [&str; 2] = ["mail", "cn"];

/// From this length on, in bytes, the log warns that a cookie comes near what browsers keep.
const LARGE_COOKIE: usize = 3000;

/// A token just made.
pub(crate) struct Issued {
    pub(crate) token: String,
    pub(crate) set_cookie: axum::http::HeaderValue,
}

/// Why no session was made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum IssueError {
    Store(StoreError),
    /// The cookie would be too long for browsers; the operator's or the identity's attributes are.
    Cookie(SetCookieError),
    Mint(mint::MintError),
    NoSuchRealm,
}

impl std::fmt::Display for IssueError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Cookie(error) => error.fmt(f),
            Self::Mint(error) => error.fmt(f),
            Self::NoSuchRealm => f.write_str("the realm has no keys"),
        }
    }
}

/// Mints a session for an identity that has just authenticated. The session that the request presented, its parent, is
/// ended: with the new token made, so that a login that fails costs nobody a session, and before that is handed out.
/// What the parent's properties say of the same user goes on to hold.
pub(crate) async fn issue(app: &App, identity: &Identity, parent: Option<&Session>) -> Result<Issued, IssueError> {
    // The head is read before the token is made: a watermark that comes in between has a higher number than `rvs` and
    // ends the token, which is the safe way to be wrong.
    let rvs = app.store.denylist().head().await.map_err(IssueError::Store)?.seq;
    let settings = &app.settings.session;
    let now = app.clock.now().seconds();
    let end = now.plus(settings.max_seconds);
    let own = PROPERTIES
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), identity.attributes.get(*name)?.first()?.clone())));
    let inherited = parent.map(Session::claims).filter(|claims| is_of(claims, identity));
    let inherited = inherited.into_iter().flat_map(|claims| claims.properties.iter());
    let properties: Properties =
        inherited.map(|(name, value)| (name.to_owned(), value.to_owned())).chain(own).collect();
    let claims = SessionClaims {
        sid: SessionId(random(&*app.entropy)),
        sub: identity.username.clone(),
        realm: identity.realm.clone(),
        iat: now,
        exp: end,
        fexp: end,
        idle: settings.max_idle_seconds,
        auth_time: None,
        rvs,
        auth_level: settings.auth_level,
        amr: vec!["pwd".to_owned()],
        jti: TokenId(random(&*app.entropy)),
        properties,
    };
    let issued = seal(app, claims)?;
    if let Some(parent) = parent {
        revoke(app, parent, "replaced by a new login").await.map_err(IssueError::Store)?;
    }
    Ok(issued)
}

/// Whether a session is of this identity.
pub(crate) fn is_of(claims: &SessionClaims, identity: &Identity) -> bool {
    claims.sub == identity.username && claims.realm == identity.realm
}

/// Re-issues the token of a session that holds, as if it were used just now: of the same family, hence dead with it.
/// `None` when the session does not hold.
pub(crate) async fn renew(app: &App, token: &[u8], when: Renew) -> Result<Renewal, IssueError> {
    // Before the session is judged, for the same reason as above: a watermark that comes after the judgement must not
    // be older than the new token.
    let rvs = app.store.denylist().head().await.map_err(IssueError::Store)?.seq;
    let Some(session) = judge(app, token).await.map_err(IssueError::Store)?.valid() else { return Ok(Renewal::Over) };
    let now = app.clock.now().seconds();
    let claims = session.claims();
    let idle = app.settings.session.max_idle_seconds;
    if idle.is_none() || when == Renew::IfDue && !claims.renewal_due(now) {
        return Ok(Renewal::Needless);
    }
    seal(
        app,
        SessionClaims {
            iat: now.max(claims.iat),
            idle,
            auth_time: Some(claims.auth_time()),
            rvs,
            jti: TokenId(random(&*app.entropy)),
            ..claims.clone()
        },
    )
    .map(Renewal::Issued)
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
    /// It is too soon, or sessions have no idle time.
    Needless,
    /// The session does not hold.
    Over,
}

/// Mints the token and its cookie, without droppable properties where that is needed to have browsers keep it.
fn seal(app: &App, mut claims: SessionClaims) -> Result<Issued, IssueError> {
    let keys = app.keys.realms.get(&claims.realm).ok_or(IssueError::NoSuchRealm)?;
    let settings = &app.settings.session;
    let mut droppable = settings.droppable.iter();
    loop {
        let minted = mint::mint(&claims, Kind::Session, &keys.session.minting, &mut app.dice());
        let made = match minted {
            Ok(token) => session_cookie::set(settings, &token)
                .map(|set_cookie| Issued { token, set_cookie })
                .map_err(IssueError::Cookie),
            Err(error) => Err(IssueError::Mint(error)),
        };
        let (bytes, user) = (made.as_ref().map_or(0, |issued| issued.set_cookie.len()), claims.sub.as_str());
        match made {
            Err(IssueError::Cookie(SetCookieError::TooLong(_)) | IssueError::Mint(mint::MintError::TooLong)) => {
                // The next one that the session has; without one, the error stands.
                let Some(property) = droppable.find(|name| claims.properties.get(name).is_some()) else { return made };
                tracing::warn!(user, property, "a session property is left out: the cookie would be too long");
                claims.properties.remove(property);
            }
            Ok(_) if bytes >= LARGE_COOKIE => {
                tracing::warn!(user, bytes, "a session cookie comes near the 4,096 bytes that browsers keep");
                return made;
            }
            made => return made,
        }
    }
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

    fn applied(&self) -> u64 {
        self.head
    }

    fn current(&self, _: UnixMillis) -> bool {
        true
    }
}

/// Judges a token as the edge does, but on the log itself.
pub(crate) async fn judge(app: &App, token: &[u8]) -> Result<Standing, StoreError> {
    let session = match open(app, token, &mut Scratch::default()) {
        Ok(session) => session,
        Err(error) => {
            tracing::debug!(code = error.code(), "a presented token is not ours");
            return Ok(Standing::Foreign);
        }
    };
    let log = app.store.denylist();
    let lookup = log.lookup(session.slot(), session.family(), session.user()).await?;
    let view = Authority { lookup, head: log.head().await?.seq };
    let realm = session.claims().realm.clone();
    Ok(match gate::judge(&session, &realm, &view, || app.clock.now()) {
        Ok(()) => Standing::Valid(session),
        Err(Judgement::Refuse(refusal)) => Standing::Dead(session, refusal),
        // Made after the end of the log: the log was restored from an older backup, and what it lost is unknown.
        Err(Judgement::Behind) => Standing::Dead(session, Refusal::Unavailable),
    })
}

/// The key identifier tells the realm; the realm's key set must then name the same realm in the claims.
pub(crate) fn open(app: &App, token: &[u8], scratch: &mut Scratch) -> Result<Session, TokenError> {
    for (realm, keys) in &app.keys.realms {
        match token::open::<SessionClaims>(token, Kind::Session, &keys.session.verifying, scratch) {
            Err(TokenError::UnknownKey) => {}
            Err(error) => return Err(error),
            Ok(verified) if verified.claims().realm == *realm => return Ok(Session::new(verified, &app.keys.denylist)),
            Ok(_) => return Err(TokenError::Claims),
        }
    }
    Err(TokenError::UnknownKey)
}

/// Ends the session's family. When this returns `Ok`, that is on the disk.
pub(crate) async fn revoke(app: &App, session: &Session, reason: &str) -> Result<(), StoreError> {
    let claims = session.claims();
    let entry = Entry { kind: EntryKind::Family, slot: session.slot(), fingerprint: session.family() };
    let actor = claims.sub.clone();
    let new = NewEntry { entry, realm: claims.realm.clone(), reason: reason.to_owned(), actor };
    app.store.denylist().append(new, app.clock.now().seconds()).await?;
    Ok(())
}
