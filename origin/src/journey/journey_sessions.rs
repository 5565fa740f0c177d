//! Journey sessions: where a login in progress is between two requests, by AM's schemes.
//!
//! * JWT: the client has all of it, sealed in the `authId`. A step that was answered is remembered until it expires, as
//!   a hash, so that it can be answered once (allowlisting); without that, only a completed journey is remembered.
//! * CTS: a row in the token store has it, sealed; the `authId` has the reference and the version. Steps are taken by
//!   comparing and swapping the version.
//! * In-Memory: the same in this process.
//!
//! A journey goes on where it began, whatever the setting says meanwhile. One whose state is too large for an `authId`
//! moves to the store.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::time::UnixSeconds;
use countersign_core::token::mint::{self, MintError};
use countersign_core::token::{self, Kind, Scratch};
use countersign_journey::Limits;
use countersign_store::StoreError;

use super::auth_id::{self, AuthIdError};
use super::claim::Claim;
use super::memory::Reference;
use super::progress::Progress;
use super::{JourneyError, Shown};
use crate::ambient::random;
use crate::app::App;
use crate::keyring::RealmKeys;
use crate::settings::Scheme;

/// Kinds of what happens once, in the store.
pub(super) const STEP: &str = "journey step";
const JOURNEY: &str = "journey";

/// A step that came back, with the journey it belongs to.
pub(crate) struct Opened {
    pub(crate) progress: Progress,
    pub(super) place: Place,
    /// When the step ends by itself.
    pub(super) ends: UnixSeconds,
    /// As it came.
    pub(super) auth_id: String,
}

impl Opened {
    pub(crate) fn auth_id(&self) -> &str {
        &self.auth_id
    }
}

/// Where the journey was kept, at the step that is answered.
pub(super) enum Place {
    Client { otk: String, id: String, ends: UnixSeconds },
    Store { reference: Reference, version: u64 },
    Memory { reference: Reference, version: u64 },
}

const STORE: &str = "CTS.";
const MEMORY: &str = "MEM.";

/// The `sessionId` of a journey that the client does not have: where it is, its reference and the version.
fn session_id(prefix: &str, reference: &Reference, version: u64) -> String {
    format!("{prefix}{}.{version}", URL_SAFE_NO_PAD.encode(reference))
}

fn parse(rest: &str) -> Option<(Reference, u64)> {
    let (reference, version) = rest.split_once('.')?;
    let reference = URL_SAFE_NO_PAD.decode(reference).ok()?;
    Some((reference.try_into().ok()?, version.parse().ok()?))
}

/// Reads an `authId` that came back and finds its journey.
pub(crate) async fn open(app: &App, realm: &str, auth_id: &str) -> Result<Opened, JourneyError> {
    let ring = app.keys();
    let keys = ring.realms.get(realm).ok_or(JourneyError::NoSuchRealm)?;
    let outer = auth_id::check(app, realm, keys, auth_id).map_err(JourneyError::AuthId)?;
    let over = || JourneyError::AuthId(AuthIdError::Expired);
    let foreign = || JourneyError::AuthId(AuthIdError::Elsewhere);
    let now = app.clock.now().seconds();
    let (place, progress, current) = if let Some(rest) = outer.session_id.strip_prefix(STORE) {
        let (reference, asked) = parse(rest).ok_or_else(foreign)?;
        let row = app.store.journeys().get(&reference, now).await?.filter(|row| row.realm == realm);
        let row = row.ok_or_else(over)?;
        let progress = unseal(keys, &row.state).ok_or_else(foreign)?;
        (Place::Store { reference, version: row.version }, progress, row.version == asked)
    } else if let Some(rest) = outer.session_id.strip_prefix(MEMORY) {
        let (reference, asked) = parse(rest).ok_or_else(foreign)?;
        let (version, state) = app.memory.get(&reference, now).ok_or_else(over)?;
        let progress = serde_json::from_slice(&state).map_err(|_| foreign())?;
        (Place::Memory { reference, version }, progress, version == asked)
    } else {
        let progress = unseal(keys, outer.session_id.as_bytes()).ok_or_else(foreign)?;
        let once = app.store.once();
        let (step, journey) = ((STEP, outer.otk.as_bytes()), (JOURNEY, progress.id.as_bytes()));
        // One that is being answered may yet be let go.
        let used = match app.claims.is_held(&outer.otk) {
            true => once.is_consumed(journey.0, journey.1).await?,
            false => once.is_one_consumed(step, journey).await?,
        };
        let place = Place::Client { otk: outer.otk, id: progress.id.clone(), ends: outer.exp };
        // A used step says so whether or not steps are used up now.
        if used {
            return Err(JourneyError::AuthId(AuthIdError::Used));
        }
        (place, progress, true)
    };
    if progress.realm != realm {
        return Err(foreign());
    }
    // Without allowlisting an older step of the same journey speaks of the present one, as in AM.
    if !current && app.settings().realm(realm).journey.allowlisting {
        return Err(JourneyError::AuthId(AuthIdError::Used));
    }
    Ok(Opened { progress, place, ends: outer.exp, auth_id: auth_id.to_owned() })
}

