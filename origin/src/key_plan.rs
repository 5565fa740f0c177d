//! What is to become of the keys: steps computed from their rows and the time, carried out by the store all at once.
//!
//! ```text
//! standby ──(propagation)──► active ──(the next one is active)──► verify-only ──(lifetime + margin)──► retired
//!     └───────────────────────────┴────────────── keys retire --revoke ───────────┴──────────────────► revoked
//! ```

use std::collections::BTreeMap;

use countersign_core::gate::ASSERTION_SECONDS;
use countersign_core::keys::{KeyState, Kid};
use countersign_core::time::UnixSeconds;
use countersign_store::{Change, LiveTokens, NewKey, StoredKey};
use zeroize::Zeroizing;

use crate::ambient::Entropy;
use crate::key_purpose::{self, ASSERTION, DENYLIST, EDGE_DELIVERY, FEED_CREDENTIAL, Purpose, purpose_of};
use crate::keyring::{self, Place};
use crate::settings::Settings;

/// Clock skew that is tolerated, and room for what is under way.
const MARGIN_SECONDS: u64 = 120;

/// Until every origin publishes a new assertion key, and an answer from before has arrived where it is kept.
const PUBLISHING_SECONDS: u64 = 10;

/// The same where an assertion key of all realms is followed by one for each: until every origin is of a version that
/// gives edges their realm's own, and applications look for it where it is published.
const APART_SECONDS: u64 = 24 * 3600;

/// Most keys of a place that only verify, when another one is asked for: each is in every edge. What the schedule makes is
/// not held to it, since its keys go before so many have come.
const MAX_OLD: usize = 32;

/// The waiting times of these settings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// How long a new key is published before it is used: twice what any edge may go without news.
    pub(crate) propagation: u64,
    session: u64,
    journey: u64,
    /// For how long the published keys may be kept.
    jwks: u64,
}

impl Times {
    pub(crate) fn of(settings: &Settings) -> Self {
        let denylist = settings.denylist;
        Self {
            propagation: (2 * denylist.lease_ms.max(denylist.poll_ms)).div_ceil(1000),
            session: settings.all_realms().map(|realm| realm.session.max_seconds).max().unwrap_or_default(),
            journey: settings
                .all_realms()
                .map(|realm| realm.journey.max_seconds.max(realm.journey.suspended_seconds))
                .max()
                .unwrap_or_default(),
            jwks: settings.keys.jwks_max_age_seconds,
        }
    }

    /// Where an edge may hold a lease of that length.
    pub(crate) fn with_lease(self, lease_ms: u64) -> Self {
        Self { propagation: self.propagation.max((2 * lease_ms).div_ceil(1000)), ..self }
    }

    /// How long a new key of the purpose is published before it is used: until all who must know it do.
    fn publication(self, purpose: Purpose) -> u64 {
        match purpose {
            ASSERTION => self.propagation.max(self.jwks + PUBLISHING_SECONDS),
            _ => self.propagation,
        }
    }

    /// How long what a key made may be in use after the last of it was made.
    fn overlap(self, purpose: Purpose) -> u64 {
        let lifetime = match purpose {
            _ if purpose.is_of_sessions() => self.session,
            _ if purpose.is_of_journeys() => self.journey,
            // The last edge hears of the new one, what it signed before expires, and caches may be behind.
            ASSERTION => self.propagation + ASSERTION_SECONDS + self.jwks,
            // Origins that have not yet noticed make entries under it. How long those live is in the log itself.
            DENYLIST => 0,
            _ => self.propagation,
        };
        lifetime + MARGIN_SECONDS
    }
}

/// One change to come.
pub(crate) enum Step {
    Add { place: Place, kid: Kid, state: KeyState, activates_at: Option<UnixSeconds>, secret: Zeroizing<Vec<u8>> },
    Move { kid: Kid, purpose: Purpose, to: KeyState, retires_at: Option<UnixSeconds> },
}

