//! The documents of a realm as its journeys: taken apart for the store, and put together for the engine and for
//! exports.
//!
//! A node belongs to the journey it came with, since exports of several tenants may have one id with other settings.
//! Scripts, mail templates and types of the node designer are the realm's, as in AM: a later one replaces an earlier
//! one.

use std::collections::{BTreeMap, BTreeSet};

use countersign_journey::import::MAX_NODES;
use countersign_journey::{Document, Export, truth};
use countersign_store::{DocumentChange, DocumentKey, DocumentKind, DocumentRows, StoreError};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

pub(crate) type Object = Map<String, Value>;

/// The documents of a realm. No `Debug`: there may be secrets in them.
#[derive(Clone, Default)]
pub(crate) struct Documents {
    pub(crate) generation: u64,
    rows: BTreeMap<DocumentKey, Row>,
    /// The places of a node, by [`node_key`].
    nodes: BTreeMap<String, Vec<DocumentKey>>,
}

#[derive(Clone)]
struct Row {
    value: Value,
    /// Seconds since 1970, and by whom. Of what was not stored yet: nothing.
    changed: Option<(u64, String)>,
}

/// A document put in the place of another one, or taken away.
pub(crate) type Change = (DocumentKey, Option<Value>);

/// What an import would do.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) changes: Vec<Change>,
    pub(crate) imported: Vec<String>,
    /// Journeys that exist and are to stay as they are.
    pub(crate) kept: Vec<String>,
    /// Members of the export that have no tree.
    pub(crate) treeless: Vec<String>,
    /// Journeys of names that none may have.
    pub(crate) unnameable: Vec<String>,
    /// Scripts and the like that other journeys use too and that become others: what, and whose.
    pub(crate) shared: Vec<(String, Vec<String>)>,
}

pub(crate) fn key(kind: DocumentKind, journey: &str, id: &str) -> DocumentKey {
    DocumentKey { kind, journey: journey.to_owned(), id: id.to_owned() }
}

fn tree_key(name: &str) -> DocumentKey {
    key(DocumentKind::Tree, "", name)
}

/// The sections of a journey's document that are rows of their own, with the kind of their members.
const SECTIONS: [(&str, DocumentKind); 6] = [
    ("nodes", DocumentKind::Node),
    ("innerNodes", DocumentKind::Node),
    ("innernodes", DocumentKind::Node),
    ("scripts", DocumentKind::Script),
    ("emailTemplates", DocumentKind::EmailTemplate),
    ("nodeTypes", DocumentKind::NodeType),
];

fn section_kind(name: &str) -> Option<DocumentKind> {
    SECTIONS.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
}

/// `type/id`, as nodes are found in AM too.
pub(crate) fn node_id(node_type: &str, id: &str) -> String {
    format!("{}/{id}", node_type.replace('/', "_"))
}

/// By what a node is found: of ids the case does not matter. Of types it does, because what a type says of its settings,
/// and which of them are secret, is known by the exact name.
fn node_key(id: &str) -> String {
    match id.split_once('/') {
        Some((node_type, id)) => format!("{node_type}/{}", id.to_lowercase()),
        None => id.to_lowercase(),
    }
}

fn text_of<'a>(map: &'a Object, name: &str) -> Option<&'a str> {
    map.get(name).and_then(Value::as_str)
}

fn own_type(config: &Object) -> Option<&str> {
    config.get("_type")?.get("_id")?.as_str()
}

/// The nodes that a tree has, and those on its pages: id and type. Children are given where their page is known.
fn associations(tree: &Object) -> impl Iterator<Item = (&str, &str)> {
    let nodes = tree.get("nodes").and_then(Value::as_object).into_iter().flatten();
    nodes
        .map(|(id, association)| (id.as_str(), association.get("nodeType").and_then(Value::as_str).unwrap_or_default()))
}

