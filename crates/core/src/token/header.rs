use serde::{Deserialize, Deserializer, Serialize};

use super::{Kind, TokenError};

/// JWS header (RFC 7515 §4). Every member is required and no other is taken: `crit`, `b64`, `jwk`, `jku` and `x5*` are
/// refused by not being known. Values with JSON escapes are refused too; ours have none.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Jws<'a> {
    pub(super) alg: &'a str,
    pub(super) kid: &'a str,
    pub(super) typ: &'a str,
    /// `JWT` exactly when a JWE is inside (RFC 7519 §5.2).
    #[serde(borrow, default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) cty: Option<&'a str>,
}

/// JWE header (RFC 7516 §4). `cty` is `JWT` exactly when a JWS is inside; `zip` is for key sets that inflate.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Jwe<'a> {
    pub(super) alg: &'a str,
    pub(super) enc: &'a str,
    pub(super) kid: &'a str,
    pub(super) typ: &'a str,
    #[serde(borrow, default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) cty: Option<&'a str>,
    #[serde(borrow, default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) zip: Option<&'a str>,
}

/// A member that may be absent but not null.
pub(super) fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'de str>, D::Error> {
    <&str>::deserialize(from).map(Some)
}

#[cfg(feature = "deflate")]
pub(super) const DEFLATE: &str = "DEF";
pub(super) const NESTED: &str = "JWT";

pub(super) fn parse<'a, H: Deserialize<'a>>(json: &'a [u8]) -> Result<H, TokenError> {
    serde_json::from_slice(json).map_err(|_| TokenError::Header)
}

pub(super) fn check_type(typ: &str, kind: Kind) -> Result<(), TokenError> {
    if typ == kind.typ() { Ok(()) } else { Err(TokenError::Type) }
}
