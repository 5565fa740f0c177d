//! `GET /am/console/{asset}`: style, pictures and a script, embedded. They are revalidated by their hash, so that a new
//! version of the program shows at once.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse as _, Response};
use countersign_core::encoding;
use sha2::{Digest as _, Sha256};

struct Asset {
    name: &'static str,
    kind: &'static str,
    content: &'static str,
    etag: String,
}

macro_rules! asset {
    ($name:literal, $kind:literal) => {
        Asset::new($name, $kind, include_str!(concat!("../../../console/", $name)))
    };
}

static ASSETS: LazyLock<[Asset; 5]> = LazyLock::new(|| {
    [
        asset!("console.css", "text/css; charset=utf-8"),
        asset!("favicon.svg", "image/svg+xml"),
        asset!("guilloche.svg", "image/svg+xml"),
        asset!("mark.svg", "image/svg+xml"),
        asset!("webauthn.js", "text/javascript; charset=utf-8"),
    ]
});

impl Asset {
    fn new(name: &'static str, kind: &'static str, content: &'static str) -> Self {
        let hash = encoding::encode(&Sha256::digest(content));
        Self { name, kind, content, etag: format!("\"{}\"", hash.get(..16).unwrap_or_default()) }
    }
}

pub(super) async fn get(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let caching = [(ETAG, asset.etag.as_str()), (CACHE_CONTROL, "public, max-age=300, stale-while-revalidate=86400")];
    let known = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .any(|line| line.split(',').any(|tag| tag.trim().trim_start_matches("W/") == asset.etag));
    if known {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    (caching, [(CONTENT_TYPE, asset.kind), (X_CONTENT_TYPE_OPTIONS, "nosniff")], asset.content).into_response()
}
