//! Keeping the denylist copy and the keys current: poll, fetch what is new, apply. The rules are in `core::replica`;
//! here is whom to ask: the hub where there is one, and the origin where there is none or it fails.

use std::time::Duration;

use countersign_core::encoding::encode;
use countersign_core::replica::{Known, Nonce, ReplicaError, SnapshotRef, State, Step};
use countersign_core::time::UnixMillis;
use countersign_core::token::{MAX_EDGE_KEYS, TokenError};
use js_sys::Function;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::{Delay, console_log, console_warn};

use crate::ask::{Answer, Question};
use crate::state::{Edge, Source};
use crate::{ask, clock, ended, state};

/// How long one fetch may take, beyond the time that it is held for.
const TIMEOUT: Duration = Duration::from_millis(1500);

/// The same where the hub is asked: it is near, and time must be left for the origin.
const HUB_TIMEOUT: Duration = Duration::from_millis(700);

/// A poll younger than this is waited for rather than repeated.
const COALESCE_MS: u64 = 1000;

/// After a failure nobody asks again for so long: an origin in trouble is not helped by a poll for every request.
const PAUSE_MS: u64 = 500;

/// For how long a hub that failed is not asked.
const HUB_PAUSE_MS: u64 = 5_000;

/// Longest time for which a poll is held: the host ends what goes on for 30 s after a request.
const MAX_HELD_MS: u64 = 10_000;

/// While another request's refresh is under way.
const GLANCE: Duration = Duration::from_millis(50);

const MAX_HEARTBEAT: usize = 4 * 1024;
const MAX_SEGMENT: usize = 64 * 1024;
const MAX_KEYS: usize = MAX_EDGE_KEYS;

/// How long a snapshot may take beyond [`TIMEOUT`]; the replica waits for one for ten seconds.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(8);

/// A hub that works, and has no lease to give: the origin is in trouble.
const HUB_DRY: &str = "the hub has no lease left";

/// The credential is that of an old bundle, with which only the keys are given; or one that was withdrawn.
const UNAUTHORIZED: &str = "the origin answered 401";

/// A poll that was begun.
struct Poll {
    nonce: [u8; 16],
    /// With what is known here, and for how long it may be held.
    held: Option<(Known, u64)>,
}

/// Refreshes once, unless a refresh is under way. `hub` takes a path and an abort signal and gives a `Response`.
#[wasm_bindgen]
pub async fn refresh(hub: Option<Function>) -> u32 {
    let started = state::with(|edge| {
        let now = clock::now();
        if recent(edge.failed, PAUSE_MS, now) {
            return Err(None);
        }
        if edge.replica.under_way(COALESCE_MS, now) {
            return Ok(None);
        }
        begin(edge, now).map(Some).map_err(Some)
    });
    let mut poll = match started {
        Some(Ok(Some(poll))) => poll,
        Some(Ok(None)) => return ended::UNDER_WAY,
        Some(Err(Some(error))) => return settle(Err(error)),
        Some(Err(None)) | None => return ended::FAILED,
    };
    if let Some(hub) = usable(hub) {
        let relayed = run(&poll, Some(&hub)).await;
        note_hub(&relayed);
        poll = match relayed {
            Ok(()) => return settle(Ok(())),
            // As long as the lease lasts, an origin in trouble is left to the hub.
            Err(error) if error == HUB_DRY && ample() => return settle(Err(error)),
            Err(_) => match state::with(|edge| begin(edge, clock::now())) {
                Some(Ok(poll)) => poll,
                Some(Err(error)) => return settle(Err(error)),
                None => return ended::FAILED,
            },
        };
    }
    settle(run(&poll, None).await)
}

/// One poll that is held until there is news, or a refresh where this copy is not fresh. Paced, whatever comes of it,
/// so that it can be called in a loop.
#[wasm_bindgen]
pub async fn watch(hub: Option<Function>) -> u32 {
    let began = clock::now();
    let started = state::with(|edge| {
        if edge.replica.state(began) != State::Fresh {
            return None;
        }
        let (known, pace) = (edge.replica.known()?, edge.replica.pace().min(MAX_HELD_MS));
        let nonce = nonce().ok()?;
        edge.replica.hold(Nonce(nonce), began);
        Some(Poll { nonce, held: Some((known, pace)) })
    });
    let Some(poll) = started.flatten() else {
        let ended = refresh(hub).await;
        match ended {
            ended::FRESH => {}
            ended::UNDER_WAY => Delay::from(GLANCE).await,
            _ => pause().await,
        }
        return ended;
    };
    let hub = usable(hub);
    let outcome = run(&poll, hub.as_ref()).await;
    if hub.is_some() {
        note_hub(&outcome);
    }
    if outcome.is_err() {
        // A hub's failure keeps nobody from the origin.
        let ended = if hub.is_some() { ended::FAILED } else { settle(outcome) };
        pause().await;
        return ended;
    }
    let now = clock::now();
    let quiet = state::with(|edge| edge.replica.known()) == Some(poll.held.map(|(known, _)| known));
    let (_, pace) = poll.held.unzip();
    let pace = pace.unwrap_or(PAUSE_MS);
    let ended = settle(outcome);
    if quiet && now.since(began) < pace / 2 {
        // It was not held: all places are taken, or nobody knows how.
        Delay::from(Duration::from_millis(pace - now.since(began).min(pace))).await;
    }
    ended
}

