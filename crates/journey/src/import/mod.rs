//! Reading exported journeys: one JSON text, or the files of a folder. Seven shapes on disk become one [`Export`].

mod files;
mod script;

use serde_json::{Map, Value, json};

use crate::{Document, Export};

pub use files::from_files;
pub(crate) use script::source;

/// Largest export that is read.
pub const MAX_BYTES: usize = 32 * 1024 * 1024;
/// Most nodes that a tree may have, children of pages included. The largest one seen has 90.
pub const MAX_NODES: usize = 2_000;

/// What could not be read, with the file where there is more than one. The fault is of the one who wrote the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ImportError {
    TooLarge {
        bytes: usize,
    },
    TooManyNodes {
        journey: String,
        nodes: usize,
    },
    NotJson {
        file: String,
        detail: String,
    },
    /// JSON, but none of the shapes.
    UnknownShape {
        file: String,
    },
    /// No journey in what was given.
    NoJourney,
    /// A member is not of the type that the shape has there.
    Malformed {
        what: String,
    },
}

impl std::fmt::Display for ImportError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooLarge { bytes } => write!(out, "the export has {bytes} bytes; at most {MAX_BYTES} are read"),
            Self::TooManyNodes { journey, nodes } => {
                write!(out, "journey {journey:?} has {nodes} nodes; at most {MAX_NODES} are read")
            }
            Self::NotJson { file, detail } => write!(out, "{file}: not JSON: {detail}"),
            Self::UnknownShape { file } => write!(out, "{file}: not a form of exported journeys that is known"),
            Self::NoJourney => out.write_str("no journey found"),
            Self::Malformed { what } => write!(out, "{what}"),
        }
    }
}

impl std::error::Error for ImportError {}

/// The shapes, recognised by their members.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// frodo and the admin console: `trees`.
    Trees,
    /// One journey: `tree` and a map `nodes` (frodo, amtree.sh).
    Single,
    /// One journey: `tree` and a list `nodes`.
    List,
    /// A folder as fr-config-manager writes it.
    ConfigManager,
    /// A folder as Amster writes it: `{metadata, data}`.
    Amster,
    /// A folder of file-based configuration: as Amster, with lower-case paths.
    FileBased,
    /// The body of the REST resource: `entryNodeId` at the top level.
    Bare,
}

/// Reads one JSON text: the shapes with everything in one file, and a bare tree.
pub fn from_json(text: &str) -> Result<Export, ImportError> {
    from_named("export", text).map(|(export, _)| export)
}

fn from_named(file: &str, text: &str) -> Result<(Export, Shape), ImportError> {
    if text.len() > MAX_BYTES {
        return Err(ImportError::TooLarge { bytes: text.len() });
    }
    // A byte order mark is what Windows editors leave.
    let value: Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|error| ImportError::NotJson { file: file.to_owned(), detail: error.to_string() })?;
    let Value::Object(top) = value else { return Err(ImportError::UnknownShape { file: file.to_owned() }) };
    let shape = shape_of(&top).ok_or_else(|| ImportError::UnknownShape { file: file.to_owned() })?;
    let export = match shape {
        Shape::Trees => trees(top)?,
        Shape::Single => single(top)?,
        Shape::List => list(top)?,
        Shape::Bare => bare(top, file)?,
        Shape::Amster | Shape::FileBased | Shape::ConfigManager => {
            return from_files(&[(file.to_owned(), text.to_owned())]);
        }
    };
    if export.journeys.is_empty() {
        return Err(ImportError::NoJourney);
    }
    for (name, document) in &export.journeys {
        let count = |section| document.section(section).count();
        let nodes = count("nodes") + count("innerNodes") + count("innernodes");
        if nodes > MAX_NODES {
            return Err(ImportError::TooManyNodes { journey: name.clone(), nodes });
        }
    }
    Ok((export, shape))
}

pub(crate) fn shape_of(top: &Map<String, Value>) -> Option<Shape> {
    let member = |name: &str| top.get(name);
    if member("trees").is_some_and(Value::is_object) {
        return Some(Shape::Trees);
    }
    if member("tree").is_some_and(Value::is_object) {
        return match member("nodes") {
            Some(Value::Array(_)) => Some(Shape::List),
            Some(Value::Object(_)) | None => Some(Shape::Single),
            Some(_) => None,
        };
    }
    if let (Some(Value::Object(metadata)), Some(Value::Object(_))) = (member("metadata"), member("data")) {
        let kind = metadata.get("entityType").and_then(Value::as_str).unwrap_or_default();
        let file_based = kind.starts_with(char::is_lowercase) || metadata.contains_key("pathParams");
        return Some(if file_based { Shape::FileBased } else { Shape::Amster });
    }
    member("entryNodeId").is_some_and(Value::is_string).then_some(Shape::Bare)
}

fn object(value: Value, what: impl FnOnce() -> String) -> Result<Map<String, Value>, ImportError> {
    match value {
        Value::Object(map) => Ok(map),
        _ => Err(ImportError::Malformed { what: what() }),
    }
}

