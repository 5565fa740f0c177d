//! The HTTP surface. One file per operation: its errors, docs, handler and tests together.

mod body;
pub(crate) mod client_address;
mod cors;
mod feed;
mod health;
mod journey_end;
mod journey_request;
mod json;
pub(crate) mod jwks;
mod limits;
mod log;
mod metrics;
mod pages;
mod query;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::{any, get};

use crate::app::App;
pub(crate) use feed::News;
#[cfg(test)]
pub(crate) use feed::tests::Edge as FeedEdge;
pub(crate) use metrics::metrics;

/// All routes, below `/am` where AM has them.
pub fn router(app: Arc<App>) -> Router {
    let limits = || middleware::from_fn_with_state(Arc::clone(&app), limits::logins);
    // Within, so that pages of other origins may read of a limit, too.
    let json = any(json::dispatch).layer::<_, Infallible>(limits()).layer(cors::layer(Arc::clone(&app)));
    let others = Router::new()
        .route("/am/json/health/live", get(health::live))
        .route("/am/json/health/ready", get(health::ready))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/.well-known/jwks.json", get(jwks::get))
        .route("/am/.well-known/jwks.json", get(jwks::get))
        .route("/am/realms/{*path}", get(jwks::of_realm))
        .merge(feed::routes(&app))
        .merge(pages::routes())
        .fallback(pages::not_found)
        .layer(limits());
    others.route("/am/json/{*path}", json).layer(middleware::from_fn(log::requests)).with_state(app)
}
