//! Keys and sessions as an origin would make them. Nothing here is secret or random: figures can be repeated.

use std::sync::OnceLock;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::keys::{
    Bundle, ContentAlg, ContentJwk, ContentKey, KeyAlg, KeyState, Kid, MintingKeys, SigningAlg, SigningKey,
    VerificationJwk, generate_rsa,
};
use countersign_core::session::{Properties, SessionClaims, SessionId, TokenId};
use countersign_core::time::UnixSeconds;
use countersign_core::token::mint::mint;
use countersign_core::token::{Envelope, Kind};
use serde_json::{Value, json};

use crate::feed;

pub(crate) const REALM: &str = "/alpha";
pub(crate) const COOKIE_NAME: &str = xtask::stack::COOKIE_NAME;

/// As long as the origin's key identifiers.
pub(crate) const SIGNING_KID: &str = "sig-0123456789ab";
pub(crate) const CONTENT_KID: &str = "enc-0123456789ab";
/// As much of it as the algorithm takes; also below the order of each curve.
const SIGNING_SECRET: [u8; 66] = [1; 66];
/// Likewise.
pub(crate) const CONTENT_SECRET: [u8; 64] = [2; 64];
const FEED_SECRET: [u8; 32] = [3; 32];
const ASSERTION_SECRET: [u8; 32] = [4; 32];
const DENYLIST_SECRET: [u8; 32] = [5; 32];

fn kid(text: &str) -> Result<Kid> {
    Ok(Kid::try_from(text.to_owned())?)
}

pub(crate) fn feed_key() -> Result<SigningKey> {
    Ok(SigningKey::ed25519(kid("feed-0123456789a")?, &FEED_SECRET))
}

/// How tokens are made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) signing: SigningAlg,
    key: KeyAlg,
    content: ContentAlg,
}

/// Both layers, as new realms have the second.
impl From<SigningAlg> for Format {
    fn from(signing: SigningAlg) -> Self {
        Self { signing, key: KeyAlg::Dir, content: ContentAlg::A256Gcm }
    }
}

impl Format {
    /// Each algorithm that an origin mints with, beside those of a new realm.
    pub(crate) fn all() -> Vec<Self> {
        let plain = Self::from(SigningAlg::Hs256);
        let signed = SigningAlg::ALL.into_iter().map(Self::from);
        let sealed = ContentAlg::ALL.into_iter().map(|content| Self { content, ..plain });
        let wrapped = KeyAlg::ALL.into_iter().map(|key| Self { key, ..plain });
        let mut all = Vec::new();
        for format in signed.chain(sealed).chain(wrapped) {
            if !all.contains(&format) {
                all.push(format);
            }
        }
        all
    }

    /// Whether an edge reads it that was not built for more.
    pub(crate) fn is_in_every_edge(self) -> bool {
        !self.key.is_rsa()
    }

    pub(crate) fn name(self) -> String {
        let [signing, key, content] = [self.signing.name(), self.key.name(), self.content.name()];
        let key = if self.key == KeyAlg::Dir { String::new() } else { format!("-{key}") };
        format!("{signing}{key}-{content}").to_lowercase()
    }

    fn signing_key(self) -> Result<SigningKey> {
        let secret = match self.signing {
            SigningAlg::Rs256 => rsa_key()?,
            SigningAlg::Hs512 => &SIGNING_SECRET[..64],
            SigningAlg::Hs384 | SigningAlg::Es384 => &SIGNING_SECRET[..48],
            SigningAlg::Es512 => &SIGNING_SECRET,
            _ => &SIGNING_SECRET[..32],
        };
        Ok(SigningKey::new(kid(SIGNING_KID)?, self.signing, secret)?)
    }

    /// What the edge and `jose` get of the signing key: the public half, or the secret.
    pub(crate) fn verifying_key_bytes(self) -> Result<Vec<u8>> {
        let secret = if self.signing == SigningAlg::Hs512 {
            64
        } else if self.signing == SigningAlg::Hs384 {
            48
        } else {
            32
        };
        Ok(self.signing_key()?.public_bytes().unwrap_or(SIGNING_SECRET[..secret].to_vec()))
    }

    pub(crate) fn content_secret(self) -> Result<&'static [u8]> {
        let bytes = match self.key {
            KeyAlg::Dir => self.content.key_len(),
            KeyAlg::A128Kw => 16,
            KeyAlg::A192Kw => 24,
            KeyAlg::A256Kw => 32,
            KeyAlg::RsaOaep256 => return rsa_key(),
        };
        CONTENT_SECRET.get(..bytes).context("no algorithm takes so much")
    }

    fn minting_keys(self) -> Result<MintingKeys> {
        let content = ContentKey::new(kid(CONTENT_KID)?, self.key, self.content, self.content_secret()?)?;
        Ok(MintingKeys::new(Envelope::SignThenEncrypt, Some(self.signing_key()?), Some(content))?)
    }
}