fn trees(mut top: Map<String, Value>) -> Result<Export, ImportError> {
    let meta = top.remove("meta");
    let trees = object(top.remove("trees").unwrap_or_default(), || "`trees` is not an object".to_owned())?;
    let mut export = Export { meta, rest: top, ..Export::default() };
    for (name, value) in trees {
        let document = object(value, || format!("journey {name:?} is not an object"))?;
        export.journeys.insert(name, Document(document));
    }
    Ok(export)
}

fn single(mut top: Map<String, Value>) -> Result<Export, ImportError> {
    let meta = top.remove("meta");
    let document = Document(top);
    let name = name_of(&document)?;
    Ok(Export { meta, journeys: [(name, document)].into(), single: true, ..Export::default() })
}

fn name_of(document: &Document) -> Result<String, ImportError> {
    let name = document.tree().and_then(|tree| tree.get("_id")).and_then(Value::as_str);
    let missing = || ImportError::Malformed { what: "`tree` has no `_id`".to_owned() };
    name.map(str::to_owned).ok_or_else(missing)
}

/// The list form: each node is `{_id, nodeType, details}`, children of pages are among them or inside the page.
fn list(mut top: Map<String, Value>) -> Result<Export, ImportError> {
    let malformed = |what: &str| ImportError::Malformed { what: what.to_owned() };
    let Some(Value::Array(entries)) = top.remove("nodes") else { return Err(malformed("`nodes` is not a list")) };
    let scripts = top.remove("scripts");
    let mut parts = Vec::new();
    for entry in entries {
        let mut entry = object(entry, || "a member of `nodes` is not an object".to_owned())?;
        let id = entry.get("_id").and_then(Value::as_str).ok_or_else(|| malformed("a node has no `_id`"))?.to_owned();
        let node_type = entry.get("nodeType").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut config = match entry.remove("details") {
            Some(Value::Object(details)) => details,
            _ => Map::new(),
        };
        config.insert("_id".to_owned(), json!(id));
        config.entry("_type").or_insert_with(|| json!({"_id": node_type, "collection": true}));
        parts.push((id, config));
    }
    let mut document = Document(top);
    let in_tree = |id: &str| {
        let nodes = document.tree().and_then(|tree| tree.get("nodes")).and_then(Value::as_object);
        nodes.is_some_and(|nodes| nodes.contains_key(id))
    };
    let (nodes, inner): (Vec<_>, Vec<_>) = parts.into_iter().partition(|(id, _)| in_tree(id));
    let section = |parts: Vec<(String, Map<String, Value>)>| -> Value {
        Value::Object(parts.into_iter().map(|(id, config)| (id, Value::Object(config))).collect())
    };
    document.0.insert("nodes".to_owned(), section(nodes));
    document.0.insert("innerNodes".to_owned(), section(inner));
    document.0.insert("scripts".to_owned(), scripts_by_id(scripts));
    let name = name_of(&document)?;
    Ok(Export { journeys: [(name, document)].into(), ..Export::default() })
}

/// `scripts` as a map, whether it came as one or as a list.
fn scripts_by_id(scripts: Option<Value>) -> Value {
    match scripts {
        Some(Value::Array(list)) => {
            let id = |script: &Value| script.get("_id").and_then(Value::as_str).map(str::to_owned);
            Value::Object(list.into_iter().filter_map(|script| Some((id(&script)?, script))).collect())
        }
        Some(map @ Value::Object(_)) => map,
        _ => json!({}),
    }
}

/// A tree as its REST resource has it; node configurations only where the associations carry them as `config`.
fn bare(tree: Map<String, Value>, file: &str) -> Result<Export, ImportError> {
    let stem = file.rsplit('/').next().unwrap_or(file);
    let stem = stem.strip_suffix(".json").unwrap_or(stem).to_owned();
    let name = tree.get("_id").and_then(Value::as_str).map_or(stem, str::to_owned);
    Ok(Export { journeys: [(name.clone(), document_of(&name, tree))].into(), ..Export::default() })
}

/// A document around a tree, with the configurations that its associations carry.
fn document_of(name: &str, mut tree: Map<String, Value>) -> Document {
    tree.entry("_id").or_insert_with(|| json!(name));
    let mut nodes = Map::new();
    if let Some(Value::Object(associations)) = tree.get_mut("nodes") {
        for (id, association) in associations {
            let Some(association) = association.as_object_mut() else { continue };
            let Some(Value::Object(mut config)) = association.remove("config") else { continue };
            config.entry("_id").or_insert_with(|| json!(id));
            let node_type = association.get("nodeType").cloned().unwrap_or_default();
            config.entry("_type").or_insert_with(|| json!({"_id": node_type, "collection": true}));
            nodes.insert(id.clone(), Value::Object(config));
        }
    }
    let mut document = Map::new();
    document.insert("tree".to_owned(), Value::Object(tree));
    document.insert("nodes".to_owned(), Value::Object(nodes));
    document.insert("innerNodes".to_owned(), json!({}));
    document.insert("scripts".to_owned(), json!({}));
    Document(document)
}
