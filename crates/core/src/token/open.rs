use serde::de::DeserializeOwned;

use super::{Envelope, Kind, TokenError, Unproven, header};
use crate::encoding::decode_into;
use crate::keys::{KeySet, Kid, VerificationKey};

/// Claims whose token was verified. Only [`open`] makes one, and the gate on the host's word, so what takes a
/// `Verified` cannot be given anything else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verified<T> {
    claims: T,
    kids: [Option<Kid>; 2],
}

impl<T> Verified<T> {
    pub fn claims(&self) -> &T {
        &self.claims
    }

    /// The keys that it was made with: one for each of its layers.
    pub fn kids(&self) -> impl Iterator<Item = &Kid> {
        self.kids.iter().flatten()
    }

    pub fn into_claims(self) -> T {
        self.claims
    }
}

/// Buffers that [`open`] works in. Keep one, so that opening tokens does not allocate again and again.
#[derive(Default)]
pub struct Scratch {
    /// A reader for each kind of header: the same text may be one and not the other.
    jws: header::Reader,
    jwe: header::Reader,
    outer: Vec<u8>,
    pub(super) inner: Vec<u8>,
}

impl Scratch {
    /// What the outer layer of the last token held, whether or not the inner one verified: for explaining a token.
    pub fn unsealed(&self) -> &[u8] {
        &self.outer
    }
}

/// A token that was looked at: all is known of it, or the host must be asked.
pub(crate) enum Opened<T> {
    Verified(Verified<T>),
    Unproven(Unproven),
}

/// Verifies `token` as one of `kind` under `keys` and reads its claims. Times are not judged here. What only the host
/// can verify ([`crate::keys::VerificationKey::by_host`]) is refused.
pub fn open<T: DeserializeOwned>(
    token: &[u8],
    kind: Kind,
    keys: &KeySet,
    scratch: &mut Scratch,
) -> Result<Verified<T>, TokenError> {
    match open_or_ask(token, kind, keys, scratch)? {
        Opened::Verified(verified) => Ok(verified),
        Opened::Unproven(_) => Err(TokenError::Algorithm),
    }
}

/// The same, for a caller that can ask the host.
pub(crate) fn open_or_ask<T: DeserializeOwned>(
    token: &[u8],
    kind: Kind,
    keys: &KeySet,
    scratch: &mut Scratch,
) -> Result<Opened<T>, TokenError> {
    if token.len() > kind.max_len() {
        return Err(TokenError::TooLong);
    }
    match open_with(token, kind, keys, scratch) {
        Err(error) if error.is_of_another_set() => open_with_others(error, token, kind, keys, scratch),
        outcome => outcome,
    }
}

/// The same with the sets beside the first, which says `error` of the token.
fn open_with_others<T: DeserializeOwned>(
    mut error: TokenError,
    token: &[u8],
    kind: Kind,
    keys: &KeySet,
    scratch: &mut Scratch,
) -> Result<Opened<T>, TokenError> {
    for other in keys.others() {
        match open_with(token, kind, other, scratch) {
            // That a key is unknown says the most: a reader whose keys may be old gets the newer ones.
            Err(next) if next.is_of_another_set() => {
                if error != TokenError::UnknownKey {
                    error = next;
                }
            }
            outcome => return outcome,
        }
    }
    // Layers that no set has may be those of the newer keys: the key that the token names is then as unknown as they.
    if error != TokenError::UnknownKey && names_unknown_key(token, kind, keys, scratch) {
        error = TokenError::UnknownKey;
    }
    Err(error)
}

/// Whether this begins as a token of the kind does, with a key that none of the sets has.
fn names_unknown_key(token: &[u8], kind: Kind, keys: &KeySet, scratch: &mut Scratch) -> bool {
    let fields = match (parts::<3>(token), parts::<5>(token)) {
        (Ok([protected, ..]), _) => scratch.jws.jws(protected),
        (_, Ok([protected, ..])) => scratch.jwe.jwe(protected),
        _ => return false,
    };
    fields.is_ok_and(|fields| {
        let is_of_kind = [None, Some(header::NESTED)].into_iter().any(|cty| fields.check_type(kind, cty).is_ok());
        is_of_kind && !keys.has(&fields.kid) && !keys.others().iter().any(|other| other.has(&fields.kid))
    })
}

