//! The keys of the installation: what they are for, how they are made, and the ring that is loaded at start.

use std::collections::BTreeMap;

use countersign_core::denylist::fingerprint::DenylistKey;
use countersign_core::encoding;
use countersign_core::keys::{
    Bundle, ContentAlg, ContentJwk, ContentKey, KeyAlg, KeySet, KeyState, Kid, MintingKeys, SigningAlg, SigningKey,
    VerificationJwk,
};
use countersign_core::time::UnixSeconds;
use countersign_core::token::Envelope;
use countersign_core::token::mint::MintError;
use countersign_store::{NewKey, Store, StoreError, StoredKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::ambient::{Entropy, random};
use crate::settings::Session;

/// What a key is for, as stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Purpose {
    pub(crate) name: &'static str,
    pub(crate) algorithm: &'static str,
}

const fn purpose(name: &'static str, algorithm: &'static str) -> Purpose {
    Purpose { name, algorithm }
}

const JOURNEY_SIGNING: Purpose = purpose("journey-signing", "HS256");
const JOURNEY_CONTENT: Purpose = purpose("journey-content", "A256GCM");
/// Both algorithms have a key, so that the setting can be changed without a command in between.
const SESSION_EDDSA: Purpose = purpose("session-signing", "EdDSA");
const SESSION_HS256: Purpose = purpose("session-signing", "HS256");
const SESSION_CONTENT: Purpose = purpose("session-content", "A256GCM");
const ASSERTION: Purpose = purpose("assertion-signing", "EdDSA");
const FEED: Purpose = purpose("feed-signing", "EdDSA");
const DENYLIST: Purpose = purpose("denylist", "HS256");
/// The bearer secret with which an edge reads the feed.
const FEED_CREDENTIAL: Purpose = purpose("feed-credential", "bearer");

/// Each realm has its own.
const OF_REALM: [Purpose; 5] = [JOURNEY_SIGNING, JOURNEY_CONTENT, SESSION_EDDSA, SESSION_HS256, SESSION_CONTENT];
const OF_INSTALLATION: [Purpose; 4] = [ASSERTION, FEED, DENYLIST, FEED_CREDENTIAL];

/// Makes and stores one active key of each of the purposes.
pub(crate) async fn generate(
    store: &Store,
    realm: Option<&str>,
    now: UnixSeconds,
    entropy: &dyn Entropy,
) -> Result<(), StoreError> {
    let purposes: &[Purpose] = if realm.is_some() { &OF_REALM } else { &OF_INSTALLATION };
    for purpose in purposes {
        let secret = Zeroizing::new(random::<32>(entropy));
        let kid = kid(*purpose, &secret, entropy);
        let key = NewKey {
            kid: &kid,
            realm,
            purpose: purpose.name,
            algorithm: purpose.algorithm,
            state: KeyState::Active,
            secret: secret.as_slice(),
        };
        store.keys().insert(key, now).await?;
    }
    Ok(())
}

/// The first 16 characters of the hash over the purpose and the public key, or random bytes where there is none: it
/// tells nothing of a secret, and nothing of where the key is kept.
fn kid(purpose: Purpose, secret: &[u8; 32], entropy: &dyn Entropy) -> Kid {
    let mut hash = Sha256::new();
    hash.update(purpose.name);
    hash.update([0]);
    let named = |text: &str| Kid::try_from(text.to_owned());
    let public = named("unnamed").ok().and_then(|kid| SigningKey::ed25519(kid, secret).public());
    match public.filter(|_| purpose.algorithm == "EdDSA") {
        Some(public) => hash.update(public),
        None => hash.update(random::<32>(entropy)),
    }
    let text = encoding::encode(&hash.finalize());
    #[allow(clippy::expect_used, reason = "16 characters of base64url are a key identifier")]
    named(text.get(..16).unwrap_or_default()).expect("base64url")
}

/// Why the keys cannot be used. The operator's fault (a database that was edited or half initialised) or the store's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum KeyringError {
    Store(StoreError),
    /// Not exactly one active key of a purpose.
    Active {
        purpose: Purpose,
        realm: Option<String>,
        found: usize,
    },
    /// A key's material does not fit its algorithm.
    Material {
        kid: Kid,
    },
    NoRealm,
    /// The settings name an envelope or algorithm that is read but not minted.
    Minting(MintError),
}

