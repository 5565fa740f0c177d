//! What a cookie of AM is made of, before there are any keys.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::encoding::decode;
use crate::token::{MAX_TOKEN, TokenError, open};

/// AM's session identifier: `<encrypted id>@<extensions>#<token>`. With c66, which is how cookies have it, each of
/// `+ / = @ #` is another character: `- _ . * *`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cookie<'a> {
    /// `SI` site, `S1` server, `type`; `SK` is the key of a server-side session in the token store.
    pub extensions: Vec<(String, String)>,
    /// The JWT. A server-side session has none.
    pub token: Option<Cow<'a, str>>,
    /// It was the session of a login in progress, inside its `authId`. The signature of that, under another secret, is
    /// not looked at.
    pub in_auth_id: bool,
}

impl<'a> Cookie<'a> {
    /// The whole value of a cookie, a JWT by itself, or an `authId`.
    pub fn parse(text: &'a str) -> Result<Self, TokenError> {
        if text.len() > MAX_TOKEN {
            return Err(TokenError::TooLong);
        }
        if let Some(id) = Self::session_id(text)? {
            return Ok(id);
        }
        if let Some(inner) = AuthId::read(text) {
            let id = Cookie::session_id(&inner.session_id)?.ok_or(TokenError::Format)?;
            let token = id.token.map(|token| Cow::Owned(token.into_owned()));
            return Ok(Self { extensions: id.extensions, token, in_auth_id: true });
        }
        Ok(Self { extensions: Vec::new(), token: Some(Cow::Borrowed(text)), in_auth_id: false })
    }

    /// `None` for what has nothing of a session identifier, as a JWT by itself.
    pub fn session_id(text: &'a str) -> Result<Option<Self>, TokenError> {
        let Some((_, rest)) = text.split_once(['*', '@']) else { return Ok(None) };
        let separator = if text.contains('@') { '#' } else { '*' };
        let (extensions, tail) = rest.split_once(separator).ok_or(TokenError::Format)?;
        let token = (!tail.is_empty()).then(|| repaired(tail));
        Ok(Some(Self { extensions: self::extensions(extensions), token, in_auth_id: false }))
    }

    pub fn extension(&self, name: &str) -> Option<&str> {
        self.extensions.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A JWT has none of `+ / =`, but one whose c66 was undone along with the rest has.
fn repaired(token: &str) -> Cow<'_, str> {
    if !token.contains(['=', '/', '+']) {
        return Cow::Borrowed(token);
    }
    let repair = |c| match c {
        '=' => '.',
        '/' => '_',
        '+' => '-',
        other => other,
    };
    Cow::Owned(token.chars().map(repair).collect())
}

/// Texts in pairs, each after its length in two bytes (Java's `writeUTF`). Nothing hangs on them: what cannot be read
/// is left out.
fn extensions(text: &str) -> Vec<(String, String)> {
    let plain = |c| match c {
        '-' => '+',
        '_' => '/',
        '.' => '=',
        other => other,
    };
    let text: String = text.chars().map(plain).collect();
    let bytes = STANDARD.decode(text).unwrap_or_default();
    let mut rest = bytes.as_slice();
    let mut next = || {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (text, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        rest = after;
        std::str::from_utf8(text).ok().map(str::to_owned)
    };
    std::iter::from_fn(|| Some((next()?, next()?))).collect()
}

/// What counts of the claims of an `authId`.
#[derive(Deserialize)]
struct AuthId {
    #[serde(rename = "otk")]
    _one_time_key: String,
    #[serde(rename = "sessionId")]
    session_id: String,
}

impl AuthId {
    fn read(text: &str) -> Option<Self> {
        let [_, payload, _] = open::parts(text.as_bytes()).ok()?;
        serde_json::from_slice(&decode(payload).ok()?).ok()
    }
}
