//! Steps that a browser goes on from without a form: it waits and asks again, or comes back from another site. What it
//! has meanwhile is a cookie with a reference; an `authId` is too long for one, and has no place in an address.

use axum::http::header::{COOKIE, HeaderMap, HeaderValue};
use countersign_core::cookie::{self, Lookup};

use super::super::query::Query;
use crate::app::App;
use crate::journey::{self, JourneyError, Shown};

/// On https no other host of the domain can set it: whoever could would have this browser go on with a login of theirs.
const NAMES: [&str; 2] = ["countersign-step", "__Host-countersign-step"];

fn name(app: &App) -> &'static str {
    let [http, https] = NAMES;
    if app.settings().public_url.is_https() { https } else { http }
}

fn attributes(app: &App) -> &'static str {
    // Lax: the browser comes back by a link of another site.
    if app.settings().public_url.is_https() {
        "; Path=/; Secure; HttpOnly; SameSite=Lax"
    } else {
        "; Path=/; HttpOnly; SameSite=Lax"
    }
}

/// In the address that a waiting page asks again at.
pub(super) const CONTINUE: &str = "continue";

/// What other sites send browsers back with: the answers of OAuth, SAML and the like.
const RETURNS: [&str; 6] = ["code", "state", "error", "form_post_entry", "responsekey", "RelayState"];

/// Puts the step aside and gives the cookie that finds it again.
pub(super) async fn set(app: &App, realm: &str, shown: &Shown) -> Result<Option<HeaderValue>, JourneyError> {
    let reference = journey::park(app, realm, shown).await?;
    let cookie = format!("{}={reference}{}", name(app), attributes(app));
    Ok(HeaderValue::try_from(cookie).ok())
}

/// The cookie is of no use any more.
pub(super) fn clear(app: &App) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("{}={}; Max-Age=0", name(app), attributes(app))).ok()
}

/// The reference of a browser that goes on, if this is one.
pub(super) fn of<'a>(app: &App, headers: &'a HeaderMap, query: &Query) -> Option<&'a str> {
    let goes_on = query.is_true(CONTINUE) || RETURNS.iter().any(|name| query.first(name).is_some());
    let mut lines = headers.get_all(COOKIE).iter().filter(|line| goes_on && line.len() <= cookie::MAX_HEADER);
    lines.find_map(|line| match cookie::find(line.as_bytes(), name(app)) {
        Lookup::One(value) => std::str::from_utf8(value).ok(),
        _ => None,
    })
}

/// Whether a `Set-Cookie` value is of this cookie.
pub(super) fn is_ours(cookie: &HeaderValue) -> bool {
    NAMES.iter().any(|name| cookie.as_bytes().strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"=")))
}
