//! `POST …/authenticate`: starts and continues journeys.
//!
//! An empty body, `{}` or `""` starts one; a body with an `authId` continues it. The answer is a step, the session, or
//! AM's error object. Credentials in the `X-OpenAM-*` headers fill the step without showing it.

use axum::Json;
use axum::http::header::{ALLOW, CONTENT_TYPE, HeaderValue, SET_COOKIE};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use countersign_core::session::Session;
use countersign_store::StoreError;
use serde_json::{Map, Value, json};

use super::error::Crest;
use super::{Answer, Call, callbacks, credentials};
use crate::journey::{self, Advance, Answers, AuthIdError, JourneyError};
use crate::passwords::HashError;
use crate::sessions::{self, IssueError};

/// Where a login leads that was told nothing else: AM's default.
const SUCCESS_URL: &str = "/am/console";

const TOO_LARGE: &str = "The session cannot be issued: it does not fit into a cookie";

pub(super) async fn post(call: &Call) -> Answer {
    handle(call).await.or_else(|error| failed(call, error))
}

/// Resource version 1 has an error shape of its own. Neither has a charset in its content type.
fn failed(call: &Call, error: Crest) -> Answer {
    let body = match call.version.0 {
        1 => json!({"errorMessage": error.message}),
        _ => error.body(),
    };
    let mut response = (error.status, Json(body)).into_response();
    response.headers_mut().extend(error.headers);
    Ok(response)
}

async fn handle(call: &Call) -> Answer {
    if call.method != Method::POST {
        let error = Crest::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
        return Err(error.with_header(ALLOW, HeaderValue::from_static("POST")));
    }
    let body = body(call)?;
    let realm = realm(call)?;
    let existing = existing_session(call).await?.filter(|session| session.claims().realm == realm);
    let answers = match body.get("authId") {
        Some(auth_id) => {
            let auth_id = auth_id.as_str().ok_or_else(|| Crest::bad_request("Failed to parse JWT, not a string"))?;
            journey::check(&call.app, &realm, auth_id).map_err(refused)?;
            let from_headers = || credentials::from_headers(&call.headers);
            match body.get("callbacks") {
                None if from_headers().is_some() => from_headers(),
                callbacks => Some(callbacks::answers(callbacks)?),
            }
        }
        None => {
            check_index(call, &realm)?;
            let again = call.query.is_true("ForceAuth") || call.query.is_true("noSession");
            if let (Some(_), false) = (&existing, again) {
                // The cookie is HttpOnly, so the token it holds is not told in a body either.
                return Ok(success(call, &realm, Some("")));
            }
            credentials::from_headers(&call.headers)
        }
    };
    let auth_id = body.get("authId").and_then(Value::as_str);
    match answers {
        Some(answers) => advance(call, &realm, existing, auth_id, answers).await,
        None => {
            let auth_id = journey::start(&call.app, &realm).map_err(refused)?;
            Ok(Json(callbacks::step(&auth_id)).into_response())
        }
    }
}

async fn advance(
    call: &Call,
    realm: &str,
    existing: Option<Session>,
    auth_id: Option<&str>,
    answers: Answers,
) -> Answer {
    let Advance::Success(authenticated) = journey::advance(&call.app, realm, answers).await.map_err(refused)? else {
        return Err(failure(call));
    };
    if let Some(auth_id) = auth_id {
        journey::complete(&call.app, realm, auth_id).await.map_err(refused)?;
    }
    if call.query.is_true("noSession") {
        return Ok(success(call, realm, None));
    }
    // A session is upgraded by its own user only (§3.3 of the contract); somebody else's stays as it is.
    if existing.as_ref().is_some_and(|session| !sessions::is_of(session.claims(), &authenticated.identity)) {
        return Err(failure(call));
    }
    let issued = sessions::issue(&call.app, &authenticated, existing.as_ref()).await.map_err(|error| match error {
        IssueError::Store(StoreError::QuotaExhausted) => {
            let mut error = Crest::new(StatusCode::UNAUTHORIZED, "You have reached your session limit.");
            error.detail = Some(("errorCode", "115".to_owned()));
            error
        }
        IssueError::Store(error) => error.into(),
        IssueError::TooLarge => {
            tracing::error!(%error, username = authenticated.identity.username, "a session could not be issued");
            Crest::new(StatusCode::INTERNAL_SERVER_ERROR, TOO_LARGE)
        }
        error => Crest::internal(error),
    })?;
    let shown = if existing.is_some() { "" } else { issued.token.as_str() };
    let mut response = success(call, realm, Some(shown));
    response.headers_mut().append(SET_COOKIE, issued.set_cookie);
    Ok(response)
}

