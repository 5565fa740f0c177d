//! `?_action=logoutByUser`: ends all sessions of a user in the realm of the URL, of both kinds. For the user, and for
//! an administrator of the realm. (AM spares client-side sessions unless `statelessLogoutByUser` is set.)

use serde_json::{Value, json};

use super::super::error::Crest;
use super::super::{Answer, Call, administrator};
use super::{ack, body, end};
use crate::endings::{Order, Scope};

pub(super) async fn post(call: &Call) -> Answer {
    let ack = ack::asked(call)?;
    let body = body(call)?;
    let username = body.get("username").and_then(Value::as_str).filter(|name| !name.is_empty());
    let username =
        username.ok_or_else(|| Crest::bad_request("The \"username\" field is not defined in the request"))?;
    let caller = administrator::caller(call, &call.realm).await?;
    let claims = caller.claims();
    let known = call.app.store.identities().named(&call.realm, username).await?;
    let username = known.as_ref().map_or(username, |known| known.username.as_str());
    if claims.realm != call.realm || claims.sub != username {
        administrator::require(call, &call.realm).await?;
    }
    let order = Order { actor: &end::actor(claims), reason: "logoutByUser" };
    let ended = end::all(call, Scope::User { realm: &call.realm, username }, order).await?;
    ack::answer(call, ack, ended.seq, json!({"result": true})).await
}
