//! `?_action=end`, which AM does not have: an administrator ends all sessions of a user, of the realm, or of what was
//! made with one of the realm's keys. `{"scope":"user","username":"demo","reason":"…"}`,
//! `{"scope":"realm","reason":"…"}`, `{"scope":"key","kid":"…","reason":"…"}`; the realm is the URL's. The answer has
//! the line of the denylist log, by which `countersign denylist undo` takes it back.

use countersign_core::session::SessionClaims;
use countersign_store::denylist::Appended;
use serde_json::{Value, json};

use super::super::error::Crest;
use super::super::{Answer, Call, administrator};
use super::{ack, body};
use crate::endings::{self, Order, Scope};

const MAX_REASON: usize = 256;
const NOT_EFFECTIVE: &str = "The end could not be recorded and is not effective yet. Repeat the request.";

pub(super) async fn post(call: &Call) -> Answer {
    let caller = administrator::require(call, &call.realm).await?;
    let ack = ack::asked(call)?;
    let body = body(call)?;
    let text = |name: &str| {
        let value = body.get(name).and_then(Value::as_str).filter(|value| !value.is_empty());
        value.ok_or_else(|| Crest::bad_request(format!("The \"{name}\" field is not defined in the request")))
    };
    let reason = text("reason")?;
    if reason.len() > MAX_REASON || reason.chars().any(char::is_control) {
        return Err(Crest::bad_request("The \"reason\" must be one line of at most 256 bytes"));
    }
    let ring = call.app.keys();
    let scope = match text("scope")? {
        "user" => Scope::User { realm: &call.realm, username: text("username")? },
        "realm" => Scope::Realm(&call.realm),
        "key" => {
            let kid = text("kid")?;
            let keys = ring.realms.get(&call.realm).ok_or_else(Crest::not_found)?;
            // Another realm's keys are its own administrators' concern; those of the feed make no sessions.
            if !keys.session.minting.kids().any(|known| known.as_str() == kid)
                && !call
                    .app
                    .store
                    .keys()
                    .list()
                    .await?
                    .iter()
                    .any(|key| key.kid.as_str() == kid && key.realm.as_deref() == Some(call.realm.as_str()))
            {
                return Err(Crest::bad_request("The realm has no such key"));
            }
            Scope::Key { realm: Some(&call.realm), kid }
        }
        _ => return Err(Crest::bad_request("The \"scope\" must be user, realm or key")),
    };
    let actor = actor(caller.claims());
    let appended = all(call, scope, Order { actor: &actor, reason }).await?;
    ack::answer(call, ack, appended.seq, json!({"result": true, "seq": appended.seq})).await
}

/// For the log: who, and of which realm.
pub(super) fn actor(claims: &SessionClaims) -> String {
    format!("{} of {}", claims.sub, claims.realm)
}

pub(super) async fn all(call: &Call, scope: Scope<'_>, order: Order<'_>) -> Result<Appended, Crest> {
    let (app, now) = (&call.app, call.app.clock.now());
    let (ring, settings) = (app.keys(), app.settings());
    let began = std::time::Instant::now();
    let appended = endings::end(&app.store, &ring.denylist, &settings, scope, order, now.seconds()).await;
    app.metrics.committed(appended.is_ok(), began.elapsed());
    let appended = appended.map_err(|error| {
        tracing::error!(%error, "an end of sessions was not recorded");
        match error.fault() {
            countersign_store::Fault::Caller => Crest::bad_request("The request could not be processed"),
            _ => Crest::unavailable(NOT_EFFECTIVE),
        }
    })?;
    app.news.committed(appended.seq, now);
    Ok(appended)
}