impl Documents {
    pub(crate) fn read(rows: DocumentRows) -> Result<Self, StoreError> {
        let mut documents = Self { generation: rows.generation, ..Self::default() };
        for (key, row) in rows.documents {
            let value = serde_json::from_str(&row.text).map_err(|_| StoreError::Corrupt {
                table: "journey_documents",
                detail: format!("{:?} {:?} is no JSON", key.kind, key.id),
            })?;
            documents.put(key, Row { value, changed: Some((row.changed_at.0, row.actor)) });
        }
        Ok(documents)
    }

    fn put(&mut self, key: DocumentKey, row: Row) {
        if key.kind == DocumentKind::Node {
            let places = self.nodes.entry(node_key(&key.id)).or_default();
            if !places.contains(&key) {
                places.push(key.clone());
            }
        }
        self.rows.insert(key, row);
    }

    /// As they would be.
    pub(crate) fn with(&self, changes: &[Change]) -> Self {
        let mut after = self.clone();
        for (key, value) in changes {
            match value {
                Some(value) => after.put(key.clone(), Row { value: value.clone(), changed: None }),
                None => {
                    after.rows.remove(key);
                    if let Some(places) = after.nodes.get_mut(&node_key(&key.id)) {
                        places.retain(|place| place != key);
                    }
                }
            }
        }
        after
    }

    pub(crate) fn get(&self, key: &DocumentKey) -> Option<&Value> {
        self.rows.get(key).map(|row| &row.value)
    }

    fn of_kind(&self, kind: DocumentKind) -> impl Iterator<Item = (&DocumentKey, &Value)> {
        let rows = self.rows.iter().filter(move |(key, _)| key.kind == kind);
        rows.map(|(key, row)| (key, &row.value))
    }

    pub(crate) fn shared(&self, kind: DocumentKind) -> impl Iterator<Item = (&str, &Value)> {
        self.of_kind(kind).map(|(key, value)| (key.id.as_str(), value))
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.shared(DocumentKind::Tree).map(|(name, _)| name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.rows.contains_key(&tree_key(name))
    }

    /// When the journey's tree was changed last, and by whom.
    pub(crate) fn changed(&self, name: &str) -> Option<&(u64, String)> {
        self.rows.get(&tree_key(name))?.changed.as_ref()
    }

    pub(crate) fn tree(&self, name: &str) -> Option<&Object> {
        self.get(&tree_key(name))?.get("tree")?.as_object()
    }

    /// Values of variables that are the realm's own.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (String, String)> {
        let values = self.shared(DocumentKind::Variable);
        values.filter_map(|(name, value)| Some((name.to_owned(), value.as_str()?.to_owned())))
    }

