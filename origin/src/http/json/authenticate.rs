//! `POST …/authenticate`: starts, continues and resumes journeys.
//!
//! An empty body, `{}` or `""` starts one; a body with an `authId` continues it; `suspendedId` in the query resumes one
//! that was suspended. The answer is a step, the session, or AM's error object. Credentials in the `X-OpenAM-*` headers
//! fill steps that ask for nothing else without showing them.

use std::borrow::Cow;

use axum::Json;
use axum::http::header::{ALLOW, CONTENT_TYPE, HeaderMap, HeaderValue, SET_COOKIE};
use axum::http::{Method, StatusCode};
use axum::response::IntoResponse as _;
use countersign_core::session::Session;
use countersign_journey::host::HostError;
use countersign_journey::{FailureCause, Request, StepError};
use countersign_store::StoreError;
use serde_json::{Map, Value, json};

use super::super::body::has_few_values;
use super::super::journey_end::{self, EndError, Replaces};
use super::super::journey_request::request;
use super::super::limits;
use super::advices::{self, Advice};
use super::error::Crest;
use super::{Answer, Call, credentials};
use crate::journey::{self, AuthIdError, Destinations, Failed, JourneyError, Outcome, Shown, Succeeded};
use crate::sessions::{self, IssueError};

/// Where a login leads that was told nothing else: AM's default.
const SUCCESS_URL: &str = "/am/console";

const TOO_LARGE: &str = "The session cannot be issued: it does not fit into a cookie";
const NO_CONFIGURATION: &str = "No Configuration found";
const FAILURE: &str = "Login failure";
/// A client of AM's looks for the class's name.
const NOT_SUSPENDED: &str = "org.forgerock.openam.auth.nodes.framework.token.SuspendedAuthSessionException: Token not found. It may have expired.";

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
    let request = request(&call.headers, &call.query, existing.as_ref());
    let to = destinations(call);
    let credentials = credentials::from_headers(&call.headers);
    let app = &call.app;
    let outcome = match (body.get("authId"), call.query.filled("suspendedId")) {
        (Some(auth_id), _) => {
            let auth_id = auth_id.as_str().ok_or_else(|| Crest::bad_request("Failed to parse JWT, not a string"))?;
            let opened = journey::open(app, &realm, auth_id).await.map_err(refused)?;
            match (body.get("callbacks"), &credentials) {
                (None, Some(credentials)) => journey::fill(app, opened, credentials, &request, &to).await,
                (callbacks, _) => {
                    let callbacks = callbacks.and_then(Value::as_array).map(Vec::as_slice);
                    journey::advance(app, opened, callbacks, &request, &to).await
                }
            }
        }
        (None, Some(id)) => journey::resume(app, &realm, id, &request, &to).await,
        (None, None) => {
            let tree = tree(call, &realm)?;
            if let Some(session) = &existing
                && !call.query.is_true("ForceAuth")
                && !call.query.is_true("noSession")
                && is_satisfied(call, &realm, &tree, session)
            {
                // The cookie is HttpOnly, so the token it holds is not told in a body either.
                return Ok(Json(success(SUCCESS_URL, &realm, &to, Some(""))).into_response());
            }
            journey::begin(app, &realm, &tree, &request, credentials.as_ref(), to).await
        }
    };
    match outcome.map_err(refused)? {
        Outcome::Step(shown) => {
            let mut response = Json(step(&shown)).into_response();
            response.headers_mut().extend(shown.cookies.into_iter().map(|cookie| (SET_COOKIE, cookie)));
            Ok(response)
        }
        Outcome::Success(succeeded) => succeed(call, &realm, &request, existing.as_ref(), &succeeded).await,
        Outcome::Failure(failed) => Err(failure(call, *failed)),
    }
}

/// A step; the order of members is AM's.
fn step(shown: &Shown) -> Value {
    let (state, page) = (&shown.progress.state, &shown.progress.page);
    let mut step = Map::new();
    step.insert("authId".to_owned(), shown.auth_id.as_str().into());
    step.insert("callbacks".to_owned(), state.callbacks_json().into());
    for (name, text) in [("stage", &page.stage), ("header", &page.header), ("description", &page.description)] {
        if let Some(text) = text {
            step.insert(name.to_owned(), text.as_str().into());
        }
    }
    Value::Object(step)
}

