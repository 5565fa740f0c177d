use countersign_core::token::mint::MintError;
use countersign_store::{Identity, IdentityStatus, StoreError};
use zeroize::Zeroizing;

use super::{AuthIdError, auth_id};
use crate::app::App;
use crate::passwords::HashError;

/// Longest user name that is looked up, in bytes: the store has no longer one.
pub(crate) const MAX_USERNAME: usize = 255;

/// The page's callbacks in order: type and prompt.
pub(crate) const CALLBACKS: [(&str, &str); 2] = [("NameCallback", "User Name"), ("PasswordCallback", "Password")];

/// What the page's callbacks came back with.
pub(crate) struct Answers {
    pub(crate) username: String,
    pub(crate) password: Zeroizing<String>,
}

/// Someone who has just shown to be this identity.
pub(crate) struct Authenticated {
    pub(crate) identity: Identity,
    /// Where the denylist log ended before anything was known of the identity.
    pub(crate) rvs: u64,
}

/// Where the journey went.
pub(crate) enum Advance {
    /// To Success.
    Success(Box<Authenticated>),
    /// To Failure. Nothing says why: nobody outside learns which names exist.
    Failure,
}

/// Why the journey did not go on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum JourneyError {
    AuthId(AuthIdError),
    Hash(HashError),
    Store(StoreError),
    Mint(MintError),
    NoSuchRealm,
}

impl std::fmt::Display for JourneyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AuthId(error) => write!(f, "authId: {error:?}"),
            Self::Hash(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::Mint(error) => error.fmt(f),
            Self::NoSuchRealm => f.write_str("the realm has no keys"),
        }
    }
}

/// Begins a journey: the `authId` of its first step.
pub(crate) fn start(app: &App, realm: &str) -> Result<String, JourneyError> {
    let ring = app.keys();
    let keys = ring.realms.get(realm).ok_or(JourneyError::NoSuchRealm)?;
    auth_id::mint(app, realm, keys).map_err(JourneyError::Mint)
}

/// Whether the journey of an `authId` can go on.
pub(crate) fn check(app: &App, realm: &str, auth_id: &str) -> Result<(), JourneyError> {
    let ring = app.keys();
    let keys = ring.realms.get(realm).ok_or(JourneyError::NoSuchRealm)?;
    auth_id::check(app, realm, keys, auth_id).map(drop).map_err(JourneyError::AuthId)
}

/// Notes that the journey of an `authId` led to Success, which it does once: a copy of the request that completed it
/// makes no second session.
pub(crate) async fn complete(app: &App, realm: &str, auth_id: &str) -> Result<(), JourneyError> {
    let journey = {
        let ring = app.keys();
        let keys = ring.realms.get(realm).ok_or(JourneyError::NoSuchRealm)?;
        auth_id::check(app, realm, keys, auth_id).map_err(JourneyError::AuthId)?
    };
    let first = app.store.once().consume("journey", journey.otk.as_bytes(), journey.exp).await;
    match first.map_err(JourneyError::Store)? {
        true => Ok(()),
        false => Err(JourneyError::AuthId(AuthIdError::Used)),
    }
}

/// Leaves the page with the answers. An unknown name, an inactive user, an overlong name and a wrong password cost the
/// same and look the same.
pub(crate) async fn advance(app: &App, realm: &str, answers: Answers) -> Result<Advance, JourneyError> {
    let Answers { username, password } = answers;
    let plausible = !username.is_empty() && username.len() <= MAX_USERNAME;
    // Looked up in any case, with a name that the store would take.
    let name = if plausible { username.as_str() } else { "-" };
    // The head is read before the identity is: a watermark that comes while the password is being checked (because it is
    // being changed, say) has a higher number than `rvs` and ends the token, which is the safe way to be wrong.
    let rvs = app.store.denylist().head().await.map_err(JourneyError::Store)?.seq;
    let identity = app.store.identities().get(realm, name).await.map_err(JourneyError::Store)?;
    let identity = identity.filter(|identity| plausible && identity.status == IdentityStatus::Active);
    let stored = identity.as_ref().map(|identity| identity.password_hash.clone());
    let checked = app.passwords.verify(password, stored, &*app.entropy).await.map_err(JourneyError::Hash)?;
    let Some(identity) = identity.filter(|_| checked.right) else { return Ok(Advance::Failure) };
    if let Some(renewed) = checked.renewed {
        renew(app, &identity, &renewed).await;
    }
    Ok(Advance::Success(Box::new(Authenticated { identity, rvs })))
}

/// Stores the hash of the same password under today's parameters. Nobody's login fails for it: the next one tries again.
async fn renew(app: &App, identity: &Identity, renewed: &str) {
    let Identity { realm, username, password_hash, .. } = identity;
    let identities = app.store.identities();
    // A password that was changed meanwhile stays changed.
    if let Err(error) = identities.renew_password_hash(realm, username, password_hash, renewed).await {
        tracing::warn!(%error, "a password hash was not renewed");
    }
}
