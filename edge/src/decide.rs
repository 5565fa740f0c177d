//! The hot path: no JavaScript object and no allocation on a cache hit.

use std::cell::{Cell, RefCell};

use countersign_core::cookie;
use countersign_core::gate::{self, Facts, Refusal, Verdict};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{check, clock, forward, renew, state, verify};

/// Room for a URL, in bytes: longer ones are not looked at.
const URL: usize = 16 * 1024;
/// Room for a header; one that is too long for [`cookie::find`] still fits, so that it is that which refuses it.
const FIELD: usize = cookie::MAX_HEADER + 1;

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

/// The URL, a line break, which neither it nor a header has in it, and the `Cookie` header.
const REQUEST: usize = URL + 1 + FIELD;

/// What JavaScript writes and [`decide`] reads, each part in its place.
#[repr(C)]
struct Input {
    request: [u8; REQUEST],
    /// The header named like the session cookie.
    header: [u8; FIELD],
}

thread_local! {
    static INPUT: RefCell<Input> = const { RefCell::new(Input { request: [0; REQUEST], header: [0; FIELD] }) };
    static LAST: Cell<Option<Refusal>> = const { Cell::new(None) };
}

/// The refusal of the last decision.
pub(crate) fn last_refusal() -> Refusal {
    LAST.get().unwrap_or(Refusal::Unavailable)
}

/// Where the input is written, as an address in this module's memory: a place for URL and `Cookie` header, with a line
/// break between them since one text is copied in half the time of two, and one for a header named like the session
/// cookie.
#[wasm_bindgen]
pub fn input() -> *const u8 {
    INPUT.with_borrow(|input| std::ptr::from_ref(input).cast())
}

/// Length of the first place, in bytes.
#[wasm_bindgen]
pub fn request_room() -> usize {
    REQUEST
}

/// Length of the other.
#[wasm_bindgen]
pub fn header_room() -> usize {
    FIELD
}

/// Decides on the request that stands in its place. A length beyond the place says that the text did not fit, and that
/// as much of it as did stands there. `last` says that refreshing was tried: what is still behind is refused.
#[wasm_bindgen]
pub fn decide(request_len: usize, last: bool) -> u32 {
    on_input(request_len, None, last)
}

/// The same with the header named like the session cookie.
#[wasm_bindgen]
pub fn decide_with_header(request_len: usize, header_len: usize, last: bool) -> u32 {
    on_input(request_len, Some(header_len), last)
}

fn on_input(request_len: usize, header_len: Option<usize>, last: bool) -> u32 {
    // Asked first: an instance that was started anew has not seen the input, which stands in the old one's memory.
    state::with(|edge| {
        INPUT.with_borrow(|input| {
            let fitted = input.request.get(..request_len);
            let request = fitted.unwrap_or(&input.request);
            let (url, cookie) = memchr::memchr(b'\n', request).map_or((request, None), |end| {
                let (url, rest) = request.split_at(end);
                (url, rest.get(1..))
            });
            if url.len() > URL {
                return refuse(Refusal::Url);
            }
            if fitted.is_none() {
                return refuse(Refusal::CookieHeader);
            }
            let header = match header_len.map(|length| input.header.get(..length)) {
                Some(None) => return refuse(Refusal::CookieValue),
                given => given.flatten(),
            };
            match path_of(url) {
                Some(path) => judge(edge, &Facts { path, cookie: cookie.unwrap_or_default(), header }, last),
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
fn path_of(url: &[u8]) -> Option<&str> {
    let (_, rest) = url.split_at_checked(memchr::memchr(b':', url)?)?;
    let rest = rest.strip_prefix(b"://")?;
    let (_, rest) = rest.split_at_checked(memchr::memchr(b'/', rest)?)?;
    let (path, _) = rest.split_at_checked(memchr::memchr2(b'?', b'#', rest).unwrap_or(rest.len()))?;
    std::str::from_utf8(path).ok()
}
