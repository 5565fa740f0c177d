use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use countersign_store::StoreError;
use serde_json::json;

/// RFC 9457. The type is `about:blank`: the status says it all.
pub(super) struct Problem {
    status: StatusCode,
    detail: &'static str,
}

impl Problem {
    pub(super) const fn new(status: StatusCode, detail: &'static str) -> Self {
        Self { status, detail }
    }

    pub(super) fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "the denylist feed could not answer");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "The feed could not be read.")
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::internal(error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or_default();
        let body = json!({"title": title, "status": self.status.as_u16(), "detail": self.detail});
        let headers = [(CONTENT_TYPE, "application/problem+json"), (CACHE_CONTROL, "no-store")];
        (self.status, headers, body.to_string()).into_response()
    }
}
