//! `realm-config/authentication/authenticationtrees/nodes`: the settings of nodes by type and id, and their types.

use axum::http::{Method, StatusCode};
use countersign_journey::{Kind, NodeType, node_type, node_types};
use countersign_store::DocumentKind;
use serde_json::{Value, json};

use super::super::configuration::{self, object, unsupported};
use super::super::error::Crest;
use super::super::listing::list;
use super::super::{Answer, Call, administrator, crest_json};
use super::{
    ALREADY_EXISTS, Object, action_of, change, decoded, documents, encoded, identified, is_read, one, put_allowed,
    put_answer,
};
use crate::ambient::random;
use crate::journey::documents::{Change, Documents, key, node_id, page_children};

const PATH: &str = "realm-config/authentication/authenticationtrees/nodes";

const PAGE: &str = "PageNode";

/// Only definitions make types of it.
const DESIGNER: &str = "designer";

pub(in super::super) async fn answer(
    call: &Call,
    kind: Option<&str>,
    version: Option<&str>,
    id: Option<&str>,
) -> Answer {
    let session = administrator::require(call, &call.realm).await?;
    let actor = session.claims().sub.as_str();
    let Some(kind) = kind else {
        return match (&call.method, call.query.first("_action")) {
            (&Method::POST, Some("getAllTypes")) => {
                let types = node_types().iter().filter(|kind| kind.type_id != DESIGNER);
                let types: Vec<Value> = types.map(|kind| described(kind, kind.type_id)).collect();
                Ok(crest_json(StatusCode::OK, &json!({ "result": types })))
            }
            (&Method::POST, Some("nextdescendents")) => {
                let documents = documents(call).await?;
                let nodes = documents.all_nodes().into_iter();
                let nodes = nodes.map(|(kind, id, config)| {
                    let mut node = shown(&documents, kind, id, config);
                    node.remove("_rev");
                    Value::Object(node)
                });
                Ok(crest_json(StatusCode::OK, &json!({ "result": nodes.collect::<Vec<_>>() })))
            }
            _ => Err(unsupported(call)),
        };
    };
    let kind = decoded(kind)?;
    // There is one version of each type. AM's first is 1.0, whatever ours is.
    if let (Some(version), Some(known)) = (version, node_type(&kind))
        && ![known.version, "1.0"].contains(&version)
    {
        let version: String = version.chars().take(100).collect();
        return Err(Crest::new(StatusCode::NOT_FOUND, format!("Resource '{version}' not found")));
    }
    match (&call.method, id) {
        // With `{type}/{version}` too.
        (&Method::POST, _) => action(call, actor, &kind).await,
        (_, None) if is_read(call) => {
            let documents = documents(call).await?;
            let nodes = documents.nodes_of_type(&kind).into_iter();
            list(call, nodes.map(|(id, config)| Value::Object(shown(&documents, &kind, id, config))).collect()).await
        }
        (_, Some(id)) if is_read(call) => {
            let (documents, id) = (documents(call).await?, decoded(id)?);
            one(StatusCode::OK, &resource(&documents, &kind, &id).ok_or_else(|| not_found(&kind, &id))?)
        }
        (&Method::PUT, Some(id)) => {
            let id = decoded(id)?;
            put(call, actor, &kind, &id, object(call)?, false).await
        }
        (&Method::DELETE, Some(id)) => delete(call, actor, &kind, &decoded(id)?).await,
        _ => Err(unsupported(call)),
    }
}

/// AM does not know nodes of a type that it does not know.
fn not_found(kind: &str, id: &str) -> Crest {
    if node_type(kind).is_some() {
        return Crest::not_found();
    }
    let [kind, id] = [kind, id].map(|text| text.chars().take(100).collect::<String>());
    Crest::new(StatusCode::NOT_FOUND, format!("Resource '{kind}/{id}' not found"))
}

