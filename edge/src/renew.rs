//! Idle time: a token that was used is re-issued at the origin once part of its idle time has passed, beside the
//! request that used it. An edge has no key to do so itself. Nothing depends on it: while the session holds, failures
//! are ignored, and the next request tries again.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use countersign_core::session::{Session, TokenId};
use countersign_core::time::UnixMillis;
use js_sys::{Array, Promise};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::future_to_promise;

use crate::{ask, clock};

/// How long the origin may take: the answer to the browser waits for it where the application is faster.
const TIMEOUT: Duration = Duration::from_millis(1000);

/// For how long one token is not asked for again: a page's requests come at once and with one cookie.
const COALESCE_MS: u64 = 10_000;

/// For how long nothing is asked after a failure.
const PAUSE_MS: u64 = 5_000;

/// Most tokens that are remembered as asked for.
const MAX_ASKED: usize = 1024;

#[derive(Default)]
struct Renewals {
    /// When each token was asked for.
    asked: HashMap<[u8; 12], UnixMillis>,
    paused_until: Option<UnixMillis>,
    /// The token of the last decision, if it is to be re-issued.
    due: Option<(TokenId, String)>,
}

thread_local! {
    static RENEWALS: RefCell<Renewals> = RefCell::default();
}

/// Keeps the token for [`renew`], unless it was asked for a moment ago; gives whether it is to be.
pub(crate) fn remember(session: &Session, token: &[u8], now: UnixMillis) -> bool {
    RENEWALS.with_borrow_mut(|renewals| {
        let jti = session.claims().jti;
        // A clock that went back counts as long ago.
        let recent = |at: &UnixMillis| now >= *at && now.since(*at) < COALESCE_MS;
        renewals.due = None;
        if renewals.paused_until.is_some_and(|until| now < until && until.since(now) <= PAUSE_MS)
            || renewals.asked.get(&jti.0).is_some_and(recent)
        {
            return false;
        }
        renewals.due = std::str::from_utf8(token).ok().map(|token| (jti, token.to_owned()));
        renewals.due.is_some()
    })
}

/// Has the token of the last decision re-issued; a promise of the `Set-Cookie` values to answer with, none when nothing
/// came of it. Not `async`: the token is taken before anything else runs, so that it is that of the caller's request.
#[wasm_bindgen]
pub fn renew() -> Promise {
    let token = take();
    future_to_promise(async move {
        let cookies = match token {
            Some(token) => run(&token).await,
            None => Vec::new(),
        };
        Ok(cookies.iter().map(|cookie| JsValue::from_str(cookie)).collect::<Array>().into())
    })
}

fn take() -> Option<String> {
    let now = clock::now();
    RENEWALS.with_borrow_mut(|renewals| {
        let (jti, token) = renewals.due.take()?;
        if renewals.asked.len() >= MAX_ASKED {
            renewals.asked.retain(|_, at| now.since(*at) < COALESCE_MS);
        }
        // Full of recent ones: busy enough; this token's turn comes with a later request.
        (renewals.asked.len() < MAX_ASKED).then(|| renewals.asked.insert(jti.0, now))?;
        Some(token)
    })
}

async fn run(token: &str) -> Vec<String> {
    let answer = ask(token).await;
    if answer.is_none() {
        RENEWALS.with_borrow_mut(|renewals| renewals.paused_until = Some(clock::now().plus(PAUSE_MS)));
    }
    answer.unwrap_or_default()
}

/// `None` when the origin did not answer as it should.
async fn ask(token: &str) -> Option<Vec<String>> {
    let post = Some(("application/jose", token));
    let path = "/countersign/v1/sessions/renew";
    let question = ask::Question { path, post, cacheable: false, max: 0, limit: TIMEOUT };
    let answer = ask::origin(&question).await.ok()?;
    match answer.status {
        200 => answer.headers.get_all("set-cookie").ok(),
        // Too soon, or over: the denylist will say so here too.
        204 | 403 => Some(Vec::new()),
        _ => None,
    }
}
