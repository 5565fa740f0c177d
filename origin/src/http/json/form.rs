//! What every resource of CREST understands beside parameters of its own: conditions on reading, `_fields` and
//! `_prettyPrint`.

use axum::body::{self, Body};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, IF_MATCH, IF_NONE_MATCH};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value};

use super::super::query::Query;
use super::error::Crest;

/// Most fields that are looked for.
const MAX_FIELDS: usize = 64;

/// Longest answer that is looked at again, in bytes; the longest resources are far below.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// Refuses the conditions that make no sense with the method.
pub(super) fn conditions(method: &Method, headers: &HeaderMap) -> Result<(), Crest> {
    let unsupported = |name: &HeaderName| match *method {
        Method::GET | Method::HEAD => *name == IF_MATCH,
        Method::POST => true,
        Method::DELETE => *name == IF_NONE_MATCH,
        _ => false,
    };
    let given: Vec<&HeaderName> =
        [&IF_MATCH, &IF_NONE_MATCH].into_iter().filter(|name| headers.contains_key(*name)).collect();
    let failed = |message: String| Err(Crest::new(StatusCode::PRECONDITION_FAILED, message));
    match given.as_slice() {
        [name, ..] if unsupported(name) => {
            let name = if **name == IF_MATCH { "If-Match" } else { "If-None-Match" };
            failed(format!("{name} not supported for {method} requests"))
        }
        [_, _] if *method == Method::PUT => failed("If-Match and If-None-Match exclude each other".to_owned()),
        _ => Ok(()),
    }
}

/// The answer in the form that the request asks for.
pub(super) async fn shaped(request: Asked, response: Response) -> Response {
    if !response.status().is_success() {
        return response;
    }
    if request.known.is_some_and(|known| response.headers().get(ETAG).is_some_and(|tag| tag.as_bytes() == known)) {
        let (mut parts, _) = response.into_parts();
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(CONTENT_TYPE);
        parts.headers.remove(CONTENT_LENGTH);
        return Response::from_parts(parts, Body::empty());
    }
    if request.fields.is_empty() && !request.pretty {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = body::to_bytes(body, MAX_ANSWER).await else {
        parts.status = StatusCode::INTERNAL_SERVER_ERROR;
        return Response::from_parts(parts, Body::empty());
    };
    let Ok(mut value) = serde_json::from_slice::<Value>(&bytes) else {
        return Response::from_parts(parts, Body::from(bytes));
    };
    if !request.fields.is_empty() {
        choose(&mut value, &request.fields);
    }
    let text = if request.pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) };
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(text.unwrap_or_else(|_| bytes.to_vec())))
}

/// What a request says of the form of its answer.
pub(super) struct Asked {
    fields: Vec<String>,
    pretty: bool,
    /// The tag of what the client has.
    known: Option<Vec<u8>>,
}

impl Asked {
    pub(super) fn of(method: &Method, headers: &HeaderMap, query: &Query) -> Self {
        // The result of an action is no resource that could be shown in part; what one makes is.
        let is_action = *method == Method::POST && query.first("_action").is_some_and(|action| action != "create");
        let fields = query.filled("_fields").filter(|_| !is_action).unwrap_or_default();
        let fields = fields.split(',').map(|field| field.trim().trim_start_matches('/').to_owned());
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        Self {
            fields: fields.filter(|field| !field.is_empty()).take(MAX_FIELDS).collect(),
            pretty: query.is_true("_prettyPrint"),
            known: headers.get(IF_NONE_MATCH).filter(|_| is_read).map(|tag| tag.as_bytes().to_vec()),
        }
    }
}

/// Leaves the fields that were asked for, beside what names the resource; of a list, in each of its items.
fn choose(value: &mut Value, fields: &[String]) {
    let Some(members) = value.as_object_mut() else { return };
    match members.get_mut("result") {
        Some(Value::Array(items)) => items.iter_mut().for_each(|item| choose(item, fields)),
        _ => {
            let before = std::mem::take(members);
            *members = chosen(before, fields);
        }
    }
}

fn chosen(before: Map<String, Value>, fields: &[String]) -> Map<String, Value> {
    if fields.iter().any(|field| field == "*") {
        return before;
    }
    let mut out = Map::new();
    for (name, value) in before {
        let below: Vec<&str> = fields.iter().filter_map(|field| field.strip_prefix(&name)?.strip_prefix('/')).collect();
        if matches!(name.as_str(), "_id" | "_rev") || fields.contains(&name) {
            out.insert(name, value);
        } else if let (false, Value::Object(inner)) = (below.is_empty(), value) {
            let inner = inner.into_iter().filter(|(name, _)| below.contains(&name.as_str()));
            out.insert(name, Value::Object(inner.collect()));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_chosen_in_resources_and_lists() {
        let resource = json!({"_id": "a", "_rev": "1", "name": "n", "nodes": {"x": 1, "y": 2}, "other": 3});
        let of = |value: &Value, fields: &[&str]| {
            let mut value = value.clone();
            choose(&mut value, &fields.iter().map(|field| (*field).to_owned()).collect::<Vec<_>>());
            value
        };
        assert_eq!(of(&resource, &["name"]), json!({"_id": "a", "_rev": "1", "name": "n"}));
        assert_eq!(of(&resource, &["nodes/y"]), json!({"_id": "a", "_rev": "1", "nodes": {"y": 2}}));
        assert_eq!(of(&resource, &["*"]), resource);
        let list = json!({"result": [resource], "resultCount": 1});
        let expected = json!({"result": [{"_id": "a", "_rev": "1", "other": 3}], "resultCount": 1});
        assert_eq!(of(&list, &["other"]), expected);
    }

    #[test]
    fn conditions_fit_the_method() {
        let with = |names: &[&'static str]| -> HeaderMap {
            names.iter().map(|name| (HeaderName::from_static(name), HeaderValue::from_static("*"))).collect()
        };
        for (method, names, fits) in [
            (Method::GET, &["if-none-match"][..], true),
            (Method::GET, &["if-match"], false),
            (Method::POST, &["if-none-match"], false),
            (Method::DELETE, &["if-match"], true),
            (Method::DELETE, &["if-none-match"], false),
            (Method::PUT, &["if-match"], true),
            (Method::PUT, &["if-match", "if-none-match"], false),
        ] {
            let outcome = conditions(&method, &with(names));
            assert_eq!(outcome.is_ok(), fits, "{method} {names:?}");
        }
    }
}