fn described(kind: &NodeType, id: &str) -> Value {
    json!({
        "_id": id,
        "name": kind.name,
        "collection": true,
        "tags": [],
        "metadata": {"tags": []},
        "help": kind.about,
    })
}

async fn action(call: &Call, actor: &str, kind: &str) -> Answer {
    let known = || node_type(kind).ok_or_else(Crest::not_found);
    let body = match action_of(call)? {
        Some("schema") => known()?.schema(),
        Some("template") => known()?.template(),
        Some("getType" | "getLatestType") => described(known()?, known()?.version),
        Some("listOutcomes") => {
            let config = if call.body.is_empty() { Object::new() } else { object(call)? };
            outcomes(&documents(call).await?, kind, &config)
        }
        Some("create") => {
            let body = object(call)?;
            let id = match body.get("_id").and_then(Value::as_str).filter(|id| !id.is_empty()) {
                Some(id) => id.to_owned(),
                None => new_id(call),
            };
            return put(call, actor, kind, &id, body, true).await;
        }
        _ => return Err(unsupported(call)),
    };
    Ok(crest_json(StatusCode::OK, &body))
}

/// A random UUID.
pub(super) fn new_id(call: &Call) -> String {
    uuid::Builder::from_random_bytes(random(&*call.app.entropy)).into_uuid().to_string()
}

fn resource(documents: &Documents, kind: &str, id: &str) -> Option<Value> {
    Some(Value::Object(shown(documents, kind, id, documents.node("", kind, id)?)))
}

fn shown(documents: &Documents, kind: &str, id: &str, config: &Object) -> Object {
    let own = config.iter().filter(|(name, _)| !name.starts_with('_'));
    let mut own: Object = own.map(|(name, value)| (name.clone(), value.clone())).collect();
    // What must not be told is not told here either. Nor does the revision follow from it, for secrets could be guessed
    // at by that; the time of the change stands for them.
    let secrets: Vec<&str> =
        secrets(kind).filter(|name| own.get(*name).is_some_and(|secret| !secret.is_null())).collect();
    for name in &secrets {
        own.insert((*name).to_owned(), json!(documents.node_changed_at(kind, id)));
    }
    let mut out = identified(id, own);
    for name in secrets {
        out.insert(name.to_owned(), Value::Null);
    }
    out.insert("_type".to_owned(), type_of(kind, config));
    out.insert("_outcomes".to_owned(), outcomes(documents, kind, config));
    out
}

/// The names of the settings of a type that are secret.
fn secrets(kind: &str) -> impl Iterator<Item = &'static str> {
    let fields = node_type(kind).map(NodeType::fields).unwrap_or_default();
    fields.into_iter().filter(|field| field.kind == Kind::Secret).map(|field| field.name)
}

fn type_of(kind: &str, config: &Object) -> Value {
    let own = config.get("_type").and_then(Value::as_object);
    let text = |name: &str| own.and_then(|own| own.get(name)).and_then(Value::as_str);
    let name = node_type(kind).map(|kind| kind.name).or_else(|| text("name")).unwrap_or(kind);
    match text("version") {
        Some(version) => json!({"_id": kind, "name": name, "collection": true, "version": version}),
        None => json!({"_id": kind, "name": name, "collection": true}),
    }
}

/// The ids a node is left by, with names to show.
fn outcomes(documents: &Documents, kind: &str, config: &Object) -> Value {
    let stored = config.get("_outcomes").cloned().unwrap_or_else(|| json!([]));
    let Some(known) = node_type(kind) else { return stored };
    let ids = match known.outcomes(config) {
        Ok(Some(ids)) => ids,
        // A page: as its last node is.
        Ok(None) => {
            let last = page_children(config).last().and_then(|(id, kind)| {
                let config = documents.node("", kind, id)?;
                Some((kind.to_owned(), config)).filter(|(kind, _)| *kind != "PageNode")
            });
            return last.map_or(stored, |(kind, config)| outcomes(documents, kind, config));
        }
        Err(_) => return stored,
    };
    // Where whoever made the journey gave the names, they are shown as they are.
    let named = known.fields().iter().any(|field| matches!(field.name, "outcomes" | "choices"));
    let name = |id: &String| {
        let (first, rest) = id.split_at_checked(1).unwrap_or((id, ""));
        if !named { format!("{}{}", first.to_uppercase(), rest.to_lowercase()) } else { id.clone() }
    };
    ids.iter().map(|id| json!({"id": id, "displayName": name(id)})).collect()
}

