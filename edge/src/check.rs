//! Server-side sessions: what a reference is, the origin is asked. Its answer is kept by the gate for a lease; requests
//! that come meanwhile with the same reference wait for the one question.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use countersign_core::encoding::encode;
use countersign_core::gate::Question;
use countersign_core::replica::Nonce;
use countersign_core::session::Reference;
use countersign_core::time::UnixMillis;
use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::future_to_promise;
use worker::console_warn;

use crate::{ask, clock, ended, state};

/// How long the origin may take.
const TIMEOUT: Duration = Duration::from_millis(TIMEOUT_MS);
const TIMEOUT_MS: u64 = 1500;

/// Most questions at once: references that are none cost an attacker nothing.
const MAX_ASKED: usize = 256;

/// A token of 16 KiB is the longest.
const MAX_ANSWER: usize = 16 * 1024;

thread_local! {
    /// The reference of the last decision, if the origin must be asked about it.
    static DUE: Cell<Option<Reference>> = const { Cell::new(None) };
    /// What is being asked, and since when.
    static ASKED: RefCell<BTreeMap<Reference, UnixMillis>> = const { RefCell::new(BTreeMap::new()) };
}

pub(crate) fn remember(reference: Reference) {
    DUE.set(Some(reference));
}

/// Asks the origin about the reference of the last decision; a promise of how that ended. Not `async`: the reference is
/// taken before anything else runs, so that it is that of the caller's request.
#[wasm_bindgen]
pub fn check() -> Promise {
    let reference = DUE.take();
    let started = reference.map_or(Err(ended::FAILED), start);
    future_to_promise(async move {
        let ended = match started {
            Ok(question) => settle(&question, ask(&question).await),
            Err(ended) => ended,
        };
        Ok(JsValue::from(ended))
    })
}

fn start(reference: Reference) -> Result<Question, u32> {
    let now = clock::now();
    ASKED.with_borrow_mut(|asked| {
        // A question whose request was broken off is over with its time; a clock that went back says nothing.
        asked.retain(|_, at| now >= *at && now.since(*at) < TIMEOUT_MS);
        if asked.contains_key(&reference) {
            return Err(ended::UNDER_WAY);
        }
        let mut nonce = [0; 16];
        if asked.len() >= MAX_ASKED || getrandom::fill(&mut nonce).is_err() {
            return Err(ended::FAILED);
        }
        asked.insert(reference, now);
        Ok(Question { reference, nonce: Nonce(nonce), sent: now })
    })
}

fn settle(question: &Question, answer: Result<Vec<u8>, String>) -> u32 {
    ASKED.with_borrow_mut(|asked| asked.remove(&question.reference));
    let taken = answer.and_then(|bytes| {
        let taken = state::with(|edge| {
            let lease_ms = edge.replica.lease_ms();
            // Before the first heartbeat nothing is let through, whatever this says.
            let lease_ms = if lease_ms == 0 { u64::MAX } else { lease_ms };
            edge.gate.take_answer(question, &bytes, &edge.feed_keys, lease_ms, clock::now())
        });
        taken.ok_or("not configured")?.map_err(|error| error.to_string())
    });
    match taken {
        Ok(()) => ended::FRESH,
        Err(error) => {
            console_warn!("countersign: a server-side session could not be checked: {error}");
            ended::FAILED
        }
    }
}

async fn ask(question: &Question) -> Result<Vec<u8>, String> {
    let path = format!("/countersign/v1/sessions/check?nonce={}", encode(&question.nonce.0));
    let reference = question.reference.value();
    let post = Some(("text/plain", reference.as_str()));
    let asked = ask::Question { path: &path, post, cacheable: false, max: MAX_ANSWER, limit: TIMEOUT };
    match ask::origin(&asked).await? {
        answer if answer.status == 200 => Ok(answer.body),
        answer => Err(format!("the origin answered {}", answer.status)),
    }
}
