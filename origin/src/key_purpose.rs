//! What keys are for, as stored: a purpose has a name, an algorithm, and a rule for what makes a good secret.

use countersign_core::encoding;
use countersign_core::keys::{ContentAlg, ContentKey, KeyAlg, Kid, SigningAlg, SigningKey, generate_rsa};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::ambient::{Entropy, random};
use crate::settings::{Format, Realm};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Purpose {
    pub(crate) name: &'static str,
    pub(crate) algorithm: Algorithm,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Algorithm {
    Signing(SigningAlg),
    Content(KeyAlg, ContentAlg),
    /// A secret that is shown as it is.
    Bearer,
    /// From which other secrets are derived.
    HmacSha256,
}

impl Algorithm {
    /// As stored: `EdDSA`, `A256GCM` (used directly), `A256KW+A256GCM`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Signing(alg) => alg.name(),
            Self::Content(alg, enc) => {
                CONTENT.iter().find(|(a, e, _)| (*a, *e) == (alg, enc)).map_or(enc.name(), |(_, _, name)| name)
            }
            Self::Bearer => "bearer",
            Self::HmacSha256 => "HMAC-SHA256",
        }
    }
}

macro_rules! content {
    ($($alg:ident $name:literal,)*) => {
        [$(
            (KeyAlg::$alg, ContentAlg::A128Gcm, concat!($name, "A128GCM")),
            (KeyAlg::$alg, ContentAlg::A192Gcm, concat!($name, "A192GCM")),
            (KeyAlg::$alg, ContentAlg::A256Gcm, concat!($name, "A256GCM")),
            (KeyAlg::$alg, ContentAlg::A128CbcHs256, concat!($name, "A128CBC-HS256")),
            (KeyAlg::$alg, ContentAlg::A192CbcHs384, concat!($name, "A192CBC-HS384")),
            (KeyAlg::$alg, ContentAlg::A256CbcHs512, concat!($name, "A256CBC-HS512")),
        )*]
    };
}

/// The pairs that are minted.
const CONTENT: [(KeyAlg, ContentAlg, &str); 30] = content! {
    Dir "",
    A128Kw "A128KW+",
    A192Kw "A192KW+",
    A256Kw "A256KW+",
    RsaOaep256 "RSA-OAEP-256+",
};

const fn signing(name: &'static str, alg: SigningAlg) -> Purpose {
    Purpose { name, algorithm: Algorithm::Signing(alg) }
}

pub(crate) const JOURNEY_SIGNING: &str = "journey-signing";
pub(crate) const JOURNEY_CONTENT: &str = "journey-content";
/// Of session tokens that are signed, then encrypted.
pub(crate) const SESSION_SIGNING: &str = "session-signing";
pub(crate) const SESSION_CONTENT: &str = "session-content";
/// Of session tokens with one layer. They have keys of their own: an edge holds the content key of two layers and must
/// not be able to make with it what passes for a token of one; and the keys there are say what tokens there may be.
pub(crate) const SESSION_SIGNING_ALONE: &str = "session-signing-alone";
pub(crate) const SESSION_CONTENT_ALONE: &str = "session-content-alone";

const OF_SESSIONS: [&str; 4] = [SESSION_SIGNING, SESSION_CONTENT, SESSION_SIGNING_ALONE, SESSION_CONTENT_ALONE];
const OF_REALM_SIGNING: [&str; 3] = [JOURNEY_SIGNING, SESSION_SIGNING, SESSION_SIGNING_ALONE];
const OF_REALM_CONTENT: [&str; 3] = [JOURNEY_CONTENT, SESSION_CONTENT, SESSION_CONTENT_ALONE];

/// With which a realm's edges speak to its applications. Earlier versions had one for the whole installation.
pub(crate) const ASSERTION: Purpose = signing("assertion-signing", SigningAlg::EdDsa);
pub(crate) const FEED: Purpose = signing("feed-signing", SigningAlg::EdDsa);
pub(crate) const DENYLIST: Purpose = signing("denylist", SigningAlg::Hs256);
/// The bearer secret with which an edge reads the feed.
pub(crate) const FEED_CREDENTIAL: Purpose = Purpose { name: "feed-credential", algorithm: Algorithm::Bearer };
/// From which each edge bundle's delivery key is derived.
pub(crate) const EDGE_DELIVERY: Purpose = Purpose { name: "edge-delivery", algorithm: Algorithm::HmacSha256 };

