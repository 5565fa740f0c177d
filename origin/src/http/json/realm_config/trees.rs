//! `realm-config/authentication/authenticationtrees/trees`: the journeys of a realm. Their nodes are resources of their
//! own.

use axum::http::{Method, StatusCode};
use countersign_journey::validate::{Finding, validate};
use countersign_journey::{FAILURE_NODE, SUCCESS_NODE};
use countersign_store::StoreError;
use serde_json::{Value, json};

use super::super::configuration::{self, object, unsupported};
use super::super::error::Crest;
use super::super::listing::list;
use super::super::{Answer, Call, administrator, crest_json};
use super::{
    ALREADY_EXISTS, Object, action_of, change, decoded, documents, encoded, identified, is_read, one, put_allowed,
    put_answer,
};
use crate::journey::DEFAULT_TREE;
use crate::journey::documents::Documents;
use crate::journey::library::{Editor, RealmJourneys, built_in, fits};

const PATH: &str = "realm-config/authentication/authenticationtrees/trees";

/// The members of a tree, in AM's order.
const MEMBERS: [&str; 14] = [
    "identityResource",
    "entryNodeId",
    "innerTreeOnly",
    "description",
    "noSession",
    "mustRun",
    "enabled",
    "transactionalOnly",
    "maximumSessionTime",
    "maximumIdleTime",
    "treeTimeout",
    "uiConfig",
    "nodes",
    "staticNodes",
];

/// Those that are true or false, with their titles.
const FLAGS: [(&str, &str); 5] = [
    ("enabled", "Enabled"),
    ("innerTreeOnly", "Inner Tree Only"),
    ("mustRun", "Must Run"),
    ("noSession", "No Session"),
    ("transactionalOnly", "Transactional Only"),
];

/// Those that are minutes.
const MINUTES: [(&str, &str); 3] = [
    ("maximumSessionTime", "Maximum Session Time"),
    ("maximumIdleTime", "Maximum Idle Time"),
    ("treeTimeout", "Tree Timeout"),
];

pub(in super::super) async fn answer(call: &Call, id: Option<&str>) -> Answer {
    let session = administrator::require(call, &call.realm).await?;
    let actor = session.claims().sub.as_str();
    let Some(id) = id else {
        return match (&call.method, action_of(call)?) {
            _ if is_read(call) => {
                let documents = documents(call).await?;
                list(call, documents.names().filter_map(|name| shown(&documents, name)).collect()).await
            }
            (&Method::POST, Some("create")) => {
                let name = object(call)?.get("_id").and_then(Value::as_str).unwrap_or_default().to_owned();
                put(call, actor, &name, true).await
            }
            (&Method::POST, Some("validateTree")) => validated(call).await,
            _ => Err(unsupported(call)),
        };
    };
    let name = decoded(id)?;
    match call.method {
        _ if is_read(call) => one(StatusCode::OK, &shown(&documents(call).await?, &name).ok_or_else(Crest::not_found)?),
        Method::PUT => put(call, actor, &name, false).await,
        Method::DELETE => delete(call, actor, &name).await,
        _ => Err(unsupported(call)),
    }
}

fn shown(documents: &Documents, name: &str) -> Option<Value> {
    let tree = documents.tree(name)?;
    let mut members = Object::new();
    for member in MEMBERS {
        let default = match member {
            "innerTreeOnly" | "noSession" | "mustRun" => Some(json!(false)),
            "enabled" => Some(json!(true)),
            "uiConfig" | "nodes" => Some(json!({})),
            _ => None,
        };
        members.extend(tree.get(member).cloned().or(default).map(|value| (member.to_owned(), value)));
    }
    Some(Value::Object(identified(name, members)))
}

async fn put(call: &Call, actor: &str, name: &str, only_new: bool) -> Answer {
    super::plain_id(name)?;
    let body = tree(object(call)?, name)?;
    if let Some((id, _)) = nodes(&body).find(|(id, kind)| super::plain_id(id).and(super::plain_id(kind)).is_err()) {
        tracing::debug!(id, "a tree has a node of an odd name");
        return Err(Crest::bad_request("Data validation failed for the attribute, Nodes"));
    }
    let decide = |documents: &Documents| {
        let current = shown(documents, name);
        if only_new && current.is_some() {
            return Err(Crest::new(StatusCode::CONFLICT, ALREADY_EXISTS));
        }
        put_allowed(call, current.as_ref())?;
        let absent = nodes(&body).find(|(id, node_type)| documents.node(name, node_type, id).is_none());
        if absent.is_some() || !leads_somewhere(&body) {
            return Err(Crest::bad_request("Data validation failed for the attribute, Nodes"));
        }
        Ok((documents.tree_changes(name, body.clone()), !documents.is_stored(name) && current.is_none()))
    };
    let is_new = change(call, actor, decide).await?;
    tracing::info!(realm = call.realm, journey = name, actor, "a journey was put, over REST");
    let resource = shown(&documents(call).await?, name).ok_or_else(Crest::not_found)?;
    put_answer(call, &format!("{PATH}/{}", encoded(name)), is_new, &resource)
}

