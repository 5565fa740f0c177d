//! The client of OAuth 2.0 (RFC 6749) and OpenID Connect providers: authorization code with PKCE (RFC 7636), `state`
//! and `nonce` bound to the journey, identity tokens verified under the provider's published keys.

mod flow;
mod id_token;
pub(crate) mod mapping;
mod provider;

pub(crate) use flow::{Came, Progress, SAVED, authenticate, native};
pub(crate) use provider::{ClientAuth, KeySource, Pkce, Provider, secret_of};

use serde_json::{Map, Value};

/// The text of a member that is a text or a number: ids are both.
pub(crate) fn id_text(profile: &Map<String, Value>, key: &str) -> Option<String> {
    let text = match crate::state::at(profile, &key.replace('.', "/"))? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    Some(text).filter(|text| !text.is_empty())
}