pub(crate) const OF_INSTALLATION: [Purpose; 4] = [FEED, DENYLIST, FEED_CREDENTIAL, EDGE_DELIVERY];

/// Bits of an RSA key that is made here.
const RSA_BITS: usize = 2048;

/// How often a random number may turn out to be no key.
const TRIES: usize = 8;

/// The purposes that session tokens of a format take: signing, content.
pub(crate) fn of_session(format: Format) -> Vec<Purpose> {
    let (signing_name, content_name) = match (format.signing, format.content) {
        (Some(_), Some(_)) => (SESSION_SIGNING, SESSION_CONTENT),
        _ => (SESSION_SIGNING_ALONE, SESSION_CONTENT_ALONE),
    };
    of_format(format, signing_name, content_name)
}

/// The same of journeys.
pub(crate) fn of_journey(format: Format) -> Vec<Purpose> {
    of_format(format, JOURNEY_SIGNING, JOURNEY_CONTENT)
}

fn of_format(format: Format, signing_name: &'static str, content_name: &'static str) -> Vec<Purpose> {
    let content = |(alg, enc)| Purpose { name: content_name, algorithm: Algorithm::Content(alg, enc) };
    format.signing.map(|alg| signing(signing_name, alg)).into_iter().chain(format.content.map(content)).collect()
}

/// All that a realm with these settings needs keys for.
pub(crate) fn of_realm(realm: &Realm) -> Vec<Purpose> {
    let mut purposes = of_journey(realm.journey.format);
    purposes.extend(of_session(realm.session.format));
    purposes.push(ASSERTION);
    purposes
}

/// The purpose of a stored key, when it is one of ours.
pub(crate) fn purpose_of(name: &str, algorithm: &str) -> Option<Purpose> {
    if let Some(known) = OF_INSTALLATION.into_iter().chain([ASSERTION]).find(|known| known.name == name) {
        return Some(known).filter(|known| known.algorithm.name() == algorithm);
    }
    if let Some(known) = OF_REALM_SIGNING.into_iter().find(|known| *known == name) {
        return SigningAlg::named(algorithm).map(|alg| signing(known, alg));
    }
    let known = OF_REALM_CONTENT.into_iter().find(|known| *known == name)?;
    let (alg, enc, _) = CONTENT.into_iter().find(|(_, _, name)| *name == algorithm)?;
    Some(Purpose { name: known, algorithm: Algorithm::Content(alg, enc) })
}

impl Purpose {
    /// Whether sessions hang on the key.
    pub(crate) fn is_of_sessions(self) -> bool {
        OF_SESSIONS.contains(&self.name)
    }

    pub(crate) fn is_of_journeys(self) -> bool {
        [JOURNEY_SIGNING, JOURNEY_CONTENT].contains(&self.name)
    }

    /// Whether the key encrypts, which bounds how often it may.
    pub(crate) fn is_content(self) -> bool {
        matches!(self.algorithm, Algorithm::Content(..))
    }

    /// Whether the key is half of a pair, so that what is stored of it is the private half.
    pub(crate) const fn is_pair(self) -> bool {
        match self.algorithm {
            Algorithm::Signing(alg) => !alg.is_symmetric(),
            Algorithm::Content(alg, _) => alg.is_rsa(),
            Algorithm::Bearer | Algorithm::HmacSha256 => false,
        }
    }