/// The body of a PUT as it is kept.
fn tree(mut body: Object, name: &str) -> Result<Object, Crest> {
    // What belongs to the server; clients send back what they were given.
    for own in ["_id", "_rev", "_type", "_outcomes"] {
        body.remove(own);
    }
    if body.keys().any(|member| !MEMBERS.contains(&member.as_str())) {
        let error = Crest::bad_request("Invalid attribute specified.");
        return Err(error.with_detail("validAttributes", MEMBERS.join(", ")));
    }
    let failed = |what: &str| Err(Crest::bad_request(format!("Data validation failed for the attribute, {what}")));
    // A flag that is none must not open what was meant to be shut.
    if let Some((_, title)) = FLAGS.iter().find(|(flag, _)| body.get(*flag).is_some_and(|value| !value.is_boolean())) {
        return failed(title);
    }
    let minutes = |value: &Value| value.is_null() || value.as_i64().is_some_and(|minutes| minutes >= 0);
    if let Some((_, title)) = MINUTES.iter().find(|(member, _)| body.get(*member).is_some_and(|it| !minutes(it))) {
        return failed(title);
    }
    if !body.get("entryNodeId").is_some_and(Value::is_string) {
        return failed("Entry Node Id");
    }
    let nodes = body.entry("nodes").or_insert_with(|| json!({}));
    let Some(nodes) = nodes.as_object().filter(|nodes| nodes.len() <= countersign_journey::import::MAX_NODES) else {
        return failed("Nodes");
    };
    let fine = |node: &Value| {
        let connections = node
            .get("connections")
            .map_or(Some(true), |edges| edges.as_object().map(|edges| edges.values().all(Value::is_string)));
        node.get("nodeType").is_some_and(Value::is_string) && connections == Some(true)
    };
    if !nodes.values().all(fine) {
        return failed("Nodes");
    }
    body.insert("_id".to_owned(), json!(name));
    Ok(body)
}

fn nodes(tree: &Object) -> impl Iterator<Item = (&str, &str)> {
    let nodes = tree.get("nodes").and_then(Value::as_object).into_iter().flatten();
    nodes.filter_map(|(id, node)| Some((id.as_str(), node.get("nodeType")?.as_str()?)))
}

/// Whether the entry is one of the nodes, or an end.
fn leads_somewhere(tree: &Object) -> bool {
    let entry = tree.get("entryNodeId").and_then(Value::as_str).unwrap_or_default();
    [SUCCESS_NODE, FAILURE_NODE].contains(&entry) || nodes(tree).any(|(id, _)| id == entry)
}

/// The tree alone: clients delete its nodes themselves.
async fn delete(call: &Call, actor: &str, name: &str) -> Answer {
    let default = call.app.journeys_current(&call.realm).await?.default.clone();
    let decide = |documents: &Documents| {
        let resource = shown(documents, name).ok_or_else(Crest::not_found)?;
        let refused = |why: &str| Err(Crest::new(StatusCode::CONFLICT, why));
        if !documents.is_stored(name) {
            return refused("The built-in journey cannot be deleted; one of its name can be put in its place");
        }
        if default == name && name == DEFAULT_TREE {
            return refused(
                "The journey is the default of the realm, and the built-in one, which asks for a password alone, would take its place; choose another one first",
            );
        }
        if default == name {
            return refused("The journey is the default of the realm; choose another one first");
        }
        configuration::preconditions(&call.headers, &resource)?;
        Ok((documents.tree_removal(name), resource))
    };
    let resource = change(call, actor, decide).await?;
    tracing::info!(realm = call.realm, journey = name, actor, "a journey was deleted, over REST");
    one(StatusCode::OK, &resource)
}

/// Looks at a tree that is not kept, with the nodes that are.
async fn validated(call: &Call) -> Answer {
    let body = object(call)?;
    let name = body.get("_id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let body = tree(body, &name)?;
    let journeys = call.app.journeys_current(&call.realm).await?;
    let documents = journeys.documents.with_built_in(&built_in());
    let documents = documents.with(&documents.tree_changes(&name, body));
    fits(&documents).map_err(|error| Crest::new(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()))?;
    let after = RealmJourneys::new(documents, journeys.default.clone());
    let report = after.library.journey(&name).map(|journey| validate(&after.library, journey));
    let told = |finding: &Finding| match &finding.node {
        Some((id, kind, _)) => format!("{kind} {id}: {}", finding.problem),
        None => finding.problem.to_string(),
    };
    let errors: Vec<String> = report.iter().flat_map(|report| report.reasons()).map(told).collect();
    let success = report.is_some() && errors.is_empty();
    Ok(crest_json(StatusCode::OK, &json!({"success": success, "errors": errors})))
}

/// `core.orgConfig`: the journey of logins that name none.
pub(super) async fn make_default(call: &Call, actor: &str, name: &str) -> Result<(), Crest> {
    let journeys = call.app.journeys_current(&call.realm).await?;
    if journeys.default == name {
        return Ok(());
    }
    let journey = journeys
        .library
        .journey(name)
        .filter(|journey| journey.enabled && (!journey.inner_only || !journeys.documents.has(name)));
    if journey.is_none() {
        return Err(Crest::bad_request("core.orgConfig must be the name of a journey that can be started"));
    }
    let now = call.app.clock.now().seconds();
    let editor = Editor { store: &call.app.store, realm: &call.realm, actor, now };
    let stored: Result<(), StoreError> = editor.set_default(name).await;
    stored?;
    call.app.journeys_current(&call.realm).await?;
    Ok(())
}
