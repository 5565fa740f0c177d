//! Whether the caller may administer: its session holds, and the store says so now, at every call.

use axum::http::StatusCode;

use super::Call;
use super::error::Crest;
use crate::session_cookie::Presented;
use crate::sessions;

const ROOT: &str = "/";

/// An administrator of `realm`: one of its own, or of the root realm, who may do so everywhere. Gives the name.
pub(super) async fn require(call: &Call, realm: &str) -> Result<String, Crest> {
    let settings = call.app.settings();
    // The caller's own realm may have another cookie than the one it administers.
    let token = match call.presented() {
        Presented::Absent => Presented::of(&call.headers, &settings.realm(ROOT).session).token(),
        presented => presented.token(),
    };
    let session = match token {
        Some(token) => sessions::judge(&call.app, token).await?.valid(),
        None => None,
    };
    let session = session.ok_or_else(Crest::access_denied)?;
    let claims = session.claims();
    let reaches = claims.realm == realm || claims.realm == ROOT;
    if reaches && call.app.store.administrators().has(&claims.realm, &claims.sub).await? {
        return Ok(claims.sub.clone());
    }
    Err(Crest::new(StatusCode::FORBIDDEN, "Forbidden"))
}

/// An administrator of the whole installation.
pub(super) async fn require_root(call: &Call) -> Result<String, Crest> {
    require(call, ROOT).await
}