fn open_with<T: DeserializeOwned>(
    token: &[u8],
    kind: Kind,
    keys: &KeySet,
    scratch: &mut Scratch,
) -> Result<Opened<T>, TokenError> {
    let Scratch { jws: jws_header, jwe: jwe_header, outer, inner } = scratch;
    let (payload, kids) = match keys.envelope() {
        Envelope::Sign => {
            let jws = Jws::check(token, kind, keys, jws_header)?;
            let kids = [Some(jws.key.kid().clone()), None];
            if let Some(host) = jws.key.host_key() {
                return Unproven::new(host, kids, jws.signing_input, jws.signature).map(Opened::Unproven);
            }
            jws.verify(inner)?;
            (inner, kids)
        }
        Envelope::Encrypt => {
            let kid = open_jwe(token, kind, None, keys, jwe_header, outer)?;
            (outer, [Some(kid), None])
        }
        Envelope::SignThenEncrypt => {
            let content = open_jwe(token, kind, Some(header::NESTED), keys, jwe_header, outer)?;
            let jws = Jws::check(outer, kind, keys, jws_header)?;
            let kids = [Some(jws.key.kid().clone()), Some(content)];
            if let Some(host) = jws.key.host_key() {
                return Unproven::new(host, kids, jws.signing_input, jws.signature).map(Opened::Unproven);
            }
            jws.verify(inner)?;
            (inner, kids)
        }
    };
    read(payload, kids).map(Opened::Verified)
}

/// The claims of a payload whose every layer was verified.
pub(super) fn read<T: DeserializeOwned>(payload: &[u8], kids: [Option<Kid>; 2]) -> Result<Verified<T>, TokenError> {
    // Once for all of it costs less than for every text in it.
    let payload = std::str::from_utf8(payload).map_err(|_| TokenError::Claims)?;
    let claims = serde_json::from_str(payload).map_err(|_| TokenError::Claims)?;
    Ok(Verified { claims, kids })
}

/// Splits into exactly `N` parts at dots.
pub(crate) fn parts<const N: usize>(token: &[u8]) -> Result<[&[u8]; N], TokenError> {
    let mut parts = [&[][..]; N];
    let [before @ .., last] = parts.as_mut_slice() else { return Err(TokenError::Format) };
    let mut rest = token;
    for part in before {
        let (head, tail) = rest.split_at(memchr::memchr(b'.', rest).ok_or(TokenError::Format)?);
        (*part, rest) = (head, tail.get(1..).unwrap_or_default());
    }
    *last = rest;
    if memchr::memchr(b'.', rest).is_some() { Err(TokenError::Format) } else { Ok(parts) }
}

/// A JWS of the right kind under a known key, whose signature is not verified yet.
struct Jws<'a> {
    key: &'a VerificationKey,
    signing_input: &'a [u8],
    body: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Jws<'a> {
    fn check(token: &'a [u8], kind: Kind, keys: &'a KeySet, header: &mut header::Reader) -> Result<Self, TokenError> {
        let [protected, body, signature] = parts(token)?;
        let fields = header.jws(protected)?;
        fields.check_type(kind, None)?;
        let key = keys.verification_key(&fields.kid)?;
        if key.alg() != fields.alg {
            return Err(TokenError::Algorithm);
        }
        let signing_input = token.get(..protected.len() + 1 + body.len()).ok_or(TokenError::Format)?;
        Ok(Self { key, signing_input, body, signature })
    }

    /// Verifies the signature, then decodes the payload.
    fn verify(&self, payload: &mut Vec<u8>) -> Result<(), TokenError> {
        self.key.verify(self.signing_input, self.signature)?;
        decode_into(self.body, payload).map_err(|_| TokenError::Format)
    }
}

fn open_jwe(
    token: &[u8],
    kind: Kind,
    cty: Option<&str>,
    keys: &KeySet,
    header: &mut header::Reader,
    plaintext: &mut Vec<u8>,
) -> Result<Kid, TokenError> {
    let [protected, encrypted_key, iv, ciphertext, tag] = parts(token)?;
    let fields = header.jwe(protected)?;
    fields.check_type(kind, cty)?;
    let key = keys.content_key(&fields.kid)?;
    if fields.alg != key.alg().name() || fields.enc != key.enc().name() {
        return Err(TokenError::Algorithm);
    }
    decode_into(ciphertext, plaintext).map_err(|_| TokenError::Format)?;
    key.open(protected, encrypted_key, iv, tag, plaintext)?;
    Ok(key.kid().clone())
}
