//! Answers that were written down beforehand, for walks without a person.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::super::Failure;
use super::files;

/// Answers by prompt, by type of callback or by name of input. A list is for several times, one after the other.
pub(super) struct Answers {
    answers: Map<String, Value>,
    used: BTreeMap<String, usize>,
}

impl Answers {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let cannot = |what: String| Failure(format!("{}: {what}", path.display()));
        let file = std::fs::File::open(path).map_err(|error| cannot(error.to_string()))?;
        let text = files::limited(file).map_err(|Failure(what)| cannot(what))?;
        match serde_json::from_str(&text) {
            Ok(Value::Object(answers)) => Ok(Self { answers, used: BTreeMap::new() }),
            Ok(_) => Err(cannot("must be an object: answers by prompt or by type of callback".to_owned())),
            Err(error) => Err(cannot(error.to_string())),
        }
    }

    /// The answer under the first of the names that has one left.
    pub(super) fn next(&mut self, names: &[String]) -> Option<Value> {
        for name in names {
            match self.answers.get(name) {
                None => {}
                Some(Value::Array(list)) => {
                    let used = self.used.entry(name.clone()).or_default();
                    if let Some(value) = list.get(*used) {
                        *used += 1;
                        return Some(value.clone());
                    }
                }
                Some(value) => return Some(value.clone()),
            }
        }
        None
    }
}
