//! `/countersign/v1`: what edges poll, where they ask about references and have tokens re-issued. For the bearer of the feed credential;
//! everyone else gets 401.

mod check;
mod edge_keys;
mod heartbeat;
mod news;
mod problem;
mod renew;
mod segment;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::app::App;
pub(crate) use news::News;
use problem::Problem;

pub(super) fn routes(app: &Arc<App>) -> Router<Arc<App>> {
    Router::new()
        .route("/countersign/v1/denylist/heartbeat", get(heartbeat::get))
        .route("/countersign/v1/edge-keys", get(edge_keys::get))
        .route("/countersign/v1/denylist/segments/{epoch}/{from}/{to}", get(segment::get))
        .route("/countersign/v1/sessions/check", post(check::post))
        .route("/countersign/v1/sessions/renew", post(renew::post))
        .route_layer(middleware::from_fn_with_state(Arc::clone(app), bearer))
}

async fn bearer(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if is_bearer(&app, request.headers()) {
        return next.run(request).await;
    }
    let problem = Problem::new(StatusCode::UNAUTHORIZED, "The feed credential is missing or wrong.");
    let mut response = problem.into_response();
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"denylist feed\""));
    response
}

/// Hashes are compared, so that neither length nor content shows in the time it takes.
fn is_bearer(app: &App, headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return false };
    let Some((scheme, credential)) = line.as_bytes().split_at_checked(7) else { return false };
    let presented: [u8; 32] = Sha256::digest(credential).into();
    scheme.eq_ignore_ascii_case(b"Bearer ") && bool::from(presented.ct_eq(&app.keys().feed_credential))
}

#[cfg(test)]
mod tests;
