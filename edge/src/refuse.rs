//! How a refusal looks: a redirect or a page for people, `application/problem+json` (RFC 9457) for programs.

use std::cell::RefCell;
use std::collections::BTreeMap;

use countersign_core::encoding::encode;
use countersign_core::gate::{Action, Refusal};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::{Headers, Response, web_sys};

use crate::{decide, state};

thread_local! {
    /// How many of each reason.
    static REFUSED: RefCell<BTreeMap<&'static str, u64>> = const { RefCell::new(BTreeMap::new()) };
}

/// How many requests this isolate refused, by reason.
pub(crate) fn refusals() -> BTreeMap<&'static str, u64> {
    REFUSED.with_borrow(BTreeMap::clone)
}

/// The answer to the request that the last decision refused. `navigation` tells a browser that follows a link from a
/// program; `target` is the path and query to come back to.
#[wasm_bindgen]
pub fn refuse(navigation: bool, target: &str) -> Result<web_sys::Response, JsValue> {
    let refusal = decide::last_refusal();
    REFUSED.with_borrow_mut(|refused| *refused.entry(refusal.code()).or_default() += 1);
    let (login_url, realm) =
        state::with(|edge| (edge.settings.login_url.clone(), edge.settings.realm.clone())).unwrap_or_default();
    build(refusal, navigation, target, &login_url, &realm)
        .map(Into::into)
        .map_err(|error| JsValue::from(error.to_string()))
}

fn build(refusal: Refusal, navigation: bool, target: &str, login_url: &str, realm: &str) -> worker::Result<Response> {
    let headers = Headers::new();
    headers.set("cache-control", "no-store")?;
    headers.set("x-content-type-options", "nosniff")?;
    headers.set("referrer-policy", "same-origin")?;
    let status = match refusal.action() {
        Action::LogIn if navigation => {
            headers.set("location", &login_location(login_url, target, refusal))?;
            return Ok(Response::empty()?.with_status(302).with_headers(headers));
        }
        // RFC 9110 §15.5.2: a 401 names its challenge. The scheme is ours; the session travels in a cookie.
        Action::LogIn => {
            headers.set("www-authenticate", &format!("Session realm=\"{realm}\", error=\"{}\"", challenge(refusal)))?;
            401
        }
        Action::BadRequest if refusal == Refusal::Url => 414,
        Action::BadRequest => 400,
        Action::Forbid => 403,
        Action::TryLater => {
            headers.set("retry-after", "1")?;
            503
        }
    };
    let title = title(status);
    let detail = refusal.message();
    let body = if navigation {
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).map_err(|error| worker::Error::RustError(error.to_string()))?;
        let nonce = encode(&nonce);
        headers.set("content-type", "text/html; charset=utf-8")?;
        headers.set(
            "content-security-policy",
            &format!("default-src 'none'; style-src 'nonce-{nonce}'; frame-ancestors 'none'; base-uri 'none'"),
        )?;
        // Everything put in is ours; nothing of the request is shown.
        include_str!("refusal.html")
            .replace("{nonce}", &nonce)
            .replace("{status}", &status.to_string())
            .replace("{title}", title)
            .replace("{detail}", detail)
            .replace("{more}", more(refusal.action()))
    } else {
        headers.set("content-type", "application/problem+json")?;
        serde_json::json!({ "title": title, "status": status, "detail": detail, "code": outside(refusal) }).to_string()
    };
    Ok(Response::ok(body)?.with_status(status).with_headers(headers))
}

/// The way on from here.
const fn more(action: Action) -> &'static str {
    match action {
        Action::TryLater => "<p><a href=\"\">Try again</a></p>",
        Action::Forbid => "<p><a href=\"/am/UI/Logout\">Log in as somebody else</a></p>",
        Action::BadRequest | Action::LogIn => "<p><a href=\"/\">Start page</a></p>",
    }
}

const fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        414 => "URI Too Long",
        _ => "Service Unavailable",
    }
}

/// Whoever presents a session may know that it is not good, not which check it failed.
const fn challenge(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::NoSession => "no_session",
        _ => "invalid_session",
    }
}

const fn outside(refusal: Refusal) -> &'static str {
    match refusal.action() {
        Action::LogIn => challenge(refusal),
        _ => refusal.code(),
    }
}

/// Longest `goto` that the origin looks at (AM's limit).
const MAX_GOTO: usize = 2000;

fn login_location(login_url: &str, target: &str, refusal: Refusal) -> String {
    let mut location = login_url.to_owned();
    let mut separator = if login_url.contains('?') { '&' } else { '?' };
    if refusal != Refusal::NoSession {
        // The origin may think well of a session that is refused here (keys or clocks differ); were it to send the
        // browser straight back, the two would play ball with it.
        location.push(separator);
        location.push_str("ForceAuth=true");
        separator = '&';
    }
    if target.len() > MAX_GOTO {
        return location;
    }
    location.push(separator);
    location.push_str("goto=");
    for byte in target.bytes() {
        // unreserved (RFC 3986 §2.3) and the slash, which a query may hold.
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            location.push(char::from(byte));
        } else {
            location.push_str(&format!("%{byte:02X}"));
        }
    }
    location
}
