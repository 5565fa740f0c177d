//! `GET …/snapshots/{digest}`: a snapshot by the hash of its bytes, as a heartbeat names it. It never changes, so
//! caches keep it; what is in it is compressed already.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use countersign_core::denylist::SnapshotDigest;
use countersign_core::encoding;

use super::IMMUTABLE;
use super::problem::Problem;
use crate::app::App;

pub(super) async fn get(State(app): State<Arc<App>>, Path(digest): Path<String>) -> Result<Response, Problem> {
    let digest = encoding::decode_array(digest.as_bytes()).map(SnapshotDigest);
    let digest =
        digest.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "The path must be 32 bytes in base64url."))?;
    let missing = Problem::new(StatusCode::NOT_FOUND, "There is no such snapshot here (any more); fetch segments.");
    let bytes = app.snapshots.find(digest).ok_or(missing)?;
    Ok(([(CONTENT_TYPE, "application/octet-stream"), (CACHE_CONTROL, IMMUTABLE)], bytes).into_response())
}
