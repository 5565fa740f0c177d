//! The authenticated session as a typed value.

mod compact;
mod properties;
mod reference;

pub use properties::Properties;
pub use reference::Reference;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use self::compact::{Facts, Items, Wire};

use crate::denylist::fingerprint::DenylistKey;
use crate::denylist::{Fingerprint, Kind, Slot};
use crate::encoding;
use crate::keys::Kid;
use crate::time::UnixSeconds;
use crate::token::Verified;

/// The family of a session: one login and every token re-issued from it. 128 random bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(#[serde(with = "encoding::bytes")] pub [u8; 16]);

/// One token. 96 random bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenId(#[serde(with = "encoding::bytes")] pub [u8; 12]);

impl std::fmt::Display for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&encoding::encode(&self.0))
    }
}

impl std::fmt::Display for TokenId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&encoding::encode(&self.0))
    }
}

/// The claims of a session token. Each thing is said once; a claim of a wrong type is an error, never "absent".
///
/// Serialized they are the token's payload, in which properties that follow from other claims take a letter each (see
/// `compact.rs`); [`SessionClaims::spelled_out`] is for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionClaims {
    pub sid: SessionId,
    /// The user, by the realm's name for it.
    pub sub: String,
    /// The realm, as a path (`/alpha`). It is also the audience: an edge serves one realm and takes no other's tokens.
    pub realm: String,
    /// When this token was made.
    pub iat: UnixSeconds,
    /// When this token ends.
    pub exp: UnixSeconds,
    /// When the family ends, whatever is re-issued.
    pub fexp: UnixSeconds,
    /// How many seconds after `iat` the token ends unless it is re-issued; no idle time when absent.
    pub idle: Option<u32>,
    /// When the user authenticated, where that is not `iat`: in a re-issued token.
    pub auth_time: Option<UnixSeconds>,
    /// Position of the denylist log when the token was made.
    pub rvs: u64,
    /// AM's `AuthLevel`.
    pub auth_level: u32,
    /// How the user authenticated (RFC 8176).
    pub amr: Vec<String>,
    pub jti: TokenId,
    /// Session properties set by the journey.
    pub properties: Properties,
}

/// The claims as JSON has them: read with owned text, written from borrowed.
#[derive(Serialize, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>, A: Deserialize<'de>, P: Deserialize<'de>"))]
struct Json<T, A, P> {
    sid: SessionId,
    sub: T,
    realm: T,
    iat: UnixSeconds,
    exp: UnixSeconds,
    /// Where it is not `exp`.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    fexp: Option<UnixSeconds>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    idle: Option<u32>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    auth_time: Option<UnixSeconds>,
    rvs: u64,
    lvl: u32,
    amr: A,
    jti: TokenId,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    p: Option<P>,
}

impl SessionClaims {
    fn json<P>(&self, properties: impl FnOnce() -> P) -> Json<&str, &[String], P> {
        Json {
            sid: self.sid,
            sub: &self.sub,
            realm: &self.realm,
            iat: self.iat,
            exp: self.exp,
            fexp: (self.fexp != self.exp).then_some(self.fexp),
            idle: self.idle,
            auth_time: self.auth_time,
            rvs: self.rvs,
            lvl: self.auth_level,
            amr: &self.amr,
            jti: self.jti,
            p: (!self.properties.is_empty()).then(properties),
        }
    }

    /// The claims with every one written out, and every property by its name and whole value: for logs and operators, not for tokens.
    pub fn spelled_out(&self) -> impl Serialize {
        Json { fexp: Some(self.fexp), ..self.json(|| &self.properties) }
    }
}

impl Serialize for SessionClaims {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let facts =
            Facts { sub: &self.sub, realm: &self.realm, auth_level: self.auth_level, auth_time: self.auth_time() };
        self.json(|| Items::of(&self.properties, &facts)).serialize(to)
    }
}

impl<'de> Deserialize<'de> for SessionClaims {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let json = Json::<String, Vec<String>, Wire>::deserialize(from)?;
        let properties = match json.p {
            None => Properties::default(),
            Some(Wire::Plain(properties)) => properties,
            Some(Wire::Items(items)) => {
                let auth_time = json.auth_time.unwrap_or(json.iat);
                let facts = Facts { sub: &json.sub, realm: &json.realm, auth_level: json.lvl, auth_time };
                items.expand(&facts).map_err(D::Error::custom)?
            }
        };
        Ok(Self {
            sid: json.sid,
            sub: json.sub,
            realm: json.realm,
            iat: json.iat,
            exp: json.exp,
            fexp: json.fexp.unwrap_or(json.exp),
            idle: json.idle,
            auth_time: json.auth_time,
            rvs: json.rvs,
            auth_level: json.lvl,
            amr: json.amr,
            jti: json.jti,
            properties,
        })
    }
}

