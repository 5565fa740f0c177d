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
        file: String,
        journey: String,
        nodes: usize,
    },
    /// Neither UTF-8 nor UTF-16, from this byte on.
    NotText {
        file: String,
        at: usize,
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
        file: String,
        what: String,
    },
}

impl std::fmt::Display for ImportError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooLarge { bytes } => write!(out, "the export has {bytes} bytes; at most {MAX_BYTES} are read"),
            Self::TooManyNodes { file, journey, nodes } => {
                write!(out, "{file}: journey {journey:?} has {nodes} nodes; at most {MAX_NODES} are read")
            }
            Self::NotText { file, at } => write!(out, "{file}: byte {at} is neither UTF-8 nor UTF-16"),
            Self::NotJson { file, detail } => write!(out, "{file}: not JSON: {detail}"),
            Self::UnknownShape { file } => write!(out, "{file}: not a form of exported journeys that is known"),
            Self::NoJourney => out.write_str("no journey found"),
            Self::Malformed { file, what } => write!(out, "{file}: {what}"),
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
    /// What a query for trees answers: `result`, a list of such bodies.
    Listing,
}

/// The text of a file, as the editors of all systems write it: UTF-8, or UTF-16 in either order of bytes.
pub fn decode(file: &str, bytes: Vec<u8>) -> Result<String, ImportError> {
    let wrong = |at| ImportError::NotText { file: file.to_owned(), at };
    // JSON begins with ASCII, so a zero among its first two bytes tells the order without a mark too.
    let little = match bytes.as_slice() {
        [0xff, 0xfe, ..] => Some(true),
        [0xfe, 0xff, ..] => Some(false),
        [first, 0, ..] if *first != 0 => Some(true),
        [0, second, ..] if *second != 0 => Some(false),
        _ => None,
    };
    let Some(little) = little else {
        return String::from_utf8(bytes).map_err(|error| wrong(error.utf8_error().valid_up_to()));
    };
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(wrong(bytes.len() - 1));
    }
    let units = pairs.iter().map(|pair| if little { u16::from_le_bytes(*pair) } else { u16::from_be_bytes(*pair) });
    let mut text = String::with_capacity(bytes.len() / 2);
    for letter in char::decode_utf16(units) {
        text.push(letter.map_err(|_| wrong(text.len() * 2))?);
    }
    Ok(text)
}

/// Reads one JSON text: the shapes with everything in one file, and a bare tree.
pub fn from_json(text: &str) -> Result<Export, ImportError> {
    from_named(UNNAMED, text).map(|(export, _)| export)
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
    let named = |error| match error {
        ImportError::Malformed { what, .. } => ImportError::Malformed { file: file.to_owned(), what },
        other => other,
    };
    let export = match shape {
        Shape::Trees => trees(top).map_err(named)?,
        Shape::Single => single(top, file).map_err(named)?,
        Shape::List => list(top, file).map_err(named)?,
        Shape::Bare => bare(top, file)?,
        Shape::Listing => listing(top)?,
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
            return Err(ImportError::TooManyNodes { file: file.to_owned(), journey: name.clone(), nodes });
        }
    }
    Ok((export, shape))
}

pub(crate) fn shape_of(top: &Map<String, Value>) -> Option<Shape> {
    let member = |name: &str| top.get(name);
    if member("trees").is_some_and(|trees| trees.is_object() || trees.is_array()) {
        return Some(Shape::Trees);
    }
    // Some tools call them what people do.
    let has_tree = |value: &Value| value.get("tree").is_some_and(Value::is_object);
    if member("journeys").and_then(Value::as_object).is_some_and(|journeys| journeys.values().any(has_tree)) {
        return Some(Shape::Trees);
    }
    let is_tree = |value: &Value| value.get("entryNodeId").is_some_and(Value::is_string);
    if member("result").and_then(Value::as_array).is_some_and(|result| result.iter().any(is_tree)) {
        return Some(Shape::Listing);
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
        _ => Err(malformed(what())),
    }
}

/// Without its file, which is added where it is known.
fn malformed(what: impl Into<String>) -> ImportError {
    ImportError::Malformed { file: String::new(), what: what.into() }
}

fn trees(mut top: Map<String, Value>) -> Result<Export, ImportError> {
    let meta = top.remove("meta");
    let trees = match top.remove("trees").or_else(|| top.remove("journeys")).unwrap_or_default() {
        Value::Array(list) => {
            let named = |document: Value| {
                let document = object(document, || "a member of `trees` is not an object".to_owned())?;
                let name = name_of(&Document(document.clone()), None)?;
                Ok((name, Value::Object(document)))
            };
            list.into_iter().map(named).collect::<Result<Map<_, _>, ImportError>>()?
        }
        map => object(map, || "`trees` is neither an object nor a list".to_owned())?,
    };
    let mut export = Export { meta, rest: top, ..Export::default() };
    for (name, value) in trees {
        let document = object(value, || format!("journey {name:?} is not an object"))?;
        export.journeys.insert(name, Document(document));
    }
    Ok(export)
}

fn single(mut top: Map<String, Value>, file: &str) -> Result<Export, ImportError> {
    let meta = top.remove("meta");
    let document = Document(top);
    let name = name_of(&document, Some(file))?;
    Ok(Export { meta, journeys: [(name, document)].into(), single: true, ..Export::default() })
}

/// A tree without its name has that of its file.
fn name_of(document: &Document, file: Option<&str>) -> Result<String, ImportError> {
    let name = document.tree().and_then(|tree| tree.get("_id")).and_then(Value::as_str);
    let of_file = || file.filter(|file| *file != UNNAMED).map(stem).filter(|stem| !stem.is_empty());
    name.or_else(of_file).map(str::to_owned).ok_or_else(|| malformed("`tree` has no `_id`"))
}

/// What an export is called that came without a file.
const UNNAMED: &str = "export";

/// `Login` of `a/Login.journey.json`.
fn stem(file: &str) -> &str {
    let name = file.rsplit('/').next().unwrap_or(file);
    let name = name.strip_suffix(".json").unwrap_or(name);
    name.strip_suffix(".journey").unwrap_or(name)
}

/// The list form: each node is `{_id, nodeType, details}`, children of pages are among them or inside the page.
fn list(mut top: Map<String, Value>, file: &str) -> Result<Export, ImportError> {
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
    let name = name_of(&document, Some(file))?;
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
    let name = tree.get("_id").and_then(Value::as_str).unwrap_or_else(|| stem(file)).to_owned();
    Ok(Export { journeys: [(name.clone(), document_of(&name, tree))].into(), ..Export::default() })
}

/// The answer of a query: trees, of which only the associations carry configurations, if anything does.
fn listing(mut top: Map<String, Value>) -> Result<Export, ImportError> {
    let Some(Value::Array(result)) = top.remove("result") else { return Err(ImportError::NoJourney) };
    let mut export = Export::default();
    for tree in result {
        let Value::Object(tree) = tree else { continue };
        if let Some(name) = tree.get("_id").and_then(Value::as_str).map(str::to_owned) {
            export.journeys.insert(name.clone(), document_of(&name, tree));
        }
    }
    Ok(export)
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
