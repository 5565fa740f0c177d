//! What is said to the application about who is behind a request.

use std::cell::RefCell;

use countersign_core::cookie;
use countersign_core::gate::{Assertion, is_reserved_header, percent_encode};
use countersign_core::session::Session;
use countersign_core::time::UnixSeconds;
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{clock, state};

thread_local! {
    /// The session of the last decision. `entry.mjs` asks for its identity before it awaits anything, so no other
    /// request comes between.
    static LAST: RefCell<Option<Session>> = const { RefCell::new(None) };
}

pub(crate) fn remember(session: &Session) {
    LAST.with_borrow_mut(|last| match last {
        // Most requests of an isolate come one after the other from the same few sessions.
        Some(last) if last.claims().jti == session.claims().jti => {}
        _ => *last = Some(session.clone()),
    });
}

#[derive(Serialize)]
struct Identity<'a> {
    /// Header names and values.
    headers: Vec<(&'static str, String)>,
    /// Payload of the assertion, to be signed by the host.
    assertion: Assertion<'a>,
}

/// Assertions are dated back to the last half minute, so that requests in a row share one signature.
const WINDOW: u64 = 30;

/// Identity headers and assertion payload for the session of the last `ALLOW`, as JSON; empty when there is none.
#[wasm_bindgen]
pub fn identity() -> String {
    LAST.with_borrow(|last| {
        let session = last.as_ref()?;
        state::with(|edge| {
            let now = clock::now().seconds();
            let claims = session.claims();
            let mut headers = vec![("Remote-User", percent_encode(&claims.sub))];
            let named = [("Remote-Name", "cn"), ("Remote-Email", "mail"), ("Remote-Groups", "groups")];
            headers.extend(named.iter().filter_map(|(header, property)| {
                claims.properties.get(property).map(|value| (*header, percent_encode(value)))
            }));
            let dated = UnixSeconds(now.0 - now.0 % WINDOW).max(claims.iat.min(now));
            let assertion = Assertion::new(session, &edge.issuer, &edge.settings.upstream, dated);
            serde_json::to_string(&Identity { headers, assertion }).ok()
        })
        .flatten()
    })
    .unwrap_or_default()
}

/// The `Cookie` header without the session, empty when nothing is left.
#[wasm_bindgen]
pub fn cookie_without_session(header: &str) -> String {
    let rest = state::with(|edge| cookie::without(header.as_bytes(), &edge.settings.cookie_name));
    rest.and_then(|rest| String::from_utf8(rest).ok()).unwrap_or_default()
}

/// Whether a header of this name may not come in from outside.
#[wasm_bindgen]
pub fn is_reserved(name: &str) -> bool {
    is_reserved_header(name)
}
