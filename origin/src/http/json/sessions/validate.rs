//! `?_action=validate`: whether a token is a session. A dead one is an answer, not an error.

use axum::http::StatusCode;
use serde_json::json;

use super::super::error::Crest;
use super::super::{Answer, Call, crest_json};
use super::Subject;
use crate::sessions;

pub(super) async fn post(call: &Call, subject: Option<Subject>) -> Answer {
    let subject = subject.ok_or_else(Crest::access_denied)?;
    let body = match sessions::judge(&call.app, &subject.token).await?.valid() {
        None => json!({"valid": false}),
        Some(session) => {
            let claims = session.claims();
            if call.version.0 < 3 {
                json!({"valid": true, "uid": claims.sub, "realm": claims.realm})
            } else {
                let uid = claims.sid.to_string();
                json!({"valid": true, "sessionUid": uid, "uid": claims.sub, "realm": claims.realm})
            }
        }
    };
    Ok(crest_json(StatusCode::OK, &body))
}