async fn succeed(
    call: &Call,
    realm: &str,
    request: &Request,
    existing: Option<&Session>,
    succeeded: &Succeeded,
) -> Answer {
    let how = (Replaces::Own, !call.query.is_true("noSession"));
    let end = journey_end::end(&call.app, realm, succeeded, request, existing, how).await;
    let end = end.map_err(|error| match error {
        EndError::Another => unauthorized(FAILURE),
        EndError::Issue(IssueError::Store(StoreError::QuotaExhausted)) => {
            unauthorized("You have reached your session limit.").with_detail("errorCode", "115")
        }
        EndError::Issue(IssueError::Store(error)) => error.into(),
        EndError::Issue(IssueError::TooLarge) => Crest::new(StatusCode::INTERNAL_SERVER_ERROR, TOO_LARGE),
        EndError::Issue(error) => Crest::internal(error),
    })?;
    let own = succeeded.success.success_url.as_deref().and_then(|url| own_destination(call, url));
    let own = own.as_deref().unwrap_or(SUCCESS_URL);
    let shown = end.token.as_deref().map(|token| if existing.is_some() { "" } else { token });
    let mut body = success(own, realm, &succeeded.to, shown);
    if let Some(members) = body.as_object_mut() {
        for (name, value) in &succeeded.success.details {
            members.entry(name).or_insert_with(|| value.clone());
        }
    }
    let mut response = Json(body).into_response();
    for cookie in end.cookies {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Where the journey itself leads: held to the same as `goto`.
fn own_destination(call: &Call, url: &str) -> Option<String> {
    let checked = call.app.settings().destinations.check_own(url);
    if checked.is_none() {
        tracing::warn!(realm = call.realm, "a journey leads to where validation.valid_goto_destinations does not");
    }
    checked
}

fn success(own: &str, realm: &str, to: &Destinations, token: Option<&str>) -> Value {
    let success_url = to.goto.as_deref().unwrap_or(own);
    match token {
        Some(token) => json!({"tokenId": token, "successUrl": success_url, "realm": realm}),
        None => json!({"message": "Authentication Successful", "successUrl": success_url, "realm": realm}),
    }
}

fn unauthorized(message: &str) -> Crest {
    Crest::new(StatusCode::UNAUTHORIZED, message)
}

fn failure(call: &Call, failed: Failed) -> Crest {
    let Failed { failure, to } = failed;
    let locked = failure.cause == FailureCause::LockedOut;
    let mut error = match failure.message {
        Some(message) => unauthorized(&message),
        None => unauthorized(if locked { "User Locked Out." } else { FAILURE }),
    };
    *error.detail = failure.details;
    let own = || failure.failure_url.as_deref().and_then(|url| own_destination(call, url));
    match to.goto_on_fail.or_else(own) {
        Some(url) => error.with_detail("failureUrl", url),
        None if locked => error.with_detail("failureUrl", ""),
        None => error,
    }
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
    if !has_few_values(&call.body) {
        return Err(Crest::new(StatusCode::PAYLOAD_TOO_LARGE, "The request body is too large"));
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

/// `goto` and `gotoOnFail`; one that is not allowed is ignored.
fn destinations(call: &Call) -> Destinations {
    let settings = call.app.settings();
    let checked = |name: &str| call.query.only(name).and_then(|url| settings.destinations.check(url));
    Destinations { goto: checked("goto"), goto_on_fail: checked("gotoOnFail") }
}

/// The journey that is asked for by name.
fn named<'a>(call: &'a Call, realm: &str) -> Result<Option<Cow<'a, str>>, Crest> {
    let value = call.query.filled("authIndexValue");
    match call.query.filled("authIndexType").map(str::to_ascii_lowercase).as_deref() {
        None => Ok(call.query.filled("service").map(Cow::Borrowed)),
        Some("service") => Ok(value.map(Cow::Borrowed)),
        Some("composite_advice") => advised(call, realm, value.unwrap_or_default()).map(|tree| Some(Cow::Owned(tree))),
        Some("level" | "module" | "role" | "user" | "resource" | "transaction") => {
            Err(Crest::bad_request(NO_CONFIGURATION))
        }
        Some(_) => Err(Crest::bad_request("Unknown Authentication Index Type")),
    }
}

/// The first journey of an advice that there is. AM lets the user choose between several.
fn advised(call: &Call, realm: &str, text: &str) -> Result<String, Crest> {
    let library = call.app.library(realm);
    let tree = advices::parse(text).unwrap_or_default().into_iter().find_map(|advice| match advice {
        Advice::Tree(name) => library.journey(&name).is_some().then_some(name),
        Advice::Realm(name) => (name == realm).then(|| call.app.default_journey(realm)),
    });
    tree.ok_or_else(|| Crest::bad_request(NO_CONFIGURATION))
}

/// Which journey is to begin.
fn tree(call: &Call, realm: &str) -> Result<String, Crest> {
    let tree = named(call, realm)?.map_or_else(|| call.app.default_journey(realm), Cow::into_owned);
    // Before anything is said of a session: it is of no use to a journey that is not there.
    let known = call.app.keys().realms.contains_key(realm) && call.app.library(realm).journey(&tree).is_some();
    if known { Ok(tree) } else { Err(Crest::bad_request(NO_CONFIGURATION)) }
}

/// Whether the session is what the journey would lead to: it has been through it, or no journey is asked for by name.
/// An advice says that the session was not enough.
fn is_satisfied(call: &Call, realm: &str, tree: &str, session: &Session) -> bool {
    if call.app.library(realm).journey(tree).is_some_and(|journey| journey.must_run) {
        return false;
    }
    // Sessions of before there were others say nothing of their journey.
    let services = session.claims().properties.get("Service").unwrap_or(journey::DEFAULT_TREE);
    let kind = call.query.filled("authIndexType");
    let advised = kind.is_some_and(|kind| kind.eq_ignore_ascii_case("composite_advice"));
    let in_general = named(call, realm).ok().flatten().is_none();
    !advised && (in_general || services.split('|').any(|service| service == tree))
}

fn refused(error: JourneyError) -> Crest {
    match error {
        JourneyError::AuthId(AuthIdError::Format(error)) => Crest::bad_request(format!("Failed to parse JWT, {error}")),
        // Another realm has another signing key, so AM says the same.
        JourneyError::AuthId(AuthIdError::Signature | AuthIdError::Elsewhere) => {
            Crest::bad_request("AuthId JWT Signature not valid")
        }
        // A step that was answered, or a completed journey, is over, as AM has it with allowlisting.
        JourneyError::AuthId(AuthIdError::Expired | AuthIdError::Used) => {
            unauthorized("Session has timed out").with_detail("errorCode", "110")
        }
        JourneyError::NotSuspended => unauthorized(NOT_SUSPENDED),
        JourneyError::Step(StepError::NoJourney | StepError::InnerOnly) | JourneyError::NoSuchRealm => {
            Crest::bad_request(NO_CONFIGURATION)
        }
        JourneyError::Step(StepError::NotSuspended) => unauthorized(NOT_SUSPENDED),
        JourneyError::Step(StepError::Callbacks(error)) => Crest::bad_request(error.to_string()),
        JourneyError::Limited(quota) => {
            let mut headers = HeaderMap::new();
            quota.head(limits::BY_USER, &mut headers);
            let error = Crest::new(StatusCode::TOO_MANY_REQUESTS, limits::TOO_MANY);
            headers.iter().fold(error, |error, (name, value)| error.with_header(name.clone(), value.clone()))
        }
        JourneyError::Overloaded => Crest::unavailable("Too many logins at once; try again"),
        JourneyError::Host(HostError { service, why }) => {
            tracing::error!(service, why, "a journey could not go on");
            Crest::unavailable("Service Unavailable")
        }
        JourneyError::Store(error) => error.into(),
        error @ JourneyError::Mint(_) => Crest::internal(error),
    }
}

#[cfg(test)]
#[path = "authenticate_tests.rs"]
mod tests;
