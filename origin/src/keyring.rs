//! The ring of one generation of keys: which of them mint, which verify, what edges get. What keys are for is in
//! `key_purpose`; how they come and go in `key_plan` and `key_upkeep`.

mod error;
mod formats;

use std::collections::BTreeMap;

use countersign_core::denylist::fingerprint::DenylistKey;
use countersign_core::encoding;
use countersign_core::keys::{
    Bundle, ContentJwk, ContentKey, KeySet, KeyState, KeysDigest, Kid, MintingKeys, SessionFormat, SigningAlg,
    SigningKey, VerificationJwk,
};
use countersign_core::time::UnixSeconds;
use countersign_core::token::Envelope;
use countersign_store::{Change, KeyRows, NewKey, Store, StoreError, StoredKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

pub(crate) use self::error::KeyringError;
use self::formats::{Format, JOURNEY_SHAPES, SESSION_SHAPES, Shape, algorithm, beyond_plain, formats, in_use};
use crate::ambient::Entropy;
use crate::key_purpose::{
    self, ASSERTION, Algorithm, DENYLIST, EDGE_DELIVERY, FEED, FEED_CREDENTIAL, JOURNEY_SIGNING, OF_INSTALLATION,
    Purpose, new_secret, purpose_of,
};
use crate::seal_budgets::SealBudgets;
use crate::settings::{Realm, Settings};

/// A purpose in one place: a realm, or the whole installation.
pub(crate) type Place = (Purpose, Option<String>);

/// The realms that have keys.
pub(crate) fn realms(rows: &[StoredKey]) -> Vec<String> {
    let mut realms: Vec<String> = rows.iter().filter_map(|key| key.realm.clone()).collect();
    realms.sort();
    realms.dedup();
    realms
}

/// The purposes whose keys change when they are old, in use under these settings.
pub(crate) fn rotatable(rows: &[StoredKey], settings: &Settings) -> Vec<Place> {
    let mut places: Vec<Place> = vec![(FEED, None)];
    for realm in realms(rows) {
        let purposes = key_purpose::of_realm(settings.realm(&realm));
        places.extend(purposes.into_iter().map(|purpose| (purpose, Some(realm.clone()))));
    }
    places
}

/// The purposes whose keys change when somebody says so, by name: every bundle has the credential, with two denylist
/// keys each session is looked up twice, and with another delivery key bundles are to be made anew.
pub(crate) const BY_NAME: [Place; 3] = [(FEED_CREDENTIAL, None), (DENYLIST, None), (EDGE_DELIVERY, None)];

/// Realms whose edges have no assertion key of their realm's own.
pub(crate) fn without_assertion_key(rows: &[StoredKey]) -> impl Iterator<Item = Place> {
    let lacks = move |realm: &String| !of(rows, Some(realm), ASSERTION).any(|key| key.state == KeyState::Active);
    realms(rows).into_iter().filter(lacks).map(|realm| (ASSERTION, Some(realm)))
}

/// Makes and stores one active key of each of the purposes.
pub(crate) async fn generate(
    store: &Store,
    realm: Option<(&str, &Realm)>,
    now: UnixSeconds,
    entropy: &dyn Entropy,
) -> Result<(), StoreError> {
    let purposes = realm.map_or(OF_INSTALLATION.to_vec(), |(_, settings)| key_purpose::of_realm(settings));
    let realm = realm.map(|(name, _)| name.to_owned());
    let places: Vec<Place> = purposes.into_iter().map(|purpose| (purpose, realm.clone())).collect();
    add(store, &places, None, now, entropy).await
}

/// Makes what an installation of an earlier version lacks.
pub(crate) async fn complete(store: &Store, now: UnixSeconds, entropy: &dyn Entropy) -> Result<(), StoreError> {
    let KeyRows { generation, keys } = store.keys().rows().await?;
    let missing = OF_INSTALLATION.into_iter().filter(|purpose| of(&keys, None, *purpose).next().is_none());
    let mut missing: Vec<Place> = missing.map(|purpose| (purpose, None)).collect();
    // An installation that has none at all is not an old one: it was never initialised.
    if missing.len() == OF_INSTALLATION.len() {
        return Ok(());
    }
    // With one of all realms there is time, which the upkeep takes.
    if active(&keys, None, ASSERTION).is_err() {
        missing.extend(without_assertion_key(&keys));
    }
    if missing.is_empty() {
        return Ok(());
    }
    match add(store, &missing, Some(generation), now, entropy).await {
        // Another process had the same thought.
        Err(StoreError::Outdated { .. }) => Ok(()),
        outcome => outcome,
    }
}

async fn add(
    store: &Store,
    places: &[Place],
    on: Option<u64>,
    now: UnixSeconds,
    entropy: &dyn Entropy,
) -> Result<(), StoreError> {
    let made: Vec<_> = places.iter().filter_map(|place| Some((place, new_secret(place.0, entropy)?))).collect();
    let changes: Vec<_> = made
        .iter()
        .map(|((purpose, realm), (kid, secret))| {
            let (purpose, algorithm, realm) = (purpose.name, purpose.algorithm.name(), realm.as_deref());
            let state = KeyState::Active;
            Change::Add(NewKey { kid, realm, purpose, algorithm, state, activates_at: None, secret })
        })
        .collect();
    store.keys().change(&changes, on, "installation", now).await.map(drop)
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
    /// The realm of a URL that names none.
    pub(crate) default_realm: String,
    pub(crate) feed: Pair,
    pub(crate) denylist: DenylistKey,
    pub(crate) credentials: Vec<Credential>,
}

/// A feed credential that is taken.
#[derive(Clone)]
pub(crate) struct Credential {
    pub(crate) kid: Kid,
    /// SHA-256 of its text.
    pub(crate) hash: [u8; 32],
    /// From when on it is taken for the edge keys alone, with which comes the one of today: it is in old bundles.
    pub(crate) keys_only_from: Option<UnixSeconds>,
}

impl Credential {
    pub(crate) fn is_for_keys_only(&self, now: UnixSeconds) -> bool {
        self.keys_only_from.is_some_and(|from| from <= now)
    }
}

/// The realm of a URL that names none, as AM finds it by a DNS alias of the host: the root realm where there is one, else
/// the first that was made.
pub(crate) fn default_realm(realms: &[countersign_store::Realm]) -> Option<&str> {
    realms.iter().min_by_key(|realm| (realm.name != "/", realm.created_at)).map(|realm| realm.name.as_str())
}

impl Keyring {
    pub(crate) async fn load(store: &Store, settings: &Settings, budgets: &SealBudgets) -> Result<Self, KeyringError> {
        let KeyRows { generation, keys: stored } = store.keys().rows().await?;
        budgets.top_up(store, active_contents(&stored)).await?;
        let mut realms = BTreeMap::new();
        let known = store.realms().list().await?;
        let default_realm = default_realm(&known).ok_or(KeyringError::NoRealm)?.to_owned();
        for realm in known.into_iter().filter(|realm| realm.active) {
            let wanted = settings.realm(&realm.name);
            let of_journey = key_purpose::of_journey(wanted.journey.format);
            let [auth_id, journey] = JOURNEY_SHAPES.map(|shape| {
                let wanted: Vec<_> =
                    of_journey.iter().copied().filter(|purpose| shape.1.contains(&purpose.name)).collect();
                pair(&stored, Some(&realm.name), &[shape], &wanted, budgets)
            });
            let (auth_id, journey) = (auth_id?, journey?);
            let wanted = key_purpose::of_session(wanted.session.format);
            let session = pair(&stored, Some(&realm.name), &SESSION_SHAPES, &wanted, budgets)?;
            assertion_key(&stored, &realm.name)?;
            realms.insert(realm.name, RealmKeys { auth_id, journey, session });
        }
        if realms.is_empty() {
            return Err(KeyringError::NoRealm);
        }
        let feed = pair(&stored, None, &[(Envelope::Sign, &[FEED.name])], &[FEED], budgets)?;
        active(&stored, None, EDGE_DELIVERY)?;
        let mut denylist = DenylistKey::new(&*secret(active(&stored, None, DENYLIST)?)?);
        if let Some(other) = denylist_beside(&stored) {
            denylist = denylist.beside(&*secret(other)?);
        }
        active(&stored, None, FEED_CREDENTIAL)?;
        let credentials = of(&stored, None, FEED_CREDENTIAL).filter(|key| key.state.verifies()).map(|key| Credential {
            kid: key.kid.clone(),
            hash: Sha256::digest(credential_text(key).as_bytes()).into(),
            keys_only_from: key.retires_at.filter(|_| key.state == KeyState::VerifyOnly),
        });
        let credentials = credentials.collect();
        let digest = digest(&stored, settings);
        Ok(Self { stored, generation, digest, realms, default_realm, feed, denylist, credentials })
    }

    /// The published keys that verify what the realm's edges assert (RFC 7517, RFC 8037): its own, and that of all
    /// realms for as long as an edge may use it.
    pub(crate) fn jwks(&self, realm: &str) -> Value {
        let keys: Vec<Value> = of(&self.stored, Some(realm), ASSERTION)
            .chain(of(&self.stored, None, ASSERTION))
            .filter(|key| key.state.verifies())
            .filter_map(|key| {
                let x = encoding::encode(&signing_key(key).ok()?.public()?);
                Some(json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": key.kid, "x": x}))
            })
            .collect();
        json!({ "keys": keys })
    }

    /// What an edge verifies with, as core reads it.
    pub(crate) fn verification(&self, realm: &str, settings: &Settings) -> Result<Bundle, KeyringError> {
        let verifies = |key: &&StoredKey| key.state.verifies();
        let wanted = key_purpose::of_session(settings.realm(realm).session.format);
        let mut formats = formats(&self.stored, Some(realm), &SESSION_SHAPES, &wanted)?.into_iter().map(|format| {
            let Format { envelope, signing, content } = format;
            let (signing, content) = (signing.into_iter().filter(verifies), content.into_iter().filter(verifies));
            Ok::<_, KeyringError>(SessionFormat {
                envelope,
                session_signing: signing.map(verification_jwk).collect::<Result<_, _>>()?,
                session_content: content.map(content_jwk).collect::<Result<_, _>>()?,
            })
        });
        let first = formats.next().ok_or(KeyringError::NoRealm)??;
        let feed = of(&self.stored, None, FEED).filter(|key| key.state.verifies()).map(verification_jwk);
        Ok(Bundle {
            version: 1,
            realm: realm.to_owned(),
            envelope: first.envelope,
            session_signing: first.session_signing,
            session_content: first.session_content,
            also: formats.collect::<Result<_, _>>()?,
            feed: feed.collect::<Result<_, _>>()?,
            denylist: encoding::encode(&active(&self.stored, None, DENYLIST)?.secret),
            denylist_beside: denylist_beside(&self.stored).map(|key| encoding::encode(&key.secret)),
        })
    }

    /// What `countersign edge bundle` prints, but for the delivery key: core's bundle, and beside it what the worker's
    /// JavaScript keeps to itself.
    pub(crate) fn edge_bundle(&self, realm: &str, settings: &Settings) -> Result<Value, KeyringError> {
        let mut bundle = json!(self.verification(realm, settings)?);
        if let Some(members) = bundle.as_object_mut() {
            members.insert("feed_credential".into(), self.feed_credential()?.as_str().into());
            members.insert("assertion".into(), self.assertion(realm)?);
            members.insert("issuer".into(), settings.public_url.issuer().into());
            let cookie_name = settings.realm(realm).session.cookie_name.as_str();
            members.insert("cookie_name".into(), cookie_name.into());
        }
        Ok(bundle)
    }

    /// With which an edge asks.
    pub(crate) fn feed_credential(&self) -> Result<Zeroizing<String>, KeyringError> {
        Ok(credential_text(active(&self.stored, None, FEED_CREDENTIAL)?))
    }

    /// The key with which an edge of the realm signs what it tells the application, for WebCrypto.
    fn assertion(&self, realm: &str) -> Result<Value, KeyringError> {
        let key = assertion_key(&self.stored, realm)?;
        let public = signing_key(key)?.public().ok_or(KeyringError::Material { kid: key.kid.clone() })?;
        let (x, d) = (encoding::encode(&public), encoding::encode(&key.secret));
        Ok(json!({"kid": key.kid, "jwk": {"kty": "OKP", "crv": "Ed25519", "x": x, "d": d}}))
    }

    /// What an edge of the realm gets for its JavaScript alone, beside a delivery.
    pub(crate) fn host_delivery(&self, realm: &str) -> Result<Value, KeyringError> {
        Ok(json!({"keys": self.digest, "assertion": self.assertion(realm)?}))
    }

    /// The key with which edges of several realms sign, and the realms, until each has one of its own; `None` also where it is of one realm.
    pub(crate) fn shared_assertion_key(&self) -> Option<(&Kid, Vec<String>)> {
        let shared = active(&self.stored, None, ASSERTION).ok()?;
        let realms = without_assertion_key(&self.stored).filter_map(|(_, realm)| realm);
        let realms: Vec<String> = realms.collect();
        (realms.len() > 1).then_some((&shared.kid, realms))
    }

    /// Whether an edge of the realm holds a key with which session tokens can be made, now or as soon as the settings
    /// are carried out.
    pub(crate) fn edge_could_mint(&self, realm: &str, settings: &Settings) -> Result<bool, KeyringError> {
        let format = settings.realm(realm).session.format;
        let formats = formats(&self.stored, Some(realm), &SESSION_SHAPES, &key_purpose::of_session(format))?;
        Ok(format.signing.is_none_or(SigningAlg::is_symmetric)
            || formats.iter().any(Format::can_be_minted_by_verifiers))
    }

    /// The algorithms of an edge's keys that it can only use when it was built with the feature `all-formats`.
    pub(crate) fn beyond_plain_edges(
        &self,
        realm: &str,
        settings: &Settings,
    ) -> Result<Vec<&'static str>, KeyringError> {
        let wanted = key_purpose::of_session(settings.realm(realm).session.format);
        let mut names: Vec<&'static str> =
            wanted.iter().filter_map(|purpose| beyond_plain(purpose.algorithm)).collect();
        for format in formats(&self.stored, Some(realm), &SESSION_SHAPES, &wanted)? {
            let verifying = format.signing.into_iter().chain(format.content).filter(|key| key.state.verifies());
            names.extend(verifying.filter_map(|key| beyond_plain(algorithm(key)?)));
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    /// The key of an identifier, whatever it is for.
    pub(crate) fn find(&self, kid: &str) -> Option<&StoredKey> {
        self.stored.iter().find(|key| key.kid.as_str() == kid)
    }

    /// The keys of a purpose of the whole installation, oldest first, whatever their state.
    pub(crate) fn of_installation(&self, purpose: Purpose) -> impl Iterator<Item = &StoredKey> {
        of(&self.stored, None, purpose)
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

/// The denylist key under which entries are looked for beside the active one.
fn denylist_beside(stored: &[StoredKey]) -> Option<&StoredKey> {
    of(stored, None, DENYLIST).find(|key| key.state.verifies() && key.state != KeyState::Active)
}

/// Of what [`Keyring::verification`] tells, in all realms, and of what is delivered beside it. Which key is active is
/// in it only as far as that says which format comes first, or which key an edge is to use.
fn digest(stored: &[StoredKey], settings: &Settings) -> KeysDigest {
    let mut hash = Sha256::new();
    let mut line = |fields: &[&str]| {
        for field in fields {
            hash.update((field.len() as u64).to_be_bytes());
            hash.update(field);
        }
    };
    for realm in realms(stored) {
        let wanted = key_purpose::of_session(settings.realm(&realm).session.format);
        for format in formats(stored, Some(&realm), &SESSION_SHAPES, &wanted).into_iter().flatten() {
            line(&[&json!(format.envelope).to_string()]);
        }
    }
    let told = |key: &&StoredKey| {
        let purpose = purpose_of(&key.purpose, &key.algorithm);
        key.state.verifies()
            && purpose.is_some_and(|purpose| purpose.is_of_sessions() || [FEED, DENYLIST].contains(&purpose))
    };
    let used = |key: &&StoredKey| {
        let purpose = purpose_of(&key.purpose, &key.algorithm);
        key.state == KeyState::Active && purpose.is_some_and(|purpose| [ASSERTION, FEED_CREDENTIAL].contains(&purpose))
    };
    for key in stored.iter().filter(|key| told(key) || used(key)) {
        line(&[&key.purpose, &key.algorithm, key.realm.as_deref().unwrap_or_default(), key.kid.as_str()]);
    }
    let mut short = [0; 16];
    short.iter_mut().zip(hash.finalize()).for_each(|(out, byte)| *out = byte);
    KeysDigest(short)
}

fn pair(
    stored: &[StoredKey],
    realm: Option<&str>,
    shapes: &[Shape],
    wanted: &[Purpose],
    budgets: &SealBudgets,
) -> Result<Pair, KeyringError> {
    let current = in_use(stored, realm, shapes, wanted)?;
    let (mut sets, mut envelope) = (Vec::new(), None);
    for format in formats(stored, realm, shapes, wanted)? {
        envelope = envelope.or(Some(format.envelope));
        let mut verification = Vec::new();
        for key in &format.signing {
            let verifies = signing_key(key)?.verification_key();
            verification.push((key.state, verifies.map_err(|_| KeyringError::Material { kid: key.kid.clone() })?));
        }
        let content = format.content.iter().map(|key| Ok((key.state, content_key(key)?)));
        let content = content.collect::<Result<Vec<_>, KeyringError>>()?;
        sets.push(
            KeySet::new(format.envelope, verification, content)
                .map_err(|error| KeyringError::Material { kid: error.kid().clone() })?,
        );
    }
    let (mut signing, mut content) = (None, None);
    for key in current {
        match algorithm(key) {
            Some(Algorithm::Content(..)) => content = Some(content_key(key)?),
            _ => signing = Some(signing_key(key)?),
        }
    }
    let budget = content.as_ref().map(|key| budgets.of(key.kid()));
    let envelope = envelope.ok_or(KeyringError::NoRealm)?;
    let minting = MintingKeys::new(envelope, signing, content).map_err(KeyringError::Minting)?;
    let minting = budget.into_iter().fold(minting, MintingKeys::with_budget);
    let verifying = sets.into_iter().reduce(KeySet::or).ok_or(KeyringError::NoRealm)?;
    Ok(Pair { minting, verifying })
}

fn of<'a>(stored: &'a [StoredKey], realm: Option<&str>, purpose: Purpose) -> impl Iterator<Item = &'a StoredKey> {
    stored.iter().filter(move |key| {
        key.purpose == purpose.name && key.algorithm == purpose.algorithm.name() && key.realm.as_deref() == realm
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

/// The realm's own; or that of all realms, while its own is only published.
fn assertion_key<'a>(stored: &'a [StoredKey], realm: &str) -> Result<&'a StoredKey, KeyringError> {
    match active(stored, Some(realm), ASSERTION) {
        Err(missing @ KeyringError::Active { found: 0, .. }) => active(stored, None, ASSERTION).map_err(|_| missing),
        own => own,
    }
}

fn secret(key: &StoredKey) -> Result<Zeroizing<[u8; 32]>, KeyringError> {
    let bytes: [u8; 32] =
        key.secret.as_slice().try_into().map_err(|_| KeyringError::Material { kid: key.kid.clone() })?;
    Ok(Zeroizing::new(bytes))
}

fn signing_key(key: &StoredKey) -> Result<SigningKey, KeyringError> {
    let material = || KeyringError::Material { kid: key.kid.clone() };
    let Some(Algorithm::Signing(alg)) = algorithm(key) else { return Err(material()) };
    // Zeros after a short key make the same HMAC (RFC 2104 section 2); only an imported journey-signing secret is
    // short.
    let mut secret = key.secret.clone();
    if key.purpose == JOURNEY_SIGNING && alg == SigningAlg::Hs256 && secret.len() < 32 {
        secret.resize(32, 0);
    }
    SigningKey::new(key.kid.clone(), alg, &secret).map_err(|_| material())
}

fn content_key(key: &StoredKey) -> Result<ContentKey, KeyringError> {
    let material = || KeyringError::Material { kid: key.kid.clone() };
    let Some(Algorithm::Content(alg, enc)) = algorithm(key) else { return Err(material()) };
    ContentKey::new(key.kid.clone(), alg, enc, &key.secret).map_err(|_| material())
}

fn content_jwk(key: &StoredKey) -> Result<ContentJwk, KeyringError> {
    let Some(Algorithm::Content(alg, enc)) = algorithm(key) else {
        return Err(KeyringError::Material { kid: key.kid.clone() });
    };
    Ok(ContentJwk::new(key.kid.clone(), alg, enc, key.state, &key.secret))
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
    use countersign_core::keys::Verifiers;
    use countersign_core::session::SessionClaims;
    use countersign_core::token::{self, Kind, Scratch};

    use super::*;
    use crate::testing::Origin;

    /// The bundle as core reads it, without the members that core never sees.
    fn bundle(origin: &Origin) -> Value {
        origin.app.keys().edge_bundle("/alpha", &origin.app.settings()).unwrap()
    }

    #[tokio::test]
    async fn an_edge_opens_what_the_origin_mints_in_every_envelope() {
        for (signing, encryption, could_mint) in [
            ("EdDSA", "DIRECT", false),
            ("EdDSA", "NONE", false),
            ("NONE", "DIRECT", true),
            ("HS256", "DIRECT", true),
            ("HS256", "NONE", true),
            ("ES384", "AES_KEYWRAP", false),
            ("HS512", "AES_KEYWRAP", true),
            ("NONE", "AES_KEYWRAP", true),
            ("ES512", "RSA", false),
            ("RS256", "DIRECT", false),
        ] {
            let types = format!("statelessSigningType = \"{signing}\"\nstatelessEncryptionType = \"{encryption}\"");
            let origin = Origin::with(&format!("[session]\n{types}\n")).await;
            let token = origin.log_in().await;
            assert!(origin.is_valid(&token).await, "{signing} {encryption}");
            let could = origin.app.keys().edge_could_mint("/alpha", &origin.app.settings());
            assert_eq!(could, Ok(could_mint));
            let mut bundle = bundle(&origin);
            let members = bundle.as_object_mut().unwrap();
            assert_eq!(members.remove("issuer").unwrap(), "http://localhost:8787/am");
            assert_eq!(members.remove("cookie_name").unwrap(), "iPlanetDirectoryPro");
            assert_eq!(members.remove("feed_credential").unwrap().as_str().unwrap().len(), 43);
            assert_eq!(members.remove("assertion").unwrap()["jwk"]["crv"], "Ed25519");
            assert_eq!(members["session_signing"].as_array().unwrap().is_empty(), signing == "NONE");
            assert_eq!(members["session_content"].as_array().unwrap().is_empty(), encryption == "NONE");
            let keys = Bundle::parse(&bundle.to_string(), Verifiers::Own).unwrap();
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
        let settings = origin.app.settings();
        let ring = origin.app.keys();
        let feed = ring.stored.iter().find(|key| key.purpose == "feed-signing").unwrap();
        origin.app.store.keys().set_state(&feed.kid, KeyState::VerifyOnly).await.unwrap();
        let error = Keyring::load(&origin.app.store, &settings, &SealBudgets::none()).await.err().unwrap();
        assert_eq!(error.to_string(), "there are 0 active feed-signing EdDSA keys; there must be one");
        origin.app.store.keys().set_state(&feed.kid, KeyState::Active).await.unwrap();
        generate(&origin.app.store, Some(("/alpha", settings.realm("/alpha"))), UnixSeconds(1), &crate::SystemEntropy)
            .await
            .unwrap();
        let error = Keyring::load(&origin.app.store, &settings, &SealBudgets::none()).await.err().unwrap();
        assert_eq!(
            error.to_string(),
            "there are 2 active journey-signing HS256 keys of realm /alpha; there must be one"
        );
    }
}