impl Step {
    pub(crate) fn change(&self) -> Change<'_> {
        match self {
            Self::Add { place: (purpose, realm), kid, state, activates_at, secret } => Change::Add(NewKey {
                kid,
                realm: realm.as_deref(),
                purpose: purpose.name,
                algorithm: purpose.algorithm.name(),
                state: *state,
                activates_at: *activates_at,
                secret,
            }),
            Self::Move { kid, to, retires_at, .. } => Change::Move { kid, to: *to, retires_at: *retires_at },
        }
    }

    /// For the operator, in one line.
    pub(crate) fn text(&self, now: UnixSeconds) -> String {
        let and = |then: Option<String>| then.map(|then| format!(", {then}")).unwrap_or_default();
        match self {
            Self::Add { place, kid, state, activates_at, .. } => {
                let (state, then) = (state.name(), next(place.0, *state, (*activates_at, None), now));
                format!("{kid}  new {} key, {state}{}", place_name(place), and(then))
            }
            Self::Move { kid, purpose, to, retires_at } => {
                format!("{kid}  {}{}", to.name(), and(next(*purpose, *to, (None, *retires_at), now)))
            }
        }
    }
}

/// What becomes of a key next, by its times (active from, retired from).
pub(crate) fn next(
    purpose: Purpose,
    state: KeyState,
    times: (Option<UnixSeconds>, Option<UnixSeconds>),
    now: UnixSeconds,
) -> Option<String> {
    let until = |at: UnixSeconds| span(at.0.saturating_sub(now.0));
    match (state, purpose, times) {
        (KeyState::Standby, _, (Some(at), _)) => Some(format!("active in {}", until(at))),
        (KeyState::VerifyOnly, EDGE_DELIVERY, _) => Some("for bundles of its time".to_owned()),
        // By hand, when no bundle has it any more; until then for edge keys alone.
        (KeyState::VerifyOnly, FEED_CREDENTIAL, (_, Some(at))) if at <= now => Some("edge keys only".to_owned()),
        (KeyState::VerifyOnly, FEED_CREDENTIAL, (_, Some(at))) => Some(format!("edge keys only in {}", until(at))),
        (KeyState::VerifyOnly, DENYLIST, _) => Some("retired with its entries".to_owned()),
        (KeyState::VerifyOnly, _, (_, Some(at))) => Some(format!("retired in {}", until(at))),
        _ => None,
    }
}

pub(crate) fn place_name((purpose, realm): &Place) -> String {
    let realm = realm.as_ref().map(|realm| format!(" of {realm}"));
    format!("{} {}{}", purpose.name, purpose.algorithm.name(), realm.unwrap_or_default())
}