/// How long [`watch`] may take, in milliseconds.
#[wasm_bindgen]
pub fn watch_limit() -> f64 {
    let pace = state::with(|edge| edge.replica.pace().min(MAX_HELD_MS)).unwrap_or_default();
    let millis = u64::try_from(TIMEOUT.as_millis()).unwrap_or_default() + 2 * PAUSE_MS;
    #[allow(clippy::cast_precision_loss, reason = "some seconds")]
    let limit = (pace + millis) as f64;
    limit
}

fn nonce() -> Result<[u8; 16], String> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(|error| format!("no randomness: {error}"))?;
    Ok(nonce)
}

fn begin(edge: &mut Edge, now: UnixMillis) -> Result<Poll, String> {
    let nonce = nonce()?;
    edge.replica.poll(Nonce(nonce), now);
    Ok(Poll { nonce, held: None })
}

fn recent(at: Option<UnixMillis>, millis: u64, now: UnixMillis) -> bool {
    at.is_some_and(|at| now >= at && now.since(at) < millis)
}

/// Many isolates that failed together shall not ask again together.
async fn pause() {
    let mut dice = [0; 2];
    let _ = getrandom::fill(&mut dice);
    let jitter = u64::from(u16::from_le_bytes(dice)) % PAUSE_MS;
    Delay::from(Duration::from_millis(PAUSE_MS / 2 + jitter)).await;
}

/// The hub, unless it failed a moment ago.
fn usable(hub: Option<Function>) -> Option<Function> {
    let failed = state::with(|edge| recent(edge.hub_failed, HUB_PAUSE_MS, clock::now())) == Some(true);
    hub.filter(|_| !failed)
}

fn note_hub(outcome: &Result<(), String>) {
    if let Err(error) = outcome
        && error != HUB_DRY
    {
        state::with(|edge| edge.hub_failed = Some(clock::now()));
        console_warn!("countersign: the hub failed, the origin is polled: {error}");
    }
}

/// More than a quarter of the lease is left.
fn ample() -> bool {
    state::with(|edge| {
        let left = edge.replica.lease_until().map_or(0, |until| until.since(clock::now()));
        left > edge.replica.lease_ms() / 4
    }) == Some(true)
}