/// A claim that is there has its type: `null` is not "absent".
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// A token is not re-issued sooner, in seconds: AM's `latestAccessTimeUpdateFrequency`.
const RENEWAL_LEAST: u32 = 60;

impl SessionClaims {
    /// When the user authenticated.
    pub fn auth_time(&self) -> UnixSeconds {
        self.auth_time.unwrap_or(self.iat)
    }

    /// When the session ends unless the token is re-issued.
    pub fn idle_end(&self) -> Option<UnixSeconds> {
        self.idle.map(|idle| self.iat.plus(idle.into()))
    }

    /// Whether use of the session at `now` should have its token re-issued: after a quarter of the idle time, at least
    /// a minute, so that most requests ask for nothing; at half of it where that is sooner, so that it is not missed.
    pub fn renewal_due(&self, now: UnixSeconds) -> bool {
        self.idle.is_some_and(|idle| now >= self.iat.plus((idle / 4).max(RENEWAL_LEAST).min(idle / 2).into()))
    }
}

/// A verified session with what the denylist knows it by. All of it follows from the token's bytes and the keys, so a
/// cache may keep it; whether it still holds is asked anew on every request. One that is kept in the store is known by
/// the same things.
#[derive(Clone, Debug)]
pub struct Session {
    claims: SessionClaims,
    server_side: bool,
    marks: Marks,
    other: Option<Marks>,
}

/// What one denylist key makes of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Marks {
    pub family: Fingerprint,
    pub user: Fingerprint,
    pub realm: Fingerprint,
    /// Of the keys that the token was made with.
    pub keys: [Option<Fingerprint>; 2],
}

/// What the denylist knows a realm or a key by: under the key that entries are made with, and under the other one.
type Pair = (Fingerprint, Option<Fingerprint>);

/// The marks that one token after the other has: of its realm and of its keys. They are three of five, and an HMAC
/// each. Good for one [`DenylistKey`].
#[derive(Clone, Default)]
pub struct CommonMarks {
    realm: Option<(String, Pair)>,
    keys: [Option<(Kid, Pair)>; 2],
}

impl CommonMarks {
    fn of_realm(&mut self, realm: &str, key: &DenylistKey) -> Pair {
        match &self.realm {
            Some((known, pair)) if known == realm => *pair,
            _ => {
                let pair = pair(key, Kind::Realm, realm, &[]);
                self.realm = Some((realm.to_owned(), pair));
                pair
            }
        }
    }

    fn of_keys<'a>(&mut self, mut kids: impl Iterator<Item = &'a Kid>, key: &DenylistKey) -> [Option<Pair>; 2] {
        self.keys.each_mut().map(|known| {
            let kid = kids.next()?;
            match known {
                Some((known, pair)) if known == kid => Some(*pair),
                _ => {
                    let pair = pair(key, Kind::Key, "", kid.as_str().as_bytes());
                    *known = Some((kid.clone(), pair));
                    Some(pair)
                }
            }
        })
    }
}

fn pair(key: &DenylistKey, kind: Kind, realm: &str, id: &[u8]) -> Pair {
    (key.fingerprint(kind, realm, id), key.other_fingerprint(kind, realm, id))
}

impl Session {
    pub fn new(verified: Verified<SessionClaims>, key: &DenylistKey) -> Self {
        Self::with_common(verified, key, &mut CommonMarks::default())
    }

    /// The same for many tokens in a row.
    pub fn with_common(verified: Verified<SessionClaims>, key: &DenylistKey, common: &mut CommonMarks) -> Self {
        let kids = common.of_keys(verified.kids(), key);
        Self::of(verified.into_claims(), kids, false, key, common)
    }

    /// A server-side session: for who has read its row in the store, or the signed word of who has.
    pub fn server_side(claims: SessionClaims, key: &DenylistKey) -> Self {
        Self::of(claims, [None; 2], true, key, &mut CommonMarks::default())
    }