    pub(crate) fn stubs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.shared(DocumentKind::Stub).filter_map(|(name, value)| Some((name, value.as_str()?)))
    }

    /// Where the configuration of a node is, for a journey: its own, else one that belongs to nobody, else another's.
    fn node_place(&self, journey: &str, id: &str) -> Option<&DocumentKey> {
        let places = self.nodes.get(&node_key(id))?;
        let rank = |place: &&DocumentKey| (place.journey != journey, !place.journey.is_empty(), place.id != id);
        places.iter().min_by_key(rank)
    }

    pub(crate) fn node(&self, journey: &str, node_type: &str, id: &str) -> Option<&Object> {
        self.get(self.node_place(journey, &node_id(node_type, id))?)?.as_object()
    }

    /// When a node was changed last, in seconds since 1970; 0 when it is not stored yet.
    pub(crate) fn node_changed_at(&self, node_type: &str, id: &str) -> u64 {
        let row = self.node_place("", &node_id(node_type, id)).and_then(|place| self.rows.get(place));
        row.and_then(|row| row.changed.as_ref()).map_or(0, |(at, _)| *at)
    }

    /// All places of a node.
    pub(crate) fn node_places(&self, node_type: &str, id: &str) -> &[DocumentKey] {
        self.nodes.get(&node_key(&node_id(node_type, id))).map_or(&[], Vec::as_slice)
    }

    /// The nodes of a type: id and configuration, each id once.
    pub(crate) fn nodes_of_type(&self, node_type: &str) -> BTreeMap<&str, &Object> {
        let prefix = node_id(node_type, "");
        let mut found = BTreeMap::new();
        for (key, value) in self.of_kind(DocumentKind::Node) {
            if let (Some(id), Some(config)) = (key.id.strip_prefix(&prefix), value.as_object()) {
                found.entry(id).or_insert(config);
            }
        }
        found
    }

    /// All nodes: type, id and configuration, each once.
    pub(crate) fn all_nodes(&self) -> Vec<(&str, &str, &Object)> {
        let places = self.nodes.values().filter_map(|places| places.first());
        let node = |place: &'_ DocumentKey| -> Option<(&str, &str, &Object)> {
            let (place, row) = self.rows.get_key_value(place)?;
            let (node_type, id) = place.id.split_once('/')?;
            Some((node_type, id, row.value.as_object()?))
        };
        places.filter_map(node).collect()
    }

    /// A journey with everything that belongs to it, in the form that frodo writes.
    pub(crate) fn document(&self, name: &str) -> Option<Document> {
        let row = self.get(&tree_key(name))?;
        let tree = row.get("tree")?.as_object()?;
        let mut out = Object::new();
        out.insert("tree".to_owned(), Value::Object(tree.clone()));
        for (section, ids) in row.get("sections").and_then(Value::as_object).into_iter().flatten() {
            let Some(kind) = section_kind(section) else { continue };
            let ids = ids.as_array().into_iter().flatten().filter_map(Value::as_str);
            let members = ids.filter_map(|id| match kind {
                DocumentKind::Node => {
                    let value = self.get(self.node_place(name, id)?)?;
                    Some((id.split_once('/')?.1.to_owned(), value.clone()))
                }
                kind => Some((id.to_owned(), self.get(&key(kind, "", id))?.clone())),
            });
            out.insert(section.clone(), Value::Object(members.collect()));
        }
        for (part, value) in self.of_kind(DocumentKind::Part).filter(|(key, _)| key.journey == name) {
            out.insert(part.id.clone(), value.clone());
        }
        self.complete(name, tree, &mut out);
        Some(Document(out))
    }

    /// Adds what the tree refers to and did not come with it: nodes that were made one by one, scripts of other
    /// journeys.
    fn complete(&self, name: &str, tree: &Object, out: &mut Object) {
        let known = Document(std::mem::take(out));
        // Each once, however often and in whatever letters it is named.
        let mut taken: BTreeSet<String> = BTreeSet::new();
        let mut missing = |id: &str, node_type: &str| match known.node(id) {
            None if taken.insert(node_key(&node_id(node_type, id))) => self.node(name, node_type, id).cloned(),
            _ => None,
        };
        let mut nodes: Vec<(String, Object)> = Vec::new();
        for (id, node_type) in associations(tree) {
            nodes.extend(missing(id, node_type).map(|config| (id.to_owned(), config)));
        }
        let mut inner: Vec<(String, Object)> = Vec::new();
        let pages = associations(tree).filter(|(_, node_type)| *node_type == "PageNode");
        for (id, _) in pages {
            let added = nodes.iter().find(|(other, _)| other == id).map(|(_, config)| config);
            let Some(page) = known.node(id).or(added) else { continue };
            for (child, node_type) in page_children(page) {
                inner.extend(missing(child, node_type).map(|config| (child.to_owned(), config)));
            }
        }
        let mut shared: BTreeSet<DocumentKey> = BTreeSet::new();
        let sections = ["nodes", "innerNodes", "innernodes"];
        let configs = sections.iter().flat_map(|section| known.section(section).map(|(_, config)| config));
        for config in configs.chain(nodes.iter().chain(&inner).map(|(_, config)| config)) {
            shared.extend(self.referred(config));
        }
        *out = known.0;
        let mut add = |section: &str, id: String, value: Value| {
            let members = out.entry(section).or_insert_with(|| json!({}));
            if let Some(members) = members.as_object_mut() {
                members.entry(id).or_insert(value);
            }
        };
        nodes.into_iter().for_each(|(id, config)| add("nodes", id, Value::Object(config)));
        inner.into_iter().for_each(|(id, config)| add("innerNodes", id, Value::Object(config)));
        for place in shared {
            let section = SECTIONS.iter().find(|(_, kind)| *kind == place.kind);
            if let (Some((section, _)), Some(value)) = (section, self.get(&place)) {
                add(section, place.id, value.clone());
            }
        }
    }

    /// What of the realm's a node's configuration refers to and is there.
    fn referred(&self, config: &Object) -> Vec<DocumentKey> {
        let script = text_of(config, "script").map(|id| key(DocumentKind::Script, "", id));
        let template = text_of(config, "emailTemplateName").map(|id| key(DocumentKind::EmailTemplate, "", id));
        let mut found: Vec<DocumentKey> =
            script.into_iter().chain(template).filter(|place| self.rows.contains_key(place)).collect();
        if let Some(service) = own_type(config).and_then(|name| name.strip_prefix("designer-")) {
            let defines = |value: &Value| value.get("serviceName").and_then(Value::as_str) == Some(service);
            let mut types = self.of_kind(DocumentKind::NodeType);
            found.extend(types.find(|(_, value)| defines(value)).map(|(place, _)| place.clone()));
        }
        found
    }

    /// What of the realm's a journey uses.
    fn uses(&self, name: &str) -> BTreeSet<DocumentKey> {
        let Some(document) = self.document(name) else { return BTreeSet::new() };
        let shared = SECTIONS.iter().filter(|(_, kind)| *kind != DocumentKind::Node);
        shared.flat_map(|(section, kind)| document.section(section).map(|(id, _)| key(*kind, "", id))).collect()
    }

    /// The journeys that use a document of the realm.
    pub(crate) fn users(&self, place: &DocumentKey) -> Vec<String> {
        self.names().filter(|name| self.uses(name).contains(place)).map(str::to_owned).collect()
    }

    /// The journeys of these names; without names, all.
    pub(crate) fn export(&self, names: &[String]) -> Export {
        let wanted = self.names().filter(|name| names.is_empty() || names.iter().any(|other| other == name));
        let journeys = wanted.filter_map(|name| Some((name.to_owned(), self.document(name)?))).collect();
        Export { journeys, ..Export::default() }
    }

    /// About how many bytes are made of all journeys to run.
    pub(crate) fn compiled_bytes(&self) -> usize {
        let bytes = self.names().filter_map(|name| self.document(name)).map(|document| document.compiled_bytes());
        bytes.fold(0, usize::saturating_add)
    }

    /// What taking in an export changes. Without `replace`, what exists stays as it is.
    pub(crate) fn plan(&self, export: &Export, replace: bool) -> Plan {
        let mut plan = Plan::default();
        let mut puts: BTreeMap<DocumentKey, Value> = BTreeMap::new();
        let (mut gone, mut loosened) = (BTreeSet::new(), BTreeSet::new());
        for (name, document) in &export.journeys {
            if !is_plain_name(name) {
                plan.unnameable.push(name.clone());
            } else if document.tree().is_none() {
                plan.treeless.push(name.clone());
            } else if !replace && self.has(name) {
                plan.kept.push(name.clone());
            } else {
                plan.imported.push(name.clone());
                loosened.extend(self.uses(name));
                gone.extend(self.owned(name));
                for (place, value) in split(name, document) {
                    if replace || !self.rows.contains_key(&place) {
                        puts.insert(place, value);
                    }
                }
            }
        }
        for (place, value) in &puts {
            let is_shared = SECTIONS.iter().any(|(_, kind)| *kind == place.kind && place.kind != DocumentKind::Node);
            if is_shared && self.get(place).is_some_and(|old| old != value) {
                let mut users = self.users(place);
                users.retain(|user| !plan.imported.contains(user));
                if !users.is_empty() {
                    plan.shared.push((format!("{:?} {}", place.kind, place.id), users));
                }
            }
        }
        gone.retain(|place| !puts.contains_key(place));
        plan.changes.extend(gone.into_iter().map(|place| (place, None)));
        plan.changes.extend(puts.into_iter().map(|(place, value)| (place, Some(value))));
        let after = self.with(&plan.changes);
        plan.changes.extend(after.unused(&loosened));
        plan
    }

    /// What taking away journeys changes: they, their nodes, and what only they used.
    pub(crate) fn removal(&self, names: &[String]) -> Vec<Change> {
        let mut loosened = BTreeSet::new();
        let mut changes: Vec<Change> = Vec::new();
        for name in names {
            loosened.extend(self.uses(name));
            changes.extend(self.owned(name).map(|place| (place, None)));
        }
        let after = self.with(&changes);
        changes.extend(after.unused(&loosened));
        changes
    }

    fn owned(&self, name: &str) -> impl Iterator<Item = DocumentKey> {
        let parts = self.rows.keys().filter(move |place| place.journey == name && !place.journey.is_empty());
        parts.cloned().chain(self.has(name).then(|| tree_key(name)))
    }

    fn unused(&self, among: &BTreeSet<DocumentKey>) -> Vec<Change> {
        if among.is_empty() {
            return Vec::new();
        }
        let used: BTreeSet<DocumentKey> = self.names().flat_map(|name| self.uses(name)).collect();
        let unused = among.iter().filter(|place| !used.contains(*place) && self.rows.contains_key(*place));
        unused.map(|place| (place.clone(), None)).collect()
    }

    /// Also with journeys that are not in the database, where there are none of their names.
    pub(crate) fn with_built_in(&self, export: &Export) -> Self {
        let missing = export.journeys.iter().filter(|(name, _)| !self.has(name));
        let rows = missing.flat_map(|(name, document)| split(name, document));
        let rows = rows.filter(|(place, _)| !self.rows.contains_key(place));
        self.with(&rows.map(|(place, value)| (place, Some(value))).collect::<Vec<_>>())
    }

    pub(crate) fn is_stored(&self, name: &str) -> bool {
        self.changed(name).is_some()
    }

    /// What changes when a tree is put by itself: its nodes are found by their ids. Those that are not in the database
    /// yet are put there.
    pub(crate) fn tree_changes(&self, name: &str, tree: Object) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut nodes: Vec<(&str, &str)> = associations(&tree).collect();
        for (id, node_type) in nodes.clone() {
            nodes.extend(self.node(name, node_type, id).map(page_children).unwrap_or_default());
        }
        for (id, node_type) in nodes {
            let place = self.node_place(name, &node_id(node_type, id));
            let row = place.and_then(|place| Some((place, self.rows.get(place)?)));
            if let Some((place, Row { value, changed: None })) = row {
                changes.push((place.clone(), Some(value.clone())));
            }
        }
        changes.push(self.tree_change(name, tree));
        changes
    }

    fn tree_change(&self, name: &str, tree: Object) -> Change {
        let mut row = self.get(&tree_key(name)).and_then(Value::as_object).cloned().unwrap_or_default();
        let mut sections = row.remove("sections").and_then(|value| value.as_object().cloned()).unwrap_or_default();
        let nodes = associations(&tree).map(|(id, node_type)| json!(node_id(node_type, id))).collect();
        sections.insert("nodes".to_owned(), Value::Array(nodes));
        for section in ["innerNodes", "scripts", "emailTemplates"] {
            sections.entry(section).or_insert_with(|| json!([]));
        }
        (tree_key(name), Some(json!({"tree": tree, "sections": sections})))
    }

    /// A tree alone; its nodes stay.
    pub(crate) fn tree_removal(&self, name: &str) -> Vec<Change> {
        let parts = self.of_kind(DocumentKind::Part).filter(|(place, _)| place.journey == name);
        parts.map(|(place, _)| place.clone()).chain([tree_key(name)]).map(|place| (place, None)).collect()
    }
}

