//! Compact JOSE tokens: parse, verify, open; with the `mint` feature also sign and seal.
//!
//! JWS (RFC 7515) with `EdDSA` (Ed25519, RFC 8037), `HS*`, `ES*` or `RS256`; JWE (RFC 7516) with `dir`, `A…KW` or
//! `RSA-OAEP-256` and AES-GCM or AES-CBC with HMAC; or one inside the other. Which layers a key set takes is pinned in
//! the key set, the algorithms are pinned to the key, and the `typ` to the kind of token (RFC 8725 §3). Beyond what a
//! new realm uses, an algorithm is there when its feature is.

#[cfg(feature = "am")]
pub mod am;
mod error;
#[cfg(feature = "foreign")]
pub mod foreign;
mod header;
pub(crate) mod jwe;
pub(crate) mod jws;
#[cfg(feature = "mint")]
pub mod mint;
mod open;
#[cfg(all(test, feature = "test-vectors"))]
mod rfc_tests;
#[cfg(feature = "rsa")]
pub(crate) mod rsa_key;
#[cfg(test)]
mod tests;
mod unproven;

pub use error::TokenError;
#[cfg(feature = "test-vectors")]
pub(crate) use open::parts as compact_parts;
pub(crate) use open::{Opened, open_or_ask};
pub use open::{Scratch, Verified, open};
pub use unproven::Unproven;

/// Longest token that is looked at, in bytes. A cookie has at most 4,096; the body of a REST call may carry more.
pub const MAX_TOKEN: usize = 16 * 1024;

/// The state of a login in progress may be kept by the origin, which nobody has to carry.
const MAX_JOURNEY: usize = 128 * 1024;

/// Longest key set that is delivered to an edge: every key of months of sessions, were one made each day.
pub const MAX_EDGE_KEYS: usize = 128 * 1024;

/// The kind of a token; its `typ` header must match exactly, so that no kind passes for another (RFC 8725 §3.11).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// An authenticated session: the cookie.
    Session,
    /// A login in progress: `authId`.
    Journey,
    /// The denylist authority's signed statement to one poller.
    Heartbeat,
    /// The key set of an edge, sealed to its bundle.
    EdgeKeys,
    /// The origin's signed word to one edge about a server-side session.
    Checked,
    /// Says of an end of sessions when it holds everywhere.
    Receipt,
    /// Remembers a user between sessions. For the origin alone.
    PersistentCookie,
}

impl Kind {
    pub const fn typ(self) -> &'static str {
        match self {
            Self::Session => "session+jwt",
            Self::Journey => "journey+jwt",
            Self::Heartbeat => "heartbeat+jwt",
            Self::EdgeKeys => "edge-keys+jwt",
            Self::Checked => "checked-session+jwt",
            Self::Receipt => "end-receipt+jwt",
            Self::PersistentCookie => "persistent-cookie+jwt",
        }
    }

    /// Longest one that is looked at, or made, in bytes.
    pub const fn max_len(self) -> usize {
        match self {
            Self::EdgeKeys => MAX_EDGE_KEYS,
            Self::Journey => MAX_JOURNEY,
            _ => MAX_TOKEN,
        }
    }
}

/// The layers of a token. A key set is bound to one, so that a layer cannot be left out by whoever makes the token.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Envelope {
    /// JWS alone: the claims can be read by whoever has the token.
    Sign,
    /// JWE alone: whoever can open it can also make it.
    Encrypt,
    /// JWS inside JWE. AM's order is the other one: see `am`.
    SignThenEncrypt,
}

impl Envelope {
    pub const fn signs(self) -> bool {
        !matches!(self, Self::Encrypt)
    }

    pub const fn encrypts(self) -> bool {
        !matches!(self, Self::Sign)
    }
}

/// Equality. Without an early end or a branch, so that the compiler takes many bytes at a time; `memcmp` goes byte by
/// byte on wasm32.
pub(crate) fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |differing, (a, b)| differing | (a ^ b)) == 0
}
