//! The hot path: no JavaScript object and no allocation on a cache hit.

use std::cell::{Cell, RefCell};

use countersign_core::cookie;
use countersign_core::gate::{self, Facts, Refusal, Verdict};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{check, clock, forward, renew, state, verify};

/// Longest URL that is looked at, in bytes.
const MAX_URL: usize = 16 * 1024;

/// Room for a URL, a `Cookie` header and a header named like the session cookie, one after the other.
pub(crate) const INPUT: usize = MAX_URL + 2 * (cookie::MAX_HEADER + 1);

/// Answers of [`decide`], in its low four bits; `entry.mjs` has the same list.
pub(crate) mod answer {
    pub(crate) const ORIGIN: u32 = 0;
    pub(crate) const PUBLIC: u32 = 1;
    pub(crate) const ALLOW: u32 = 2;
    pub(crate) const BEHIND: u32 = 3;
    pub(crate) const REFUSE: u32 = 4;
    /// A good session at `/.countersign/check`: 204.
    pub(crate) const CHECKED: u32 = 5;
    /// For the workers-rs router.
    pub(crate) const ROUTER: u32 = 6;
    pub(crate) const UNCONFIGURED: u32 = 7;
    /// Refused for want of a session; there may be one in the header named like the cookie.
    pub(crate) const NO_SESSION: u32 = 8;
    /// The origin must be asked about a reference.
    pub(crate) const ASK: u32 = 9;
    /// The host must be asked about a signature.
    pub(crate) const VERIFY: u32 = 10;

    /// Set beside the answer: it is time to poll the denylist again.
    pub(crate) const POLL_DUE: u32 = 1 << 4;
    /// Set beside the answer: the token had been verified before.
    pub(crate) const CACHED: u32 = 1 << 5;
    /// Set beside [`ALLOW`]: the origin should be asked to re-issue the token.
    pub(crate) const RENEWAL_DUE: u32 = 1 << 6;
}

/// A forward-auth probe: 204 when the cookie holds, refused like any other path when not.
const CHECK: &str = "/.countersign/check";
/// The edge's own paths; those that are not hot go to the workers-rs router.
const OWN: &str = "/.countersign/";

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; INPUT]);
    static LAST: Cell<Option<Refusal>> = const { Cell::new(None) };
}

/// The refusal of the last decision.
pub(crate) fn last_refusal() -> Refusal {
    LAST.get().unwrap_or(Refusal::Unavailable)
}

/// Where the input is written: address in this module's memory.
#[wasm_bindgen]
pub fn input() -> *const u8 {
    BUFFER.with_borrow(|buffer| buffer.as_ptr())
}

/// Length of the input buffer, in bytes.
#[wasm_bindgen]
pub fn input_size() -> usize {
    INPUT
}

/// How much of it is for the URL, in bytes.
#[wasm_bindgen]
pub fn max_url() -> usize {
    MAX_URL
}

/// Decides on the request whose URL and, after it, `Cookie` header stand in the input buffer. A length beyond the
/// buffer says that the header did not fit. `last` says that refreshing was tried: what is still behind is refused.
#[wasm_bindgen]
pub fn decide(url_len: usize, cookie_len: usize, last: bool) -> u32 {
    on_input(url_len, cookie_len, None, last)
}

/// The same with the header named like the session cookie, which stands after the two.
#[wasm_bindgen]
pub fn decide_with_header(url_len: usize, cookie_len: usize, header_len: usize, last: bool) -> u32 {
    on_input(url_len, cookie_len, Some(header_len), last)
}

fn on_input(url_len: usize, cookie_len: usize, header_len: Option<usize>, last: bool) -> u32 {
    // Asked first: an instance that was started anew has not seen the input, which stands in the old one's memory.
    state::with(|edge| {
        BUFFER.with_borrow(|buffer| {
            let Some(url) = buffer.get(..url_len).filter(|url| url.len() <= MAX_URL) else {
                return refuse(Refusal::Url);
            };
            let Some(cookie) = buffer.get(url_len..url_len.saturating_add(cookie_len)) else {
                return refuse(Refusal::CookieHeader);
            };
            let header = header_len.map(|length| buffer.get(url_len + cookie_len..)?.get(..length));
            let header = match header {
                Some(None) => return refuse(Refusal::CookieValue),
                Some(given) => given,
                None => None,
            };
            match std::str::from_utf8(url).ok().and_then(path_of) {
                Some(path) => judge(edge, &Facts { path, cookie, header }, last),
                None => refuse(Refusal::Path),
            }
        })
    })
    .unwrap_or(answer::UNCONFIGURED)
}

fn judge(edge: &mut state::Edge, facts: &Facts<'_>, last: bool) -> u32 {
    let now = clock::now();
    edge.replica.notice(now);
    let path = facts.path;
    #[cfg(feature = "fault-injection")]
    #[allow(clippy::panic, reason = "that is what it is for")]
    if path == "/.countersign/panic" {
        panic!("asked to panic");
    }
    #[cfg(feature = "fault-injection")]
    #[allow(clippy::panic, reason = "that is what it is for")]
    if path == "/.countersign/panic-later" {
        wasm_bindgen_futures::spawn_local(async { panic!("asked to panic later") });
    }
    if path.starts_with(OWN) && path != CHECK {
        return answer::ROUTER;
    }
    let hits = edge.gate.cache().hits();
    // The gate reads the clock itself, after its probe; what else is to be done does not need a time so fresh, and each
    // reading is a call out of the module.
    let verdict = edge.gate.decide(facts, &edge.replica, clock::now);
    let mut renewal = 0;
    let answer = match verdict {
        Verdict::Origin => answer::ORIGIN,
        Verdict::Public => answer::PUBLIC,
        Verdict::Allow(_) if path == CHECK => answer::CHECKED,
        Verdict::Allow(session) => {
            forward::remember(session);
            if !session.is_server_side() && session.claims().renewal_due(now.seconds()) {
                // Rare: the token is found once more rather than carried along with every verdict.
                if let Ok(token) = gate::presented(facts, &edge.settings.cookie_name)
                    && renew::remember(session, token, now)
                {
                    renewal = answer::RENEWAL_DUE;
                }
            }
            answer::ALLOW
        }
        Verdict::Behind if last => refuse(Refusal::Unavailable),
        Verdict::Behind => answer::BEHIND,
        Verdict::Ask(_) | Verdict::Verify(_) if last => refuse(Refusal::Unavailable),
        Verdict::Ask(reference) => {
            check::remember(reference);
            answer::ASK
        }
        Verdict::Verify(signature) => {
            verify::remember(signature);
            answer::VERIFY
        }
        Verdict::Refuse(Refusal::NoSession) if facts.header.is_none() => {
            refuse(Refusal::NoSession);
            answer::NO_SESSION
        }
        Verdict::Refuse(refusal) => refuse(refusal),
    };
    let cached = if edge.gate.cache().hits() > hits { answer::CACHED } else { 0 };
    let due = if answer > answer::PUBLIC && edge.replica.due(now) { answer::POLL_DUE } else { 0 };
    answer | cached | due | renewal
}

/// Not counted before it is the answer: a look at the header, or another try, may follow.
pub(crate) fn refuse(refusal: Refusal) -> u32 {
    LAST.set(Some(refusal));
    answer::REFUSE
}

/// The path of an absolute URL, as the host normalized it and as it will be sent upstream.
fn path_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let (_, path) = rest.split_at_checked(rest.find('/')?)?;
    path.split(['?', '#']).next()
}
