//! The edge bundle: all key material one edge holds, as the JSON that `countersign edge bundle` prints.
//!
//! It has no key that can mint a session when the realm signs with `EdDSA`. The assertion key (which speaks to the
//! application, not to Countersign) is in a member of its own that the worker hands to the host's WebCrypto and never
//! to this code.

use serde::{Deserialize, Serialize};

use super::{
    ContentAlg, ContentKey, KeyAlg, KeyError, KeySet, KeySetError, KeyState, Kid, SigningAlg, VerificationKey,
};
use crate::denylist::fingerprint::DenylistKey;
use crate::encoding::{decode, decode_array, encode};
use crate::token::Envelope;

/// The wire form of the bundle. Binary members are base64url.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// Always 1.
    pub version: u32,
    pub realm: String,
    /// Layers of the session token.
    pub envelope: Envelope,
    /// Keys that verify the session token.
    pub session_signing: Vec<VerificationJwk>,
    /// Keys that open the session token.
    pub session_content: Vec<ContentJwk>,
    /// Formats that are taken beside that one while the realm changes to another: the one before, the one to come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<SessionFormat>,
    /// Keys that verify heartbeats.
    pub feed: Vec<VerificationJwk>,
    /// The denylist key `k_deny`.
    pub denylist: String,
    /// Another one, under which entries are looked for too: that of before, or the one to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denylist_beside: Option<String>,
}

/// What a session token may look like, and the keys of such tokens.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionFormat {
    pub envelope: Envelope,
    pub session_signing: Vec<VerificationJwk>,
    pub session_content: Vec<ContentJwk>,
}

/// There are five: three envelopes, two of which sign with secrets or with key pairs.
const MAX_FORMATS: usize = 8;

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerificationJwk {
    pub kid: Kid,
    pub alg: SigningAlg,
    pub state: KeyState,
    /// What [`VerificationKey::new`] takes: the public key, or with `HS*` the secret.
    pub key: String,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContentJwk {
    pub kid: Kid,
    #[serde(default, skip_serializing_if = "KeyAlg::is_dir")]
    pub alg: KeyAlg,
    pub enc: ContentAlg,
    pub state: KeyState,
    /// What [`ContentKey::new`] takes.
    pub key: String,
}

/// A bundle, checked and ready to use.
#[derive(Clone)]
pub struct EdgeKeys {
    pub realm: String,
    pub session: KeySet,
    pub feed: KeySet,
    pub denylist: DenylistKey,
    /// Keys of session tokens that this program was built without, each once, and the reason. Tokens that name one are
    /// [`crate::token::TokenError::UnusableKey`].
    pub left_out: Vec<(Kid, KeyError)>,
}

/// Who verifies signatures of session tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verifiers {
    /// This program, with what it was built with.
    Own,
    /// The host where it can: ECDSA and RSA. The rest this program.
    Host,
}

/// Why a bundle is refused. The fault is with the operator who installed it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BundleError {
    /// Not the JSON expected; the text says where.
    Json(String),
    Version(u32),
    NotBase64Url(&'static str),
    Key(Kid, KeyError),
    Keys(KeySetError),
    /// A layer of the envelope has no key, or the feed has none.
    Missing(&'static str),
    TooManyFormats,
}

impl std::fmt::Display for BundleError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Json(what) => write!(f, "the edge bundle is not as expected: {what}"),
            Self::Version(version) => write!(f, "the edge bundle has version {version}; this edge reads version 1"),
            Self::NotBase64Url(member) => write!(f, "the edge bundle's {member} is not base64url"),
            Self::Key(kid, error) => write!(f, "the edge bundle's key {kid}: {error}"),
            Self::Keys(error) => write!(f, "the edge bundle: {error}"),
            Self::Missing(member) => write!(f, "the edge bundle has no {member} key"),
            Self::TooManyFormats => write!(f, "the edge bundle has more than {MAX_FORMATS} formats of session tokens"),
        }
    }
}

impl std::error::Error for BundleError {}

impl Bundle {
    pub fn parse(json: &str, verifiers: Verifiers) -> Result<EdgeKeys, BundleError> {
        let bundle: Self = serde_json::from_str(json).map_err(|error| BundleError::Json(error.to_string()))?;
        bundle.check(verifiers)
    }

    /// Leaves out keys of session tokens that this program was built without, as long as tokens of one format can be
    /// opened: one format that is too much for an edge is no reason to refuse the sessions of all others. Whatever else
    /// is wrong with a key is wrong with the bundle.
    pub fn check(&self, verifiers: Verifiers) -> Result<EdgeKeys, BundleError> {
        self.check_by(|key| key.read(verifiers), ContentJwk::read)
    }

