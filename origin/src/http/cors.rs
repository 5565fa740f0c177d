//! Pages of other origins: those in `[cors]` may use the REST interface with the user's cookies, as AM's browser
//! clients do. Whoever is not listed gets no word more than before, and its requests meet the same filters.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use axum::http::header::{HeaderName, LOCATION, RETRY_AFTER, WARNING};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::app::App;

/// How long a browser may remember that it was allowed; a change of the settings is felt after that.
const MAX_AGE: Duration = Duration::from_secs(600);

/// What scripts may read beside what they always may.
const EXPOSED: [HeaderName; 4] = [LOCATION, RETRY_AFTER, WARNING, HeaderName::from_static("content-api-version")];

pub(super) fn layer(app: Arc<App>) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _| app.settings().cors.accepts(origin.as_bytes())))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE])
        // Clients add headers of their own; which ones protects nothing once the origin is trusted.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(EXPOSED)
        .max_age(MAX_AGE)
}
