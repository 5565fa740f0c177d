//! A page that says one thing.

use askama::Template;
use axum::http::StatusCode;
use axum::http::header::{HeaderValue, RETRY_AFTER};
use axum::response::Response;

use super::render::page;
use crate::app::App;

#[derive(Template)]
#[template(path = "message.html", config = "console/askama.toml")]
struct Message<'a> {
    title: &'a str,
    text: &'a str,
    link: Option<Link<'a>>,
}

pub(super) struct Link<'a> {
    pub(super) href: &'a str,
    pub(super) label: &'a str,
}

pub(super) fn show(app: &App, status: StatusCode, title: &str, text: &str, link: Option<Link<'_>>) -> Response {
    page(app, status, &Message { title, text, link })
}

pub(super) fn no_realm(app: &App) -> Response {
    show(app, StatusCode::NOT_FOUND, "Unknown realm", "There is no such realm here. Check the address.", None)
}

pub(super) fn no_page(app: &App) -> Response {
    let link = Link { href: super::LOGIN, label: "Sign in" };
    show(app, StatusCode::NOT_FOUND, "No such page", "There is nothing at this address.", Some(link))
}

pub(super) fn forged(app: &App, back: &str) -> Response {
    let text = "The form did not come from this site, so it was not taken.";
    let link = Link { href: back, label: "Start again" };
    show(app, StatusCode::FORBIDDEN, "Form refused", text, Some(link))
}

/// Ours or the database's trouble; the log has the cause.
pub(super) fn trouble(app: &App, text: &str, back: &str) -> Response {
    let link = Link { href: back, label: "Try again" };
    let mut response = show(app, StatusCode::SERVICE_UNAVAILABLE, "Not possible right now", text, Some(link));
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}