impl std::fmt::Display for KeyringError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Active { purpose, realm, found } => {
                write!(f, "there are {found} active {} {} keys", purpose.name, purpose.algorithm)?;
                if let Some(realm) = realm {
                    write!(f, " of realm {realm}")?;
                }
                f.write_str("; there must be one")
            }
            Self::Material { kid } => write!(f, "the key {kid} does not fit its algorithm"),
            Self::Minting(error) => error.fmt(f),
            Self::NoRealm => f.write_str("the database has no realm"),
        }
    }
}

impl From<StoreError> for KeyringError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A key set's two sides.
pub(crate) struct Pair {
    pub(crate) minting: MintingKeys,
    pub(crate) verifying: KeySet,
}

pub(crate) struct RealmKeys {
    /// The outer, signed layer of `authId`.
    pub(crate) auth_id: Pair,
    /// The sealed state inside.
    pub(crate) journey: Pair,
    pub(crate) session: Pair,
}

pub(crate) struct Keyring {
    stored: Vec<StoredKey>,
    /// By realm name.
    pub(crate) realms: BTreeMap<String, RealmKeys>,
    pub(crate) feed: Pair,
    pub(crate) denylist: DenylistKey,
    /// SHA-256 of the feed credential's text.
    pub(crate) feed_credential: [u8; 32],
}

impl Keyring {
    pub(crate) async fn load(store: &Store, session: &Session) -> Result<Self, KeyringError> {
        let stored = store.keys().list().await?;
        let mut realms = BTreeMap::new();
        for realm in store.realms().list().await?.into_iter().filter(|realm| realm.active) {
            let keys = RealmKeys {
                auth_id: pair(&stored, Some(&realm.name), Envelope::Sign, Some(JOURNEY_SIGNING), None)?,
                journey: pair(&stored, Some(&realm.name), Envelope::Encrypt, None, Some(JOURNEY_CONTENT))?,
                session: session_pair(&stored, &realm.name, session)?,
            };
            realms.insert(realm.name, keys);
        }
        if realms.is_empty() {
            return Err(KeyringError::NoRealm);
        }
        let feed = pair(&stored, None, Envelope::Sign, Some(FEED), None)?;
        active(&stored, None, ASSERTION)?;
        let denylist = DenylistKey::new(&*secret(active(&stored, None, DENYLIST)?)?);
        let credential = credential_text(active(&stored, None, FEED_CREDENTIAL)?);
        let feed_credential = Sha256::digest(credential.as_bytes()).into();
        Ok(Self { stored, realms, feed, denylist, feed_credential })
    }