/// One for the whole run: to make one takes its time.
fn rsa_key() -> Result<&'static [u8]> {
    static KEY: OnceLock<Option<Vec<u8>>> = OnceLock::new();
    let key = KEY.get_or_init(|| {
        let mut count = 0_u64;
        // Repeatable, and random enough to find primes.
        let mut dice = |out: &mut [u8]| {
            for byte in out {
                count = count.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *byte = (count >> 56).to_le_bytes()[0];
            }
        };
        generate_rsa(2048, &mut dice).map(|key| key.to_vec())
    });
    key.as_deref().context("no RSA key")
}

pub(crate) fn bundle(format: impl Into<Format>) -> Result<Bundle> {
    let format = format.into();
    let feed = feed_key()?;
    let public = feed.public().context("the feed's key is no Ed25519 key")?;
    let (signing, content) = (format.verifying_key_bytes()?, format.content_secret()?);
    Ok(Bundle {
        version: 1,
        realm: REALM.to_owned(),
        envelope: Envelope::SignThenEncrypt,
        session_signing: vec![VerificationJwk::new(kid(SIGNING_KID)?, format.signing, KeyState::Active, &signing)],
        session_content: vec![ContentJwk::new(
            kid(CONTENT_KID)?,
            format.key,
            format.content,
            KeyState::Active,
            content,
        )],
        also: Vec::new(),
        feed: vec![VerificationJwk::new(feed.kid().clone(), SigningAlg::EdDsa, KeyState::Active, &public)],
        denylist: URL_SAFE_NO_PAD.encode(DENYLIST_SECRET),
        denylist_beside: None,
    })
}

/// The worker's binding `BUNDLE`: the keys and what the edge needs beside them.
pub(crate) fn bundle_binding(format: impl Into<Format>) -> Result<String> {
    binding(&bundle(format)?)
}

fn binding(bundle: &Bundle) -> Result<String> {
    let mut bundle = serde_json::to_value(bundle)?;
    let assertion = SigningKey::ed25519(kid("assertion-01234")?, &ASSERTION_SECRET);
    let public = assertion.public().context("the assertion key is no Ed25519 key")?;
    let (d, x) = (URL_SAFE_NO_PAD.encode(ASSERTION_SECRET), URL_SAFE_NO_PAD.encode(public));
    bundle["assertion"] = json!({ "kid": assertion.kid(), "jwk": { "kty": "OKP", "crv": "Ed25519", "d": d, "x": x } });
    bundle["feed_credential"] = "bench".into();
    let delivery = URL_SAFE_NO_PAD.encode([11; 32]);
    bundle["delivery"] = json!({ "id": "bench", "key": delivery, "keys": URL_SAFE_NO_PAD.encode(crate::feed::KEYS.0) });
    bundle["issuer"] = "https://login.example.com".into();
    Ok(bundle.to_string())
}

/// The same keys for the `jose` worker.
pub(crate) fn jose_settings(format: impl Into<Format>) -> Result<Vec<(&'static str, String)>> {
    let format = format.into();
    Ok(vec![
        ("ALG", format.signing.name().to_owned()),
        ("KEY_ALG", format.key.name().to_owned()),
        ("ENC", format.content.name().to_owned()),
        ("SIGNING_KEY", URL_SAFE_NO_PAD.encode(format.verifying_key_bytes()?)),
        ("CONTENT_KEY", URL_SAFE_NO_PAD.encode(format.content_secret()?)),
        ("COOKIE_NAME", COOKIE_NAME.to_owned()),
        ("REALM", REALM.to_owned()),
    ])
}

/// What the origin puts into the demo user's session.
pub(crate) fn demo_claims() -> SessionClaims {
    let now = feed::now().seconds();
    let end = now.plus(2 * 3600);
    SessionClaims {
        sid: SessionId([9; 16]),
        sub: xtask::stack::DEMO_USER.to_owned(),
        realm: REALM.to_owned(),
        iat: now,
        exp: end,
        fexp: end,
        idle: None,
        auth_time: None,
        rvs: 0,
        auth_level: 0,
        amr: vec!["pwd".to_owned()],
        jti: TokenId([8; 12]),
        properties: properties([("mail", "demo@example.com"), ("cn", "Demo User")]),
    }
}

/// The session of an AM with its default settings: the properties that AM sets by itself, in AM's order and with AM's
/// values, and two attributes of the user. As AM writes them these are 1,012 bytes of claims ([`am_claims`]), for which
/// its factory default makes a cookie of 2,141 bytes.
pub(crate) fn typical_claims() -> Result<SessionClaims> {
    with_am_properties("/am/UI/Login?realm=/alpha", "ou=am-config")
}

/// The same where little follows from anything: the names of an older directory, and a login that came from afar.
pub(crate) fn wordy_claims() -> Result<SessionClaims> {
    let url =
        "/am/UI/Login?realm=/alpha&goto=https://www.example.com/account/orders/2026/11?sort=date&page=1&size=50&open=t";
    with_am_properties(url, "dc=example,dc=com")
}