fn settle(outcome: Result<(), String>) -> u32 {
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

async fn run(poll: &Poll, hub: Option<&Function>) -> Result<(), String> {
    let outcome = follow(poll, hub).await;
    if outcome.is_err() {
        state::with(|edge| edge.replica.abandon(Nonce(poll.nonce)));
    }
    outcome
}

async fn follow(poll: &Poll, hub: Option<&Function>) -> Result<(), String> {
    let nonce = Nonce(poll.nonce);
    let mut path = format!("/countersign/v1/denylist/heartbeat?snapshot=1&nonce={}", encode(&poll.nonce));
    let mut limit = Duration::ZERO;
    if let Some((known, wait)) = &poll.held {
        let (epoch, keys) = (encode(&known.epoch.0), encode(&known.keys.0));
        path.push_str(&format!("&wait={wait}&epoch={epoch}&head={}&keys={keys}", known.head));
        limit = Duration::from_millis(*wait);
    }
    let answer = match get(hub, &path, false, MAX_HEARTBEAT, limit).await {
        Err(error) if error == UNAUTHORIZED => {
            // With the keys comes the credential of today.
            fetch_keys().await?;
            get(hub, &path, false, MAX_HEARTBEAT, limit).await?
        }
        answer => answer?,
    };
    let received = clock::now();
    // A hub's answer says what is left of its lease, and to whom it speaks.
    let left = match hub {
        Some(_) => {
            let left = answer.number("countersign-lease-left").ok_or("the hub's answer has no lease")?;
            if answer.header("countersign-question").as_deref() != Some(&encode(&poll.nonce)) {
                return Err("the hub answered another question".to_owned());
            }
            Some(left)
        }
        None => None,
    };
    let take = |edge: &mut Edge| {
        let Edge { replica, feed_keys, scratch, .. } = edge;
        match left {
            Some(left) => replica.relayed(nonce, &answer.body, left, feed_keys, scratch, clock::now()),
            None => replica.heartbeat(&answer.body, feed_keys, scratch, clock::now()),
        }
    };
    let before = state::with(|edge| edge.replica.known().map(|known| known.head)).flatten();
    let mut step = match on_edge(|edge| Ok(take(edge)))? {
        // Signed with a feed key newer than this edge's keys: those are fetched, and it is read once more.
        Err(ReplicaError::Token(TokenError::UnknownKey)) => {
            fetch_keys().await?;
            on_edge(|edge| take(edge).map_err(text))?
        }
        taken => taken.map_err(text)?,
    };
    loop {
        step = match step {
            Step::Fresh => break,
            Step::Fetch { epoch, from, to } => {
                let path = format!("/countersign/v1/denylist/segments/{}/{from}/{to}", encode(&epoch.0));
                // A segment never changes and is proven by the signed chain value, so any cache may hold it.
                let piece = get(hub, &path, true, MAX_SEGMENT, Duration::ZERO).await?;
                on_edge(|edge| edge.replica.segment(&piece.body, clock::now()).map_err(text))?
            }
            Step::FetchSnapshot(named) => match fetch_snapshot(hub, &named).await {
                Ok(step) => step,
                Err(error) => {
                    console_warn!("countersign: no snapshot, segments are fetched: {error}");
                    on_edge(|edge| edge.replica.without_snapshot(named.digest, clock::now()).map_err(text))?
                }
            },
            Step::FetchKeys => {
                fetch_keys().await?;
                break;
            }
        }
    }
    on_edge(|edge| {
        edge.source = Some(if hub.is_some() { Source::Hub } else { Source::Origin });
        // How long an entry took to get here, as far as the clocks of each can tell by themselves.
        if before.is_some_and(|before| before < edge.replica.applied())
            && let Some(age) = answer.number("countersign-news-age")
        {
            edge.visible.note(age + clock::now().since(received));
        }
        Ok(())
    })
}

/// Named by the hash of its bytes, so any cache may hold it.
async fn fetch_snapshot(hub: Option<&Function>, named: &SnapshotRef) -> Result<Step, String> {
    let path = format!("/countersign/v1/denylist/snapshots/{}", encode(&named.digest.0));
    let size = usize::try_from(named.size).map_err(|_| "it is too long")?;
    let piece = get(hub, &path, true, size, SNAPSHOT_TIMEOUT).await?;
    on_edge(|edge| edge.replica.snapshot(&piece.body, clock::now()).map_err(text))
}

/// Fetches the key set in force and uses it. From the origin: what a hub has kept may be the set before.
async fn fetch_keys() -> Result<(), String> {
    let nonce = encode(&nonce()?);
    let path = format!("{}&nonce={nonce}", on_edge(|edge| edge.keys_path())?);
    let answer = get(None, &path, false, MAX_KEYS, Duration::ZERO).await?;
    let for_host = answer.header("countersign-host-keys");
    on_edge(|edge| edge.take_keys(&answer.body, &nonce, for_host.as_deref(), clock::now()))
}

fn text(error: ReplicaError) -> String {
    error.to_string()
}

fn on_edge<T>(work: impl FnOnce(&mut Edge) -> Result<T, String>) -> Result<T, String> {
    state::with(work).unwrap_or_else(|| Err("not configured".to_owned()))
}

/// A GET to the hub or the origin: `held` more than what a fetch may take.
async fn get(
    hub: Option<&Function>,
    path: &str,
    cacheable: bool,
    max: usize,
    held: Duration,
) -> Result<Answer, String> {
    let limit = held + if hub.is_some() { HUB_TIMEOUT } else { TIMEOUT };
    let question = Question { path, post: None, cacheable, max, limit };
    let answer = match hub {
        Some(hub) => ask::hub(hub, &question).await?,
        None => ask::origin(&question).await?,
    };
    match (answer.status, hub) {
        (200, _) => Ok(answer),
        (503, Some(_)) => Err(HUB_DRY.to_owned()),
        (status, Some(_)) => Err(format!("the hub answered {status}")),
        (status, None) => Err(format!("the origin answered {status}")),
    }
}
