//! `openidm` of scripts: the realm's users as IDM's managed objects, and its mail.

use countersign_journey::host::{Identities as _, Identity, Mailer as _};
use countersign_journey::{Filter, Mail};
use countersign_script::HostError;
use serde_json::{Map, Value, json};

use super::Services;

/// Objects that one query gives.
const MAX_RESULTS: u32 = 50;

/// A call that a script waits for, on a thread of the sandbox, while the step that runs it answers.
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) arguments: Vec<Value>,
    pub(super) answer: std::sync::mpsc::SyncSender<Answer>,
}

pub(super) type Answer = Result<Value, HostError>;

fn refused(code: u16, why: impl Into<String>) -> HostError {
    HostError::Refused { code, why: why.into() }
}

fn failed(error: countersign_journey::host::HostError) -> HostError {
    refused(500, error.to_string())
}

impl Services<'_> {
    pub(super) async fn openidm(&self, method: &str, arguments: &[Value]) -> Answer {
        let argument = |at: usize| arguments.get(at).unwrap_or(&Value::Null);
        let path = argument(0).as_str().unwrap_or_default().trim_matches('/');
        match method {
            "action" => self.action(path, argument(1).as_str().unwrap_or_default(), argument(2)).await,
            "create" => {
                let object = object(argument(2))?;
                // A name of the object's own may be given beside it.
                let mut object = object.clone();
                if let Some(id) = argument(1).as_str() {
                    object.entry("userName").or_insert_with(|| json!(id));
                }
                let made = self.create(path, &object).await.map_err(failed)?;
                made.map(|made| shown(&made, argument(4))).map_err(|why| refused(403, why))
            }
            "query" => self.query(path, argument(1), argument(2)).await,
            "read" => Ok(self.one(path).await?.map_or(Value::Null, |found| shown(&found, argument(2)))),
            "update" => {
                let (resource, found) = self.existing(path).await?;
                let mut changes = object(argument(2))?.clone();
                changes.retain(|name, _| !name.starts_with('_'));
                self.change(resource, &found, &changes, argument(4)).await
            }
            "patch" => {
                let (resource, found) = self.existing(path).await?;
                let changes = patched(&found.attributes, argument(2))?;
                self.change(resource, &found, &changes, argument(4)).await
            }
            "delete" => Err(refused(403, "users are not for scripts to delete")),
            _ => Err(refused(501, format!("openidm.{method} is not known"))),
        }
    }

    async fn one(&self, path: &str) -> Result<Option<Identity>, HostError> {
        let (resource, id) = path.rsplit_once('/').ok_or_else(|| refused(400, format!("{path:?} names no object")))?;
        self.find(resource, "_id", id).await.map_err(failed)
    }

    async fn existing<'p>(&self, path: &'p str) -> Result<(&'p str, Identity), HostError> {
        let found = self.one(path).await?.ok_or_else(|| refused(404, format!("there is no {path}")))?;
        Ok((path.rsplit_once('/').map_or(path, |(resource, _)| resource), found))
    }

    async fn change(&self, resource: &str, found: &Identity, changes: &Map<String, Value>, fields: &Value) -> Answer {
        let done = self.patch(resource, found, changes, false).await.map_err(failed)?;
        done.map_err(|why| refused(403, why))?;
        let after = self.find(resource, "_id", &found.id).await.map_err(failed)?;
        Ok(after.map_or(Value::Null, |after| shown(&after, fields)))
    }

    /// Queries that say what an attribute is equal to, whatever else they say: those are looked up. To go through all
    /// of a realm's users within a login is not for a script.
    async fn query(&self, resource: &str, parameters: &Value, fields: &Value) -> Answer {
        let text = parameters.get("_queryFilter").and_then(Value::as_str);
        let text = text.ok_or_else(|| refused(501, "only queries with a _queryFilter are answered"))?;
        let filter = Filter::parse(text).ok_or_else(|| refused(400, format!("{text:?} is not a filter")))?;
        let sought = filter.sought().ok_or_else(|| refused(501, "only queries with an equality are answered"))?;
        let found = self.all(resource, sought.0, sought.1).await?;
        let result: Vec<Value> =
            found.iter().filter(|found| filter.matches(&found.attributes)).map(|found| shown(found, fields)).collect();
        let count = result.len();
        Ok(
            json!({"result": result, "resultCount": count, "pagedResultsCookie": null, "totalPagedResultsPolicy": "NONE", "totalPagedResults": -1, "remainingPagedResults": -1}),
        )
    }

    async fn all(&self, resource: &str, attribute: &str, value: &str) -> Result<Vec<Identity>, HostError> {
        if ["userName", "_id"].contains(&attribute) {
            return Ok(self.find(resource, attribute, value).await.map_err(failed)?.into_iter().collect());
        }
        if !self.is_user(resource) {
            return Ok(Vec::new());
        }
        let found = self.app.store.identities().find(&self.realm_name, attribute, value, MAX_RESULTS).await;
        let found = found.map_err(|error| failed(self.store_error(error)))?;
        Ok(found.iter().map(|known| self.seen(known)).collect())
    }

    async fn action(&self, path: &str, action: &str, parameters: &Value) -> Answer {
        if path != "external/email" {
            return Err(refused(501, format!("the action {action} of {path} is not available to scripts")));
        }
        let text = |name: &str| parameters.get(name).and_then(Value::as_str).unwrap_or_default();
        let to = text("to");
        if to.is_empty() {
            return Err(refused(400, "a mail needs an address"));
        }
        let mail = match action {
            "send" => {
                let html = [text("html"), text("_html")].into_iter().find(|body| !body.is_empty());
                let is_html = html.is_some() || text("type").eq_ignore_ascii_case("text/html");
                Mail {
                    from: text("from").to_owned(),
                    to: to.to_owned(),
                    // A line break in a subject would begin another header.
                    subject: text("subject").replace(['\r', '\n'], " "),
                    body: html.unwrap_or_else(|| text("body")).to_owned(),
                    html: is_html,
                }
            }
            "sendTemplate" => {
                let name = text("templateName");
                let journeys = self.app.journeys(&self.realm_name);
                let missing = || refused(404, format!("there is no mail template {name:?}"));
                let template = journeys.library.template(name).ok_or_else(missing)?;
                let object = parameters.get("object").and_then(Value::as_object).cloned().unwrap_or_default();
                let language: Vec<String> = object
                    .get("preferredLanguage")
                    .or_else(|| object.get("locale"))
                    .and_then(Value::as_str)
                    .map(str::to_owned)
                    .into_iter()
                    .collect();
                template.render(to, &object, &language)
            }
            other => return Err(refused(501, format!("the action {other} of external/email is not known"))),
        };
        self.send(mail).await.map_err(failed)?;
        Ok(json!({"status": "OK", "message": "Email sent"}))
    }
}