/// Keeps a journey's next step, in the place of the one that was answered, and gives its `authId`. Of two answers to
/// one step the second comes to [`AuthIdError::Used`].
pub(super) async fn keep(
    app: &App,
    realm: &str,
    progress: &Progress,
    from: Option<&Place>,
    limits: &Limits,
) -> Result<String, JourneyError> {
    let ring = app.keys();
    let keys = ring.realms.get(realm).ok_or(JourneyError::NoSuchRealm)?;
    let (now, ends) = (app.clock.now().seconds(), progress.ends(limits));
    let named = (realm, progress.state.journey());
    let used = JourneyError::AuthId(AuthIdError::Used);
    let settings = app.settings();
    let settings = &settings.realm(realm).journey;
    let session_id = match (from, settings.scheme) {
        (Some(Place::Store { reference, version }), _) => {
            let state = seal(app, keys, progress)?;
            match app.store.journeys().step(reference, *version, state.as_bytes(), ends, now).await {
                Err(StoreError::Outdated { .. }) => return Err(used),
                stepped => stepped?,
            }
            session_id(STORE, reference, version + 1)
        }
        (Some(Place::Memory { reference, version }), _) => {
            if !app.memory.step(reference, *version, plain(progress)?, ends) {
                return Err(used);
            }
            session_id(MEMORY, reference, version + 1)
        }
        // Used up when it was claimed.
        (Some(Place::Client { .. }), _) => return with_client(app, named, keys, progress, ends).await,
        (None, Scheme::Jwt) => return with_client(app, named, keys, progress, ends).await,
        (None, Scheme::Cts) => in_store(app, realm, keys, progress, ends).await?,
        (None, Scheme::InMemory) => {
            let reference: Reference = random(&*app.entropy);
            app.memory.create(reference, plain(progress)?, ends, now);
            session_id(MEMORY, &reference, 1)
        }
    };
    Ok(auth_id::sign(app, named, keys, session_id, ends)?)
}

pub(super) async fn with_client(
    app: &App,
    named: (&str, &str),
    keys: &RealmKeys,
    progress: &Progress,
    ends: UnixSeconds,
) -> Result<String, JourneyError> {
    let sealed = seal(app, keys, progress)?;
    match auth_id::sign(app, named, keys, sealed, ends) {
        Err(MintError::TooLong) => {
            let (realm, journey) = named;
            tracing::warn!(
                realm,
                journey,
                "the state of a journey is too large for an authId and is kept in the store"
            );
            let session_id = in_store(app, realm, keys, progress, ends).await?;
            Ok(auth_id::sign(app, named, keys, session_id, ends)?)
        }
        signed => Ok(signed?),
    }
}

