//! `?_action=validate`: whether a token is a session. A dead one is an answer, not an error. It counts as use of the
//! session unless the query has `refresh=false`.

use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use serde_json::json;

use super::super::error::Crest;
use super::super::{Answer, Call, crest_json};
use super::{Subject, reset_idle};
use crate::sessions::{self, Renew};

pub(super) async fn post(call: &Call, subject: Option<Subject>) -> Answer {
    let subject = subject.ok_or_else(Crest::access_denied)?;
    let mut renewed = None;
    let body = match sessions::judge(&call.app, &subject.token).await?.valid() {
        None => json!({"valid": false}),
        Some(session) => {
            let claims = session.claims();
            if call.query.only("refresh") != Some("false") {
                renewed = reset_idle(call, &subject, Renew::IfDue).await?.cookie();
            }
            if call.version.0 < 3 {
                json!({"valid": true, "uid": claims.sub, "realm": claims.realm})
            } else {
                let uid = claims.sid.to_string();
                json!({"valid": true, "sessionUid": uid, "uid": claims.sub, "realm": claims.realm})
            }
        }
    };
    let mut response = crest_json(StatusCode::OK, &body);
    response.headers_mut().extend(renewed.map(|cookie| (SET_COOKIE, cookie)));
    Ok(response)
}
