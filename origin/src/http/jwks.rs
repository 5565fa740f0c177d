//! `GET /.well-known/jwks.json`: the keys with which applications verify the edge's assertions (RFC 7517).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;

use crate::app::App;

pub(super) async fn get(State(app): State<Arc<App>>) -> impl IntoResponse {
    let max_age = format!("public, max-age={}", app.settings().keys.jwks_max_age_seconds);
    ([(CACHE_CONTROL, max_age)], Json(app.keys().jwks()))
}

#[cfg(test)]
mod tests {
    use crate::testing::Origin;

    #[tokio::test]
    async fn only_the_public_half_is_published() {
        let origin = Origin::new().await;
        for path in ["/.well-known/jwks.json", "/am/.well-known/jwks.json"] {
            let set = origin.get(path).await.json();
            let [key] = set["keys"].as_array().unwrap().as_slice() else { panic!("one key") };
            let mut members: Vec<_> = key.as_object().unwrap().keys().collect();
            members.sort();
            assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"]);
            assert_eq!(key["kid"].as_str().unwrap().len(), 16);
        }
    }
}