/// `90061` seconds are `1d 1h`: the two largest units.
pub(crate) fn span(seconds: u64) -> String {
    let parts = [(seconds / 86400, 'd'), (seconds / 3600 % 24, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
    let parts: Vec<_> = parts.iter().skip_while(|(n, _)| *n == 0).take(2).filter(|(n, _)| *n > 0).collect();
    match parts.is_empty() {
        true => "0s".to_owned(),
        false => parts.iter().map(|(n, unit)| format!("{n}{unit}")).collect::<Vec<_>>().join(" "),
    }
}

/// Why a plan cannot be made. The operator's to solve.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Impossible(pub(crate) String);

impl std::fmt::Display for Impossible {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn place_of(key: &StoredKey) -> Option<Place> {
    Some((purpose_of(&key.purpose, &key.algorithm)?, key.realm.clone()))
}

pub(crate) fn is_active_at(key: &StoredKey, place: &Place) -> bool {
    key.state == KeyState::Active && place_of(key).as_ref() == Some(place)
}

/// The key of a place that is in a state.
fn at<'a>(keys: &'a [StoredKey], place: &Place, state: KeyState) -> Option<&'a StoredKey> {
    keys.iter().find(|key| key.state == state && place_of(key).as_ref() == Some(place))
}

fn has_room(keys: &[StoredKey], place: &Place) -> Result<(), Impossible> {
    let is_old = |key: &&StoredKey| key.state == KeyState::VerifyOnly && place_of(key).as_ref() == Some(place);
    if keys.iter().filter(is_old).count() < MAX_OLD {
        return Ok(());
    }
    let why = match place.0 {
        EDGE_DELIVERY | FEED_CREDENTIAL => "which edges may have still; `keys retire` ends those that none has",
        _ => "on which tokens may hang still; they go with those tokens",
    };
    Err(Impossible(format!("{} has {MAX_OLD} keys of before, {why}", place_name(place))))
}

fn step_down(key: &StoredKey, purpose: Purpose, now: UnixSeconds, times: Times) -> Step {
    // How long a bundle is in use, nobody knows but who installed it.
    let retires_at = (purpose != EDGE_DELIVERY).then(|| now.plus(times.overlap(purpose)));
    Step::Move { kid: key.kid.clone(), purpose, to: KeyState::VerifyOnly, retires_at }
}

fn active(key: &StoredKey, purpose: Purpose) -> Step {
    Step::Move { kid: key.kid.clone(), purpose, to: KeyState::Active, retires_at: None }
}

/// Brings a key into use: after the propagation time, or at once. One at a time: a second standby key would say that
/// the first was not wanted.
pub(crate) fn introduce(
    keys: &[StoredKey],
    place: &Place,
    (kid, secret): (Kid, Zeroizing<Vec<u8>>),
    at_once: bool,
    (now, times): (UnixSeconds, Times),
) -> Result<Vec<Step>, Impossible> {
    if let Some(waiting) = at(keys, place, KeyState::Standby) {
        let when = waiting.activates_at.map_or(0, |at| at.0.saturating_sub(now.0));
        return Err(Impossible(format!(
            "{} has the standby key {} already, which becomes active in {}",
            place_name(place),
            waiting.kid,
            span(when)
        )));
    }
    if place.0 == DENYLIST
        && let Some(old) = at(keys, place, KeyState::VerifyOnly)
    {
        return Err(Impossible(format!(
            "entries of the denylist stand under the key {} still; it goes by itself when the last of them has expired",
            old.kid
        )));
    }
    let (state, activates_at) = match at_once {
        true => (KeyState::Active, None),
        false => (KeyState::Standby, Some(now.plus(times.publication(place.0)))),
    };
    let mut steps = vec![Step::Add { place: place.clone(), kid, state, activates_at, secret }];
    let active = at(keys, place, KeyState::Active).filter(|_| at_once);
    steps.extend(active.map(|key| step_down(key, place.0, now, times)));
    Ok(steps)
}

/// Brings in a secret from outside. One that is here already and still verifies comes into use again, so that an import
/// can be taken back with the secret of before.
pub(crate) fn import(
    keys: &[StoredKey],
    place: &Place,
    secret: Zeroizing<Vec<u8>>,
    at_once: bool,
    moment: (UnixSeconds, Times),
    entropy: &dyn Entropy,
) -> Result<Vec<Step>, Impossible> {
    let same = |key: &&StoredKey| *key.secret == *secret && place_of(key).as_ref() == Some(place);
    let known = keys.iter().rfind(same);
    match known.map(|key| (key, key.state)) {
        Some((key, KeyState::Standby)) if at_once => return Ok(promote(keys, key, place, moment)),
        Some((key, KeyState::VerifyOnly)) => return Ok(promote(keys, key, place, moment)),
        Some((_, KeyState::Retired)) if !place.0.is_pair() => {}
        Some((key, state)) => {
            return Err(Impossible(format!("that is the key {} already; it is {}", key.kid, state.name())));
        }
        None => {}
    }
    has_room(keys, place)?;
    let kid = key_purpose::kid(place.0, &secret, entropy);
    introduce(keys, place, (kid, secret), at_once, moment)
}

/// A new key of our own making; with `at_once`, a standby key that waits is taken instead.
pub(crate) fn rotate(
    keys: &[StoredKey],
    place: &Place,
    at_once: bool,
    moment: (UnixSeconds, Times),
    entropy: &dyn Entropy,
) -> Result<Vec<Step>, Impossible> {
    if at_once && place.0 == DENYLIST {
        let why = "an origin that has not noticed the new denylist key would not find what is ended under it";
        return Err(Impossible(format!("{why}; rotate without --now")));
    }
    // Nobody has to hear of a new delivery key: the next bundle is made with it.
    let at_once = at_once || place.0 == EDGE_DELIVERY;
    match at(keys, place, KeyState::Standby) {
        Some(waiting) if at_once => Ok(promote(keys, waiting, place, moment)),
        _ => {
            has_room(keys, place)?;
            introduce(keys, place, new_secret(place.0, entropy)?, at_once, moment)
        }
    }
}

fn new_secret(purpose: Purpose, entropy: &dyn Entropy) -> Result<(Kid, Zeroizing<Vec<u8>>), Impossible> {
    key_purpose::new_secret(purpose, entropy)
        .ok_or_else(|| Impossible(format!("no {} key could be made", purpose.algorithm.name())))
}

fn promote(keys: &[StoredKey], waiting: &StoredKey, place: &Place, (now, times): (UnixSeconds, Times)) -> Vec<Step> {
    let mut steps = vec![active(waiting, place.0)];
    steps.extend(at(keys, place, KeyState::Active).map(|key| step_down(key, place.0, now, times)));
    steps
}

/// What hangs on keys.
pub(crate) struct Hanging {
    pub(crate) tokens: BTreeMap<String, LiveTokens>,
    /// When the oldest entry that is still in the denylist log was made.
    pub(crate) oldest_entry: Option<UnixSeconds>,
}

impl Hanging {
    /// Whether anything does on a key that makes nothing any more.
    fn on(&self, key: &StoredKey) -> bool {
        match purpose_of(&key.purpose, &key.algorithm) {
            // Entries that were made under it, however long their sessions live: without it those would come back.
            Some(DENYLIST) => key.retires_at.is_none_or(|at| self.oldest_entry.is_some_and(|oldest| oldest < at)),
            // Bundles, which nobody counts; they are replaced by hand.
            Some(FEED_CREDENTIAL) => true,
            _ => self.tokens.contains_key(key.kid.as_str()),
        }
    }
}

/// What time has brought: standby keys whose time has come, verify-only keys that nothing hangs on any more.
pub(crate) fn due(keys: &[StoredKey], hanging: &Hanging, now: UnixSeconds, times: Times) -> Vec<Step> {
    let mut steps = Vec::new();
    for key in keys {
        let Some(place) = place_of(key) else { continue };
        match key.state {
            // A standby key without a time was put there by hand, and waits for that hand.
            KeyState::Standby if key.activates_at.is_some_and(|at| at <= now) => {
                steps.extend(promote(keys, key, &place, (now, times)));
            }
            KeyState::VerifyOnly if key.retires_at.is_some_and(|at| at <= now) && !hanging.on(key) => {
                let (kid, purpose) = (key.kid.clone(), place.0);
                steps.push(Step::Move { kid, purpose, to: KeyState::Retired, retires_at: None });
            }
            _ => {}
        }
    }
    steps
}

/// What the schedule asks for: keys that are too old, or have encrypted three quarters of what they may.
pub(crate) fn scheduled(
    keys: &[StoredKey],
    settings: &Settings,
    (now, times): (UnixSeconds, Times),
    entropy: &dyn Entropy,
) -> Vec<Step> {
    let limits = &settings.keys;
    let mut steps = Vec::new();
    for place in keyring::rotatable(keys, settings) {
        let Some(active) = at(keys, &place, KeyState::Active) else { continue };
        let old = limits.rotate_after_seconds.is_some_and(|after| active.created_at.plus(after) <= now);
        let spent = is_spent(active, place.0, settings);
        if (old || spent) && at(keys, &place, KeyState::Standby).is_none() {
            let Some(new) = key_purpose::new_secret(place.0, entropy) else { continue };
            steps.extend(introduce(keys, &place, new, false, (now, times)).into_iter().flatten());
        }
    }
    steps
}

/// Whether a key has encrypted so often that it is to be followed by another.
fn is_spent(key: &StoredKey, purpose: Purpose, settings: &Settings) -> bool {
    purpose.is_content() && key.seals >= settings.keys.max_seals / 4 * 3
}

/// Brings realms to the algorithms that their settings name. Keys of the new ones are published before they are used;
/// then, all at once, they are active and those of before only verify. Where a key of before the last change still
/// verifies, it is taken again: every edge has it. Nothing is made in place of a key that waits for its file.
pub(crate) fn switched(
    keys: &[StoredKey],
    settings: &Settings,
    waiting: &[&Place],
    (now, times): (UnixSeconds, Times),
    entropy: &dyn Entropy,
) -> Vec<Step> {
    let mut steps = Vec::new();
    for realm in keyring::realms(keys) {
        let of = settings.realm(&realm);
        let (sessions, journeys) =
            (key_purpose::of_session(of.session.format), key_purpose::of_journey(of.journey.format));
        let (signing, content): (Vec<_>, Vec<_>) = journeys.into_iter().partition(|purpose| !purpose.is_content());
        let is_signing: fn(Purpose) -> bool = |purpose| purpose.is_of_journeys() && !purpose.is_content();
        let is_content: fn(Purpose) -> bool = |purpose| purpose.is_of_journeys() && purpose.is_content();
        for (wanted, kind) in
            [(sessions, Purpose::is_of_sessions as fn(Purpose) -> bool), (signing, is_signing), (content, is_content)]
        {
            let wanted: Vec<Place> = wanted.into_iter().map(|purpose| (purpose, Some(realm.clone()))).collect();
            let lacking: Vec<&Place> =
                wanted.iter().filter(|place| at(keys, place, KeyState::Active).is_none()).collect();
            if !lacking.iter().any(|place| waiting.contains(place)) {
                steps.extend(switch(keys, settings, (&wanted, lacking), kind, (now, times), entropy));
            }
        }
    }
    steps
}

/// Gives every realm an assertion key of its own. One of all realms, as earlier versions made it, lets an edge of one
/// speak for users of another; it is in use until each realm has its own in use, and then goes as any other.
pub(crate) fn apart(keys: &[StoredKey], (now, times): (UnixSeconds, Times), entropy: &dyn Entropy) -> Vec<Step> {
    let shared = at(keys, &(ASSERTION, None), KeyState::Active);
    let lacking: Vec<Place> = keyring::without_assertion_key(keys).collect();
    if lacking.is_empty() {
        return shared.map(|key| step_down(key, ASSERTION, now, times)).into_iter().collect();
    }
    let (state, activates_at) = match shared {
        Some(_) => (KeyState::Standby, Some(now.plus(times.publication(ASSERTION).max(APART_SECONDS)))),
        // A program of before made a realm.
        None => (KeyState::Active, None),
    };
    let unpublished = lacking.into_iter().filter(|place| at(keys, place, KeyState::Standby).is_none());
    let add = |place: Place| {
        let (kid, secret) = key_purpose::new_secret(ASSERTION, entropy)?;
        Some(Step::Add { place, kid, state, activates_at, secret })
    };
    unpublished.filter_map(add).collect()
}

fn switch(
    keys: &[StoredKey],
    settings: &Settings,
    (wanted, lacking): (&[Place], Vec<&Place>),
    kind: impl Fn(Purpose) -> bool,
    (now, times): (UnixSeconds, Times),
    entropy: &dyn Entropy,
) -> Vec<Step> {
    // The one that was made last is the one that was in use last.
    let again = |place: &Place| {
        let fits = |key: &&StoredKey| key.state == KeyState::VerifyOnly && place_of(key).as_ref() == Some(place);
        keys.iter().rfind(fits).filter(|key| !is_spent(key, place.0, settings))
    };
    if lacking.is_empty() {
        let superfluous = keys.iter().filter(|key| key.state == KeyState::Active).filter_map(|key| {
            let place = place_of(key)?;
            let realm = wanted.first().map(|(_, realm)| realm);
            let here = kind(place.0) && Some(&place.1) == realm && !wanted.contains(&place);
            here.then(|| step_down(key, place.0, now, times))
        });
        return superfluous.collect();
    }
    let known: Vec<Step> = lacking.iter().filter_map(|place| Some(active(again(place)?, place.0))).collect();
    if known.len() == lacking.len() {
        return known;
    }
    let mut steps = Vec::new();
    for place in lacking.into_iter().filter(|place| at(keys, place, KeyState::Standby).is_none()) {
        let Some(new) = key_purpose::new_secret(place.0, entropy) else { continue };
        steps.extend(introduce(keys, place, new, false, (now, times)).into_iter().flatten());
    }
    steps
}

/// How a key is to go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Retirement {
    /// Only when nothing hangs on it.
    Kind,
    /// Whatever hangs on it is refused from then on.
    Forced,
    /// As forced, and for good: it may be in other hands.
    Revoked,
}

