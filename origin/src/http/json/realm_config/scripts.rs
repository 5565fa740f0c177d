//! `scripts`: what the scripted nodes of a realm run. In answers a script is in base64, whatever form it came in.

use axum::http::{Method, StatusCode};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use countersign_journey::Script;
use countersign_store::DocumentKind;
use serde_json::{Value, json};

use super::super::configuration::{object, preconditions, revision, unsupported};
use super::super::error::Crest;
use super::super::listing::list;
use super::super::{Answer, Call, administrator, crest_json};
use super::nodes::new_id;
use super::{Object, action_of, change, decoded, documents, encoded, is_read, put_allowed, put_answer};
use crate::journey::documents::{Documents, key};

pub(in super::super) async fn answer(call: &Call, id: Option<&str>) -> Answer {
    let session = administrator::require(call, &call.realm).await?;
    let actor = session.claims().sub.as_str();
    let Some(id) = id else {
        return match (&call.method, action_of(call)?) {
            _ if is_read(call) => all(call).await,
            (&Method::POST, Some("create")) => {
                let body = object(call)?;
                let named = body.get("_id").and_then(Value::as_str).filter(|id| !id.is_empty());
                let id = named.map_or_else(|| new_id(call), str::to_owned);
                put(call, actor, &id, body, true).await
            }
            _ => Err(unsupported(call)),
        };
    };
    let id = decoded(id)?;
    match call.method {
        _ if is_read(call) => {
            let script = shown(&documents(call).await?, &id).ok_or_else(|| not_found(call, &id))?;
            Ok(crest_json(StatusCode::OK, &script))
        }
        Method::PUT => put(call, actor, &id, object(call)?, false).await,
        Method::DELETE => {
            let decide = |documents: &Documents| {
                let place = key(DocumentKind::Script, "", &id);
                let stored = documents.get(&place).ok_or_else(|| not_found(call, &id))?;
                preconditions(&call.headers, &json!({"_rev": revision(stored)}))?;
                let users = documents.users(&place);
                if !users.is_empty() {
                    let message = format!("Script {id} is used by {}", users.join(", "));
                    return Err(Crest::new(StatusCode::CONFLICT, message));
                }
                Ok((vec![(place, None)], ()))
            };
            change(call, actor, decide).await?;
            Ok(crest_json(StatusCode::OK, &json!({ "_id": id })))
        }
        _ => Err(unsupported(call)),
    }
}

fn not_found(call: &Call, id: &str) -> Crest {
    let id: String = id.chars().take(100).collect();
    let message = format!("Script with UUID {id} could not be found in realm {}", call.realm);
    Crest::new(StatusCode::NOT_FOUND, message)
}

fn shown(documents: &Documents, id: &str) -> Option<Value> {
    let stored = documents.get(&key(DocumentKind::Script, "", id))?.as_object()?;
    let text = |name: &str| stored.get(name).and_then(Value::as_str);
    let source = Script::read(id, stored).map(|script| script.source).unwrap_or_default();
    let mut out = json!({
        "_id": id,
        "name": text("name").unwrap_or(id),
        "description": stored.get("description").cloned().unwrap_or_default(),
        "script": BASE64_STANDARD.encode(source),
        "default": stored.get("default").and_then(Value::as_bool).unwrap_or_default(),
        "language": text("language").unwrap_or("JAVASCRIPT"),
        "context": text("context").unwrap_or("AUTHENTICATION_TREE_DECISION_NODE"),
        "evaluatorVersion": text("evaluatorVersion").unwrap_or("1.0"),
    });
    let members = out.as_object_mut()?;
    for name in ["createdBy", "creationDate", "lastModifiedBy", "lastModifiedDate"] {
        members.insert(name.to_owned(), stored.get(name).cloned().unwrap_or_default());
    }
    Some(out)
}

async fn all(call: &Call) -> Answer {
    let documents = documents(call).await?;
    list(call, documents.shared(DocumentKind::Script).filter_map(|(id, _)| shown(&documents, id)).collect()).await
}

async fn put(call: &Call, actor: &str, id: &str, mut body: Object, only_new: bool) -> Answer {
    super::plain_id(id)?;
    body.remove("_rev");
    body.insert("_id".to_owned(), json!(id));
    let name = body.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
    let Some(name) = name.map(str::to_owned) else {
        return Err(Crest::bad_request("Script name must be specified"));
    };
    // Over REST a text is base64; taken as it is, one letter too few would make another script of it.
    if let Some(text) = body.get("script").and_then(Value::as_str) {
        let source = BASE64_STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let source = source.ok_or_else(|| Crest::bad_request("Script must be in base64"))?;
        // A short one would be taken for plain text where nobody knows that it is not; a list of lines for nothing else.
        if Script::read(id, &body).is_none_or(|script| script.source != source) && !source.is_empty() {
            body.insert("script".to_owned(), json!([source]));
        }
    }
    if Script::read(id, &body).is_none() {
        return Err(Crest::bad_request("Script is empty, too long, or in no known encoding"));
    }
    let decide = |documents: &Documents| {
        let current = shown(documents, id);
        if only_new && current.is_some() {
            let message = format!("Script with UUID {id} already exist in realm {}", call.realm);
            return Err(Crest::new(StatusCode::CONFLICT, message));
        }
        let tag = documents.get(&key(DocumentKind::Script, "", id)).map(|stored| json!({"_rev": revision(stored)}));
        put_allowed(call, tag.as_ref())?;
        let same = |other: &Value| other.get("name").and_then(Value::as_str) == Some(&name);
        if documents.shared(DocumentKind::Script).any(|(other, script)| other != id && same(script)) {
            let message = format!("Script with name {name} already exist in realm {}", call.realm);
            return Err(Crest::new(StatusCode::CONFLICT, message));
        }
        let place = key(DocumentKind::Script, "", id);
        Ok((vec![(place, Some(Value::Object(body.clone())))], current.is_none()))
    };
    let is_new = change(call, actor, decide).await?;
    let mut script = shown(&documents(call).await?, id).ok_or_else(|| not_found(call, id))?;
    if let Some(members) = script.as_object_mut().filter(|_| is_new) {
        members.insert("_rev".to_owned(), json!(revision(&Value::Object(body.clone()))));
    }
    put_answer(call, &format!("scripts/{}", encoded(id)), is_new, &script)
}
