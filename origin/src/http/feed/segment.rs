//! `GET …/segments/{epoch}/{from}/{to}`: the entries `from + 1 ..= to`. What it answers never changes, so caches keep
//! it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use countersign_core::denylist::Epoch;
use countersign_core::denylist::segment::{self, MAX_ENTRIES};
use countersign_core::encoding;

use super::IMMUTABLE;
use super::problem::Problem;
use crate::app::App;

pub(super) async fn get(
    State(app): State<Arc<App>>,
    Path((epoch, from, to)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let malformed =
        || Problem::new(StatusCode::BAD_REQUEST, "The path must be epoch/from/to with from < to, at most 4096 apart.");
    let epoch = encoding::decode_array(epoch.as_bytes()).map(Epoch).map_err(|_| malformed())?;
    let (from, to) = (position(&from).ok_or_else(malformed)?, position(&to).ok_or_else(malformed)?);
    let count = to.checked_sub(from).and_then(|count| usize::try_from(count).ok());
    let count = count.filter(|count| (1..=MAX_ENTRIES).contains(count)).ok_or_else(malformed)?;
    if epoch != app.epoch() {
        app.saw(&app.store.denylist().head().await?);
    }
    if epoch != app.epoch() {
        return Err(Problem::new(StatusCode::NOT_FOUND, "There is no such epoch; ask for a heartbeat."));
    }
    let entries = app.store.denylist().entries(from, count).await?;
    let entries = entries.ok_or(Problem::new(StatusCode::GONE, "Entries of this segment have expired."))?;
    if entries.len() != count {
        return Err(Problem::new(StatusCode::NOT_FOUND, "The log does not reach that far yet."));
    }
    let bytes = segment::encode(epoch, from, &entries).map_err(Problem::internal)?;
    Ok(([(CONTENT_TYPE, "application/octet-stream"), (CACHE_CONTROL, IMMUTABLE)], bytes).into_response())
}

/// One spelling per number, so that one segment has one address.
fn position(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text && i64::try_from(number).is_ok()).then_some(number)
}
