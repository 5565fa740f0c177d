//! The authenticated session as a typed value.

mod properties;

pub use properties::Properties;

use serde::{Deserialize, Serialize};

use crate::denylist::fingerprint::DenylistKey;
use crate::denylist::{Fingerprint, Kind, Slot};
use crate::encoding;
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
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
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
    /// Position of the denylist log when the token was made.
    pub rvs: u64,
    /// AM's `AuthLevel`.
    #[serde(rename = "lvl")]
    pub auth_level: u32,
    /// How the user authenticated (RFC 8176).
    pub amr: Vec<String>,
    pub jti: TokenId,
    /// Session properties set by the journey.
    #[serde(rename = "p", default, skip_serializing_if = "Properties::is_empty")]
    pub properties: Properties,
}

/// A verified session with what the denylist knows it by. All of it follows from the token's bytes and the keys, so a
/// cache may keep it; whether it still holds is asked anew on every request.
#[derive(Clone, Debug)]
pub struct Session {
    claims: SessionClaims,
    pub(crate) family: Fingerprint,
    pub(crate) user: Fingerprint,
}

impl Session {
    pub fn new(verified: Verified<SessionClaims>, key: &DenylistKey) -> Self {
        let claims = verified.into_claims();
        let family = key.fingerprint(Kind::Family, &claims.realm, &claims.sid.0);
        let user = key.fingerprint(Kind::User, &claims.realm, claims.sub.as_bytes());
        Self { claims, family, user }
    }

    pub fn claims(&self) -> &SessionClaims {
        &self.claims
    }

    /// The slot in which the denylist would list the family.
    pub fn slot(&self) -> Slot {
        Slot::of(self.claims.fexp)
    }

    pub fn family(&self) -> Fingerprint {
        self.family
    }

    pub fn user(&self) -> Fingerprint {
        self.user
    }
}