/// The children of a page that refer to nodes of their own: id and type.
pub(crate) fn page_children(page: &Object) -> Vec<(&str, &str)> {
    let list = page.get("nodes").and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|value| match value {
        Value::Object(map) => Some((text_of(map, "_id").or_else(|| text_of(map, "id"))?, text_of(map, "nodeType")?)),
        Value::String(text) => {
            let mut parts = text.splitn(3, ':');
            Some((parts.next()?, parts.next()?))
        }
        _ => None,
    })
    .take(MAX_NODES)
    .collect()
}

/// The rows of a journey.
fn split(name: &str, document: &Document) -> Vec<(DocumentKey, Value)> {
    let empty = Object::new();
    let tree = document.tree().unwrap_or(&empty);
    let mut types: BTreeMap<String, String> = BTreeMap::new();
    for (id, node_type) in associations(tree) {
        types.insert(id.to_lowercase(), node_type.to_owned());
        for (child, node_type) in document.node(id).map(page_children).unwrap_or_default() {
            types.insert(child.to_lowercase(), node_type.to_owned());
        }
    }
    let (mut rows, mut sections) = (Vec::new(), Object::new());
    for (member, value) in &document.0 {
        if member == "tree" {
            continue;
        }
        // In another form than it should have, or with names that no row can have, a section stays in one piece.
        let fits = |members: &Object| members.iter().all(|(id, value)| value.is_object() && is_id(id));
        let (Some(kind), Some(members)) = (section_kind(member), value.as_object().filter(|members| fits(members)))
        else {
            rows.push((key(DocumentKind::Part, name, member), value.clone()));
            continue;
        };
        let mut ids = Vec::new();
        for (id, value) in members {
            let place = match kind {
                DocumentKind::Node => {
                    let own = value.as_object().and_then(own_type).unwrap_or_default();
                    let node_type = types.get(&id.to_lowercase()).map_or(own, String::as_str);
                    key(kind, name, &node_id(node_type, id))
                }
                kind => key(kind, "", id),
            };
            ids.push(json!(place.id));
            rows.push((place, value.clone()));
        }
        sections.insert(member.clone(), Value::Array(ids));
    }
    rows.push((tree_key(name), json!({"tree": settled(tree.clone()), "sections": sections})));
    rows
}

