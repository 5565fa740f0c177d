use serde_json::json;

use super::super::error::Crest;
use super::super::{Answer, Call};
use crate::sessions;

/// `serverinfo/version`: our own version, for callers with a session.
pub(super) async fn get(call: &Call) -> Answer {
    let token = call.presented().token().ok_or_else(Crest::access_denied)?;
    if sessions::judge(&call.app, token).await?.valid().is_none() {
        return Err(Crest::access_denied());
    }
    let version = env!("CARGO_PKG_VERSION");
    Ok(super::resource("version", json!({"version": version, "fullVersion": format!("Countersign {version}")})))
}
