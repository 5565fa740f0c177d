use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// What a node takes beside its configuration.
const NODE_BYTES: usize = 256;
/// Before the name of a type of the node designer.
const DESIGNED: &str = "designer-";

/// Journeys as they were exported, in the one form that frodo and the admin console write. Nothing is interpreted here,
/// so that what is not known is kept and comes out again.
#[derive(Clone, Default, PartialEq)]
pub struct Export {
    pub meta: Option<Value>,
    pub journeys: BTreeMap<String, Document>,
    /// Other members at the top level.
    pub rest: Map<String, Value>,
    /// Whether it came as one journey without the `trees` member around it.
    pub single: bool,
}

/// One journey of an export with everything it came with: `tree`, `nodes`, `innerNodes`, `scripts`, `emailTemplates`, …
#[derive(Clone, Default, PartialEq)]
pub struct Document(pub Map<String, Value>);

impl Export {
    /// The file that frodo imports. What was read from a frodo file is the same value again.
    pub fn to_value(&self) -> Value {
        let mut top = self.rest.clone();
        if let Some(meta) = &self.meta {
            top.insert("meta".to_owned(), meta.clone());
        }
        match self.journeys.values().next() {
            Some(document) if self.single => top.extend(document.0.clone()),
            _ => {
                let trees = self.journeys.iter().map(|(name, document)| (name.clone(), document.0.clone().into()));
                top.insert("trees".to_owned(), Value::Object(trees.collect()));
            }
        }
        Value::Object(top)
    }
}

/// A child of a page, in whichever of its forms.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Child {
    pub(crate) id: String,
    pub(crate) node_type: String,
    pub(crate) version: Option<String>,
    pub(crate) display_name: String,
    /// The configuration where it is written inside the page.
    pub(crate) inline: Option<Map<String, Value>>,
}

impl Document {
    pub fn tree(&self) -> Option<&Map<String, Value>> {
        self.0.get("tree").and_then(Value::as_object)
    }

    /// The configuration of a node or of a page's child.
    pub fn node(&self, id: &str) -> Option<&Map<String, Value>> {
        let sections = ["nodes", "innerNodes", "innernodes"].map(|name| self.0.get(name).and_then(Value::as_object));
        let sections = || sections.iter().flatten();
        let exact = sections().find_map(|nodes| nodes.get(id));
        // Amster writes ids in upper case where the tree has them in lower case, and the other way round.
        let any_case =
            || sections().find_map(|nodes| nodes.iter().find(|(key, _)| key.eq_ignore_ascii_case(id)).map(|(_, n)| n));
        exact.or_else(any_case).and_then(Value::as_object)
    }

    /// About how many bytes are made of it to run: each node has a configuration of its own, and one of a designed type
    /// the definition with it, however often the same is referred to.
    pub fn compiled_bytes(&self) -> usize {
        let length = |map: &Map<String, Value>| serde_json::to_string(map).map_or(usize::MAX, |text| text.len());
        let section = |name: &str| self.section(name).map(|(_, member)| length(member)).sum::<usize>();
        let definitions: BTreeMap<&str, usize> = self
            .section("nodeTypes")
            .filter_map(|(_, definition)| Some((definition.get("serviceName")?.as_str()?, length(definition))))
            .collect();
        // By where it is, since two ids that differ by case may be two nodes or one.
        let mut known: BTreeMap<*const Map<String, Value>, usize> = BTreeMap::new();
        let mut node = |id: &str, node_type: &str| {
            let config = self.node(id);
            let config = config.map_or(0, |map| *known.entry(std::ptr::from_ref(map)).or_insert_with(|| length(map)));
            let definition = node_type.strip_prefix(DESIGNED).and_then(|name| definitions.get(name));
            config.saturating_add(definition.copied().unwrap_or_default()).saturating_add(NODE_BYTES)
        };
        let mut total = section("scripts").saturating_add(section("emailTemplates"));
        let nodes = self.tree().and_then(|tree| tree.get("nodes")?.as_object()).into_iter().flatten();
        for (id, association) in nodes {
            let config = self.node(id);
            let own_type = || config?.get("_type")?.get("_id")?.as_str();
            let node_type = association.get("nodeType").and_then(Value::as_str).or_else(own_type).unwrap_or_default();
            total = total.saturating_add(node(id, node_type));
            let (children, _) = config.map(children).unwrap_or_default();
            total = children.iter().fold(total, |total, child| total.saturating_add(node(&child.id, &child.node_type)));
        }
        total
    }

