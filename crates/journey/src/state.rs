use serde_json::{Map, Value};

/// The one key whose value is a map that stores merge instead of replace.
pub(crate) const OBJECT_ATTRIBUTES: &str = "objectAttributes";

/// The three stores a node sees. Read order: transient, secure, shared.
#[derive(Clone, Default, PartialEq)]
pub struct Stores {
    /// Lives as long as the journey.
    pub shared: Map<String, Value>,
    /// Lives until the next round trip to the client.
    pub transient: Map<String, Value>,
    /// What was transient and is an input of a later node.
    pub secure: Map<String, Value>,
}

impl Stores {
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.transient.get(key).or_else(|| self.secure.get(key)).or_else(|| self.shared.get(key))
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Value::as_str)
    }

    /// The maps of all three stores under this key as one; transient wins.
    pub fn object(&self, key: &str) -> Map<String, Value> {
        let mut merged = Map::new();
        for store in [&self.shared, &self.secure, &self.transient] {
            if let Some(Value::Object(map)) = store.get(key) {
                merge(&mut merged, map);
            }
        }
        merged
    }

    pub fn put_shared(&mut self, key: &str, value: impl Into<Value>) {
        self.shared.insert(key.to_owned(), value.into());
    }

    pub fn put_transient(&mut self, key: &str, value: impl Into<Value>) {
        self.transient.insert(key.to_owned(), value.into());
    }

    /// Removes it from all three.
    pub fn remove(&mut self, key: &str) {
        self.shared.remove(key);
        self.transient.remove(key);
        self.secure.remove(key);
    }

    /// A round trip begins: transient values under these keys become secure, the others end.
    pub(crate) fn promote(&mut self, keep: impl Fn(&str) -> bool) {
        for (key, value) in std::mem::take(&mut self.transient) {
            if keep(&key) {
                put_merged(&mut self.secure, key, value);
            }
        }
    }
}

fn is_container(key: &str) -> bool {
    key == OBJECT_ATTRIBUTES
}

fn put_merged(store: &mut Map<String, Value>, key: String, value: Value) {
    match (store.get_mut(&key), value) {
        (Some(Value::Object(old)), Value::Object(new)) if is_container(&key) => merge(old, &new),
        (_, value) => {
            store.insert(key, value);
        }
    }
}

/// Deep: profiles nest (`preferences/marketing`). Bounded, since JSON from outside is at most 128 levels deep.
fn merge(old: &mut Map<String, Value>, new: &Map<String, Value>) {
    for (key, value) in new {
        match (old.get_mut(key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new),
            _ => {
                old.insert(key.clone(), value.clone());
            }
        }
    }
}

/// The value at a path such as `preferences/marketing` or `/preferences/marketing`.
pub(crate) fn at<'a>(map: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let mut parts = path.trim_matches('/').split('/');
    let mut value = map.get(parts.next()?)?;
    for part in parts {
        value = value.get(part)?;
    }
    Some(value)
}

/// Puts a value at such a path; what stands in its way is replaced.
pub(crate) fn put_at(map: &mut Map<String, Value>, path: &str, value: Value) {
    let path = path.trim_matches('/');
    match path.split_once('/') {
        None => {
            map.insert(path.to_owned(), value);
        }
        Some((head, rest)) => {
            let slot = map.entry(head.to_owned()).or_insert_with(|| Value::Object(Map::new()));
            if !slot.is_object() {
                *slot = Value::Object(Map::new());
            }
            if let Value::Object(inner) = slot {
                put_at(inner, rest, value);
            }
        }
    }
}
