//! The keys of the installation: what they are for, how they are made, and the ring of one generation of them. How they
//! come and go is in `key_plan` and `key_upkeep`.

use std::collections::BTreeMap;

use countersign_core::denylist::fingerprint::DenylistKey;
use countersign_core::encoding;
use countersign_core::keys::{
    Bundle, ContentAlg, ContentJwk, ContentKey, DeliveryKey, KeyAlg, KeySet, KeyState, KeysDigest, Kid, MintingKeys,
    SigningAlg, SigningKey, VerificationJwk,
};
use countersign_core::time::UnixSeconds;
use countersign_core::token::Envelope;
use countersign_core::token::mint::MintError;
use countersign_store::{Change, KeyRows, NewKey, Store, StoreError, StoredKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::ambient::{Entropy, random};
use crate::seal_budgets::SealBudgets;
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
/// From which each edge bundle's delivery key is derived.
const EDGE_DELIVERY: Purpose = purpose("edge-delivery", "HMAC-SHA256");

/// Each realm has its own.
const OF_REALM: [Purpose; 5] = [JOURNEY_SIGNING, JOURNEY_CONTENT, SESSION_EDDSA, SESSION_HS256, SESSION_CONTENT];
const OF_INSTALLATION: [Purpose; 5] = [ASSERTION, FEED, DENYLIST, FEED_CREDENTIAL, EDGE_DELIVERY];

/// How often a random number may turn out to be no key.
const TRIES: usize = 8;

/// A purpose in one place: a realm, or the whole installation.
pub(crate) type Place = (Purpose, Option<String>);

/// The purposes whose keys are changed in place, in use under these settings. The others are in every edge's bundle or
/// in every line of the log, and change with those.
pub(crate) fn rotatable(rows: &[StoredKey], session: &Session) -> Vec<Place> {
    let signing = Some(session_signing(session.signing)).filter(|_| session.envelope.signs());
    let content = Some(SESSION_CONTENT).filter(|_| session.envelope.encrypts());
    let used: Vec<Purpose> = [JOURNEY_SIGNING, JOURNEY_CONTENT].into_iter().chain(signing).chain(content).collect();
    let mut places: Vec<Place> = vec![(FEED, None)];
    for realm in rows.iter().filter(|key| key.purpose == JOURNEY_SIGNING.name).filter_map(|key| key.realm.clone()) {
        for purpose in &used {
            let place = (*purpose, Some(realm.clone()));
            if !places.contains(&place) {
                places.push(place);
            }
        }
    }
    places
}

/// The purpose of a stored key, when it is one of ours.
pub(crate) fn purpose_of(purpose: &str, algorithm: &str) -> Option<Purpose> {
    let known = OF_REALM.into_iter().chain(OF_INSTALLATION).chain(SigningAlg::ALL.into_iter().map(session_signing));
    known.into_iter().find(|known| known.name == purpose && known.algorithm == algorithm)
}

impl Purpose {
    pub(crate) fn is_of_realm(self) -> bool {
        self.is_of_sessions() || OF_REALM.contains(&self)
    }

    /// Whether sessions hang on the key; else, when it is of a realm, journeys do.
    pub(crate) fn is_of_sessions(self) -> bool {
        self.name == SESSION_CONTENT.name || self.name == SESSION_EDDSA.name
    }

    /// Whether the key encrypts with random IVs of AES-GCM, which bounds how often it may.
    pub(crate) fn is_content(self) -> bool {
        self == SESSION_CONTENT || self == JOURNEY_CONTENT
    }

    /// Why a secret from outside does not do. The signing secret of journeys may be as short as AM's, 128 bits; every
    /// other key has what its algorithm asks for.
    pub(crate) fn check_secret(self, secret: &[u8]) -> Result<(), String> {
        let bits = secret.len() * 8;
        let wanted = match self.algorithm {
            _ if self == JOURNEY_SIGNING => (bits < 128).then_some("at least 128 bits"),
            "HS256" => (bits < 256).then_some("at least 256 bits (RFC 7518 section 3.2)"),
            "HS384" => (bits < 384).then_some("at least 384 bits (RFC 7518 section 3.2)"),
            "HS512" => (bits < 512).then_some("at least 512 bits (RFC 7518 section 3.2)"),
            // Numbers that belong together, or must be in a range: the key itself knows.
            "ES256" | "ES384" | "ES512" | "RS256" => None,
            _ => (bits != 256).then_some("exactly 256 bits"),
        };
        if let Some(wanted) = wanted {
            return Err(format!("a {} key for {} has {wanted}; this one has {bits}", self.name, self.algorithm));
        }
        if secret.iter().all(|byte| Some(byte) == secret.first()) {
            return Err("all bytes of the key are the same".to_owned());
        }
        match SigningAlg::named(self.algorithm).filter(|_| self != JOURNEY_SIGNING) {
            Some(alg) => SigningKey::new(unnamed(), alg, secret).map(drop).map_err(|error| error.to_string()),
            None => Ok(()),
        }
    }

    /// Bytes of a new secret. `None` for RSA: those keys are made elsewhere and imported.
    fn secret_len(self) -> Option<usize> {
        match SigningAlg::named(self.algorithm) {
            Some(SigningAlg::Rs256) => None,
            Some(SigningAlg::Hs384 | SigningAlg::Es384) => Some(48),
            Some(SigningAlg::Hs512) => Some(64),
            Some(SigningAlg::Es512) => Some(66),
            _ => Some(32),
        }
    }
}

/// A new secret for the purpose, and its identifier. `None` for RSA: those keys are made elsewhere and imported.
pub(crate) fn new_secret(purpose: Purpose, entropy: &dyn Entropy) -> Option<(Kid, Zeroizing<Vec<u8>>)> {
    let mut secret = Zeroizing::new(vec![0; purpose.secret_len()?]);
    // The first one does, but for the one in 2^32 that is no scalar of P-256.
    (0..TRIES).find_map(|_| {
        entropy.fill(&mut secret);
        if let (Some(SigningAlg::Es512), Some(first)) = (SigningAlg::named(purpose.algorithm), secret.first_mut()) {
            *first &= 1; // 521 bits
        }
        purpose.check_secret(&secret).is_ok().then(|| (kid(purpose, &secret, entropy), secret.clone()))
    })
}

/// Makes and stores one active key of each of the purposes.
pub(crate) async fn generate(
    store: &Store,
    realm: Option<&str>,
    now: UnixSeconds,
    entropy: &dyn Entropy,
) -> Result<(), StoreError> {
    let purposes: &[Purpose] = if realm.is_some() { &OF_REALM } else { &OF_INSTALLATION };
    add(store, purposes, realm, None, now, entropy).await
}

/// Makes what an installation of an earlier version lacks.
pub(crate) async fn complete(store: &Store, now: UnixSeconds, entropy: &dyn Entropy) -> Result<(), StoreError> {
    let KeyRows { generation, keys } = store.keys().rows().await?;
    let missing: Vec<Purpose> =
        OF_INSTALLATION.into_iter().filter(|purpose| of(&keys, None, *purpose).next().is_none()).collect();
    // An installation that has none at all is not an old one: it was never initialised.
    if missing.is_empty() || missing.len() == OF_INSTALLATION.len() {
        return Ok(());
    }
    match add(store, &missing, None, Some(generation), now, entropy).await {
        // Another process had the same thought.
        Err(StoreError::Outdated { .. }) => Ok(()),
        outcome => outcome,
    }
}

async fn add(
    store: &Store,
    purposes: &[Purpose],
    realm: Option<&str>,
    on: Option<u64>,
    now: UnixSeconds,
    entropy: &dyn Entropy,
) -> Result<(), StoreError> {
    let made: Vec<_> = purposes.iter().filter_map(|purpose| Some((purpose, new_secret(*purpose, entropy)?))).collect();
    let changes: Vec<_> = made
        .iter()
        .map(|(purpose, (kid, secret))| {
            let Purpose { name, algorithm } = **purpose;
            let state = KeyState::Active;
            Change::Add(NewKey { kid, realm, purpose: name, algorithm, state, activates_at: None, secret })
        })
        .collect();
    store.keys().change(&changes, on, "installation", now).await.map(drop)
}

/// The first 16 characters of the hash over the purpose and the public key, or random bytes where there is none: it
/// tells nothing of a secret, and nothing of where the key is kept.
pub(crate) fn kid(purpose: Purpose, secret: &[u8], entropy: &dyn Entropy) -> Kid {
    let mut hash = Sha256::new();
    hash.update(purpose.name);
    hash.update([0]);
    let key = SigningAlg::named(purpose.algorithm).and_then(|alg| SigningKey::new(unnamed(), alg, secret).ok());
    match key.and_then(|key| key.public_bytes()) {
        Some(public) => hash.update(public),
        None => hash.update(random::<32>(entropy)),
    }
    // The first `-` goes: were it in front, a command line would take the identifier for an option.
    let text = encoding::encode(&hash.finalize()).replacen('-', "A", 1);
    named(text.get(..16).unwrap_or_default())
}

fn unnamed() -> Kid {
    named("unnamed")
}

#[allow(clippy::expect_used, reason = "given constants, and 16 characters of base64url")]
fn named(text: &str) -> Kid {
    Kid::try_from(text.to_owned()).expect("a key identifier")
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
    /// Of the rows that this was made from.
    pub(crate) generation: u64,
    /// Of what edges have of it.
    pub(crate) digest: KeysDigest,
    /// By realm name.
    pub(crate) realms: BTreeMap<String, RealmKeys>,
    pub(crate) feed: Pair,
    pub(crate) denylist: DenylistKey,
    /// SHA-256 of the feed credential's text.
    pub(crate) feed_credential: [u8; 32],
}

impl Keyring {
    pub(crate) async fn load(store: &Store, session: &Session, budgets: &SealBudgets) -> Result<Self, KeyringError> {
        let KeyRows { generation, keys: stored } = store.keys().rows().await?;
        budgets.top_up(store, active_contents(&stored)).await?;
        let mut realms = BTreeMap::new();
        for realm in store.realms().list().await?.into_iter().filter(|realm| realm.active) {
            let keys = RealmKeys {
                auth_id: pair(&stored, Some(&realm.name), Envelope::Sign, Some(JOURNEY_SIGNING), None, budgets)?,
                journey: pair(&stored, Some(&realm.name), Envelope::Encrypt, None, Some(JOURNEY_CONTENT), budgets)?,
                session: session_pair(&stored, &realm.name, session, budgets)?,
            };
            realms.insert(realm.name, keys);
        }
        if realms.is_empty() {
            return Err(KeyringError::NoRealm);
        }
        let feed = pair(&stored, None, Envelope::Sign, Some(FEED), None, budgets)?;
        active(&stored, None, ASSERTION)?;
        active(&stored, None, EDGE_DELIVERY)?;
        let denylist = DenylistKey::new(&*secret(active(&stored, None, DENYLIST)?)?);
        let credential = credential_text(active(&stored, None, FEED_CREDENTIAL)?);
        let feed_credential = Sha256::digest(credential.as_bytes()).into();
        let digest = digest(&stored, session);
        Ok(Self { stored, generation, digest, realms, feed, denylist, feed_credential })
    }

    /// The published keys that verify assertions (RFC 7517, RFC 8037).
    pub(crate) fn jwks(&self) -> Value {
        let keys: Vec<Value> = of(&self.stored, None, ASSERTION)
            .filter(|key| key.state.verifies())
            .filter_map(|key| {
                let x = encoding::encode(&signing_key(key).ok()?.public()?);
                Some(json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": key.kid, "x": x}))
            })
            .collect();
        json!({ "keys": keys })
    }

    /// What an edge verifies with, as core reads it.
    pub(crate) fn verification(&self, realm: &str, session: &Session) -> Result<Bundle, KeyringError> {
        let live = |purpose, realm| of(&self.stored, realm, purpose).filter(|key| key.state.verifies());
        let verification = |purpose, realm| live(purpose, realm).map(verification_jwk).collect::<Result<Vec<_>, _>>();
        let (signs, seals) = (session.envelope.signs(), session.envelope.encrypts());
        Ok(Bundle {
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
        })
    }

    /// What `countersign edge bundle` prints, but for the delivery key: core's bundle, and beside it what the worker's
    /// JavaScript keeps to itself.
    pub(crate) fn edge_bundle(&self, realm: &str, session: &Session, issuer: &str) -> Result<Value, KeyringError> {
        let assertion = active(&self.stored, None, ASSERTION)?;
        let public = signing_key(assertion)?.public().ok_or(KeyringError::Material { kid: assertion.kid.clone() })?;
        let mut bundle = json!(self.verification(realm, session)?);
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

    /// The delivery key of the bundle `id` for an edge of `realm`. Derived, so that nothing need be kept of a bundle.
    pub(crate) fn delivery_key(&self, realm: &str, id: Kid) -> Result<DeliveryKey, KeyringError> {
        let master = active(&self.stored, None, EDGE_DELIVERY)?;
        let mac = Hmac::<Sha256>::new_from_slice(&master.secret);
        let mut mac = mac.map_err(|_| KeyringError::Material { kid: master.kid.clone() })?;
        for part in ["edge delivery", realm, id.as_str()] {
            mac.update(part.as_bytes());
            mac.update(&[0]); // in none of the parts
        }
        let key = encoding::encode(&mac.finalize().into_bytes());
        Ok(DeliveryKey { id, key, keys: self.digest })
    }

    /// The content keys in use: those that a budget is kept for.
    pub(crate) fn content_kids(&self) -> Vec<Kid> {
        active_contents(&self.stored).cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.stored.len()
    }
}

fn active_contents(stored: &[StoredKey]) -> impl Iterator<Item = &Kid> {
    let content = |key: &&StoredKey| {
        key.state == KeyState::Active && purpose_of(&key.purpose, &key.algorithm).is_some_and(Purpose::is_content)
    };
    stored.iter().filter(content).map(|key| &key.kid)
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

/// Of what [`Keyring::verification`] tells, in all realms. Which key is active is not in it: edges need not know.
fn digest(stored: &[StoredKey], session: &Session) -> KeysDigest {
    let mut hash = Sha256::new();
    let told = [SESSION_CONTENT.name, SESSION_EDDSA.name, FEED.name, DENYLIST.name];
    let mut line = |fields: &[&str]| {
        for field in fields {
            hash.update((field.len() as u64).to_be_bytes());
            hash.update(field);
        }
    };
    line(&[session.signing.name(), &json!(session.envelope).to_string()]);
    for key in stored.iter().filter(|key| key.state.verifies() && told.contains(&key.purpose.as_str())) {
        line(&[&key.purpose, &key.algorithm, key.realm.as_deref().unwrap_or_default(), key.kid.as_str()]);
    }
    let mut short = [0; 16];
    short.iter_mut().zip(hash.finalize()).for_each(|(out, byte)| *out = byte);
    KeysDigest(short)
}

fn session_pair(
    stored: &[StoredKey],
    realm: &str,
    session: &Session,
    budgets: &SealBudgets,
) -> Result<Pair, KeyringError> {
    let signing = Some(session_signing(session.signing)).filter(|_| session.envelope.signs());
    let content = Some(SESSION_CONTENT).filter(|_| session.envelope.encrypts());
    pair(stored, Some(realm), session.envelope, signing, content, budgets)
}

fn pair(
    stored: &[StoredKey],
    realm: Option<&str>,
    envelope: Envelope,
    signing: Option<Purpose>,
    content: Option<Purpose>,
    budgets: &SealBudgets,
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
    let budget = active_content.as_ref().map(|key| budgets.of(key.kid()));
    let minting = MintingKeys::new(envelope, active_signing, active_content).map_err(KeyringError::Minting)?;
    let minting = budget.into_iter().fold(minting, MintingKeys::with_budget);
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
    // Zeros after a short key make the same HMAC (RFC 2104 section 2); only an imported journey-signing secret is short.
    let mut secret = key.secret.clone();
    if key.purpose == JOURNEY_SIGNING.name && secret.len() < 32 {
        secret.resize(32, 0);
    }
    SigningKey::new(key.kid.clone(), alg, &secret).map_err(|_| material())
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
        origin.app.keys().edge_bundle("/alpha", &settings.session, &settings.public_url.issuer()).unwrap()
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
        for key in &origin.app.keys().stored {
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
        let ring = origin.app.keys();
        let feed = ring.stored.iter().find(|key| key.purpose == "feed-signing").unwrap();
        origin.app.store.keys().set_state(&feed.kid, KeyState::VerifyOnly).await.unwrap();
        let error = Keyring::load(&origin.app.store, session, &SealBudgets::none()).await.err().unwrap();
        assert_eq!(error.to_string(), "there are 0 active feed-signing EdDSA keys; there must be one");
        origin.app.store.keys().set_state(&feed.kid, KeyState::Active).await.unwrap();
        generate(&origin.app.store, Some("/alpha"), UnixSeconds(1), &crate::SystemEntropy).await.unwrap();
        let error = Keyring::load(&origin.app.store, session, &SealBudgets::none()).await.err().unwrap();
        assert_eq!(
            error.to_string(),
            "there are 2 active journey-signing HS256 keys of realm /alpha; there must be one"
        );
    }

    /// Settings do not offer all of them yet; the life of keys is the same for each.
    #[test]
    fn every_signing_algorithm_has_keys() {
        for alg in SigningAlg::ALL {
            let purpose = session_signing(alg);
            assert_eq!(purpose_of("session-signing", alg.name()), Some(purpose));
            assert!(purpose.is_of_realm() && purpose.is_of_sessions() && !purpose.is_content());
            assert!(purpose.check_secret(&[1, 2, 3]).is_err(), "{}", alg.name());
            let Some((id, secret)) = new_secret(purpose, &crate::SystemEntropy) else {
                assert_eq!(alg, SigningAlg::Rs256, "RSA keys are made elsewhere");
                continue;
            };
            purpose.check_secret(&secret).unwrap();
            assert!(purpose.check_secret(&vec![1; secret.len()]).is_err());
            SigningKey::new(id.clone(), alg, &secret).unwrap().verification_key().unwrap();
            // Of a public key the identifier tells; of a secret it tells nothing.
            let again = kid(purpose, &secret, &crate::SystemEntropy);
            assert_eq!(again == id, !alg.is_symmetric(), "{}", alg.name());
        }
        assert!([SESSION_CONTENT, JOURNEY_CONTENT].into_iter().all(Purpose::is_content));
    }
}