fn with_am_properties(login_url: &str, base: &str) -> Result<SessionClaims> {
    let claims = SessionClaims { idle: Some(30 * 60), rvs: 48_213, auth_level: 5, ..demo_claims() };
    let organization = format!("o=alpha,ou=services,{base}");
    let universal = format!("id={},ou=user,{organization}", claims.sub);
    let properties = properties([
        ("AMCtxId", "5f2d7f0e-3e0b-4d57-9f43-2f5e6c1d9a70-471"),
        ("amlbcookie", "01"),
        ("authInstant", &rfc3339(claims.iat)?),
        ("AuthLevel", &claims.auth_level.to_string()),
        ("AuthType", "DataStore"),
        ("CharSet", "UTF-8"),
        ("clientType", "genericHTML"),
        ("FullLoginURL", login_url),
        ("Host", "203.0.113.57"),
        ("HostName", "203.0.113.57"),
        ("IndexType", "service"),
        ("Locale", "en_US"),
        ("Organization", &organization),
        ("Principal", &universal),
        ("Principals", &format!("{}|{universal}", claims.sub)),
        ("Service", "Login"),
        ("successURL", "/am/console"),
        ("sun.am.UniversalIdentifier", &universal),
        ("UserId", &claims.sub),
        ("UserProfile", "Required"),
        ("UserToken", &claims.sub),
        ("mail", "demo@example.com"),
        ("cn", "Demo User"),
    ]);
    Ok(SessionClaims { properties, ..claims })
}

/// A session with AM's properties as AM itself would write it.
pub(crate) fn am_claims(claims: &SessionClaims) -> Value {
    json!({
        "jti": "8d1c4b0a-71c5-4f0b-b0d7-3a9e5f6c2d18",
        "sub": claims.properties.get("sun.am.UniversalIdentifier"),
        "iss": claims.properties.get("Organization"),
        "exp": claims.exp,
        "lastActivityTime": claims.iat,
        "maxTime": 120,
        "maxIdle": 30,
        "maxCaching": 3,
        "sessionType": "user",
        "state": "valid",
        "props": claims.properties,
    })
}

/// As others write it: core's own way is what is measured.
fn rfc3339(at: UnixSeconds) -> Result<String> {
    Ok(jiff::Timestamp::from_second(i64::try_from(at.0)?)?.to_string())
}

fn properties<const N: usize>(pairs: [(&str, &str); N]) -> Properties {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Mints sessions that differ in family and token, and so in every byte of their ciphertext.
pub(crate) struct Mint {
    keys: MintingKeys,
    count: u64,
}

impl Mint {
    pub(crate) fn new(format: impl Into<Format>) -> Result<Self> {
        Ok(Self { keys: format.into().minting_keys()?, count: 0 })
    }

    pub(crate) fn token(&mut self, claims: &SessionClaims) -> Result<String> {
        self.count += 1;
        let mut claims = claims.clone();
        claims.sid.0[..8].copy_from_slice(&self.count.to_be_bytes());
        claims.jti.0[..8].copy_from_slice(&self.count.to_be_bytes());
        let count = self.count;
        Ok(mint(&claims, Kind::Session, &self.keys, &mut |out: &mut [u8]| {
            // A counter is unique, which is all that GCM asks of its IV.
            out.fill(0);
            let bytes = count.to_be_bytes();
            let length = out.len().min(bytes.len());
            out[..length].copy_from_slice(&bytes[..length]);
        })?)
    }

    /// Claims whose `Cookie` header has about `bytes` bytes: a padded property, as applications have them.
    pub(crate) fn claims_for(&mut self, bytes: usize) -> Result<SessionClaims> {
        let sized = |padding: usize| SessionClaims {
            // `exp` far off: a long run must not outlive its tokens.
            exp: UnixSeconds(feed::now().seconds().0 + 86_400),
            fexp: UnixSeconds(feed::now().seconds().0 + 86_400),
            properties: properties([
                ("mail", "demo@example.com"),
                ("cn", "Demo User"),
                ("profile", &"x".repeat(padding)),
            ]),
            ..demo_claims()
        };
        for padding in 0..4096 {
            let claims = sized(padding);
            if cookie(&self.token(&claims)?).len() >= bytes {
                return Ok(claims);
            }
        }
        bail!("no session makes a cookie of {bytes} bytes")
    }
}

/// The `Cookie` header.
pub(crate) fn cookie(token: &str) -> String {
    format!("{COOKIE_NAME}={token}")
}

/// The edge's binding `SETTINGS`.
pub(crate) fn settings(behind: &str, listen: &str, cache_entries: usize) -> Value {
    json!({
        "origin": behind,
        "upstream": behind,
        "realm": REALM,
        "cookie_name": COOKIE_NAME,
        "login_url": "/am/UI/Login?realm=/alpha",
        "public_url": listen,
        "cache_entries": cache_entries,
        "routes": [{ "path": "/public/*", "access": "public" }],
    })
}
