//! `POST …/sessions/check?nonce=…`: what the reference in the body is, for an edge that was given it. The answer is
//! signed, names the question, and is good for a lease from when the question was sent. To ask is to use the session.

use std::sync::Arc;

use axum::extract::{RawQuery, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use countersign_core::encoding;
use countersign_core::gate::Checked;
use countersign_core::session::Reference;
use countersign_core::token::{Kind, mint};

use super::super::body;
use super::super::query::Query;
use super::problem::Problem;
use crate::app::App;
use crate::server_side;

pub(super) async fn post(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Problem> {
    let query = Query::parse(query.unwrap_or_default().as_bytes());
    let nonce = query.only("nonce").and_then(|text| encoding::decode_array(text.as_bytes()).ok());
    let nonce =
        nonce.ok_or(Problem::new(StatusCode::BAD_REQUEST, "The query must have one nonce: 16 bytes in base64url."))?;
    let not_one = Problem::new(StatusCode::BAD_REQUEST, "The body is not a reference.");
    let Ok(body) = body::read(request.into_body()).await else { return Err(not_one) };
    let Some(reference) = Reference::read(&body) else { return Err(not_one) };
    let session = server_side::check(&app, &reference).await?;
    let keys = app.keys_current().await.map_err(Problem::internal)?;
    let lease_ms = app.settings().denylist.lease_ms;
    let checked = Checked { nonce, reference: reference.digest(), lease_ms, session };
    let signed = mint::mint(&checked, Kind::Checked, &keys.feed.minting, &mut app.dice()).map_err(Problem::internal)?;
    Ok(([(CONTENT_TYPE, "application/jose"), (CACHE_CONTROL, "no-store")], signed).into_response())
}
