//! The formats of tokens that a realm's keys make: an envelope and the keys of its layers.

use countersign_core::keys::{KeyAlg, KeyState, Kid};
use countersign_core::token::Envelope;
use countersign_store::StoredKey;

use super::{KeyringError, active};
use crate::key_purpose::{
    Algorithm, JOURNEY_CONTENT, JOURNEY_SIGNING, Purpose, SESSION_CONTENT, SESSION_CONTENT_ALONE, SESSION_SIGNING,
    SESSION_SIGNING_ALONE, purpose_of,
};

/// The envelopes of session tokens, each with the purposes of its keys.
pub(super) const SESSION_SHAPES: [Shape; 3] = [
    (Envelope::SignThenEncrypt, &[SESSION_SIGNING, SESSION_CONTENT]),
    (Envelope::Sign, &[SESSION_SIGNING_ALONE]),
    (Envelope::Encrypt, &[SESSION_CONTENT_ALONE]),
];

/// Those of a login in progress: `authId`, and the state inside.
pub(super) const JOURNEY_SHAPES: [Shape; 2] =
    [(Envelope::Sign, &[JOURNEY_SIGNING]), (Envelope::Encrypt, &[JOURNEY_CONTENT])];

pub(super) type Shape = (Envelope, &'static [&'static str]);

/// Keys that make and read tokens of one shape: in one set, all that sign are secrets, or none is.
pub(super) struct Format<'a> {
    pub(super) envelope: Envelope,
    pub(super) signing: Vec<&'a StoredKey>,
    pub(super) content: Vec<&'a StoredKey>,
}

impl Format<'_> {
    pub(super) fn has(&self, kid: &Kid) -> bool {
        self.signing.iter().chain(&self.content).any(|key| key.kid == *kid)
    }

    /// Whether who verifies with it can mint.
    pub(super) fn can_be_minted_by_verifiers(&self) -> bool {
        let secret = |key: &&StoredKey| key.state.verifies() && is_symmetric(key);
        self.signing.is_empty() || self.signing.iter().any(secret)
    }
}

fn is_symmetric(key: &StoredKey) -> bool {
    matches!(algorithm(key), Some(Algorithm::Signing(alg)) if alg.is_symmetric())
}

/// The name of an algorithm that edges have with the feature `all-formats` alone.
pub(super) const fn beyond_plain(algorithm: Algorithm) -> Option<&'static str> {
    match algorithm {
        Algorithm::Content(alg @ KeyAlg::RsaOaep256, _) => Some(alg.name()),
        _ => None,
    }
}

pub(super) fn algorithm(key: &StoredKey) -> Option<Algorithm> {
    purpose_of(&key.purpose, &key.algorithm).map(|purpose| purpose.algorithm)
}

/// The active keys that tokens are made with: those that the settings want, or, until there are such, those of before.
pub(super) fn in_use<'a>(
    stored: &'a [StoredKey],
    realm: Option<&str>,
    shapes: &[Shape],
    wanted: &[Purpose],
) -> Result<Vec<&'a StoredKey>, KeyringError> {
    let outcome: Result<Vec<_>, _> = wanted.iter().map(|purpose| active(stored, realm, *purpose)).collect();
    if !matches!(outcome, Err(KeyringError::Active { found: 0, .. })) {
        return outcome;
    }
    let newest_active = |name: &&str| {
        let here =
            |key: &&StoredKey| key.purpose == **name && key.realm.as_deref() == realm && key.state == KeyState::Active;
        stored.iter().rfind(here)
    };
    let before = shapes.iter().find_map(|(_, names)| names.iter().map(newest_active).collect::<Option<Vec<_>>>());
    before.map_or(outcome, Ok)
}

/// What tokens there may be: first what is made now, then whatever else has keys that verify.
pub(super) fn formats<'a>(
    stored: &'a [StoredKey],
    realm: Option<&str>,
    shapes: &[Shape],
    wanted: &[Purpose],
) -> Result<Vec<Format<'a>>, KeyringError> {
    let current = in_use(stored, realm, shapes, wanted)?;
    let mut formats = Vec::new();
    for (envelope, names) in shapes {
        let here = |key: &&StoredKey| names.contains(&key.purpose.as_str()) && key.realm.as_deref() == realm;
        let is_content = |key: &&StoredKey| matches!(algorithm(key), Some(Algorithm::Content(..)));
        let (content, signing): (Vec<_>, Vec<_>) = stored.iter().filter(here).partition(is_content);
        let (secrets, pairs): (Vec<_>, Vec<_>) = signing.into_iter().partition(|key| is_symmetric(key));
        let groups = if envelope.signs() { vec![secrets, pairs] } else { vec![Vec::new()] };
        formats.extend(groups.into_iter().map(|signing| Format {
            envelope: *envelope,
            signing,
            content: content.clone(),
        }));
    }
    let verifies = |keys: &[&StoredKey]| keys.iter().any(|key| key.state.verifies());
    formats.retain(|format| {
        (!format.envelope.signs() || verifies(&format.signing))
            && (!format.envelope.encrypts() || verifies(&format.content))
    });
    formats.sort_by_key(|format| !current.iter().all(|key| format.has(&key.kid)));
    Ok(formats)
}
