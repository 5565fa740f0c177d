//! `?_action=updateSessionProperties`: sets properties of a server-side session that users may set.
//!
//! A client-side session cannot be changed, as in AM: its older copies would go on saying what they said.

use axum::http::StatusCode;
use countersign_core::session::{Properties, Session};
use countersign_journey::is_own_property;
use countersign_store::StoreError;
use serde_json::Value;

use super::super::error::Crest;
use super::super::{Answer, Call, crest_json};
use super::{Subject, body, entitled, visible};
use crate::{server_side, sessions};

/// Longest value, in bytes.
const MAX_VALUE: usize = 1024;

pub(super) async fn post(call: &Call, subject: Option<Subject>) -> Answer {
    let subject = subject.ok_or_else(Crest::access_denied)?;
    let session = sessions::judge(&call.app, &subject.token).await?.valid().ok_or_else(Crest::access_denied)?;
    let claims = session.claims();
    entitled(call, &subject, claims).await?;
    let changes = changes(call, &session)?;
    if !session.is_server_side() {
        return Err(Crest::new(StatusCode::FORBIDDEN, "The properties of a client-side session cannot be changed"));
    }
    let now = call.app.clock.now().seconds();
    match call.app.store.sessions().update_properties(claims.sid, &changes, now).await {
        Ok(_) => {}
        Err(StoreError::NotFound { .. }) => return Err(Crest::access_denied()),
        Err(error) => return Err(error.into()),
    }
    let changed = server_side::by_handle(&call.app, claims.sid).await?.ok_or_else(Crest::access_denied)?;
    Ok(crest_json(StatusCode::OK, &visible(call, changed.claims())))
}

fn changes(call: &Call, session: &Session) -> Result<Properties, Crest> {
    let mut asked = body(call)?;
    asked.remove("tokenId");
    if asked.is_empty() {
        return Err(Crest::bad_request("The request names no property"));
    }
    let settings = call.app.settings();
    let allowed = &settings.realm(&session.claims().realm).session.server_side.property_allowlist;
    let mut changes = Vec::with_capacity(asked.len());
    for (name, value) in asked {
        if !allowed.contains(&name) || is_own_property(&name) {
            return Err(Crest::new(StatusCode::FORBIDDEN, "Forbidden"));
        }
        match value {
            Value::String(value) if value.len() <= MAX_VALUE => changes.push((name, value)),
            _ => {
                let what = format!("The value of a property must be text of at most {MAX_VALUE} bytes");
                return Err(Crest::bad_request(what));
            }
        }
    }
    Ok(changes.into_iter().collect())
}
