//! `GET /am/UI/Logout` asks, `POST` ends the session: a link or an image elsewhere must not sign anybody out.

use std::sync::Arc;

use askama::Template;
use axum::extract::{RawQuery, Request, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use countersign_core::gate::Refusal;
use countersign_store::StoreError;

use super::super::body;
use super::super::query::Query;
use super::login::{realm_name, session};
use super::render::{page, see_other};
use super::{LOGIN, LOGOUT, address, csrf, message, realm};
use crate::app::App;
use crate::session_cookie::{self, Presented};
use crate::sessions::{self, Standing};

const NOT_EFFECTIVE: &str = "Your sign-out could not be recorded, so it is not effective yet. This browser has \
                             forgotten the session, but a copy of its cookie would still work until it expires.";
const TROUBLE: &str = "Your session could not be checked. Please try again shortly.";

#[derive(Template)]
#[template(path = "logout.html", config = "console/askama.toml")]
struct Logout<'a> {
    realm_name: &'a str,
    user_name: &'a str,
    action: &'a str,
    goto: Option<&'a str>,
    cancel_href: &'a str,
}

pub(super) async fn get(State(app): State<Arc<App>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let query = Query::parse(query.unwrap_or_default().as_bytes());
    let Some(realm) = realm(&app, &query) else { return message::no_realm(&app) };
    let goto = query.only("goto").and_then(|goto| app.settings().destinations.check(goto));
    let goto = goto.as_deref();
    let back = address(LOGIN, &realm, goto);
    match session(&app, &headers, &realm).await {
        Err(()) => message::trouble(&app, TROUBLE, &address(LOGOUT, &realm, goto)),
        // Nothing to sign out of.
        Ok(None) => see_other(&back),
        Ok(Some(session)) => {
            let action = address(LOGOUT, &realm, None);
            let template = Logout {
                realm_name: realm_name(&realm),
                user_name: &session.claims().sub,
                action: &action,
                goto,
                cancel_href: goto.unwrap_or(&back),
            };
            page(&app, StatusCode::OK, &template)
        }
    }
}

pub(super) async fn post(State(app): State<Arc<App>>, RawQuery(query): RawQuery, request: Request) -> Response {
    let query = Query::parse(query.unwrap_or_default().as_bytes());
    let Some(realm) = realm(&app, &query) else { return message::no_realm(&app) };
    if !csrf::is_own_form(&app, request.headers()) {
        return message::forged(&app, &address(LOGOUT, &realm, None));
    }
    let (parts, body) = request.into_parts();
    let fields = body::read(body).await.map(|body| Query::parse(&body)).unwrap_or_else(|_| Query::parse(b""));
    // An application's own button may have it in the address of its form.
    let goto = fields.only("goto").or_else(|| query.only("goto"));
    let goto = goto.and_then(|goto| app.settings().destinations.check(goto));
    let login = address(LOGIN, &realm, goto.as_deref());
    let mut response = match end(&app, &realm, &parts.headers).await {
        Ok(()) => see_other(&format!("{login}&signedOut=true")),
        Err(error) => {
            tracing::error!(%error, "a logout was not recorded");
            message::trouble(&app, NOT_EFFECTIVE, &login)
        }
    };
    let clear = session_cookie::clear(&app.settings().realm(&realm).session);
    response.headers_mut().extend(clear.map(|value| (SET_COOKIE, value)));
    response
}

/// When this returns `Ok`, the session is over, durably; or there was none.
async fn end(app: &App, realm: &str, headers: &HeaderMap) -> Result<(), StoreError> {
    let presented = Presented::of(headers, &app.settings().realm(realm).session);
    let Presented::Cookie(token) = presented else { return Ok(()) };
    match sessions::judge(app, token).await? {
        Standing::Foreign | Standing::Dead(_, Refusal::Expired | Refusal::Ended) => Ok(()),
        Standing::Valid(session) | Standing::Dead(session, _) => {
            sessions::revoke(app, &session, "logout").await.map(drop)
        }
    }
}
