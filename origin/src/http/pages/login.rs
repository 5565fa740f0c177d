//! `GET` and `POST /am/UI/Login`: the journey of REST, as a form.
//!
//! `goto` leads on after success when it is allowed; it is ignored otherwise. `service` may name the one journey.
//! `ForceAuth=true` asks also whoever is signed in: an edge sends here whom it refuses, and may know better than we do
//! (its keys or its clock may differ), so that to send the browser back with the same cookie would go on for ever.

use std::sync::Arc;

use askama::Template;
use axum::extract::{RawQuery, Request, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use countersign_core::session::Session;
use countersign_store::StoreError;
use zeroize::Zeroizing;

use super::super::body;
use super::super::query::Query;
use super::message::{self, Link};
use super::render::{page, see_other};
use super::{LOGIN, LOGOUT, address, csrf, realm};
use crate::app::App;
use crate::journey::{self, Advance, Answers, Authenticated, JourneyError};
use crate::passwords::{HashError, MAX_PASSWORD};
use crate::session_cookie::Presented;
use crate::sessions::{self, IssueError};

/// For the template, whose fields count characters where the limits count bytes.
const USERNAME_MAX: usize = journey::MAX_USERNAME;
const PASSWORD_MAX: usize = MAX_PASSWORD;

/// AM's name of it.
const FORCE_AUTH: &str = "ForceAuth";
const FORCED: &str = "&ForceAuth=true";

const SIGNED_OUT: &str = "You are signed out.";
const AGAIN: &str = "Please sign in again.";
const TOO_SLOW: &str = "The sign-in took too long. Please sign in again.";
const WRONG: &str = "User name or password is wrong.";
const BUSY: &str = "Too many people are signing in at the moment. Please try again.";
const LIMIT: &str = "You have reached your session limit. Sign out somewhere else first.";
const TROUBLE: &str = "Signing in is not possible at the moment. Please try again shortly.";

#[derive(Template)]
#[template(path = "login.html", config = "console/askama.toml")]
struct Login<'a> {
    header: &'a str,
    realm_name: &'a str,
    notice: Option<&'a str>,
    error: Option<&'a str>,
    action: &'a str,
    auth_id: &'a str,
    goto: Option<&'a str>,
    username: &'a str,
    username_prompt: &'a str,
    password_prompt: &'a str,
}

/// What the page is shown with.
struct Form<'a> {
    realm: &'a str,
    forced: bool,
    goto: Option<&'a str>,
    username: &'a str,
    notice: Option<&'a str>,
    error: Option<&'a str>,
}

pub(super) async fn get(State(app): State<Arc<App>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let query = Query::parse(query.unwrap_or_default().as_bytes());
    let Some(realm) = realm(&app, &query) else { return message::no_realm(&app) };
    if query.filled("service").is_some_and(|tree| tree != journey::DEFAULT_TREE) {
        let text = "There is no such journey in this realm. Check the address.";
        return message::show(&app, StatusCode::BAD_REQUEST, "No configuration found", text, None);
    }
    let goto = query.only("goto").and_then(|goto| app.settings().destinations.check(goto));
    let forced = query.is_true(FORCE_AUTH);
    if !forced {
        match session(&app, &headers, &realm).await {
            Err(()) => return message::trouble(&app, TROUBLE, &address(LOGIN, &realm, goto.as_deref())),
            Ok(Some(session)) => return signed_in(&app, &session, goto.as_deref()),
            Ok(None) => {}
        }
    }
    let notice = query.is_true("signedOut").then_some(SIGNED_OUT).or(forced.then_some(AGAIN));
    let form = Form { realm: &realm, forced, goto: goto.as_deref(), username: "", notice, error: None };
    show(&app, StatusCode::OK, &form)
}

