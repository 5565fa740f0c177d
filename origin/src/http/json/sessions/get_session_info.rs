//! `?_action=getSessionInfo`: whose session it is and until when. A token in the body alone is enough.
//! `getSessionInfoAndResetIdleTime` also re-issues it.

use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use serde_json::json;

use super::super::error::Crest;
use super::super::{Answer, Call, crest_json};
use super::{Subject, reset_idle, universal_id};
use crate::explain::timestamp;
use crate::sessions::{self, Renew};

pub(super) async fn post(call: &Call, subject: Option<Subject>, reset: Option<Renew>) -> Answer {
    let subject = subject.ok_or_else(Crest::access_denied)?;
    let session = sessions::judge(&call.app, &subject.token).await?.valid().ok_or_else(Crest::access_denied)?;
    let claims = session.claims();
    // A caller with a session of its own sees its own only; without one, the token named is the credential.
    if let Some(own) = call.presented().token().filter(|_| subject.named)
        && let Some(caller) = sessions::judge(&call.app, own).await?.valid()
        && (&caller.claims().sub, &caller.claims().realm) != (&claims.sub, &claims.realm)
    {
        return Err(Crest::new(StatusCode::FORBIDDEN, "Forbidden"));
    }
    let renewed = match reset {
        Some(when) => reset_idle(call, &subject, when).await?,
        None => None,
    };
    let idle = call.app.settings().realm(&claims.realm).session.max_idle_seconds.filter(|_| renewed.is_some());
    let (latest_access, idle_end) = match idle {
        Some(idle) => {
            let now = call.app.clock.now().seconds();
            (now, Some(now.plus(idle.into())))
        }
        None => (claims.iat, claims.idle_end()),
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
        members.insert("properties".to_owned(), json!({"AMCtxId": claims.sid.to_string()}));
    }
    let mut response = crest_json(StatusCode::OK, &body);
    response.headers_mut().extend(renewed.map(|cookie| (SET_COOKIE, cookie)));
    Ok(response)
}
