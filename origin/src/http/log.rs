//! One line per request. Never a query, a header, a body or a token.

use std::time::Instant;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;

const MAX_PATH: usize = 200;

pub(super) async fn requests(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let path = loggable(request.uri().path());
    let response = next.run(request).await;
    let (status, ms) = (response.status().as_u16(), began.elapsed().as_millis());
    tracing::info!(%method, path, status, ms, "request");
    response
}

/// The path, without what may be a token in it (AM's old form `sessions/{token}`).
fn loggable(path: &str) -> String {
    let mut end = path.find("/sessions/").map_or(path.len(), |at| at + "/sessions/".len());
    let cut = if end < path.len() { "…" } else { "" };
    if end > MAX_PATH {
        end = MAX_PATH;
    }
    format!("{}{}", path.get(..end).unwrap_or_default(), if path.len() > MAX_PATH { "…" } else { cut })
}

#[cfg(test)]
mod tests {
    use super::loggable;

    #[test]
    fn tokens_in_paths_are_not_logged() {
        assert_eq!(loggable("/am/json/sessions/eyJ0.abc"), "/am/json/sessions/…");
        assert_eq!(loggable("/am/json/sessions/"), "/am/json/sessions/");
        assert_eq!(loggable("/am/json/sessions"), "/am/json/sessions");
        assert_eq!(loggable(&format!("/{}", "x".repeat(300))), format!("/{}…", "x".repeat(199)));
    }
}