    fn check_by(
        &self,
        signing: impl Fn(&VerificationJwk) -> Result<(KeyState, VerificationKey), BundleError>,
        content: impl Fn(&ContentJwk) -> Result<(KeyState, ContentKey), BundleError>,
    ) -> Result<EdgeKeys, BundleError> {
        if self.version != 1 {
            return Err(BundleError::Version(self.version));
        }
        if self.also.len() >= MAX_FORMATS {
            return Err(BundleError::TooManyFormats);
        }
        if self.feed.is_empty() {
            return Err(BundleError::Missing("feed"));
        }
        let (mut left_out, mut opens) = (Vec::new(), false);
        let mut key_set = |envelope: Envelope, signing_keys: &[_], content_keys: &[_]| {
            if envelope.signs() && signing_keys.is_empty() {
                return Err(BundleError::Missing("session_signing"));
            }
            if envelope.encrypts() && content_keys.is_empty() {
                return Err(BundleError::Missing("session_content"));
            }
            let mut without = Vec::new();
            let signing_keys = usable(signing_keys.iter().map(&signing), &mut without)?;
            let content_keys = usable(content_keys.iter().map(&content), &mut without)?;
            opens |= !(envelope.signs() && signing_keys.is_empty() || envelope.encrypts() && content_keys.is_empty());
            let keys = KeySet::new(envelope, signing_keys, content_keys).map_err(BundleError::Keys)?;
            let keys = keys.without(without.iter().map(|(kid, _)| kid.clone()).collect());
            // Several formats may have the same content keys.
            without.retain(|key| !left_out.contains(key));
            left_out.append(&mut without);
            Ok(keys)
        };
        let first = key_set(self.envelope, &self.session_signing, &self.session_content)?;
        let session = self.also.iter().try_fold(first, |keys, format| {
            Ok::<_, BundleError>(keys.or(key_set(format.envelope, &format.session_signing, &format.session_content)?))
        })?;
        if let Some((kid, error)) = left_out.first().filter(|_| !opens) {
            return Err(BundleError::Key(kid.clone(), *error));
        }
        // The feed is opened between two polls and not in a request: nobody is asked.
        let feed = self.feed.iter().map(|key| key.read(Verifiers::Own)).collect::<Result<_, _>>()?;
        let feed = KeySet::new(Envelope::Sign, feed, Vec::new()).map_err(BundleError::Keys)?;
        let secret = |text: &str, member| decode_array(text.as_bytes()).map_err(|_| BundleError::NotBase64Url(member));
        let denylist = DenylistKey::new(&secret(&self.denylist, "denylist")?);
        let denylist = match &self.denylist_beside {
            Some(other) => denylist.beside(&secret(other, "denylist_beside")?),
            None => denylist,
        };
        Ok(EdgeKeys { realm: self.realm.clone(), session, feed, denylist, left_out })
    }
}

/// The keys that this program can use; the others go to `without`.
fn usable<K>(
    keys: impl Iterator<Item = Result<K, BundleError>>,
    without: &mut Vec<(Kid, KeyError)>,
) -> Result<Vec<K>, BundleError> {
    let mut usable = Vec::new();
    for key in keys {
        match key {
            Ok(key) => usable.push(key),
            Err(BundleError::Key(kid, error @ KeyError::NotBuilt { .. })) => without.push((kid, error)),
            Err(error) => return Err(error),
        }
    }
    Ok(usable)
}

impl VerificationJwk {
    pub fn new(kid: Kid, alg: SigningAlg, state: KeyState, key: &[u8]) -> Self {
        Self { kid, alg, state, key: encode(key) }
    }

    fn read(&self, verifiers: Verifiers) -> Result<(KeyState, VerificationKey), BundleError> {
        let bytes = decode(self.key.as_bytes()).map_err(|_| BundleError::NotBase64Url("key"))?;
        let make = match (verifiers, self.alg) {
            (Verifiers::Host, SigningAlg::Es256 | SigningAlg::Es384 | SigningAlg::Es512 | SigningAlg::Rs256) => {
                VerificationKey::by_host
            }
            _ => VerificationKey::new,
        };
        let key = make(self.kid.clone(), self.alg, &bytes);
        key.map(|key| (self.state, key)).map_err(|error| BundleError::Key(self.kid.clone(), error))
    }
}

impl ContentJwk {
    pub fn new(kid: Kid, alg: KeyAlg, enc: ContentAlg, state: KeyState, key: &[u8]) -> Self {
        Self { kid, alg, enc, state, key: encode(key) }
    }