async fn in_store(
    app: &App,
    realm: &str,
    keys: &RealmKeys,
    progress: &Progress,
    ends: UnixSeconds,
) -> Result<String, JourneyError> {
    let reference: Reference = random(&*app.entropy);
    let state = seal(app, keys, progress)?;
    app.store.journeys().create(&reference, realm, state.as_bytes(), ends).await?;
    Ok(session_id(STORE, &reference, 1))
}

/// Ends a journey at the step that was answered. Whoever comes second gets [`AuthIdError::Used`].
pub(super) async fn finish(app: &App, place: &Place, claim: &Claim) -> Result<(), JourneyError> {
    let first = match place {
        Place::Store { reference, version } => app.store.journeys().finish(reference, *version).await?,
        Place::Memory { reference, version } => app.memory.finish(reference, *version),
        Place::Client { id, ends, .. } => {
            claim.uses_up() || app.store.once().consume(JOURNEY, id.as_bytes(), *ends).await?
        }
    };
    if first { Ok(()) } else { Err(JourneyError::AuthId(AuthIdError::Used)) }
}

/// The row of a suspended journey, whose id is in the link that was sent.
pub(super) fn suspended(id: &str) -> Vec<u8> {
    // An id that nobody made is looked up too, but no more of it than a row can have.
    format!("suspended.{}", id.chars().take(64).collect::<String>()).into_bytes()
}

pub(super) async fn suspend(
    app: &App,
    realm: &str,
    progress: &Progress,
    id: &str,
    limits: &Limits,
) -> Result<(), JourneyError> {
    let ring = app.keys();
    let keys = ring.realms.get(realm).ok_or(JourneyError::NoSuchRealm)?;
    let state = seal(app, keys, progress)?;
    Ok(app.store.journeys().create(&suspended(id), realm, state.as_bytes(), progress.ends(limits)).await?)
}

/// The journey that a link belongs to. It can be looked at any number of times.
pub(super) async fn find_suspended(app: &App, realm: &str, id: &str) -> Result<(Progress, u64), JourneyError> {
    let ring = app.keys();
    let keys = ring.realms.get(realm).ok_or(JourneyError::NoSuchRealm)?;
    let row = app.store.journeys().get(&suspended(id), app.clock.now().seconds()).await?;
    let row = row.filter(|row| row.realm == realm).ok_or(JourneyError::NotSuspended)?;
    let progress = unseal(keys, &row.state).filter(|progress| progress.realm == realm);
    let progress = progress.ok_or(JourneyError::NotSuspended)?;
    if is_outlived(app, realm, &progress).await? {
        return Err(JourneyError::NotSuspended);
    }
    Ok((progress, row.version))
}

/// The counter of a user that says when the last link was made that was used; by journey.
fn last_used(journey: &str) -> String {
    let end = journey.floor_char_boundary(200);
    format!("link.{}", journey.get(..end).unwrap_or_default().trim_end())
}

/// Whether a link of the same user and journey was used that is younger, or the password was changed since. Who has
/// only been named so far and is nobody yet has neither.
async fn is_outlived(app: &App, realm: &str, progress: &Progress) -> Result<bool, StoreError> {
    let Some(name) = progress.username() else { return Ok(false) };
    let Some(known) = app.store.identities().named(realm, name).await? else { return Ok(false) };
    let counter = last_used(progress.state.journey());
    let used = app.store.counters().get(realm, &known.username, &counter).await?;
    if used.is_some_and(|used| i64::try_from(progress.made).unwrap_or(i64::MAX) < used) {
        return Ok(true);
    }
    let changed = app.store.identities().password_state(realm, &known.username).await?;
    Ok(changed.is_some_and(|state| state.changed_at.0 > progress.made / 1000))
}

