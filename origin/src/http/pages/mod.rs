//! The pages for browsers: `/am/UI/Login`, `/am/XUI/`, `/am/UI/Logout`, and what they are dressed in. They work without
//! scripts, but for `webauthn.js` on the steps that speak to a security key.

mod assets;
mod csrf;
mod login;
mod logout;
mod message;
mod reduced;
mod render;
mod step;
mod waiting;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Redirect, Response};
use axum::routing::get;

use crate::app::App;

const LOGIN: &str = "/am/UI/Login";
const LOGOUT: &str = "/am/UI/Logout";

pub(super) fn routes() -> Router<Arc<App>> {
    let login = || get(login::get).post(login::post);
    Router::new()
        .route(LOGIN, login())
        .route("/am/XUI", login())
        .route("/am/XUI/", login())
        .route(LOGOUT, get(logout::get).post(logout::post))
        // Where a login leads that was told nothing else; the page says who is signed in.
        .route("/am/console", get(|| async { Redirect::to(LOGIN) }))
        .route("/am", get(|| async { Redirect::to(LOGIN) }))
        .route("/am/", get(|| async { Redirect::to(LOGIN) }))
        .route("/am/console/{asset}", get(assets::get))
}

/// Somebody asks too often.
pub(super) fn too_many(app: &App) -> Response {
    let text = "There were too many attempts to sign in from here. Please wait a moment.";
    message::show(app, StatusCode::TOO_MANY_REQUESTS, "Not signed in", text, None)
}

/// What no route knows.
pub(super) async fn not_found(State(app): State<Arc<App>>) -> Response {
    message::no_page(&app)
}

/// The realm that a page is for: the query's, else the default one. `None` when there is no such realm.
fn realm(app: &App, query: &super::query::Query) -> Option<String> {
    let name = match query.filled("realm") {
        Some(asked) => format!("/{}", asked.trim_matches('/')),
        None => app.keys().default_realm.clone(),
    };
    app.keys().realms.contains_key(&name).then_some(name)
}

/// A page's own address with its realm, and with a destination that was checked.
fn address(page: &str, realm: &str, goto: Option<&str>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("realm", realm);
    if let Some(goto) = goto {
        query.append_pair("goto", goto);
    }
    format!("{page}?{}", query.finish())
}

#[cfg(test)]
mod tests;
