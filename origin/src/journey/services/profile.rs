//! Profiles as journeys see them (JSON objects) and as the store keeps them (lists of texts by path, as a directory
//! would).

use countersign_journey::host::{Identity, PropertyKind, Schema};
use countersign_store::{Attributes, IdentityStatus};
use serde_json::{Map, Value};

use crate::universal_id::universal_id;

/// Objects in objects that are still taken apart.
const MAX_DEPTH: usize = 8;
/// What a path may have: it is a name to the store.
const MAX_PATH: usize = 255;

/// Before the path of an attribute that no schema knows: what kind of JSON it was, where that is more than a text or a
/// list of several. Nobody is shown it.
const KIND: &str = "_json/";
/// A number, a truth value, or a list of something else than texts: its text is JSON.
const JSON: &str = "json";
/// A list, also of one.
const LIST: &str = "list";

/// Whether an attribute is one that its user has, and not what is noted of another.
pub(crate) fn is_own(attribute: &str) -> bool {
    !attribute.starts_with(KIND)
}

/// Someone of the store, for journeys.
pub(super) fn identity(known: &countersign_store::Identity, schema: Option<&Schema>) -> Identity {
    let mut attributes = Map::new();
    for (path, values) in known.attributes.iter().filter(|(path, _)| is_own(path)) {
        let kind = schema.and_then(|schema| schema.property(path)).map(|property| property.kind);
        let noted = known.attributes.get(&format!("{KIND}{path}")).and_then(|noted| noted.first());
        if let Some(value) = value(values, kind, noted.map_or("", String::as_str)) {
            put(&mut attributes, path, value);
        }
    }
    let active = known.status == IdentityStatus::Active;
    attributes.insert("_id".to_owned(), known.username.as_str().into());
    attributes.insert("userName".to_owned(), known.username.as_str().into());
    attributes.insert("accountStatus".to_owned(), if active { "active" } else { "inactive" }.into());
    Identity {
        id: known.username.clone(),
        username: known.username.clone(),
        universal_id: universal_id(&known.realm, &known.username),
        active,
        created: Some(known.created_at.0.saturating_mul(1000)),
        attributes,
    }
}

fn value(values: &[String], kind: Option<PropertyKind>, noted: &str) -> Option<Value> {
    let text = match values {
        [] => return None,
        [one] if kind.is_some() || noted != LIST => one,
        several => return Some(several.iter().map(String::as_str).collect()),
    };
    // A text that is not what the schema says stays a text: it may be of before the schema.
    let typed = match kind {
        None if noted == JSON => serde_json::from_str(text).ok(),
        None | Some(PropertyKind::Text) => None,
        Some(PropertyKind::Number) => serde_json::from_str(text).ok().filter(Value::is_number),
        Some(PropertyKind::Boolean) => serde_json::from_str(text).ok().filter(Value::is_boolean),
        Some(PropertyKind::Other) => serde_json::from_str(text).ok(),
    };
    Some(typed.unwrap_or_else(|| text.as_str().into()))
}

fn put(map: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('/') {
        Some((head, rest)) if !head.is_empty() && !rest.is_empty() => {
            let slot = map.entry(head).or_insert_with(|| Value::Object(Map::new()));
            // Where a text has that name already, it stays.
            if let Value::Object(inner) = slot {
                put(inner, rest, value);
            }
        }
        _ => {
            map.insert(path.to_owned(), value);
        }
    }
}

/// What the store is to be told, by path; an empty list removes. `Err` names what cannot be kept.
pub(super) fn changes(object: &Map<String, Value>, schema: Option<&Schema>) -> Result<Attributes, String> {
    let mut out = Attributes::new();
    for (name, value) in object {
        take(&mut out, name.trim_matches('/'), value, schema, MAX_DEPTH)?;
    }
    Ok(out)
}

/// The same where no schema is known.
pub(crate) fn flattened(object: &Map<String, Value>) -> Result<Attributes, String> {
    changes(object, None)
}

