//! `global-config/realms`: which realms there are, for administrators of the root realm. They are made and taken away
//! on the command line, where their keys are made with them.

use axum::http::{Method, StatusCode};
use countersign_core::encoding::encode;
use serde_json::{Value, json};

use super::super::configuration::{self, revision, unsupported};
use super::super::error::Crest;
use super::super::listing::list;
use super::super::{Answer, Call, administrator};

pub(in super::super) async fn answer(call: &Call, id: Option<&str>) -> Answer {
    administrator::require_root(call).await?;
    if !matches!(call.method, Method::GET | Method::HEAD) {
        let error = unsupported(call);
        return Err(Crest::new(StatusCode::NOT_IMPLEMENTED, format!("{}; see: countersign realm", error.message)));
    }
    let keys = call.app.keys();
    let named = keys.realms.keys().map(String::as_str).filter(|name| *name != "/");
    let mut realms = std::iter::once("/").chain(named).map(shown);
    match id {
        None => list(call, realms.collect()).await,
        Some(id) => {
            let realm = realms.find(|realm| realm.get("_id").and_then(Value::as_str) == Some(id));
            configuration::respond(&realm.ok_or_else(Crest::not_found)?)
        }
    }
}

/// AM's members, in its order. The id is the path in base64url.
fn shown(path: &str) -> Value {
    let (parent, name) = match path.rsplit_once('/') {
        Some(("", "")) | None => (None, "/"),
        Some(("", name)) => (Some("/"), name),
        Some((parent, name)) => (Some(parent), name),
    };
    let rev = revision(&json!(path));
    json!({
        "_id": encode(path.as_bytes()), "_rev": rev, "parentPath": parent, "active": true, "name": name, "aliases": [],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn realms_are_named_as_am_names_them() {
        let of = |path: &str| {
            let realm = shown(path);
            [&realm["_id"], &realm["parentPath"], &realm["name"]].map(|value| value.as_str().map(str::to_owned))
        };
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(of("/"), [text("Lw"), None, text("/")]);
        assert_eq!(of("/alpha"), [text("L2FscGhh"), text("/"), text("alpha")]);
        assert_eq!(of("/a/b"), [text("L2EvYg"), text("/a"), text("b")]);
    }
}
