//! The shapes that are folders: fr-config-manager, Amster, file-based configuration, and REST bodies with a node each.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{ImportError, MAX_BYTES, MAX_NODES, Shape, document_of, from_named, shape_of, stem};
use crate::document::{children, text_at};
use crate::{Document, Export};

/// Everything that was found in the files, before it is put together by journey.
#[derive(Default)]
struct Found {
    trees: BTreeMap<String, Map<String, Value>>,
    /// By id in lower case: the tree and the node files do not always agree.
    nodes: BTreeMap<String, Map<String, Value>>,
    scripts: BTreeMap<String, Map<String, Value>>,
    templates: BTreeMap<String, Map<String, Value>>,
}

/// Reads the files of a folder: path (with `/`) and text of each. Files that are complete exports are taken as such.
pub fn from_files(files: &[(String, String)]) -> Result<(Export, Shape), ImportError> {
    let bytes: usize = files.iter().map(|(_, text)| text.len()).sum();
    if bytes > MAX_BYTES {
        return Err(ImportError::TooLarge { bytes });
    }
    let mut found = Found::default();
    let mut whole = Export::default();
    // The file of each journey that came whole: what it refers to lies beside it.
    let mut came_in: BTreeMap<String, &str> = BTreeMap::new();
    let mut shape = Shape::ConfigManager;
    for (path, text) in files.iter().filter(|(path, _)| path.ends_with(".json")) {
        let value: Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))
            .map_err(|error| ImportError::NotJson { file: path.clone(), detail: error.to_string() })?;
        let Value::Object(top) = value else { continue };
        match shape_of(&top) {
            Some(Shape::Bare) => {
                found.trees.insert(name_in(&top).unwrap_or_else(|| stem(path).to_owned()), top);
            }
            Some(kind @ (Shape::Amster | Shape::FileBased)) => {
                shape = kind;
                found.entity(path, top);
            }
            Some(_) => {
                let (export, _) = from_named(path, text)?;
                came_in.extend(export.journeys.keys().map(|name| (name.clone(), path.as_str())));
                whole.journeys.extend(export.journeys);
            }
            None => found.loose(path, top, files),
        }
    }
    for (name, document) in &mut whole.journeys {
        found.complete(document, came_in.get(name).copied().unwrap_or_default(), files);
    }
    if found.trees.is_empty() && !whole.journeys.is_empty() {
        return Ok((whole, Shape::Trees));
    }
    let mut export = found.assemble()?;
    export.journeys.extend(whole.journeys);
    if export.journeys.is_empty() { Err(ImportError::NoJourney) } else { Ok((export, shape)) }
}

fn name_in(map: &Map<String, Value>) -> Option<String> {
    map.get("_id").and_then(Value::as_str).map(str::to_owned)
}