fn failure(call: &Call) -> Crest {
    let mut error = Crest::new(StatusCode::UNAUTHORIZED, "Login failure");
    let failure_url = call.query.only("gotoOnFail").and_then(|url| call.app.settings().destinations.check(url));
    error.detail = failure_url.map(|url| ("failureUrl", url));
    error
}

fn success(call: &Call, realm: &str, token: Option<&str>) -> Response {
    let goto = call.query.only("goto").and_then(|goto| call.app.settings().destinations.check(goto));
    let success_url = goto.as_deref().unwrap_or(SUCCESS_URL);
    Json(match token {
        Some(token) => json!({"tokenId": token, "successUrl": success_url, "realm": realm}),
        None => json!({"message": "Authentication Successful", "successUrl": success_url, "realm": realm}),
    })
    .into_response()
}

/// The body's members; none to start.
fn body(call: &Call) -> Result<Map<String, Value>, Crest> {
    if call.body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    let kind = call.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(Crest::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported Media Type"));
    }
    match serde_json::from_slice(&call.body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(Value::String(text)) if text.is_empty() => Ok(Map::new()),
        Ok(_) => Err(Crest::bad_request("The request body is not a JSON object")),
        Err(_) => Err(Crest::bad_request("The request body is not valid JSON")),
    }
}

/// A `realm` in the query wins over the path's.
fn realm(call: &Call) -> Result<String, Crest> {
    let Some(asked) = call.query.filled("realm") else { return Ok(call.realm.clone()) };
    let name = format!("/{}", asked.trim_matches('/'));
    let known = name == "/" || call.app.keys().realms.contains_key(&name);
    if known { Ok(name) } else { Err(Crest::bad_request("Domain is invalid")) }
}

async fn existing_session(call: &Call) -> Result<Option<Session>, Crest> {
    match call.presented().token() {
        Some(token) => Ok(sessions::judge(&call.app, token).await?.valid()),
        None => Ok(None),
    }
}

/// Which journey is asked for. There is one per realm.
fn check_index(call: &Call, realm: &str) -> Result<(), Crest> {
    let unknown = || Crest::bad_request("No Configuration found");
    let tree = match call.query.filled("authIndexType").map(str::to_ascii_lowercase).as_deref() {
        None => call.query.filled("service"),
        Some("service") => call.query.filled("authIndexValue"),
        Some("level" | "module" | "role" | "user" | "composite_advice" | "resource" | "transaction") => {
            return Err(unknown());
        }
        Some(_) => return Err(Crest::bad_request("Unknown Authentication Index Type")),
    };
    let known = tree.is_none_or(|tree| tree == journey::DEFAULT_TREE) && call.app.keys().realms.contains_key(realm);
    if known { Ok(()) } else { Err(unknown()) }
}

fn refused(error: JourneyError) -> Crest {
    match error {
        JourneyError::AuthId(AuthIdError::Format(error)) => Crest::bad_request(format!("Failed to parse JWT, {error}")),
        // Another realm has another signing key, so AM says the same.
        JourneyError::AuthId(AuthIdError::Signature | AuthIdError::Elsewhere) => {
            Crest::bad_request("AuthId JWT Signature not valid")
        }
        // A completed journey is over, as AM has it when denylisting is on.
        JourneyError::AuthId(AuthIdError::Expired | AuthIdError::Used) => {
            let mut error = Crest::new(StatusCode::UNAUTHORIZED, "Session has timed out");
            error.detail = Some(("errorCode", "110".to_owned()));
            error
        }
        JourneyError::Hash(HashError::Overloaded) => Crest::unavailable("Too many logins at once; try again"),
        JourneyError::NoSuchRealm => Crest::bad_request("No Configuration found"),
        JourneyError::Store(error) => error.into(),
        error @ (JourneyError::Hash(HashError::Failed) | JourneyError::Mint(_)) => Crest::internal(error),
    }
}

#[cfg(test)]
#[path = "authenticate_tests.rs"]
mod tests;
