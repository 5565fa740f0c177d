//! `GET /metrics`, on a listener of its own for the operator: nothing here is secret, but all of it helps an attacker
//! who wants to know whether an attack has an effect.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use crate::app::App;

pub(crate) fn metrics(app: Arc<App>) -> Router {
    Router::new().route("/metrics", get(answer)).with_state(app)
}

async fn answer(State(app): State<Arc<App>>) -> Response {
    let kind = (CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
    ([kind, (CACHE_CONTROL, "no-store")], crate::metrics::text(&app).await).into_response()
}
