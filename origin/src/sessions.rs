//! Authenticated sessions: issue, judge, revoke.

use std::sync::atomic::Ordering;

use countersign_core::cookie::{MAX_SET_COOKIE, SetCookieError};
use countersign_core::denylist::{Entry, Fingerprint, Kind as EntryKind, Slot};
use countersign_core::gate::{self, DenylistView, Judgement, Refusal};
use countersign_core::session::{Properties, Session, SessionClaims, SessionId, TokenId};
use countersign_core::time::{UnixMillis, UnixSeconds};
use countersign_core::token::mint::MintError;
use countersign_core::token::{self, Kind, Scratch, TokenError, mint};
use countersign_store::denylist::{Lookup, NewEntry};
use countersign_store::{Attributes, StoreError};

use crate::ambient::{Entropy, random};
use crate::app::App;
use crate::journey::Authenticated;
use crate::keyring::RealmKeys;
use crate::session_cookie;
use crate::settings::Session as Settings;

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
    /// The cookie would be too long for browsers: the identity's attributes are.
    TooLarge,
    Cookie(SetCookieError),
    Mint(MintError),
    NoSuchRealm,
}

impl std::fmt::Display for IssueError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
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

/// Mints a session for an identity that has just authenticated.
///
/// Nothing is revoked here: a session that the new one replaces is ended once there is a new one.
pub(crate) fn issue(app: &App, authenticated: &Authenticated) -> Result<Issued, IssueError> {
    let Authenticated { identity, rvs } = authenticated;
    let keys = app.keys.realms.get(&identity.realm).ok_or(IssueError::NoSuchRealm)?;
    let subject = Subject { realm: &identity.realm, username: &identity.username, attributes: &identity.attributes };
    mint(&app.settings.session, keys, subject, *rvs, app.clock.now().seconds(), &*app.entropy)
}

/// Whom a session is for.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) realm: &'a str,
    pub(crate) username: &'a str,
    pub(crate) attributes: &'a Attributes,
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
    let end = now.plus(settings.max_seconds);
    let properties: Properties =
        PROPERTIES.iter().filter_map(|name| Some((*name, subject.attributes.get(*name)?.first()?))).collect();
    let claims = SessionClaims {
        sid: SessionId(random(entropy)),
        sub: subject.username.to_owned(),
        realm: subject.realm.to_owned(),
        iat: now,
        exp: end,
        fexp: end,
        rvs,
        auth_level: settings.auth_level,
        amr: vec!["pwd".to_owned()],
        jti: TokenId(random(entropy)),
        properties,
    };
    let mut dice = |out: &mut [u8]| entropy.fill(out);
    let token = mint::mint(&claims, Kind::Session, &keys.session.minting, &mut dice).map_err(|error| match error {
        MintError::TooLong => IssueError::TooLarge,
        error => IssueError::Mint(error),
    })?;
    let set_cookie = session_cookie::set(settings, &token).map_err(|error| match error {
        SetCookieError::TooLong(_) => IssueError::TooLarge,
        error => IssueError::Cookie(error),
    })?;
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
    let session = match open(app, token) {
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
    for (realm, keys) in &app.keys.realms {
        match token::open::<SessionClaims>(token, Kind::Session, &keys.session.verifying, &mut scratch) {
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
    let appended = app.store.denylist().append(new, app.clock.now().seconds()).await;
    if appended == Err(StoreError::Closed) {
        app.log_closed.store(true, Ordering::Relaxed);
    }
    appended.map(drop)
}
