use serde::de::DeserializeOwned;

use super::{Envelope, Kind, TokenError, header};
use crate::encoding::decode_into;
use crate::keys::{KeySet, Kid};

/// Claims whose token was verified. Only [`open`] makes one, so what takes a `Verified` cannot be given anything else.
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
    header: Vec<u8>,
    outer: Vec<u8>,
    inner: Vec<u8>,
}

impl Scratch {
    /// What the outer layer of the last token held, whether or not the inner one verified: for explaining a token.
    pub fn unsealed(&self) -> &[u8] {
        &self.outer
    }
}

/// Verifies `token` as one of `kind` under `keys` and reads its claims. Times are not judged here.
pub fn open<T: DeserializeOwned>(
    token: &[u8],
    kind: Kind,
    keys: &KeySet,
    scratch: &mut Scratch,
) -> Result<Verified<T>, TokenError> {
    if token.len() > kind.longest() {
        return Err(TokenError::TooLong);
    }
    let mut outcome = open_with(token, kind, keys, scratch);
    for other in keys.others() {
        if !outcome.as_ref().is_err_and(|error| is_of_another_set(*error)) {
            break;
        }
        let next = open_with(token, kind, other, scratch);
        // That a key is unknown says the most: a reader whose keys may be old gets the newer ones.
        if outcome.as_ref().err() != Some(&TokenError::UnknownKey)
            || !next.as_ref().is_err_and(|error| is_of_another_set(*error))
        {
            outcome = next;
        }
    }
    outcome
}

/// What a set says of a token that was not made for it.
const fn is_of_another_set(error: TokenError) -> bool {
    matches!(error, TokenError::UnknownKey | TokenError::Format | TokenError::Type)
}

fn open_with<T: DeserializeOwned>(
    token: &[u8],
    kind: Kind,
    keys: &KeySet,
    scratch: &mut Scratch,
) -> Result<Verified<T>, TokenError> {
    let Scratch { header, outer, inner } = scratch;
    let (payload, kids) = match keys.envelope() {
        Envelope::Sign => {
            let kid = verify_jws(token, kind, None, keys, header, inner)?;
            (inner, [Some(kid), None])
        }
        Envelope::Encrypt => {
            let kid = open_jwe(token, kind, None, keys, header, outer)?;
            (outer, [Some(kid), None])
        }
        Envelope::SignThenEncrypt => {
            let content = open_jwe(token, kind, Some(header::NESTED), keys, header, outer)?;
            let signing = verify_jws(outer, kind, None, keys, header, inner)?;
            (inner, [Some(signing), Some(content)])
        }
        Envelope::EncryptThenSign => {
            let signing = verify_jws(token, kind, Some(header::NESTED), keys, header, outer)?;
            let content = open_jwe(outer, kind, None, keys, header, inner)?;
            (inner, [Some(signing), Some(content)])
        }
    };
    let claims = serde_json::from_slice(payload).map_err(|_| TokenError::Claims)?;
    Ok(Verified { claims, kids })
}

/// Splits into exactly `N` parts at dots.
pub(crate) fn parts<const N: usize>(token: &[u8]) -> Result<[&[u8]; N], TokenError> {
    let mut split = token.split(|&byte| byte == b'.');
    let mut parts = [&[][..]; N];
    for part in &mut parts {
        *part = split.next().ok_or(TokenError::Format)?;
    }
    if split.next().is_some() { Err(TokenError::Format) } else { Ok(parts) }
}

fn verify_jws(
    token: &[u8],
    kind: Kind,
    cty: Option<&str>,
    keys: &KeySet,
    header: &mut Vec<u8>,
    payload: &mut Vec<u8>,
) -> Result<Kid, TokenError> {
    let [protected, body, signature] = parts(token)?;
    decode_into(protected, header).map_err(|_| TokenError::Format)?;
    let fields: header::Jws<'_> = header::parse(header)?;
    header::check_type(fields.typ, kind)?;
    if fields.cty != cty {
        return Err(TokenError::Type);
    }
    let key = keys.verification_key(fields.kid)?;
    if key.alg() != fields.alg {
        return Err(TokenError::Algorithm);
    }
    let signing_input = token.get(..protected.len() + 1 + body.len()).ok_or(TokenError::Format)?;
    key.verify(signing_input, signature)?;
    decode_into(body, payload).map_err(|_| TokenError::Format)?;
    Ok(key.kid().clone())
}

fn open_jwe(
    token: &[u8],
    kind: Kind,
    cty: Option<&str>,
    keys: &KeySet,
    header: &mut Vec<u8>,
    plaintext: &mut Vec<u8>,
) -> Result<Kid, TokenError> {
    let [protected, encrypted_key, iv, ciphertext, tag] = parts(token)?;
    decode_into(protected, header).map_err(|_| TokenError::Format)?;
    let fields: header::Jwe<'_> = header::parse(header)?;
    header::check_type(fields.typ, kind)?;
    if fields.cty != cty {
        return Err(TokenError::Type);
    }
    let inflates = match fields.zip {
        None => false,
        #[cfg(feature = "deflate")]
        Some(header::DEFLATE) if keys.inflates() => true,
        Some(_) => return Err(TokenError::Header),
    };
    let key = keys.content_key(fields.kid)?;
    if fields.alg != key.alg().name() || fields.enc != key.enc().name() {
        return Err(TokenError::Algorithm);
    }
    decode_into(ciphertext, plaintext).map_err(|_| TokenError::Format)?;
    key.open(protected, encrypted_key, iv, tag, plaintext)?;
    if inflates {
        #[cfg(feature = "deflate")]
        super::jwe::deflate::inflate(plaintext)?;
    }
    Ok(key.kid().clone())
}