/// Whether a link may still be used.
pub(crate) async fn is_suspended(app: &App, realm: &str, id: &str) -> Result<bool, JourneyError> {
    match find_suspended(app, realm, id).await {
        Ok(_) => Ok(true),
        Err(JourneyError::NotSuspended) => Ok(false),
        Err(error) => Err(error),
    }
}

/// A link that was followed.
pub(super) struct Link {
    id: Vec<u8>,
    version: u64,
    journey: String,
    username: Option<String>,
    made: u64,
}

impl Link {
    pub(super) fn new(id: &str, version: u64, progress: &Progress) -> Self {
        let (journey, username) = (progress.state.journey().to_owned(), progress.username().map(str::to_owned));
        Self { id: suspended(id), version, journey, username, made: progress.made }
    }

    /// Uses the link up, and with it the older ones of its user and journey.
    pub(super) async fn take(&self, app: &App, realm: &str) -> Result<(), JourneyError> {
        if !app.store.journeys().finish(&self.id, self.version).await? {
            return Err(JourneyError::NotSuspended);
        }
        let Some(name) = &self.username else { return Ok(()) };
        let Some(known) = app.store.identities().named(realm, name).await? else { return Ok(()) };
        let made = i64::try_from(self.made).unwrap_or(i64::MAX);
        Ok(app.store.counters().raise(realm, &known.username, &last_used(&self.journey), made).await?)
    }
}

fn seal(app: &App, keys: &RealmKeys, progress: &Progress) -> Result<String, MintError> {
    mint::mint(progress, Kind::Journey, &keys.journey.minting, &mut app.dice())
}

/// Nobody but an origin of this installation makes these, so what does not open is of a key that is gone.
pub(super) fn unseal(keys: &RealmKeys, sealed: &[u8]) -> Option<Progress> {
    let mut scratch = Scratch::default();
    let opened = token::open(sealed, Kind::Journey, &keys.journey.verifying, &mut scratch);
    opened.map(token::Verified::into_claims).ok()
}

fn plain(progress: &Progress) -> Result<Vec<u8>, MintError> {
    serde_json::to_vec(progress).map_err(|_| MintError::Claims)
}

/// The row of a step that a browser will come back to without its `authId`.
fn parked(reference: &str) -> Vec<u8> {
    format!("parked.{}", reference.chars().take(64).collect::<String>()).into_bytes()
}

/// Puts a step aside for a browser that cannot carry it.
pub(crate) async fn park(app: &App, realm: &str, shown: &Shown) -> Result<String, JourneyError> {
    let ring = app.keys();
    let keys = ring.realms.get(realm).ok_or(JourneyError::NoSuchRealm)?;
    let reference = URL_SAFE_NO_PAD.encode(random::<32>(&*app.entropy));
    let ends = auth_id::check(app, realm, keys, &shown.auth_id).map_err(JourneyError::AuthId)?.exp;
    let sealed = mint::mint(&shown.auth_id, Kind::Journey, &keys.journey.minting, &mut app.dice())?;
    app.store.journeys().create(&parked(&reference), realm, sealed.as_bytes(), ends).await?;
    Ok(reference)
}

/// The `authId` of a step that was put aside: once.
pub(crate) async fn unpark(app: &App, realm: &str, reference: &str) -> Result<Option<String>, JourneyError> {
    let ring = app.keys();
    let keys = ring.realms.get(realm).ok_or(JourneyError::NoSuchRealm)?;
    let (journeys, reference) = (app.store.journeys(), parked(reference));
    let row = journeys.get(&reference, app.clock.now().seconds()).await?.filter(|row| row.realm == realm);
    let Some(row) = row else { return Ok(None) };
    if !journeys.finish(&reference, row.version).await? {
        return Ok(None);
    }
    let mut scratch = Scratch::default();
    let opened = token::open(&row.state, Kind::Journey, &keys.journey.verifying, &mut scratch);
    Ok(opened.map(token::Verified::into_claims).ok())
}