    /// Why a secret from outside does not do. The signing secret of journeys may be as short as AM's, 128 bits; every
    /// other key has what its algorithm asks for.
    pub(crate) fn check_secret(self, secret: &[u8]) -> Result<(), String> {
        let bits = secret.len() * 8;
        let short = self.name == JOURNEY_SIGNING && self.algorithm == Algorithm::Signing(SigningAlg::Hs256);
        let exactly = |wanted: usize| (bits != wanted).then(|| format!("exactly {wanted} bits"));
        let at_least =
            |wanted: usize| (bits < wanted).then(|| format!("at least {wanted} bits (RFC 7518 section 3.2)"));
        let wanted = match self.algorithm {
            _ if short => (bits < 128).then(|| "at least 128 bits".to_owned()),
            Algorithm::Signing(SigningAlg::Hs256) => at_least(256),
            Algorithm::Signing(SigningAlg::Hs384) => at_least(384),
            Algorithm::Signing(SigningAlg::Hs512) => at_least(512),
            // Numbers that belong together, or must be in a range: the key itself knows.
            Algorithm::Signing(SigningAlg::Rs256 | SigningAlg::Es256 | SigningAlg::Es384 | SigningAlg::Es512)
            | Algorithm::Content(KeyAlg::RsaOaep256, _) => None,
            Algorithm::Content(alg, enc) => exactly(content_len(alg, enc) * 8),
            Algorithm::Signing(SigningAlg::EdDsa) | Algorithm::Bearer | Algorithm::HmacSha256 => exactly(256),
        };
        if let Some(wanted) = wanted {
            return Err(format!("a {} key for {} has {wanted}; this one has {bits}", self.name, self.algorithm.name()));
        }
        if secret.iter().all(|byte| Some(byte) == secret.first()) {
            return Err("all bytes of the key are the same".to_owned());
        }
        match self.algorithm {
            Algorithm::Signing(alg) if !short => SigningKey::new(unnamed(), alg, secret).err(),
            Algorithm::Content(alg, enc) => ContentKey::new(unnamed(), alg, enc, secret).err(),
            _ => None,
        }
        .map_or(Ok(()), |error| Err(error.to_string()))
    }

    fn random_secret(self, entropy: &dyn Entropy) -> Option<Zeroizing<Vec<u8>>> {
        let length = match self.algorithm {
            Algorithm::Signing(SigningAlg::Rs256) | Algorithm::Content(KeyAlg::RsaOaep256, _) => {
                return generate_rsa(RSA_BITS, &mut |out: &mut [u8]| entropy.fill(out));
            }
            Algorithm::Signing(SigningAlg::Hs384 | SigningAlg::Es384) => 48,
            Algorithm::Signing(SigningAlg::Hs512) => 64,
            Algorithm::Signing(SigningAlg::Es512) => 66,
            Algorithm::Content(alg, enc) => content_len(alg, enc),
            Algorithm::Signing(_) | Algorithm::Bearer | Algorithm::HmacSha256 => 32,
        };
        let mut secret = Zeroizing::new(vec![0; length]);
        entropy.fill(&mut secret);
        if let (Algorithm::Signing(SigningAlg::Es512), Some(first)) = (self.algorithm, secret.first_mut()) {
            *first &= 1; // 521 bits
        }
        Some(secret)
    }
}

/// Bytes of a content or wrapping key.
const fn content_len(alg: KeyAlg, enc: ContentAlg) -> usize {
    match alg {
        KeyAlg::A128Kw => 16,
        KeyAlg::A192Kw => 24,
        KeyAlg::A256Kw => 32,
        _ => enc.key_len(),
    }
}

/// A new secret for the purpose, and its identifier. `None` when no key comes of the randomness there is.
pub(crate) fn new_secret(purpose: Purpose, entropy: &dyn Entropy) -> Option<(Kid, Zeroizing<Vec<u8>>)> {
    // The first one does, but for the one in 2^32 that is no scalar of P-256.
    (0..TRIES).find_map(|_| {
        let secret = purpose.random_secret(entropy)?;
        purpose.check_secret(&secret).is_ok().then(|| (kid(purpose, &secret, entropy), secret))
    })
}

