//! `…/realm-config/…`: the settings of a realm, for its administrators.

pub(super) mod authentication;
pub(super) mod nodes;
pub(super) mod scripts;
pub(super) mod trees;

#[cfg(test)]
mod journeys_tests;

use axum::http::header::{ETAG, HeaderValue, LOCATION};
use axum::http::{Method, StatusCode};
use countersign_store::StoreError;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str};
use serde_json::{Map, Value};

use super::configuration;
use super::error::Crest;
use super::version::Version;
use super::{Answer, Call, crest_json};
use crate::journey::documents::{Change, Documents, is_plain_name};
use crate::journey::library::built_in;

type Object = Map<String, Value>;

/// What AM says of making what there is.
const ALREADY_EXISTS: &str = "Unable to save config: Service already exists";

/// What a POST is to do. Clients of protocol 2.1 and later may leave it out: it makes something then.
fn action_of(call: &Call) -> Result<Option<&str>, Crest> {
    match call.query.filled("_action") {
        None if call.method == Method::POST => match call.protocol {
            Some(protocol) if protocol >= Version(2, 1) => Ok(Some("create")),
            _ => Err(Crest::bad_request("The request has no _action")),
        },
        action => Ok(action),
    }
}

/// The id of a path, as it is meant.
fn decoded(segment: &str) -> Result<String, Crest> {
    let text = percent_decode_str(segment).decode_utf8().map_err(|_| Crest::not_found())?;
    Ok(text.into_owned())
}

fn plain_id(id: &str) -> Result<(), Crest> {
    match is_plain_name(id) {
        true => Ok(()),
        false => Err(Crest::bad_request("Invalid attribute specified: the name cannot be used")),
    }
}

/// The realm's documents as they are now, and the built-in journey where there is none of its name.
async fn documents(call: &Call) -> Result<Documents, Crest> {
    let journeys = call.app.journeys_current(&call.realm).await?;
    Ok(journeys.documents.with_built_in(&built_in()))
}

/// Changes them, on what they are at that moment.
async fn change<T>(
    call: &Call,
    actor: &str,
    mut decide: impl FnMut(&Documents) -> Result<(Vec<Change>, T), Crest>,
) -> Result<T, Crest> {
    let decide = |documents: &Documents| decide(&documents.with_built_in(&built_in())).map_err(Refused);
    call.app.change_journeys(&call.realm, actor, decide).await.map_err(|Refused(error)| error)
}

struct Refused(Crest);

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self(match error {
            StoreError::Invalid { .. } => Crest::bad_request(error.to_string()),
            StoreError::TooLarge { .. } => Crest::new(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()),
            StoreError::Outdated { .. } => {
                Crest::new(StatusCode::CONFLICT, "The journeys are being changed by somebody else; try again")
            }
            other => other.into(),
        })
    }
}

/// A resource's members with `_id` and `_rev` in front.
fn identified(id: &str, members: Object) -> Object {
    let rev = configuration::revision(&Value::Object(members.clone()));
    let mut out = Object::from_iter([("_id".to_owned(), id.into()), ("_rev".to_owned(), rev.into())]);
    out.extend(members);
    out
}

/// What a PUT meets, by its headers: whether it may make what is not there yet, and change what is.
fn put_allowed(call: &Call, current: Option<&Value>) -> Result<(), Crest> {
    match current {
        Some(current) => configuration::preconditions(&call.headers, current),
        None if call.headers.contains_key("if-match") => Err(Crest::not_found()),
        None => Ok(()),
    }
}

/// One resource, with its revision as the tag.
fn one(status: StatusCode, resource: &Value) -> Answer {
    let mut response = crest_json(status, resource);
    if let Some(rev) = resource.get("_rev").and_then(Value::as_str) {
        response.headers_mut().extend(HeaderValue::try_from(format!("\"{rev}\"")).ok().map(|value| (ETAG, value)));
    }
    Ok(response)
}

/// What a PUT or an action made: 201 with its address when it is new.
fn put_answer(call: &Call, path: &str, is_new: bool, resource: &Value) -> Answer {
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = one(status, resource)?;
    if is_new {
        let realm = call.realm.split('/').filter(|name| !name.is_empty());
        let realm: String = realm.map(|name| format!("/realms/{name}")).collect();
        let url = format!("{}/am/json/realms/root{realm}/{path}", call.app.settings().public_url.origin());
        response.headers_mut().extend(HeaderValue::try_from(url).ok().map(|value| (LOCATION, value)));
    }
    Ok(response)
}

fn is_read(call: &Call) -> bool {
    matches!(call.method, Method::GET | Method::HEAD)
}

/// All but what RFC 3986 §2.3 calls unreserved.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A member of the path that is not plain in a URL.
fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, SEGMENT).to_string()
}
