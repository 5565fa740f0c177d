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

/// A session just made.
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

/// Mints a session for an identity that has just authenticated.
pub(crate) async fn issue(app: &App, identity: &Identity) -> Result<Issued, IssueError> {
    // The head is read before the token is made: a watermark that comes in between has a higher number than `rvs` and
    // ends the token, which is the safe way to be wrong.
    let rvs = app.store.denylist().head().await.map_err(IssueError::Store)?.seq;
    let ring = app.keys();
    let keys = ring.realms.get(&identity.realm).ok_or(IssueError::NoSuchRealm)?;
    let settings = &app.settings.session;
    let now = app.clock.now().seconds();
    let end = now.plus(settings.max_seconds);
    let properties: Properties = PROPERTIES
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), identity.attributes.get(*name)?.first()?.clone())))
        .collect();
    let claims = SessionClaims {
        sid: SessionId(random(&*app.entropy)),
        sub: identity.username.clone(),
        realm: identity.realm.clone(),
        iat: now,
        exp: end,
        fexp: end,
        rvs,
        auth_level: settings.auth_level,
        amr: vec!["pwd".to_owned()],
        jti: TokenId(random(&*app.entropy)),
        properties,
    };
    let token = mint::mint(&claims, Kind::Session, &keys.session.minting, &mut app.dice()).map_err(IssueError::Mint)?;
    let set_cookie = session_cookie::set(settings, &token).map_err(IssueError::Cookie)?;
    app.issued.count(&keys.session.minting, end);
    Ok(Issued { token, set_cookie })
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
    let mut opened = open(app, token);
    if opened.as_ref().is_err_and(|error| *error == TokenError::UnknownKey) && app.keys_current().await.is_ok() {
        opened = open(app, token); // another origin may use a key that was not known here yet
    }
    let session = match opened {
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
fn open(app: &App, token: &[u8]) -> Result<Session, TokenError> {
    let mut scratch = Scratch::default();
    let ring = app.keys();
    for (realm, keys) in &ring.realms {
        match token::open::<SessionClaims>(token, Kind::Session, &keys.session.verifying, &mut scratch) {
            Err(TokenError::UnknownKey) => {}
            Err(error) => return Err(error),
            Ok(verified) if verified.claims().realm == *realm => return Ok(Session::new(verified, &ring.denylist)),
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
