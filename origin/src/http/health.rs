//! `GET /health/live`, `GET /health/ready`: for load balancers and supervisors. Live never asks a dependency.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::app::App;

pub(super) async fn live() -> Response {
    ([(CACHE_CONTROL, "no-store")], Json(json!({"status": "live"}))).into_response()
}

/// Ready means that the database answers.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Response {
    let (status, word) = match app.store.denylist().head().await {
        Ok(_) => (StatusCode::OK, "ready"),
        Err(error) => {
            tracing::error!(%error, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "not ready")
        }
    };
    (status, [(CACHE_CONTROL, "no-store")], Json(json!({"status": word}))).into_response()
}

#[cfg(test)]
mod tests {
    use crate::testing::Origin;

    #[tokio::test]
    async fn ready_depends_on_the_database_and_live_does_not() {
        let origin = Origin::new().await;
        for path in ["/health/live", "/health/ready", "/am/json/health/live", "/am/json/health/ready"] {
            assert_eq!(origin.get(path).await.status, 200, "{path}");
        }
        origin.app.store.close().await;
        assert_eq!(origin.get("/health/ready").await.status, 503);
        assert_eq!(origin.get("/health/live").await.status, 200);
    }
}
