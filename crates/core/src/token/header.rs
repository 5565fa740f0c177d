use serde::{Deserialize, Deserializer, Serialize};

use super::{Kind, TokenError, same};
use crate::encoding::decode_into;

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

/// JWE header (RFC 7516 §4). `cty` is `JWT` exactly when a JWS is inside. `zip` is not taken.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Jwe<'a> {
    pub(super) alg: &'a str,
    pub(super) enc: &'a str,
    pub(super) kid: &'a str,
    pub(super) typ: &'a str,
    #[serde(borrow, default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) cty: Option<&'a str>,
}

/// A member that may be absent but not null.
pub(super) fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'de str>, D::Error> {
    <&str>::deserialize(from).map(Some)
}

pub(super) const NESTED: &str = "JWT";

/// What a header says, for as long as one likes.
#[derive(Default)]
pub(super) struct Fields {
    pub(super) alg: String,
    /// Empty in a JWS.
    pub(super) enc: String,
    pub(super) kid: String,
    pub(super) typ: String,
    pub(super) cty: Option<String>,
}

impl From<Jws<'_>> for Fields {
    fn from(Jws { alg, kid, typ, cty }: Jws<'_>) -> Self {
        let [alg, kid, typ] = [alg, kid, typ].map(str::to_owned);
        Self { alg, enc: String::new(), kid, typ, cty: cty.map(str::to_owned) }
    }
}

impl From<Jwe<'_>> for Fields {
    fn from(Jwe { alg, enc, kid, typ, cty }: Jwe<'_>) -> Self {
        let [alg, enc, kid, typ] = [alg, enc, kid, typ].map(str::to_owned);
        Self { alg, enc, kid, typ, cty: cty.map(str::to_owned) }
    }
}

impl Fields {
    /// Whether it is of a token of this kind, with such content.
    pub(super) fn check_type(&self, kind: Kind, cty: Option<&str>) -> Result<(), TokenError> {
        if self.typ == kind.typ() && self.cty.as_deref() == cty { Ok(()) } else { Err(TokenError::Type) }
    }
}

/// Longest text that is remembered. Ours have about 100 octets.
const REMEMBERED: usize = 512;

/// Reads headers of one layer. All tokens of a key begin with the same text, and what a text says is the same each
/// time: the last one is remembered with what it said, if it was well formed. Nothing that depends on keys is.
#[derive(Default)]
pub(super) struct Reader {
    json: Vec<u8>,
    text: Vec<u8>,
    fields: Fields,
}

impl Reader {
    pub(super) fn jws(&mut self, protected: &[u8]) -> Result<&Fields, TokenError> {
        self.read(protected, |json| Ok(parse::<Jws<'_>>(json)?.into()))
    }

    pub(super) fn jwe(&mut self, protected: &[u8]) -> Result<&Fields, TokenError> {
        self.read(protected, |json| Ok(parse::<Jwe<'_>>(json)?.into()))
    }

    fn read(
        &mut self,
        protected: &[u8],
        parse: impl FnOnce(&[u8]) -> Result<Fields, TokenError>,
    ) -> Result<&Fields, TokenError> {
        // There is no header without text, so that a new reader remembers nothing.
        if protected.is_empty() || !same(protected, &self.text) {
            self.text.clear();
            decode_into(protected, &mut self.json).map_err(|_| TokenError::Format)?;
            self.fields = parse(&self.json)?;
            if protected.len() <= REMEMBERED {
                self.text.extend_from_slice(protected);
            }
        }
        Ok(&self.fields)
    }
}

fn parse<'a, H: Deserialize<'a>>(json: &'a [u8]) -> Result<H, TokenError> {
    serde_json::from_slice(json).map_err(|_| TokenError::Header)
}