    fn of(
        claims: SessionClaims,
        kids: [Option<Pair>; 2],
        server_side: bool,
        key: &DenylistKey,
        common: &mut CommonMarks,
    ) -> Self {
        let realm = claims.realm.as_str();
        let family = pair(key, Kind::Family, realm, &claims.sid.0);
        let user = pair(key, Kind::User, realm, claims.sub.as_bytes());
        let realm = common.of_realm(realm, key);
        let keys = kids.map(|kid| kid.map(|(own, _)| own));
        let marks = Marks { family: family.0, user: user.0, realm: realm.0, keys };
        let other = match (family.1, user.1, realm.1) {
            (Some(family), Some(user), Some(realm)) => {
                let keys = kids.map(|kid| kid.and_then(|(_, other)| other));
                Some(Marks { family, user, realm, keys })
            }
            _ => None,
        };
        Self { claims, server_side, marks, other }
    }

    /// All that entries which end the session may be listed under.
    pub fn marks(&self) -> impl Iterator<Item = Marks> {
        [self.marks].into_iter().chain(self.other)
    }

    /// Whether the browser has a reference to it, and the store the session.
    pub const fn is_server_side(&self) -> bool {
        self.server_side
    }

    pub fn claims(&self) -> &SessionClaims {
        &self.claims
    }

    /// The slot in which the denylist would list the family.
    pub fn slot(&self) -> Slot {
        Slot::of(self.claims.fexp)
    }

    /// Under the key that entries are made with, as the two that follow.
    pub fn family(&self) -> Fingerprint {
        self.marks.family
    }

    pub fn user(&self) -> Fingerprint {
        self.marks.user
    }

    pub fn realm(&self) -> Fingerprint {
        self.marks.realm
    }

    /// Of the keys that its token was made with.
    pub fn keys(&self) -> [Option<Fingerprint>; 2] {
        self.marks.keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(more: &str) -> Result<SessionClaims, serde_json::Error> {
        serde_json::from_str(&format!(
            r#"{{"sid":"AAAAAAAAAAAAAAAAAAAAAA","sub":"demo","realm":"/alpha","iat":1000,"exp":9000,"rvs":1,"lvl":0,
                "amr":["pwd"],"jti":"AAAAAAAAAAAAAAAA"{more}}}"#
        ))
    }

    #[test]
    fn j12_a_claim_of_a_wrong_type_is_not_absent() {
        let plain = claims("").unwrap();
        assert_eq!((plain.idle, plain.auth_time(), plain.idle_end()), (None, UnixSeconds(1000), None));
        assert!(!plain.renewal_due(UnixSeconds(u64::MAX)));
        let whole = claims(r#","idle":1800,"auth_time":500"#).unwrap();
        assert_eq!((whole.auth_time(), whole.idle_end()), (UnixSeconds(500), Some(UnixSeconds(2800))));
        for more in [
            r#","idle":null"#,
            r#","idle":"1800""#,
            r#","idle":-1"#,
            r#","idle":1.5"#,
            r#","idle":4294967296"#,
            r#","auth_time":null"#,
            r#","auth_time":[1]"#,
            r#","p":null"#,
            r#","idle":1,"idle":2"#,
            r#","fexp":null"#,
            r#","fexp":"9000""#,
        ] {
            assert!(claims(more).is_err(), "{more}");
        }
    }

    #[test]
    fn the_end_of_the_family_is_said_where_it_is_not_the_tokens() {
        for (more, fexp, said) in [("", 9000, false), (r#","fexp":9000"#, 9000, false), (r#","fexp":9001"#, 9001, true)]
        {
            let claims = claims(more).unwrap();
            assert_eq!(claims.fexp, UnixSeconds(fexp));
            assert_eq!(serde_json::to_string(&claims).unwrap().contains("fexp"), said);
            assert!(serde_json::to_string(&claims.spelled_out()).unwrap().contains("fexp"));
        }
    }

    #[test]
    fn most_requests_ask_for_no_renewal() {
        for (idle, after) in [(1800, 450), (300, 75), (240, 60), (120, 60), (60, 30), (0, 0)] {
            let claims = SessionClaims { idle: Some(idle), ..claims("").unwrap() };
            assert!(claims.renewal_due(UnixSeconds(1000 + after)), "{idle}");
            assert!(after == 0 || !claims.renewal_due(UnixSeconds(1000 + after - 1)), "{idle}");
        }
    }
}
