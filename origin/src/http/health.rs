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

/// Ready means that the database answers, and that the denylist log takes entries: an origin that cannot end sessions
/// must not be sent logouts. After a failure it is tried here, for nobody sends a logout who is told that this is not
/// ready.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Response {
    let log = app.store.denylist();
    let answers = match log.failing_since() {
        Some(_) => log.rehearse().await,
        None => log.head().await.map(drop),
    };
    let (status, word) = match answers {
        Ok(()) if log.is_running() => (StatusCode::OK, "ready"),
        Ok(()) => {
            tracing::error!("not ready: the writer of the denylist log is gone");
            (StatusCode::SERVICE_UNAVAILABLE, "not ready")
        }
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

    /// The writer lives in the runtime that the store was opened in, and so dies here while the rest lives on.
    #[test]
    fn without_a_writer_of_the_log_it_is_not_ready() {
        let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let first = runtime();
        let (origin, token) = first.block_on(async {
            let origin = Origin::new().await;
            let token = origin.log_in().await;
            (origin, token)
        });
        drop(first);
        runtime().block_on(async {
            let headers = [(crate::testing::COOKIE, token.as_str())];
            assert_eq!(origin.post("/am/json/sessions?_action=logout", &headers, "").await.status, 503);
            assert!(origin.is_valid(&token).await, "reading goes on");
            assert_eq!(origin.get("/health/ready").await.status, 503);
        });
    }
}
