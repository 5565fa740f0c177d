use serde::{Deserialize, Serialize};

use super::{Kind, TokenError};

/// JWS header (RFC 7515 §4). Every member is required and no other is taken: `crit`, `b64`, `jwk`, `jku` and `x5*` are
/// refused by not being known. Values with JSON escapes are refused too; ours have none.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Jws<'a> {
    pub(super) alg: &'a str,
    pub(super) kid: &'a str,
    pub(super) typ: &'a str,
}

/// JWE header (RFC 7516 §4); `zip` is refused by not being known. `cty` is `JWT` exactly when a JWS is inside
/// (RFC 7519 §5.2).
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Jwe<'a> {
    pub(super) alg: &'a str,
    pub(super) enc: &'a str,
    pub(super) kid: &'a str,
    pub(super) typ: &'a str,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cty: Option<&'a str>,
}

pub(super) const DIR: &str = "dir";
pub(super) const NESTED: &str = "JWT";

pub(super) fn parse<'a, H: Deserialize<'a>>(json: &'a [u8]) -> Result<H, TokenError> {
    serde_json::from_slice(json).map_err(|_| TokenError::Header)
}

pub(super) fn check_type(typ: &str, kind: Kind) -> Result<(), TokenError> {
    if typ == kind.typ() { Ok(()) } else { Err(TokenError::Type) }
}
