//! `?_action=getSessionInfo`: whose session it is and until when. A token in the body alone is enough.
//! `getSessionInfoAndResetIdleTime` also re-issues it.

use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use serde_json::json;

use super::super::error::Crest;
use super::super::{Answer, Call, crest_json};
use super::{Subject, Use, entitled, reset_idle, universal_id, visible};
use crate::explain::timestamp;
use crate::sessions::{self, Renew};

pub(super) async fn post(call: &Call, subject: Option<Subject>, reset: Option<Renew>) -> Answer {
    let subject = subject.ok_or_else(Crest::access_denied)?;
    let session = sessions::judge(&call.app, &subject.token).await?.valid().ok_or_else(Crest::access_denied)?;
    let claims = session.claims();
    entitled(call, &subject, claims).await?;
    let used = match reset {
        Some(when) => reset_idle(call, &subject, when).await?,
        None => Use::None,
    };
    let (latest_access, idle_end) = if used.is_noted() {
        let now = call.app.clock.now().seconds();
        let idle = match used {
            // As the new token has it.
            Use::Reissued(_) => call.app.settings().realm(&claims.realm).session.max_idle_seconds,
            Use::Noted | Use::None => claims.idle,
        };
        (now, idle.map(|idle| now.plus(idle.into())))
    } else {
        (claims.iat, claims.idle_end())
    };
    let mut body = json!({
        "username": claims.sub,
        "universalId": universal_id(&claims.realm, &claims.sub),
        "realm": claims.realm,
        "latestAccessTime": timestamp(latest_access),
        // Without idle time the session's end is the only one.
        "maxIdleExpirationTime": timestamp(idle_end.unwrap_or(claims.fexp).min(claims.fexp)),
        "maxSessionExpirationTime": timestamp(claims.fexp),
    });
    if call.version.0 >= 3
        && let Some(members) = body.as_object_mut()
    {
        members.insert("properties".to_owned(), visible(call, claims));
    }
    let mut response = crest_json(StatusCode::OK, &body);
    response.headers_mut().extend(used.cookie().map(|cookie| (SET_COOKIE, cookie)));
    Ok(response)
}