/// Longest name of something over REST.
const MAX_NAME: usize = 255;

/// Whether a new journey, or something else, may have this name: one that is the same in a path, in a log and for the
/// eye.
pub(crate) fn is_plain_name(id: &str) -> bool {
    let odd = |letter: char| letter.is_control() || matches!(letter, '/' | '\\');
    !id.is_empty() && id.len() <= MAX_NAME && id.trim() == id && !matches!(id, "." | "..") && !id.chars().any(odd)
}

/// A tree with its flags as the truth values that they are, whatever wrote them.
fn settled(mut tree: Object) -> Object {
    for flag in ["enabled", "innerTreeOnly", "mustRun", "noSession", "transactionalOnly"] {
        if let Some(value) = tree.get_mut(flag)
            && let Some(truth) = truth(value)
        {
            *value = Value::Bool(truth);
        }
    }
    tree
}

fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 255 && !id.chars().any(char::is_control)
}

pub(crate) fn for_store(changes: &[Change]) -> Vec<DocumentChange> {
    let change = |(place, value): &Change| match value {
        Some(value) => DocumentChange::Put(place.clone(), Zeroizing::new(value.to_string())),
        None => DocumentChange::Delete(place.clone()),
    };
    changes.iter().map(change).collect()
}

#[cfg(test)]
#[path = "documents_tests.rs"]
mod tests;