fn object(value: &Value) -> Result<&Map<String, Value>, HostError> {
    value.as_object().ok_or_else(|| refused(400, "an object is expected"))
}

/// The object with the fields that are asked for; all without any.
fn shown(found: &Identity, fields: &Value) -> Value {
    let fields: Vec<&str> = fields.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut object = found.attributes.clone();
    let all = fields.is_empty() || fields.contains(&"*");
    object.retain(|name, _| all || name == "_id" || fields.iter().any(|field| field.trim_start_matches('/') == name));
    object.insert("_rev".to_owned(), json!("0"));
    Value::Object(object)
}

/// What a list of IDM's patch operations changes.
fn patched(before: &Map<String, Value>, operations: &Value) -> Result<Map<String, Value>, HostError> {
    let operations = operations.as_array().ok_or_else(|| refused(400, "a list of operations is expected"))?;
    let mut changes = Map::new();
    for operation in operations {
        let text = |name: &str| operation.get(name).and_then(Value::as_str).unwrap_or_default();
        let field = text("field").trim_matches('/');
        if field.is_empty() {
            return Err(refused(400, "an operation names no field"));
        }
        let value = operation.get("value").cloned().unwrap_or_default();
        let (field, appends) = match field.strip_suffix("/-") {
            Some(list) => (list, true),
            None => (field, false),
        };
        let current = || changes.get(field).or_else(|| at(before, field)).cloned().unwrap_or_default();
        let new = match text("operation") {
            "add" if appends => match current() {
                Value::Array(mut list) => {
                    list.push(value);
                    Value::Array(list)
                }
                Value::Null => json!([value]),
                one => json!([one, value]),
            },
            "add" | "replace" => value,
            "remove" => match current() {
                // One of several values.
                Value::Array(mut list) if !value.is_null() => {
                    list.retain(|known| *known != value);
                    Value::Array(list)
                }
                _ => Value::Null,
            },
            "increment" => {
                let number = current();
                let number = number.as_i64().or_else(|| number.as_str()?.parse().ok()).unwrap_or(0);
                json!(number.saturating_add(value.as_i64().unwrap_or(1)))
            }
            other => return Err(refused(400, format!("the operation {other:?} is not known"))),
        };
        changes.insert(field.to_owned(), new);
    }
    Ok(changes)
}

fn at<'a>(map: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let mut parts = path.split('/');
    let first = map.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_become_changes() {
        let before = json!({"mail": "a@x", "age": "41", "list": ["a", "b"], "preferences": {"updates": true}});
        let operations = json!([
            {"operation": "replace", "field": "/mail", "value": "b@x"}, {"operation": "increment", "field": "age", "value": 1},
            {"operation": "add", "field": "/list/-", "value": "c"}, {"operation": "remove", "field": "/list", "value": "a"},
            {"operation": "remove", "field": "/preferences/updates"}, {"operation": "add", "field": "/new/-", "value": 1},
        ]);
        let changes = patched(before.as_object().unwrap(), &operations).unwrap();
        assert_eq!(
            Value::Object(changes),
            json!({"mail": "b@x", "age": 42, "list": ["b", "c"], "preferences/updates": null, "new": [1]})
        );
        for bad in [json!({}), json!([{"operation": "replace"}]), json!([{"operation": "x", "field": "/a"}])] {
            assert!(patched(&Map::new(), &bad).is_err(), "{bad}");
        }
    }
}