    /// The published keys that verify assertions (RFC 7517, RFC 8037).
    pub(crate) fn jwks(&self) -> Value {
        let keys: Vec<Value> = of(&self.stored, None, ASSERTION)
            .filter(|key| key.state != KeyState::Retired)
            .filter_map(|key| {
                let x = encoding::encode(&signing_key(key).ok()?.public()?);
                Some(json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": key.kid, "x": x}))
            })
            .collect();
        json!({ "keys": keys })
    }

    /// What `countersign edge bundle` prints: core's bundle, and beside it what the worker's JavaScript keeps to itself.
    pub(crate) fn edge_bundle(&self, realm: &str, session: &Session, issuer: &str) -> Result<Value, KeyringError> {
        let live = |purpose, realm| of(&self.stored, realm, purpose).filter(|key| key.state != KeyState::Retired);
        let verification = |purpose, realm| live(purpose, realm).map(verification_jwk).collect::<Result<Vec<_>, _>>();
        let (signs, seals) = (session.envelope.signs(), session.envelope.encrypts());
        let bundle = Bundle {
            version: 1,
            realm: realm.to_owned(),
            envelope: session.envelope,
            session_signing: if signs { verification(session_signing(session.signing), Some(realm))? } else { vec![] },
            session_content: live(SESSION_CONTENT, Some(realm))
                .filter(|_| seals)
                .map(|key| ContentJwk::new(key.kid.clone(), KeyAlg::Dir, ContentAlg::A256Gcm, key.state, &key.secret))
                .collect(),
            feed: verification(FEED, None)?,
            denylist: encoding::encode(&active(&self.stored, None, DENYLIST)?.secret),
        };
        let assertion = active(&self.stored, None, ASSERTION)?;
        let public = signing_key(assertion)?.public().ok_or(KeyringError::Material { kid: assertion.kid.clone() })?;
        let mut bundle = json!(bundle);
        if let Some(members) = bundle.as_object_mut() {
            let credential = active(&self.stored, None, FEED_CREDENTIAL)?;
            members.insert("feed_credential".into(), credential_text(credential).as_str().into());
            let (x, d) = (encoding::encode(&public), encoding::encode(&assertion.secret));
            let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": x, "d": d});
            members.insert("assertion".into(), json!({"kid": assertion.kid, "jwk": jwk}));
            members.insert("issuer".into(), issuer.into());
            members.insert("cookie_name".into(), session.cookie_name.as_str().into());
        }
        Ok(bundle)
    }

    /// The key of an identifier, whatever it is for.
    pub(crate) fn find(&self, kid: &str) -> Option<&StoredKey> {
        self.stored.iter().find(|key| key.kid.as_str() == kid)
    }

    pub(crate) fn len(&self) -> usize {
        self.stored.len()
    }
}

const fn session_signing(alg: SigningAlg) -> Purpose {
    match alg {
        SigningAlg::EdDsa => SESSION_EDDSA,
        SigningAlg::Hs256 => SESSION_HS256,
        other => purpose("session-signing", other.name()),
    }
}

/// Whether an edge with the bundle holds a key that can mint sessions.
pub(crate) fn edge_could_mint(session: &Session) -> bool {
    !session.envelope.signs() || session.signing.is_symmetric()
}

fn session_pair(stored: &[StoredKey], realm: &str, session: &Session) -> Result<Pair, KeyringError> {
    let signing = Some(session_signing(session.signing)).filter(|_| session.envelope.signs());
    let content = Some(SESSION_CONTENT).filter(|_| session.envelope.encrypts());
    pair(stored, Some(realm), session.envelope, signing, content)
}

fn pair(
    stored: &[StoredKey],
    realm: Option<&str>,
    envelope: Envelope,
    signing: Option<Purpose>,
    content: Option<Purpose>,
) -> Result<Pair, KeyringError> {
    let (mut verification, mut contents) = (Vec::new(), Vec::new());
    let (mut active_signing, mut active_content) = (None, None);
    if let Some(purpose) = signing {
        active_signing = Some(signing_key(active(stored, realm, purpose)?)?);
        for key in of(stored, realm, purpose) {
            let verifies = signing_key(key)?.verification_key();
            verification.push((key.state, verifies.map_err(|_| KeyringError::Material { kid: key.kid.clone() })?));
        }
    }
    if let Some(purpose) = content {
        active_content = Some(content_key(active(stored, realm, purpose)?)?);
        for key in of(stored, realm, purpose) {
            contents.push((key.state, content_key(key)?));
        }
    }
    let minting = MintingKeys::new(envelope, active_signing, active_content).map_err(KeyringError::Minting)?;
    let verifying = KeySet::new(envelope, verification, contents)
        .map_err(|error| KeyringError::Material { kid: error.kid().clone() })?;
    Ok(Pair { minting, verifying })
}

fn of<'a>(stored: &'a [StoredKey], realm: Option<&str>, purpose: Purpose) -> impl Iterator<Item = &'a StoredKey> {
    stored.iter().filter(move |key| {
        key.purpose == purpose.name && key.algorithm == purpose.algorithm && key.realm.as_deref() == realm
    })
}

fn active<'a>(stored: &'a [StoredKey], realm: Option<&str>, purpose: Purpose) -> Result<&'a StoredKey, KeyringError> {
    let mut active = of(stored, realm, purpose).filter(|key| key.state == KeyState::Active);
    match (active.next(), active.count()) {
        (Some(key), 0) => Ok(key),
        (first, more) => {
            let found = usize::from(first.is_some()) + more;
            Err(KeyringError::Active { purpose, realm: realm.map(str::to_owned), found })
        }
    }
}

fn secret(key: &StoredKey) -> Result<Zeroizing<[u8; 32]>, KeyringError> {
    let bytes: [u8; 32] =
        key.secret.as_slice().try_into().map_err(|_| KeyringError::Material { kid: key.kid.clone() })?;
    Ok(Zeroizing::new(bytes))
}

fn signing_key(key: &StoredKey) -> Result<SigningKey, KeyringError> {
    let material = || KeyringError::Material { kid: key.kid.clone() };
    let alg = SigningAlg::named(&key.algorithm).ok_or_else(material)?;
    SigningKey::new(key.kid.clone(), alg, &key.secret).map_err(|_| material())
}

fn content_key(key: &StoredKey) -> Result<ContentKey, KeyringError> {
    ContentKey::a256gcm(key.kid.clone(), &key.secret).map_err(|_| KeyringError::Material { kid: key.kid.clone() })
}