/// Ends a key. One that is active is replaced in the same breath, by its standby key or a new one.
pub(crate) fn retire(
    keys: &[StoredKey],
    kid: &str,
    how: Retirement,
    live: &BTreeMap<String, LiveTokens>,
    now: UnixSeconds,
    entropy: &dyn Entropy,
) -> Result<Vec<Step>, Impossible> {
    let refuse = |why: String| Err(Impossible(why));
    let Some(key) = keys.iter().find(|key| key.kid.as_str() == kid) else {
        return refuse(format!("there is no key {kid}"));
    };
    let Some(place) = place_of(key) else {
        return refuse(format!("{kid} is a {} {} key, which this version does not know", key.purpose, key.algorithm));
    };
    let reasons = [irreplaceable(key, place.0, how), ended(key, how), awaited(key, place.0, how, live, now)];
    if let Some(why) = reasons.into_iter().flatten().next() {
        return refuse(why);
    }
    let (purpose, to) = (place.0, if how == Retirement::Revoked { KeyState::Revoked } else { KeyState::Retired });
    let mut steps = Vec::new();
    if key.state == KeyState::Active {
        match at(keys, &place, KeyState::Standby) {
            Some(next) => steps.push(active(next, place.0)),
            None => {
                let (kid, secret) = new_secret(place.0, entropy)?;
                steps.push(Step::Add { place, kid, state: KeyState::Active, activates_at: None, secret });
            }
        }
    }
    steps.push(Step::Move { kid: key.kid.clone(), purpose, to, retires_at: None });
    Ok(steps)
}

