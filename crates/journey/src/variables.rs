//! Environment variables and secrets (ESVs) in node configurations: `"&{esv.name}"` in texts, and the typed forms
//! `{"$string": ..}`, `{"$int": ..}`, `{"$bool": ..}`, `{"$list": ..}`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// Values by name (`esv.name`, dots as in the placeholder).
#[derive(Clone, Default)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    pub fn new(values: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(values.into_iter().map(|(name, value)| (name.replace('-', "."), value)).collect())
    }

    pub(crate) fn add(&mut self, name: &str, value: String) {
        self.0.entry(name.replace('-', ".")).or_insert(value);
    }

    /// The configuration with every placeholder replaced. Names without a value are added to `missing`, and their
    /// placeholders stay.
    pub(crate) fn resolve(&self, config: &Map<String, Value>, missing: &mut BTreeSet<String>) -> Map<String, Value> {
        config.iter().map(|(key, value)| (key.clone(), self.value(value, missing))).collect()
    }

    fn value(&self, value: &Value, missing: &mut BTreeSet<String>) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text, missing)),
            Value::Array(list) => list.iter().map(|item| self.value(item, missing)).collect(),
            Value::Object(map) => self.typed(map, missing).unwrap_or_else(|| Value::Object(self.resolve(map, missing))),
            other => other.clone(),
        }
    }

    fn typed(&self, map: &Map<String, Value>, missing: &mut BTreeSet<String>) -> Option<Value> {
        let (kind, Value::String(text)) = map.iter().next()? else { return None };
        if map.len() != 1 || !kind.starts_with('$') {
            return None;
        }
        let text = self.text(text, missing);
        match kind.as_str() {
            "$string" => Some(Value::String(text)),
            "$int" => text.trim().parse::<i64>().ok().map(Value::from),
            "$bool" => text.trim().parse::<bool>().ok().map(Value::from),
            "$list" => Some(text.split(',').map(|item| Value::String(item.trim().to_owned())).collect()),
            _ => None,
        }
    }

    fn text(&self, text: &str, missing: &mut BTreeSet<String>) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(start) = rest.find("&{") {
            let (before, placeholder) = rest.split_at(start);
            out.push_str(before);
            let Some(end) = placeholder.find('}') else {
                rest = placeholder;
                break;
            };
            let name = &placeholder[2..end];
            match self.0.get(&name.replace('-', ".")) {
                Some(value) => out.push_str(value),
                None => {
                    missing.insert(name.to_owned());
                    out.push_str(&placeholder[..=end]);
                }
            }
            rest = &placeholder[end + 1..];
        }
        out.push_str(rest);
        out
    }
}
