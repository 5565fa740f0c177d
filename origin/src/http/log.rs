//! One line per request. Never a query, a header, a body or a token.
//!
//! What is logged of a path is the route that it matched, never the path itself: whoever gets an address wrong may have
//! put a token anywhere in it.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;

/// In a response's extensions: a route that says more than the router's.
#[derive(Clone, Copy)]
pub(super) struct Route(pub(super) &'static str);

pub(super) async fn requests(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = known(request.method());
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let finer = response.extensions().get::<Route>().map(|route| route.0);
    let route = finer.or(matched.as_ref().map(MatchedPath::as_str)).unwrap_or("no route");
    let (status, ms) = (response.status().as_u16(), began.elapsed().as_millis());
    tracing::info!(method, route, status, ms, "request");
    response
}

/// A method is text of the client's too.
fn known(method: &axum::http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
