//! `?_action=refresh`: use of a session that is nothing but use. Times are told as AM tells them: `idletime` and
//! `maxtime` in seconds, `maxidletime` and `maxsessiontime` in minutes.

use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use serde_json::json;

use super::super::error::Crest;
use super::super::{Answer, Call, crest_json};
use super::{Subject, reset_idle};
use crate::sessions::{self, Renew};

pub(super) async fn post(call: &Call, subject: Option<Subject>) -> Answer {
    let subject = subject.ok_or_else(Crest::access_denied)?;
    let Some(session) = sessions::judge(&call.app, &subject.token).await?.valid() else {
        return Ok(crest_json(StatusCode::OK, &json!({"valid": false})));
    };
    let used = reset_idle(call, &subject, Renew::Now).await?;
    let claims = session.claims();
    let now = call.app.clock.now().seconds();
    let whole = claims.fexp.0.saturating_sub(claims.auth_time().0);
    let body = json!({
        "uid": claims.sub,
        "realm": claims.realm,
        // What was not noted goes on being idle.
        "idletime": if used.is_noted() { 0 } else { now.0.saturating_sub(claims.iat.0) },
        "maxidletime": claims.idle.map_or(whole, u64::from) / 60,
        "maxsessiontime": whole / 60,
        "maxtime": claims.fexp.0.saturating_sub(now.0),
    });
    let mut response = crest_json(StatusCode::OK, &body);
    response.headers_mut().extend(used.cookie().map(|cookie| (SET_COOKIE, cookie)));
    Ok(response)
}