    fn read(&self) -> Result<(KeyState, ContentKey), BundleError> {
        let bytes = decode(self.key.as_bytes()).map_err(|_| BundleError::NotBase64Url("key"))?;
        ContentKey::new(self.kid.clone(), self.alg, self.enc, &bytes)
            .map(|key| (self.state, key))
            .map_err(|error| BundleError::Key(self.kid.clone(), error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{MintingKeys, SigningKey};
    use crate::token::mint::mint;
    use crate::token::{self, Kind, Scratch, TokenError};

    fn kid(text: &str) -> Kid {
        Kid::try_from(text.to_owned()).unwrap()
    }

    fn rsa_key() -> Vec<u8> {
        decode(include_str!("../../testdata/rsa-2048.pkcs8").trim().as_bytes()).unwrap()
    }

    fn signing(name: &str) -> SigningKey {
        SigningKey::ed25519(kid(name), &[1; 32])
    }

    fn content(kid: Kid, alg: KeyAlg, key: &[u8]) -> ContentJwk {
        ContentJwk::new(kid, alg, ContentAlg::A256Gcm, KeyState::Active, key)
    }

    fn format(envelope: Envelope, content: Vec<ContentJwk>) -> SessionFormat {
        let public = |name| {
            VerificationJwk::new(kid(name), SigningAlg::EdDsa, KeyState::Active, &signing(name).public().unwrap())
        };
        let session_signing = if envelope.signs() { vec![public("s")] } else { Vec::new() };
        SessionFormat { envelope, session_signing, session_content: content }
    }

    /// With RSA or without, and with what is in use beside it.
    fn bundle(first: SessionFormat, also: Vec<SessionFormat>) -> Bundle {
        Bundle {
            version: 1,
            realm: "/alpha".to_owned(),
            envelope: first.envelope,
            session_signing: first.session_signing,
            session_content: first.session_content,
            also,
            feed: format(Envelope::Sign, Vec::new()).session_signing,
            denylist: encode(&[3; 32]),
            denylist_beside: None,
        }
    }

    /// As a program reads it that has everything but RSA-OAEP.
    fn read_without_rsa(bundle: &Bundle) -> Result<EdgeKeys, BundleError> {
        let content = |key: &ContentJwk| match key.alg {
            KeyAlg::RsaOaep256 => Err(BundleError::Key(key.kid.clone(), KeyError::NotBuilt { alg: key.alg.name() })),
            _ => key.read(),
        };
        bundle.check_by(|key| key.read(Verifiers::Own), content)
    }

    fn opened(keys: &EdgeKeys, content: ContentKey) -> Result<String, TokenError> {
        let minting = MintingKeys::new(Envelope::SignThenEncrypt, Some(signing("s")), Some(content)).unwrap();
        let mut count = 0u8;
        let token = mint(&"demo", Kind::Session, &minting, &mut |out: &mut [u8]| {
            count += 1;
            out.fill(count);
        });
        let token = token.unwrap();
        token::open::<String>(token.as_bytes(), Kind::Session, &keys.session, &mut Scratch::default())
            .map(token::Verified::into_claims)
    }

    #[test]
    fn a_key_that_the_program_was_built_without_takes_none_of_the_others_with_it() {
        let dir = || content(kid("e"), KeyAlg::Dir, &[2; 32]);
        let rsa = || content(kid("r"), KeyAlg::RsaOaep256, &rsa_key());
        let (dir_key, rsa_key) = (
            || ContentKey::a256gcm(kid("e"), &[2; 32]).unwrap(),
            || ContentKey::new(kid("r"), KeyAlg::RsaOaep256, ContentAlg::A256Gcm, &rsa_key()).unwrap(),
        );
        let both = |keys| format(Envelope::SignThenEncrypt, keys);
        let alone = || format(Envelope::Sign, Vec::new());
        // Beside another key of the set, as the only one of a set of its own, and of the set that is in use.
        for (bundle, opens) in [
            (bundle(both(vec![dir(), rsa()]), Vec::new()), true),
            (bundle(both(vec![rsa()]), vec![alone(), both(vec![rsa(), dir()])]), true),
            (bundle(alone(), vec![both(vec![rsa()])]), false),
        ] {
            let keys = read_without_rsa(&bundle).ok().unwrap();
            assert_eq!(keys.left_out, [(kid("r"), KeyError::NotBuilt { alg: "RSA-OAEP-256" })]);
            assert_eq!(opened(&keys, rsa_key()), Err(TokenError::UnusableKey));
            let known = if opens { Ok("demo".to_owned()) } else { Err(TokenError::UnknownKey) };
            assert_eq!(opened(&keys, dir_key()), known);
            // A program that has it leaves nothing out.
            let keys = bundle.check(Verifiers::Own).ok().unwrap();
            assert!(keys.left_out.is_empty());
            assert_eq!(opened(&keys, rsa_key()).as_deref(), Ok("demo"));
        }
        // With nothing that can be opened there is nothing to go on with.
        let refused = read_without_rsa(&bundle(both(vec![rsa()]), Vec::new()));
        let error = BundleError::Key(kid("r"), KeyError::NotBuilt { alg: "RSA-OAEP-256" });
        assert_eq!(refused.err(), Some(error));
        // A bad key is no key that could be left out.
        let short = content(kid("x"), KeyAlg::Dir, &[2; 31]);
        let refused = read_without_rsa(&bundle(both(vec![dir(), rsa(), short]), Vec::new()));
        assert!(
            matches!(refused.err(), Some(BundleError::Key(kid, KeyError::KeyLength { .. })) if kid.as_str() == "x")
        );
        let refused = read_without_rsa(&bundle(both(vec![dir(), dir(), rsa()]), Vec::new()));
        assert!(matches!(refused.err(), Some(BundleError::Keys(KeySetError::Duplicate(_)))));
    }
}
