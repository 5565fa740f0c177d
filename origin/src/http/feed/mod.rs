//! `/countersign/v1`: what edges poll, where they ask about references and have tokens re-issued. For the bearer of the
//! feed credential; everyone else gets 401.

mod check;
mod edge_keys;
mod heartbeat;
mod news;
mod problem;
mod renew;
mod segment;
mod snapshot;

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
use crate::keyring::Credential;
pub(crate) use news::News;
use problem::Problem;

/// Of what is named by its content.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

pub(super) fn routes(app: &Arc<App>) -> Router<Arc<App>> {
    Router::new()
        .route("/countersign/v1/denylist/heartbeat", get(heartbeat::get))
        .route("/countersign/v1/denylist/segments/{epoch}/{from}/{to}", get(segment::get))
        .route("/countersign/v1/denylist/snapshots/{digest}", get(snapshot::get))
        .route("/countersign/v1/sessions/check", post(check::post))
        .route("/countersign/v1/sessions/renew", post(renew::post))
        .route_layer(middleware::from_fn_with_state(Arc::clone(app), bearer))
        .merge(
            Router::new()
                .route("/countersign/v1/edge-keys", get(edge_keys::get))
                .route_layer(middleware::from_fn_with_state(Arc::clone(app), bearer_of_any_age)),
        )
}

async fn bearer(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let now = app.clock.now().seconds();
    match presented(&app, request.headers()) {
        Some(credential) if !credential.is_for_keys_only(now) => next.run(request).await,
        _ => unauthorized(),
    }
}

/// An edge keeps nothing: with an old bundle it has the credential of then, and asks with it for the one of today.
async fn bearer_of_any_age(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let Some(credential) = presented(&app, request.headers()) else { return unauthorized() };
    request.extensions_mut().insert(credential);
    next.run(request).await
}

fn unauthorized() -> Response {
    let problem = Problem::new(StatusCode::UNAUTHORIZED, "The feed credential is missing or wrong.");
    let mut response = problem.into_response();
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"denylist feed\""));
    response
}

/// Hashes are compared, so that neither length nor content shows in the time it takes.
fn presented(app: &App, headers: &HeaderMap) -> Option<Credential> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return None };
    let (scheme, credential) = line.as_bytes().split_at_checked(7)?;
    let presented: [u8; 32] = Sha256::digest(credential).into();
    let ring = app.keys();
    let known = ring.credentials.iter().find(|known| bool::from(presented.ct_eq(&known.hash)));
    known.filter(|_| scheme.eq_ignore_ascii_case(b"Bearer ")).cloned()
}

#[cfg(test)]
pub(crate) mod tests;