fn verification_jwk(key: &StoredKey) -> Result<VerificationJwk, KeyringError> {
    let signing = signing_key(key)?;
    let public = signing.public_bytes();
    let key_bytes = public.as_deref().unwrap_or(&key.secret);
    Ok(VerificationJwk::new(key.kid.clone(), signing.algorithm(), key.state, key_bytes))
}

fn credential_text(key: &StoredKey) -> Zeroizing<String> {
    Zeroizing::new(encoding::encode(&key.secret))
}

#[cfg(test)]
mod tests {
    use countersign_core::session::SessionClaims;
    use countersign_core::token::{self, Kind, Scratch};

    use super::*;
    use crate::testing::Origin;

    /// The bundle as core reads it, without the members that core never sees.
    fn bundle(origin: &Origin) -> Value {
        let settings = &origin.app.settings;
        origin.app.keys.edge_bundle("/alpha", &settings.session, &settings.public_url.issuer()).unwrap()
    }

    #[tokio::test]
    async fn an_edge_opens_what_the_origin_mints_in_every_envelope() {
        for (signing, envelope, could_mint) in [
            ("EdDSA", "sign-then-encrypt", false),
            ("EdDSA", "sign", false),
            ("EdDSA", "encrypt", true),
            ("HS256", "sign-then-encrypt", true),
            ("HS256", "sign", true),
        ] {
            let origin =
                Origin::with(&format!("[session]\nsigning = \"{signing}\"\nenvelope = \"{envelope}\"\n")).await;
            let token = origin.log_in().await;
            assert!(origin.is_valid(&token).await, "{signing} {envelope}");
            assert_eq!(edge_could_mint(&origin.app.settings.session), could_mint);
            let mut bundle = bundle(&origin);
            let members = bundle.as_object_mut().unwrap();
            assert_eq!(members.remove("issuer").unwrap(), "http://localhost:8787/am");
            assert_eq!(members.remove("cookie_name").unwrap(), "iPlanetDirectoryPro");
            assert_eq!(members.remove("feed_credential").unwrap().as_str().unwrap().len(), 43);
            assert_eq!(members.remove("assertion").unwrap()["jwk"]["crv"], "Ed25519");
            assert_eq!(members["session_signing"].as_array().unwrap().is_empty(), envelope == "encrypt");
            assert_eq!(members["session_content"].as_array().unwrap().is_empty(), envelope == "sign");
            let keys = Bundle::parse(&bundle.to_string()).unwrap();
            let opened =
                token::open::<SessionClaims>(token.as_bytes(), Kind::Session, &keys.session, &mut Scratch::default());
            let claims = opened.unwrap().into_claims();
            assert_eq!((claims.sub.as_str(), claims.realm.as_str(), claims.rvs), ("demo", "/alpha", 0));
            assert_eq!(claims.properties.get("mail"), Some("demo@example.com"));
        }
    }

    /// With the defaults, no private key of a session or of the feed is in the bundle.
    #[tokio::test]
    async fn the_default_bundle_cannot_mint() {
        let origin = Origin::new().await;
        let text = bundle(&origin).to_string();
        for key in &origin.app.keys.stored {
            let private = key.algorithm == "EdDSA" || key.purpose.starts_with("journey") || key.algorithm == "HS256";
            let shared = matches!(key.purpose.as_str(), "assertion-signing" | "denylist");
            if private && !shared {
                assert!(!text.contains(&encoding::encode(&key.secret)), "{} {}", key.purpose, key.algorithm);
            }
        }
    }

    #[tokio::test]
    async fn a_purpose_without_its_one_active_key_is_named() {
        let origin = Origin::new().await;
        let session = &origin.app.settings.session;
        let feed = origin.app.keys.stored.iter().find(|key| key.purpose == "feed-signing").unwrap();
        origin.app.store.keys().set_state(&feed.kid, KeyState::VerifyOnly).await.unwrap();
        let error = Keyring::load(&origin.app.store, session).await.err().unwrap();
        assert_eq!(error.to_string(), "there are 0 active feed-signing EdDSA keys; there must be one");
        origin.app.store.keys().set_state(&feed.kid, KeyState::Active).await.unwrap();
        generate(&origin.app.store, Some("/alpha"), UnixSeconds(1), &crate::SystemEntropy).await.unwrap();
        let error = Keyring::load(&origin.app.store, session).await.err().unwrap();
        assert_eq!(
            error.to_string(),
            "there are 2 active journey-signing HS256 keys of realm /alpha; there must be one"
        );
    }
}
