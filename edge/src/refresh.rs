//! Keeping the denylist copy and the keys current: poll, fetch what is new, apply. The rules are in `core::replica`; here is the
//! sending, bounded in time and size.

use std::time::Duration;

use countersign_core::encoding::encode;
use countersign_core::replica::{Nonce, ReplicaError, Step};
use countersign_core::token::TokenError;
use futures_util::future::{Either, select};
use futures_util::{StreamExt, pin_mut};
use wasm_bindgen::prelude::wasm_bindgen;
use worker::{AbortController, CacheMode, Delay, Fetch, Headers, Request, RequestInit, console_log, console_warn};

use crate::{clock, state};

/// How long one fetch may take.
const TIMEOUT: Duration = Duration::from_millis(1500);

/// A poll younger than this is waited for rather than repeated.
const COALESCE_MS: u64 = 1000;

/// After a failure nobody asks again for so long: an origin in trouble is not helped by a poll for every request.
const PAUSE_MS: u64 = 500;

const MAX_HEARTBEAT: usize = 4 * 1024;
const MAX_SEGMENT: usize = 64 * 1024;
const MAX_KEYS: usize = 16 * 1024;

/// How a refresh ended; `entry.mjs` has the same list.
mod ended {
    pub(super) const FRESH: u32 = 0;
    /// Another request's refresh is under way.
    pub(super) const UNDER_WAY: u32 = 1;
    pub(super) const FAILED: u32 = 2;
}

/// Refreshes once, unless a refresh is under way.
#[wasm_bindgen]
pub async fn refresh() -> u32 {
    let started = state::with(|edge| {
        let now = clock::now();
        if edge.failed.is_some_and(|failed| now >= failed && now.since(failed) < PAUSE_MS) {
            return Err(None);
        }
        if edge.replica.under_way(COALESCE_MS, now) {
            return Ok(None);
        }
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).map_err(|error| Some(format!("no randomness: {error}")))?;
        edge.replica.poll(Nonce(nonce), now);
        Ok(Some(nonce))
    });
    let outcome = match started {
        Some(Ok(Some(nonce))) => {
            let outcome = run(nonce).await;
            if outcome.is_err() {
                state::with(|edge| edge.replica.abandon(Nonce(nonce)));
            }
            outcome
        }
        Some(Ok(None)) => return ended::UNDER_WAY,
        Some(Err(Some(error))) => Err(error),
        Some(Err(None)) | None => return ended::FAILED,
    };
    state::with(|edge| match outcome {
        Ok(()) => {
            edge.failed = None;
            if edge.complaint.take().is_some() {
                console_log!("countersign: the denylist feed is back");
            }
            ended::FRESH
        }
        Err(error) => {
            edge.failed = Some(clock::now());
            if edge.complaint.as_ref() != Some(&error) {
                console_warn!("countersign: denylist refresh failed: {error}");
                edge.complaint = Some(error);
            }
            ended::FAILED
        }
    })
    .unwrap_or(ended::FAILED)
}

async fn run(nonce: [u8; 16]) -> Result<(), String> {
    let path = format!("/countersign/v1/denylist/heartbeat?nonce={}", encode(&nonce));
    let bytes = get(&path, Some(CacheMode::NoStore), MAX_HEARTBEAT).await?;
    let taken = on_edge(|edge| Ok(edge.replica.heartbeat(&bytes, &edge.feed_keys, &mut edge.scratch, clock::now())))?;
    let mut step = match taken {
        // Signed with a feed key newer than this edge's keys: those are fetched, and it is read once more.
        Err(ReplicaError::Token(TokenError::UnknownKey)) => {
            fetch_keys().await?;
            on_edge(|edge| {
                edge.replica.heartbeat(&bytes, &edge.feed_keys, &mut edge.scratch, clock::now()).map_err(text)
            })?
        }
        taken => taken.map_err(text)?,
    };
    loop {
        step = match step {
            Step::Fresh => return Ok(()),
            Step::Fetch { epoch, from, to } => {
                let path = format!("/countersign/v1/denylist/segments/{}/{from}/{to}", encode(&epoch.0));
                // A segment never changes and is proven by the signed chain value, so any cache may hold it.
                let bytes = get(&path, None, MAX_SEGMENT).await?;
                on_edge(|edge| edge.replica.segment(&bytes, clock::now()).map_err(text))?
            }
            Step::FetchKeys => return fetch_keys().await,
        }
    }
}

/// Fetches the key set in force and uses it.
async fn fetch_keys() -> Result<(), String> {
    let path = on_edge(|edge| edge.keys_path())?;
    let bytes = get(&path, Some(CacheMode::NoStore), MAX_KEYS).await?;
    on_edge(|edge| edge.take_keys(&bytes, clock::now()))
}

fn text(error: ReplicaError) -> String {
    error.to_string()
}

fn on_edge<T>(work: impl FnOnce(&mut state::Edge) -> Result<T, String>) -> Result<T, String> {
    state::with(work).unwrap_or_else(|| Err("not configured".to_owned()))
}

/// A GET to the origin, bounded in time and size.
async fn get(path: &str, cache: Option<CacheMode>, max: usize) -> Result<Vec<u8>, String> {
    let (url, authorization) =
        state::with(|edge| (format!("{}{path}", edge.settings.origin), edge.feed_authorization.clone()))
            .ok_or("not configured")?;
    let controller = AbortController::default();
    let signal = controller.signal();
    let work = async {
        let headers = Headers::new();
        headers.set("authorization", &authorization)?;
        let mut init = RequestInit::new();
        init.with_headers(headers);
        if let Some(cache) = cache {
            init.with_cache(cache);
        }
        let mut response = Fetch::Request(Request::new_with_init(&url, &init)?).send_with_signal(&signal).await?;
        let status = response.status_code();
        if status != 200 {
            return Ok::<_, worker::Error>(Err(format!("the origin answered {status}")));
        }
        let mut body = Vec::new();
        let mut stream = response.stream()?;
        while let Some(chunk) = stream.next().await {
            body.extend_from_slice(&chunk?);
            if body.len() > max {
                return Ok(Err(format!("the origin's answer is longer than {max} bytes")));
            }
        }
        Ok(Ok(body))
    };
    let timeout = Delay::from(TIMEOUT);
    pin_mut!(work);
    pin_mut!(timeout);
    match select(work, timeout).await {
        Either::Left((Ok(answer), _)) => answer,
        Either::Left((Err(_), _)) => Err("the origin cannot be reached".to_owned()),
        Either::Right(_) => {
            controller.abort();
            Err(format!("the origin did not answer within {} ms", TIMEOUT.as_millis()))
        }
    }
}