fn take(out: &mut Attributes, path: &str, value: &Value, schema: Option<&Schema>, depth: usize) -> Result<(), String> {
    if path.is_empty() || path.len() > MAX_PATH || path.chars().any(char::is_control) || path.trim() != path {
        return Err("an attribute has a name that cannot be kept".to_owned());
    }
    if !is_own(path) {
        return Err(format!("{path} is not a name for attributes"));
    }
    let declared = schema.and_then(|schema| schema.property(path));
    let whole = declared.is_some_and(|it| it.kind == PropertyKind::Other);
    let values = match value {
        Value::Null => Vec::new(),
        // Blank is how forms say nothing.
        Value::String(text) if text.is_empty() => Vec::new(),
        Value::String(text) if !whole => vec![text.clone()],
        Value::Object(members) if !whole => {
            let depth = depth.checked_sub(1).ok_or_else(|| format!("{path} is too deep"))?;
            for (name, value) in members {
                take(out, &format!("{path}/{name}"), value, schema, depth)?;
            }
            return Ok(());
        }
        Value::Array(list) if list.iter().all(Value::is_string) && !whole => {
            list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        other => vec![other.to_string()],
    };
    let noted = match value {
        _ if declared.is_some() => None,
        Value::Bool(_) | Value::Number(_) => Some(JSON),
        Value::Array(list) if !list.iter().all(Value::is_string) => Some(JSON),
        Value::Array(list) if list.len() == 1 => Some(LIST),
        _ => None,
    };
    let place = format!("{KIND}{path}");
    if place.len() <= MAX_PATH {
        out.insert(place, noted.map(str::to_owned).into_iter().collect());
    }
    out.insert(path.to_owned(), values);
    Ok(())
}

#[cfg(test)]
mod tests {
    use countersign_core::time::UnixSeconds;
    use countersign_journey::host::Property;
    use serde_json::json;

    use super::*;

    fn schema() -> Schema {
        let property = |kind| Property {
            title: String::new(),
            kind,
            required: false,
            viewable: true,
            user_editable: true,
            policies: Value::Null,
        };
        let kinds = [
            ("age", PropertyKind::Number),
            ("preferences/updates", PropertyKind::Boolean),
            ("frIndexedMultivalued1", PropertyKind::Other),
        ];
        Schema { properties: kinds.map(|(name, kind)| (name.to_owned(), property(kind))).into() }
    }

    #[test]
    fn a_profile_comes_back_as_it_was_given() {
        let given = json!({
            "givenName": "Ada",
            "telephoneNumber": ["1", "2"],
            "age": 36,
            "preferences": {"updates": true},
            "frIndexedMultivalued1": ["one"],
            "description": "true",
            // What no schema knows stays what it is, as in IDM.
            "admin": true,
            "logins": 7.5,
            "custom": {"flag": false, "list": [1, "a", {"b": null}], "one": ["x"], "telephone": "0041"},
        });
        let (object, schema) = (given.as_object().unwrap(), schema());
        let attributes = changes(object, Some(&schema)).unwrap();
        assert_eq!(attributes["preferences/updates"], ["true"]);
        let known = countersign_store::Identity {
            realm: "/alpha".into(),
            username: "ada".into(),
            password_hash: String::new(),
            status: IdentityStatus::Active,
            attributes,
            created_at: UnixSeconds(0),
        };
        let mut identity = identity(&known, Some(&schema));
        for own in ["_id", "userName", "accountStatus"] {
            identity.attributes.remove(own).unwrap();
        }
        assert_eq!(Value::Object(identity.attributes), given);
        assert_eq!(identity.universal_id, "id=ada,ou=user,o=alpha,ou=services,ou=am-config");
    }

    #[test]
    fn what_cannot_be_kept_is_named() {
        let deep = (0..20).fold(json!("x"), |inner, _| json!({ "a": inner }));
        for object in [
            json!({"": 1}),
            json!({"a\n": 1}),
            json!({"x".repeat(256): 1}),
            json!({"_json/a": 1}),
            json!({"_json": {"a": 1}}),
            json!({ "a": deep }),
        ] {
            assert!(changes(object.as_object().unwrap(), None).is_err(), "{object}");
        }
        let removed = changes(json!({"a": null, "b": "", "c": []}).as_object().unwrap(), None).unwrap();
        assert!(removed.values().all(Vec::is_empty) && removed.keys().filter(|name| is_own(name)).count() == 3);
    }
}
