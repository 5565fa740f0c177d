use axum::http::StatusCode;
use axum::http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use countersign_store::{Fault, StoreError};
use serde_json::{Map, Value, json};

/// AM's error object: `{"code","reason","message"[,"detail"]}`.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Crest {
    pub(super) status: StatusCode,
    pub(super) message: String,
    pub(super) detail: Box<Map<String, Value>>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Crest {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), detail: Box::default(), headers: Vec::new() }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not Found")
    }

    /// No session, or none that counts.
    pub(super) fn access_denied() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Access Denied")
    }

    /// Trouble of ours: the log has the cause, the client a number.
    pub(super) fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request could not be answered");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
    }

    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        let mut error = Self::new(StatusCode::SERVICE_UNAVAILABLE, message);
        error.headers.push((RETRY_AFTER, HeaderValue::from_static("1")));
        error
    }

    pub(super) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// With a member of `detail`.
    pub(super) fn with_detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.detail.insert(name.to_owned(), value.into());
        self
    }

    pub(super) fn body(&self) -> Value {
        let reason = match self.status {
            // AM has the older spelling.
            StatusCode::REQUEST_TIMEOUT => "Request Time-out",
            status => status.canonical_reason().unwrap_or_default(),
        };
        let mut body = json!({"code": self.status.as_u16(), "reason": reason, "message": self.message});
        if let Some(members) = body.as_object_mut().filter(|_| !self.detail.is_empty()) {
            members.insert("detail".to_owned(), Value::Object((*self.detail).clone()));
        }
        body
    }
}

impl From<StoreError> for Crest {
    fn from(error: StoreError) -> Self {
        match error.fault() {
            Fault::Operator | Fault::Caller => {
                tracing::error!(%error, "the store could not answer");
                Self::unavailable("Service Unavailable")
            }
            Fault::Us => Self::internal(error),
        }
    }
}

impl IntoResponse for Crest {
    fn into_response(self) -> Response {
        let mut response = super::crest_json(self.status, &self.body());
        response.headers_mut().extend(self.headers);
        response
    }
}