/// What would be lost with a key that another cannot stand in for from one moment to the next.
fn irreplaceable(key: &StoredKey, purpose: Purpose, how: Retirement) -> Option<String> {
    let kid = &key.kid;
    match (purpose, key.state) {
        (DENYLIST, KeyState::Active | KeyState::VerifyOnly) => Some(format!(
            "without the key {kid} sessions that were ended would come back; `keys rotate --purpose denylist`, and it goes \
             by itself when no entry stands under it"
        )),
        (FEED_CREDENTIAL, KeyState::Active) => {
            Some(format!("with {kid} edges ask for the next one; `keys rotate --purpose feed-credential` first"))
        }
        (EDGE_DELIVERY, KeyState::Active) if how == Retirement::Kind => Some(format!(
            "bundles are made with {kid}; `keys rotate --purpose edge-delivery` first, or --force: every bundle of today is \
             then withdrawn"
        )),
        _ => None,
    }
}

/// A retired one may still turn out to be in other hands.
fn ended(key: &StoredKey, how: Retirement) -> Option<String> {
    let ended = match key.state {
        KeyState::Retired => how != Retirement::Revoked,
        state => state == KeyState::Revoked,
    };
    ended.then(|| format!("{} is {} already", key.kid, key.state.name()))
}

/// How many sessions hang on a key, in words. `None` where sessions do not.
pub(crate) fn sessions_on(
    kid: &str,
    purpose: Purpose,
    live: &BTreeMap<String, LiveTokens>,
    now: UnixSeconds,
) -> Option<String> {
    let words = |live: &LiveTokens| {
        let left = span(live.until.0.saturating_sub(now.0));
        format!("up to {} live sessions hang on {kid}, the last of them for {left}", live.tokens)
    };
    let of_sessions = purpose.is_of_sessions();
    of_sessions.then(|| live.get(kid).map_or_else(|| format!("no live session hangs on {kid}"), words))
}

/// What hangs on it, for whoever does not want to end that.
fn awaited(
    key: &StoredKey,
    purpose: Purpose,
    how: Retirement,
    live: &BTreeMap<String, LiveTokens>,
    now: UnixSeconds,
) -> Option<String> {
    let kid = &key.kid;
    match key.state {
        _ if how != Retirement::Kind => None,
        KeyState::Active => {
            let sessions = sessions_on(kid.as_str(), purpose, live, now).map(|told| format!(", and {told}"));
            let sessions = sessions.unwrap_or_default();
            Some(format!("{kid} is the key in use{sessions}; `keys rotate` first, or --force to end what it made"))
        }
        KeyState::VerifyOnly => match live.get(kid.as_str()) {
            Some(_) => {
                sessions_on(kid.as_str(), purpose, live, now).map(|sessions| format!("{sessions}; --force ends them"))
            }
            None => key.retires_at.filter(|at| *at > now && !purpose.is_of_sessions()).map(|at| {
                let left = span(at.0 - now.0);
                format!("logins, polls or assertions under way may hang on {kid} for {left}; --force ends them")
            }),
        },
        _ => None,
    }
}
