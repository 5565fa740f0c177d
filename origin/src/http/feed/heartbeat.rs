//! `GET …/heartbeat?nonce=…`: the signed statement of where the log ends, for the one poller that chose the nonce.
//!
//! With `wait` (milliseconds), and what the poller knows in `epoch`, `head` and `keys`, the answer is held until
//! something else holds or the time is over, so that a logout reaches an idle system at once. It is made when it is
//! given; the poller's lease counts from when it asked all the same. With all places for waiting taken the answer comes
//! at once.
//!
//! With `snapshot=1` it names the newest snapshot.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use countersign_core::denylist::Epoch;
use countersign_core::encoding;
use countersign_core::keys::KeysDigest;
use countersign_core::replica::{Heartbeat, Known, Nonce};
use countersign_core::token::{Kind, mint};

use super::super::query::Query;
use super::news;
use super::problem::Problem;
use crate::app::App;

/// How long ago this origin learnt of the newest entry, in milliseconds: for the pollers' measurements, and unsigned.
const NEWS_AGE: HeaderName = HeaderName::from_static("countersign-news-age");

/// Longest time that a poll is held. Beyond half its lease a poller had better ask anew.
const MAX_WAIT_MS: u64 = 30_000;

pub(super) async fn get(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    app.metrics.polls.count();
    let query = Query::parse(query.unwrap_or_default().as_bytes());
    let nonce = query.only("nonce").and_then(|text| encoding::decode_array(text.as_bytes()).ok());
    let nonce = nonce
        .map(Nonce)
        .ok_or(Problem::new(StatusCode::BAD_REQUEST, "The query must have one nonce: 16 bytes in base64url."))?;
    if let Some(wait) = query.only("wait") {
        let wait: Option<u64> = wait.parse().ok();
        let (wait, known) = wait.zip(known(&query)).ok_or(Problem::new(
            StatusCode::BAD_REQUEST,
            "With wait, in milliseconds, the query must have one each of epoch, head and keys.",
        ))?;
        if let Some(_place) = app.news.place() {
            let wait = wait.min(app.settings().denylist.lease_ms / 2).min(MAX_WAIT_MS);
            news::wait(&app, &known, Duration::from_millis(wait)).await;
        }
    }
    // Read after the poll came in, so that the head covers all that was acknowledged before it was sent.
    let head = app.store.denylist().head().await?;
    app.saw(&head);
    // Likewise: what was revoked before the poll was sent is no longer in the set that this names.
    let keys = app.keys_current().await.map_err(Problem::internal)?;
    let heartbeat = Heartbeat {
        epoch: head.epoch,
        head: head.seq,
        chain: head.chain,
        floor: head.floor_seq,
        floor_chain: head.floor_chain,
        nonce,
        time: app.clock.now(),
        lease_ms: app.settings().denylist.lease_ms,
        poll_ms: app.settings().denylist.poll_ms,
        keys: keys.digest,
        // Edges of before ask for none, and could not read of one.
        snapshot: query.only("snapshot").and_then(|_| app.snapshots.newest(&head)).map(|made| made.named),
    };
    let signed = mint::mint(&heartbeat, Kind::Heartbeat, &keys.feed.minting, &mut app.dice());
    let signed = signed.map_err(Problem::internal)?;
    let mut response = ([(CONTENT_TYPE, "application/jose"), (CACHE_CONTROL, "no-store")], signed).into_response();
    if let Some(age) = app.news.age(head.seq, heartbeat.time) {
        response.headers_mut().insert(NEWS_AGE, HeaderValue::from(age));
    }
    Ok(response)
}

fn known(query: &Query) -> Option<Known> {
    let bytes = |name| query.only(name).and_then(|text| encoding::decode_array(text.as_bytes()).ok());
    let head = query.only("head")?.parse().ok()?;
    Some(Known { epoch: Epoch(bytes("epoch")?), head, keys: KeysDigest(bytes("keys")?) })
}