/// The first 16 characters of the hash over the purpose and the public key, or random bytes where there is none: it
/// tells nothing of a secret, and nothing of where the key is kept.
pub(crate) fn kid(purpose: Purpose, secret: &[u8], entropy: &dyn Entropy) -> Kid {
    let mut hash = Sha256::new();
    hash.update(purpose.name);
    hash.update([0]);
    let public = match purpose.algorithm {
        Algorithm::Signing(alg) => SigningKey::new(unnamed(), alg, secret).ok().and_then(|key| key.public_bytes()),
        _ => None,
    };
    match public {
        Some(public) => hash.update(public),
        None => hash.update(random::<32>(entropy)),
    }
    // The first `-` goes: were it in front, a command line would take the identifier for an option.
    let text = encoding::encode(&hash.finalize()).replacen('-', "A", 1);
    named(text.get(..16).unwrap_or_default())
}

pub(crate) fn unnamed() -> Kid {
    named("unnamed")
}

#[allow(clippy::expect_used, reason = "given constants, and 16 characters of base64url")]
fn named(text: &str) -> Kid {
    Kid::try_from(text.to_owned()).expect("a key identifier")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemEntropy;

    fn all() -> impl Iterator<Item = Purpose> {
        let signing_keys = OF_REALM_SIGNING.into_iter().flat_map(|name| SigningAlg::ALL.map(|alg| signing(name, alg)));
        let content = |name| CONTENT.map(|(alg, enc, _)| Purpose { name, algorithm: Algorithm::Content(alg, enc) });
        signing_keys.chain(OF_REALM_CONTENT.into_iter().flat_map(content)).chain(OF_INSTALLATION).chain([ASSERTION])
    }

    #[test]
    fn every_purpose_is_known_by_what_is_stored_of_it() {
        for purpose in all() {
            assert_eq!(purpose_of(purpose.name, purpose.algorithm.name()), Some(purpose));
        }
        for (name, algorithm) in
            [("session-signing", "none"), ("session-content", "EdDSA"), ("feed-signing", "HS256"), ("x", "HS256")]
        {
            assert_eq!(purpose_of(name, algorithm), None);
        }
        let names: Vec<_> = CONTENT.iter().map(|(_, _, name)| *name).collect();
        assert!(names.contains(&"A256GCM") && names.contains(&"A128KW+A192CBC-HS384"), "{names:?}");
    }

    #[test]
    fn every_algorithm_has_keys() {
        let rsa = |purpose: &Purpose| {
            matches!(
                purpose.algorithm,
                Algorithm::Signing(SigningAlg::Rs256) | Algorithm::Content(KeyAlg::RsaOaep256, _)
            )
        };
        // RSA keys take a second each, and are all made the same way.
        for purpose in all().filter(|purpose| !rsa(purpose)).chain([signing(SESSION_SIGNING, SigningAlg::Rs256)]) {
            assert!(purpose.check_secret(&[1, 2, 3]).is_err(), "{purpose:?}");
            let (id, secret) = new_secret(purpose, &SystemEntropy).unwrap();
            purpose.check_secret(&secret).unwrap();
            assert!(purpose.check_secret(&vec![1; secret.len()]).is_err(), "{purpose:?}");
            // Of a public key the identifier tells; of a secret it tells nothing.
            let tells = matches!(purpose.algorithm, Algorithm::Signing(alg) if !alg.is_symmetric());
            assert_eq!(kid(purpose, &secret, &SystemEntropy) == id, tells, "{purpose:?}");
        }
    }

    #[test]
    fn short_secrets_are_refused_with_the_reason() {
        for (name, alg, bits, wanted) in [
            (SESSION_SIGNING, SigningAlg::Hs256, 248, "at least 256 bits"),
            (SESSION_SIGNING, SigningAlg::Hs384, 376, "at least 384 bits"),
            (SESSION_SIGNING_ALONE, SigningAlg::Hs512, 504, "at least 512 bits"),
            (JOURNEY_SIGNING, SigningAlg::Hs256, 120, "at least 128 bits"),
            (JOURNEY_SIGNING, SigningAlg::Hs512, 504, "at least 512 bits"),
        ] {
            let secret: Vec<u8> = (0..=255).cycle().take(bits / 8 + 1).collect();
            let purpose = signing(name, alg);
            purpose.check_secret(&secret).unwrap();
            let refused = purpose.check_secret(&secret[1..]).unwrap_err();
            assert!(refused.contains(wanted) && refused.ends_with(&format!("this one has {bits}")), "{refused}");
        }
    }
}
