//! `?_action=logoutByHandle`: ends server-side sessions that an administrator was shown.

use axum::http::StatusCode;
use countersign_core::encoding;
use countersign_core::session::SessionId;
use serde_json::{Map, Value, json};

use super::super::error::Crest;
use super::super::{Answer, Call, administrator, crest_json};
use super::{HANDLE, body};
use crate::{server_side, sessions};

const MAX_HANDLES: usize = 1000;

pub(super) async fn post(call: &Call) -> Answer {
    let actor = administrator::require(call, &call.realm).await?;
    let body = body(call)?;
    let handles = body.get("sessionHandles").and_then(Value::as_array).filter(|handles| handles.len() <= MAX_HANDLES);
    let handles: Option<Vec<&str>> = handles.and_then(|handles| handles.iter().map(Value::as_str).collect());
    let handles = handles.ok_or_else(|| {
        Crest::bad_request("The \"sessionHandles\" field is not defined in the request or it's not a JSON array")
    })?;
    let mut result = Map::new();
    for handle in handles {
        // One that is gone already is as good as ended.
        let known = match read(handle) {
            Some(sid) => {
                if let Some(session) = server_side::by_handle(&call.app, sid).await? {
                    administrator::require(call, &session.claims().realm).await?;
                    sessions::revoke_by(&call.app, &session, "ended by an administrator", &actor.claims().sub).await?;
                }
                true
            }
            None => false,
        };
        result.insert(handle.chars().take(100).collect(), known.into());
    }
    Ok(crest_json(StatusCode::OK, &json!({ "result": result })))
}

fn read(handle: &str) -> Option<SessionId> {
    encoding::decode_array(handle.strip_prefix(HANDLE)?.as_bytes()).ok().map(SessionId)
}