pub(super) async fn post(State(app): State<Arc<App>>, RawQuery(query): RawQuery, request: Request) -> Response {
    let query = Query::parse(query.unwrap_or_default().as_bytes());
    let Some(realm) = realm(&app, &query) else { return message::no_realm(&app) };
    if !csrf::is_own_form(&app, request.headers()) {
        return message::forged(&app, &address(LOGIN, &realm, None));
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = body::read(body).await else {
        return message::show(&app, StatusCode::PAYLOAD_TOO_LARGE, "Form refused", "The form is too large.", None);
    };
    let fields = Query::parse(&body);
    let goto = fields.only("goto").or_else(|| query.only("goto"));
    let goto = goto.and_then(|goto| app.settings().destinations.check(goto));
    let username = fields.first("IDToken1").unwrap_or_default();
    let forced = query.is_true(FORCE_AUTH);
    let form = Form { realm: &realm, forced, goto: goto.as_deref(), username, notice: None, error: None };

    // Expired, of another realm, or none at all: all the user can do is to begin anew.
    let auth_id = fields.first("authId").unwrap_or_default();
    if journey::check(&app, &realm, auth_id).is_err() {
        return show(&app, StatusCode::OK, &Form { notice: Some(TOO_SLOW), ..form });
    }
    let password = Zeroizing::new(fields.first("IDToken2").unwrap_or_default().to_owned());
    let authenticated = match journey::advance(&app, &realm, Answers { username: username.to_owned(), password }).await
    {
        Ok(Advance::Success(authenticated)) => authenticated,
        Ok(Advance::Failure) => {
            return show(&app, StatusCode::UNAUTHORIZED, &Form { error: Some(WRONG), ..form });
        }
        Err(JourneyError::Hash(HashError::Overloaded)) => {
            return show(&app, StatusCode::SERVICE_UNAVAILABLE, &Form { error: Some(BUSY), ..form });
        }
        Err(error) => {
            tracing::error!(%error, "a login could not be decided");
            return show(&app, StatusCode::SERVICE_UNAVAILABLE, &Form { error: Some(TROUBLE), ..form });
        }
    };
    match journey::complete(&app, &realm, auth_id).await {
        Ok(()) => {}
        Err(JourneyError::AuthId(_)) => return show(&app, StatusCode::OK, &Form { notice: Some(TOO_SLOW), ..form }),
        Err(error) => {
            tracing::error!(%error, "a login could not be completed");
            return show(&app, StatusCode::SERVICE_UNAVAILABLE, &Form { error: Some(TROUBLE), ..form });
        }
    }
    match replace(&app, &parts.headers, &authenticated).await {
        Ok(issued) => {
            // Without a destination, the page itself says who is signed in: as a redirect, so that it can be reloaded.
            let here = address(LOGIN, &realm, None);
            let mut response = see_other(goto.as_deref().unwrap_or(&here));
            response.headers_mut().append(SET_COOKIE, issued.set_cookie);
            response
        }
        Err(IssueError::Store(StoreError::QuotaExhausted)) => {
            show(&app, StatusCode::UNAUTHORIZED, &Form { error: Some(LIMIT), ..form })
        }
        Err(error) => {
            tracing::error!(%error, username = authenticated.identity.username, "a session could not be issued");
            show(&app, StatusCode::SERVICE_UNAVAILABLE, &Form { error: Some(TROUBLE), ..form })
        }
    }
}

/// A new session; the one that the browser had, whoever's it was, and now forgets, is ended.
async fn replace(
    app: &App,
    headers: &HeaderMap,
    authenticated: &Authenticated,
) -> Result<sessions::Issued, IssueError> {
    let old = match Presented::of(headers, &app.settings().realm(&authenticated.identity.realm).session) {
        Presented::Cookie(old) => sessions::judge(app, old).await.map_err(IssueError::Store)?.valid(),
        _ => None,
    };
    let old = old.filter(|old| old.claims().realm == authenticated.identity.realm);
    sessions::issue(app, authenticated, old.as_ref()).await
}

fn show(app: &App, status: StatusCode, form: &Form<'_>) -> Response {
    let Form { realm, forced, goto, username, notice, error } = *form;
    let force = if forced { FORCED } else { "" };
    let action = address(LOGIN, realm, None) + force;
    let auth_id = match journey::start(app, realm) {
        Ok(auth_id) => auth_id,
        Err(error) => {
            tracing::error!(%error, "a login could not begin");
            return message::trouble(app, TROUBLE, &(address(LOGIN, realm, goto) + force));
        }
    };
    // What was typed is shown again, but no more of it than a name can have.
    let username = if username.len() <= journey::MAX_USERNAME { username } else { "" };
    let [(_, username_prompt), (_, password_prompt)] = journey::CALLBACKS;
    let template = Login {
        header: "Sign in",
        realm_name: realm_name(realm),
        notice,
        error,
        action: &action,
        auth_id: &auth_id,
        goto,
        username,
        username_prompt,
        password_prompt,
    };
    page(app, status, &template)
}

fn signed_in(app: &App, session: &Session, goto: Option<&str>) -> Response {
    if let Some(goto) = goto {
        return see_other(goto);
    }
    let claims = session.claims();
    let text = format!("You are signed in to {} as {}.", realm_name(&claims.realm), claims.sub);
    let href = address(LOGOUT, &claims.realm, None);
    message::show(app, StatusCode::OK, "Signed in", &text, Some(Link { href: &href, label: "Sign out" }))
}

/// The browser's session in the realm, if it has one. The error is logged.
pub(super) async fn session(app: &App, headers: &HeaderMap, realm: &str) -> Result<Option<Session>, ()> {
    let presented = Presented::of(headers, &app.settings().realm(realm).session);
    let Presented::Cookie(token) = presented else { return Ok(None) };
    match sessions::judge(app, token).await {
        Ok(standing) => Ok(standing.valid().filter(|session| session.claims().realm == realm)),
        Err(error) => {
            tracing::error!(%error, "a session could not be judged");
            Err(())
        }
    }
}

/// How people call a realm: without the slash.
pub(super) fn realm_name(realm: &str) -> &str {
    realm.strip_prefix('/').filter(|name| !name.is_empty()).unwrap_or("Top Level Realm")
}
