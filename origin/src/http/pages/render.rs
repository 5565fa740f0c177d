//! Template → response, with the headers that every page has.

use askama::Template;
use axum::http::StatusCode;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::response::{Html, IntoResponse as _, Response};

use crate::app::App;

/// `no-referrer` would make browsers send `Origin: null` with our own forms.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
];

/// What a page may run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scripts {
    None,
    /// Our own assets.
    Own,
}

pub(super) fn page(app: &App, status: StatusCode, template: &impl Template) -> Response {
    page_with(app, status, template, Scripts::None)
}

pub(super) fn page_with(app: &App, status: StatusCode, template: &impl Template, scripts: Scripts) -> Response {
    let mut response = match template.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.extend(policy(app, scripts).map(|policy| (header::CONTENT_SECURITY_POLICY, policy)));
    response
}

fn policy(app: &App, scripts: Scripts) -> Option<HeaderValue> {
    let mut targets = "'self'".to_owned();
    for origin in app.settings().destinations.other_origins() {
        targets.push(' ');
        targets.push_str(&origin);
    }
    let scripts = if scripts == Scripts::Own { "script-src 'self'; " } else { "" };
    HeaderValue::try_from(format!(
        "default-src 'none'; {scripts}style-src 'self'; img-src 'self' data:; form-action {targets}; \
         frame-ancestors 'none'; base-uri 'none'"
    ))
    .ok()
}

/// 303: the browser follows with a GET, and "back" does not repeat the form.
pub(super) fn see_other(location: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    headers.extend(HeaderValue::try_from(location).ok().map(|value| (header::LOCATION, value)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}
