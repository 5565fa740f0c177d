//! `?_action=logout`: ends a session.
//!
//! The answer is success only when the end is on the disk. The cookie is taken away in any case but one: when the
//! browser's own session is another than the one that was ended.

use axum::http::StatusCode;
use axum::http::header::{HeaderName, HeaderValue, SET_COOKIE};
use axum::response::{IntoResponse as _, Response};
use countersign_core::gate::Refusal;
use serde_json::json;

use super::super::error::Crest;
use super::super::{Answer, Call, crest_json};
use super::Subject;
use super::ack::{self, Ack};
use crate::barrier::Durable;
use crate::session_cookie::{self, Presented};
use crate::sessions::{self, Standing};

const CLEAR_SITE_DATA: &str = "\"cache\", \"cookies\", \"storage\", \"executionContexts\"";
const NOT_EFFECTIVE: &str =
    "The logout could not be recorded and is not effective yet: the token still works. Repeat it with the token.";

pub(super) async fn post(call: &Call, subject: Option<Subject>, ack: Ack) -> Answer {
    let Some(subject) = subject else {
        // Nothing to end, but two cookies of the name, or a broken one, are better gone.
        let mut response = Crest::access_denied().into_response();
        if call.presented().in_cookie() {
            forget(call, &mut response);
        }
        return Ok(response);
    };
    let own = match call.presented() {
        Presented::Cookie(own) | Presented::Header(own) if subject.named && own != subject.token => Some(own),
        _ => None,
    };
    // Whoever names another token than its own may have a session that goes on.
    let own_goes_on = match own {
        Some(own) => sessions::judge(&call.app, own).await.is_ok_and(|standing| standing.valid().is_some()),
        None => false,
    };
    let mut response = end(call, &subject, own_goes_on, ack).await.unwrap_or_else(|error| error.into_response());
    if !own_goes_on && call.presented().in_cookie() {
        forget(call, &mut response);
    }
    Ok(response)
}

fn forget(call: &Call, response: &mut Response) {
    let headers = response.headers_mut();
    headers.extend(
        session_cookie::clear(&call.app.settings().realm(&call.realm).session).map(|value| (SET_COOKIE, value)),
    );
    headers.insert(HeaderName::from_static("clear-site-data"), HeaderValue::from_static(CLEAR_SITE_DATA));
}

async fn end(call: &Call, subject: &Subject, admitted: bool, ack: Ack) -> Answer {
    let not_effective = |error| {
        tracing::error!(%error, "a logout was not recorded");
        Crest::unavailable(NOT_EFFECTIVE)
    };
    let done = || json!({"result": "Successfully logged out"});
    match sessions::judge(&call.app, &subject.token).await.map_err(not_effective)? {
        // The answer to the first one may have been lost, and what it said is asked for again.
        Standing::Dead(session, Refusal::Ended) if matches!(ack, Ack::Barrier(_)) => {
            let ending = sessions::ending(&call.app.store.denylist(), &session).await.map_err(not_effective)?;
            // A key that was revoked in the ring alone has no line.
            let (seq, created) = ending.ok_or_else(Crest::access_denied)?;
            let durable = Durable::earlier(&call.app, seq, created);
            ack::answer_for(call, ack, durable, done()).await
        }
        Standing::Dead(_, Refusal::Expired | Refusal::Ended) | Standing::Foreign => {
            // Likewise of a server-side session, whose row is gone.
            if let Ack::Barrier(_) = ack
                && let Some((seq, created)) =
                    sessions::logout_of(&call.app, &subject.token).await.map_err(not_effective)?
            {
                return ack::answer_for(call, ack, Durable::earlier(&call.app, seq, created), done()).await;
            }
            if !admitted {
                return Err(Crest::access_denied());
            }
            Ok(crest_json(StatusCode::OK, &json!({"result": "Token has expired"})))
        }
        // Also one that is not valid yet, by a clock that was set back: it would become valid.
        Standing::Valid(session) | Standing::Dead(session, _) => {
            let ended = sessions::revoke_presented(&call.app, &session, &subject.token, "logout").await;
            ack::answer(call, ack, ended.map_err(not_effective)?.seq, done()).await
        }
    }
}
