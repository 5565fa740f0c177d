//! `GET …/heartbeat?nonce=…`: the signed statement of where the log ends, for the one poller that chose the nonce.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use countersign_core::encoding;
use countersign_core::replica::{Heartbeat, Nonce};
use countersign_core::token::{Kind, mint};

use super::super::query::Query;
use super::problem::Problem;
use crate::app::App;

pub(super) async fn get(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let query = Query::parse(query.unwrap_or_default().as_bytes());
    let nonce = query.only("nonce").and_then(|text| encoding::decode_array(text.as_bytes()).ok());
    let nonce = nonce
        .map(Nonce)
        .ok_or(Problem::new(StatusCode::BAD_REQUEST, "The query must have one nonce: 16 bytes in base64url."))?;
    // Read after the poll came in, so that the head covers all that was acknowledged before it was sent.
    let head = app.store.denylist().head().await?;
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
    };
    let signed = mint::mint(&heartbeat, Kind::Heartbeat, &keys.feed.minting, &mut app.dice());
    let signed = signed.map_err(Problem::internal)?;
    Ok(([(CONTENT_TYPE, "application/jose"), (CACHE_CONTROL, "no-store")], signed).into_response())
}