impl Found {
    /// `{metadata, data}`: what it is says the entity type, which for nodes is their type.
    fn entity(&mut self, path: &str, mut top: Map<String, Value>) {
        let entity = |name: &str| {
            let text = top.get("metadata").and_then(|metadata| metadata.get(name)).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let (kind, entity_id) = (entity("entityType"), entity("entityId"));
        let Some(Value::Object(mut data)) = top.remove("data") else { return };
        let last = entity_id.rsplit('/').next().unwrap_or_default();
        let id = name_in(&data)
            .or_else(|| (!last.is_empty()).then(|| last.to_owned()))
            .unwrap_or_else(|| stem(path).to_owned());
        data.insert("_id".to_owned(), json!(id));
        match kind.to_lowercase().as_str() {
            "authtree" | "authenticationtreesservice" => {
                self.trees.insert(id, data);
            }
            "scripts" | "script" | "scripting" | "scriptingservice" => {
                self.scripts.insert(id.to_lowercase(), data);
            }
            _ => {
                self.nodes.insert(id.to_lowercase(), data);
            }
        }
    }

    /// A file that says by its members alone what it is: fr-config-manager's nodes, scripts and mail templates.
    fn loose(&mut self, path: &str, mut top: Map<String, Value>, files: &[(String, String)]) {
        // frodo's files of scripts and of mail templates: a map of them.
        for (section, into) in [("script", &mut self.scripts), ("emailTemplate", &mut self.templates)] {
            if let Some(Value::Object(members)) = top.get(section).filter(|_| !top.contains_key("_id")) {
                for (id, member) in members {
                    let Value::Object(member) = member else { continue };
                    let mut member = member.clone();
                    read_beside(&mut member, path, files);
                    into.insert(if section == "script" { id.to_lowercase() } else { id.clone() }, member);
                }
            }
        }
        let Some(id) = name_in(&top) else { return };
        if let Some(template) = id.strip_prefix("emailTemplate/") {
            self.templates.insert(template.to_owned(), top);
        } else if top.contains_key("script") && top.contains_key("language") {
            read_beside(&mut top, path, files);
            self.scripts.insert(id.to_lowercase(), top);
        } else {
            self.nodes.insert(id.to_lowercase(), top);
        }
    }

    /// What a journey that came whole refers to and has not in it, where other files have it.
    fn complete(&self, document: &mut Document, path: &str, files: &[(String, String)]) {
        let sections = ["nodes", "innerNodes", "innernodes"];
        let configs = || sections.iter().flat_map(|section| document.section(section)).map(|(_, config)| config);
        let named = |field: &str| -> Vec<String> { configs().filter_map(|config| text_at(config, &[field])).collect() };
        let wanted = [("scripts", named("script")), ("emailTemplates", named("emailTemplateName"))];
        for (section, names) in wanted {
            let others: Vec<(String, Map<String, Value>)> = names
                .into_iter()
                .filter_map(|name| {
                    let other = match section {
                        "scripts" => self.scripts.get(&name.to_lowercase()),
                        _ => self.templates.get(&name),
                    };
                    Some((name, other?.clone()))
                })
                .collect();
            // What is not needed is not made: a journey comes out as it went in.
            if others.is_empty() && !document.0.contains_key(section) {
                continue;
            }
            let slot = document.0.entry(section).or_insert_with(|| json!({}));
            let Value::Object(members) = slot else { continue };
            for (name, other) in others {
                members.entry(name).or_insert(Value::Object(other));
            }
            for member in members.values_mut().filter_map(Value::as_object_mut) {
                read_beside(member, path, files);
            }
        }
    }

    fn assemble(self) -> Result<Export, ImportError> {
        let mut export = Export::default();
        for (name, tree) in &self.trees {
            let mut document = document_of(name, tree.clone());
            let mut section = |name: &str| match document.0.remove(name) {
                Some(Value::Object(map)) => map,
                _ => Map::new(),
            };
            let (mut nodes, mut inner, mut scripts) = (section("nodes"), section("innerNodes"), section("scripts"));
            let associations = tree.get("nodes").and_then(Value::as_object);
            for (id, association) in associations.into_iter().flatten() {
                let Some(found) = self.nodes.get(&id.to_lowercase()) else { continue };
                let mut config = found.clone();
                let node_type = association.get("nodeType").cloned().unwrap_or_default();
                config.entry("_type").or_insert_with(|| json!({"_id": node_type, "collection": true}));
                for child in children(&config).0 {
                    if let Some(found) = self.nodes.get(&child.id.to_lowercase()) {
                        let mut config = found.clone();
                        let kind = json!({"_id": child.node_type, "collection": true});
                        config.entry("_type").or_insert(kind);
                        inner.insert(child.id, Value::Object(config));
                    }
                }
                nodes.insert(id.clone(), Value::Object(config));
            }
            if nodes.len() + inner.len() > MAX_NODES {
                let nodes = nodes.len() + inner.len();
                return Err(ImportError::TooManyNodes { file: name.clone(), journey: name.clone(), nodes });
            }
            let configs: Vec<&Value> = nodes.values().chain(inner.values()).collect();
            let mut templates = Map::new();
            for config in configs {
                if let Some(id) = config.get("script").and_then(Value::as_str)
                    && let Some(script) = self.scripts.get(&id.to_lowercase())
                {
                    scripts.insert(id.to_owned(), Value::Object(script.clone()));
                }
                if let Some(name) = config.get("emailTemplateName").and_then(Value::as_str)
                    && let Some(template) = self.templates.get(name)
                {
                    templates.insert(name.to_owned(), Value::Object(template.clone()));
                }
            }
            document.0.insert("nodes".to_owned(), Value::Object(nodes));
            document.0.insert("innerNodes".to_owned(), Value::Object(inner));
            document.0.insert("scripts".to_owned(), Value::Object(scripts));
            document.0.insert("emailTemplates".to_owned(), Value::Object(templates));
            export.journeys.insert(name.clone(), document);
        }
        Ok(export)
    }
}

/// Takes the source of a script from the file that its configuration names.
fn read_beside(script: &mut Map<String, Value>, path: &str, files: &[(String, String)]) {
    let file = text_at(script, &["script", "file"])
        .or_else(|| text_at(script, &["script"]).and_then(|text| text.strip_prefix("file://").map(str::to_owned)));
    if let Some(source) = file.as_deref().and_then(|file| sibling(path, file, files)) {
        script.insert("script".to_owned(), json!(source));
    }
}

/// The text of a file that a script's configuration names: beside it, or in the folder above with the same end.
fn sibling<'a>(path: &str, file: &str, files: &'a [(String, String)]) -> Option<&'a str> {
    let file = file.trim_start_matches("./");
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let beside = format!("{folder}/{file}");
    let ends = |known: &str| known.strip_suffix(file).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'));
    let exact = files.iter().find(|(known, _)| *known == beside || known == file);
    exact.or_else(|| files.iter().find(|(known, _)| ends(known))).map(|(_, text)| text.as_str())
}