    /// The members of a section such as `scripts` or `emailTemplates`, by their id.
    pub fn section(&self, name: &str) -> impl Iterator<Item = (&str, &Map<String, Value>)> {
        let members = self.0.get(name).and_then(Value::as_object).into_iter().flatten();
        members.filter_map(|(id, value)| Some((id.as_str(), value.as_object()?)))
    }
}

/// The children of a page's configuration, in order; a child in no known form is left out and counted.
pub(crate) fn children(page: &Map<String, Value>) -> (Vec<Child>, usize) {
    let list = page.get("nodes").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let children: Vec<Child> = list.iter().filter_map(child).collect();
    let lost = list.len() - children.len();
    (children, lost)
}

fn child(value: &Value) -> Option<Child> {
    match value {
        Value::String(text) => {
            let mut parts = text.splitn(3, ':');
            let (id, node_type, rest) = (parts.next()?, parts.next()?, parts.next()?);
            // A display name may hold colons too; only a number before one is a version.
            let is_version =
                |text: &str| text.starts_with(|first: char| first.is_ascii_digit()) && text.parse::<f32>().is_ok();
            let (version, display_name) = match rest.split_once(':') {
                Some((version, display)) if is_version(version) => (Some(version.to_owned()), display),
                _ => (None, rest),
            };
            Some(Child {
                id: id.to_owned(),
                node_type: node_type.to_owned(),
                version,
                display_name: display_name.to_owned(),
                inline: None,
            })
        }
        Value::Object(map) => {
            let text = |name: &str| map.get(name).and_then(Value::as_str).map(str::to_owned);
            let inline = ["_properties", "details", "config"].iter().find_map(|name| map.get(*name)?.as_object());
            let own_type = || text_at(inline?, &["_type", "_id"]).or_else(|| text_at(map, &["_type", "_id"]));
            Some(Child {
                id: text("_id").or_else(|| text("id"))?,
                node_type: text("nodeType").or_else(own_type)?,
                version: text("nodeVersion").or_else(|| text("version")),
                display_name: text("displayName").unwrap_or_default(),
                inline: inline.cloned(),
            })
        }
        _ => None,
    }
}

pub(crate) fn text_at(map: &Map<String, Value>, path: &[&str]) -> Option<String> {
    let (first, rest) = path.split_first()?;
    let mut value = map.get(*first)?;
    for part in rest {
        value = value.get(part)?;
    }
    value.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_used_often_counts_often() {
        let of = |children: usize| {
            let child = json!({"_id": "A", "nodeType": "designer-d"});
            let document = json!({
                "tree": {"nodes": {"p": {"nodeType": "PageNode"}, "a": {}, "b": {}}},
                "nodes": {"p": {"nodes": vec![child; children]}, "a": {"text": "x".repeat(1000)}},
                "nodeTypes": {"d-1": {"serviceName": "d", "about": "y".repeat(500)}},
                "scripts": {"s": {"script": "z".repeat(100)}},
            });
            Document(document.as_object().unwrap().clone()).compiled_bytes()
        };
        let each = of(1) - of(0);
        // Two nodes of one spelling but for the case.
        let child = |id: &str| json!({"_id": id, "nodeType": "T"});
        let cases = json!({
            "tree": {"nodes": {"p": {"nodeType": "PageNode"}}},
            "nodes": {"p": {"nodes": [child("x"), child("X"), child("X")]}, "x": {}, "X": {"text": "x".repeat(1000)}},
        });
        assert!(Document(cases.as_object().unwrap().clone()).compiled_bytes() > 2000);
        assert!((1500..2000).contains(&each), "{each}");
        assert!(of(0) > 1100 && of(100) > 100 * each);
    }
}
