//! `POST …/sessions?_action=…`: which session is meant, and what is to be done with it. `GET` lists server-side ones.

mod ack;
mod end;
mod get_session_info;
mod get_session_properties;
mod logout;
mod logout_by_handle;
mod logout_by_user;
mod query;
mod refresh;
mod update_session_properties;
mod validate;

use axum::http::header::HeaderValue;
use axum::http::{Method, StatusCode};
use countersign_core::session::{Reference, SessionClaims};
use serde_json::{Map, Value};

use super::error::Crest;
use super::{Answer, Call, administrator};
use crate::session_cookie::Presented;
use crate::sessions::{self, IssueError, Renew, Renewal};
use crate::universal_id::universal_id;

/// The token to act upon, and whether it was named or is the caller's own.
#[derive(Clone, PartialEq, Eq)]
struct Subject {
    token: Vec<u8>,
    named: bool,
}

pub(super) async fn action(call: &Call, path_token: Option<&str>) -> Answer {
    if call.method == Method::GET && path_token.is_none() {
        return query::get(call).await;
    }
    if call.method != Method::POST {
        return Err(not_implemented(format!("Method {} not supported", call.method)));
    }
    let Some(action) = call.query.filled("_action") else {
        return Err(Crest::bad_request("The request has no _action"));
    };
    match action {
        "logout" => logout::post(call, subject(call, path_token)?, ack::asked(call)?).await,
        "logoutByUser" => logout_by_user::post(call).await,
        "end" => end::post(call).await,
        "validate" => validate::post(call, subject(call, path_token)?).await,
        "getSessionInfo" => get_session_info::post(call, subject(call, path_token)?, None).await,
        "getSessionInfoAndResetIdleTime" => {
            get_session_info::post(call, subject(call, path_token)?, Some(Renew::Now)).await
        }
        "getSessionProperties" => get_session_properties::post(call, subject(call, path_token)?).await,
        "updateSessionProperties" => update_session_properties::post(call, subject(call, path_token)?).await,
        "logoutByHandle" => logout_by_handle::post(call).await,
        "refresh" => refresh::post(call, subject(call, path_token)?).await,
        unknown => {
            let shown: String = unknown.chars().take(100).collect();
            Err(not_implemented(format!("Action {shown} not implemented for this resource")))
        }
    }
}

fn not_implemented(message: String) -> Crest {
    Crest::new(StatusCode::NOT_IMPLEMENTED, message)
}

/// In AM's order: body (or the old form's path), query, cookie, header.
fn subject(call: &Call, path_token: Option<&str>) -> Result<Option<Subject>, Crest> {
    let body = body(call)?;
    let in_body = body.get("tokenId").and_then(Value::as_str).filter(|token| !token.is_empty());
    let named = in_body.or(path_token).or_else(|| call.query.filled("tokenId"));
    Ok(match named {
        Some(token) => Some(Subject { token: token.into(), named: true }),
        None => call.presented().token().map(|token| Subject { token: token.into(), named: false }),
    })
}

/// What came of a request that counts as use of the session.
enum Use {
    /// Nothing: there is no idle time, or the caller is not the session's holder.
    None,
    /// The store knows of it.
    Noted,
    /// There is another token, in this cookie.
    Reissued(HeaderValue),
}

impl Use {
    const fn is_noted(&self) -> bool {
        !matches!(self, Self::None)
    }

    fn cookie(self) -> Option<HeaderValue> {
        match self {
            Self::Reissued(cookie) => Some(cookie),
            Self::None | Self::Noted => None,
        }
    }
}

/// Notes the use of a server-side session, and has the token of another re-issued when the caller presents it as its
/// own: by cookie or header. Whoever only names a token in a body asks about somebody else's, and cannot be given
/// another one to keep.
async fn reset_idle(call: &Call, subject: &Subject, when: Renew) -> Result<Use, Crest> {
    let own = match call.presented() {
        Presented::Cookie(own) | Presented::Header(own) => own == subject.token,
        _ => false,
    };
    if !own && Reference::read(&subject.token).is_none() {
        return Ok(Use::None);
    }
    match sessions::renew(&call.app, &subject.token, when).await {
        Ok(Renewal::Issued(issued)) => Ok(Use::Reissued(issued.set_cookie)),
        Ok(Renewal::Noted) => Ok(Use::Noted),
        Ok(Renewal::Needless | Renewal::Over) => Ok(Use::None),
        Err(IssueError::Store(error)) => Err(error.into()),
        Err(error) => Err(Crest::internal(error)),
    }
}

/// A caller with a session of its own may ask about its own user's sessions, and as an administrator about others';
/// without one, the token named is the credential.
async fn entitled(call: &Call, subject: &Subject, target: &SessionClaims) -> Result<(), Crest> {
    if let Some(own) = call.presented().token().filter(|_| subject.named)
        && let Some(caller) = sessions::judge(&call.app, own).await?.valid()
        && (&caller.claims().sub, &caller.claims().realm) != (&target.sub, &target.realm)
    {
        administrator::require(call, &target.realm).await?;
    }
    Ok(())
}

/// The property by which AM tells what belongs to one session; here the family.
const CONTEXT: &str = "AMCtxId";

/// The properties that users may see, those that the session lacks as empty.
fn visible(call: &Call, claims: &SessionClaims) -> Value {
    let settings = call.app.settings();
    let allowed = &settings.realm(&claims.realm).session.server_side.property_allowlist;
    let value = |name: &str| match name {
        CONTEXT => claims.sid.to_string(),
        name => claims.properties.get(name).unwrap_or_default().to_owned(),
    };
    Value::Object(allowed.iter().map(|name| (name.clone(), value(name).into())).collect())
}

/// How operators name a server-side session.
const HANDLE: &str = "shandle:";

fn body(call: &Call) -> Result<Map<String, Value>, Crest> {
    if call.body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    match serde_json::from_slice(&call.body) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(Crest::bad_request(
            "The request could not be processed because the provided content is not a JSON object",
        )),
    }
}

#[cfg(test)]
mod idle_tests;
#[cfg(test)]
mod server_side_tests;
#[cfg(test)]
mod tests;