async fn put(call: &Call, actor: &str, kind: &str, id: &str, body: Object, only_new: bool) -> Answer {
    let config = checked(kind, id, body)?;
    let decide = |documents: &Documents| {
        let current = resource(documents, kind, id);
        if only_new && current.is_some() {
            return Err(Crest::new(StatusCode::CONFLICT, ALREADY_EXISTS));
        }
        put_allowed(call, current.as_ref())?;
        let mut places = documents.node_places(kind, id).to_vec();
        if places.is_empty() {
            places.push(key(DocumentKind::Node, "", &node_id(kind, id)));
        }
        let changes: Vec<Change> = places
            .into_iter()
            .map(|place| {
                let mut config = config.clone();
                keep_secrets(kind, documents.get(&place), &mut config);
                (place, Some(Value::Object(config)))
            })
            .collect();
        Ok((changes, current.is_none()))
    };
    let is_new = change(call, actor, decide).await?;
    let resource = resource(&documents(call).await?, kind, id).ok_or_else(Crest::not_found)?;
    put_answer(call, &format!("{PATH}/{}/{}", encoded(kind), encoded(id)), is_new, &resource)
}

/// The configuration of a PUT as it is kept: with what AM would have put in for what is not there.
fn checked(kind: &str, id: &str, mut config: Object) -> Result<Object, Crest> {
    super::plain_id(kind)?;
    super::plain_id(id)?;
    config.remove("_rev");
    config.insert("_id".to_owned(), json!(id));
    config.insert("_type".to_owned(), type_of(kind, &config));
    // A page has nodes and no pages, least of all itself.
    if kind == PAGE
        && page_children(&config).iter().any(|(child, kind)| *kind == PAGE || child.eq_ignore_ascii_case(id))
    {
        return Err(Crest::bad_request("Data validation failed for the attribute, Nodes"));
    }
    let Some(known) = node_type(kind) else { return Ok(config) };
    config.remove("_outcomes");
    // Nothing where the default is nothing: that is not always AM's.
    let says = |value: &Value| *value != Value::Null && *value != json!([]) && *value != json!({});
    for field in known.fields() {
        if let Some(default) = field.default.filter(says) {
            config.entry(field.name).or_insert(default);
        }
    }
    // Variables have their values when the journey runs.
    let varies = Value::Object(config.clone()).to_string().contains("&{");
    match known.outcomes(&config) {
        Err(error) if !varies => {
            Err(Crest::bad_request(format!("Data validation failed for the attribute, {}", error.field)))
        }
        _ => Ok(config),
    }
}

/// Whoever writes back what was shown does not mean to take a secret away.
fn keep_secrets(kind: &str, before: Option<&Value>, config: &mut Object) {
    for name in secrets(kind) {
        if config.get(name).is_none_or(Value::is_null)
            && let Some(secret) = before.and_then(|before| before.get(name))
        {
            config.insert(name.to_owned(), secret.clone());
        }
    }
}

async fn delete(call: &Call, actor: &str, kind: &str, id: &str) -> Answer {
    let decide = |documents: &Documents| {
        let resource = resource(documents, kind, id).ok_or_else(|| not_found(kind, id))?;
        configuration::preconditions(&call.headers, &resource)?;
        let changes: Vec<Change> = documents.node_places(kind, id).iter().map(|place| (place.clone(), None)).collect();
        Ok((changes, resource))
    };
    one(StatusCode::OK, &change(call, actor, decide).await?)
}
