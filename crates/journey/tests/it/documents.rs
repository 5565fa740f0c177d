//! What is made of the declarations of the nodes, and how their files look.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use countersign_journey::{Key, Kind, node_types};
use serde_json::{Map, Value};

fn keys(keys: &[Key]) -> String {
    let name = |key: &Key| match key {
        Key::Named(name) => format!("`{name}`"),
        Key::Own(suffix) => format!("`<id>.{suffix}`"),
        Key::Setting(field) => format!("what `{field}` names"),
        Key::SettingValues(field) => format!("the values of `{field}`"),
        Key::All => "everything".to_owned(),
    };
    keys.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn document() -> String {
    let mut out = "# Node types\n\nGenerated from their declarations and checked by `tests/it/documents.rs`; \
         `COUNTERSIGN_WRITE=1 cargo nextest run -p countersign-journey` writes it anew.\n"
        .to_owned();
    for kind in node_types() {
        let _ = write!(out, "\n## {} (`{}`)\n\n{}\n\n", kind.name, kind.type_id, kind.about);
        let template = kind.template();
        let outcomes = match kind.outcomes(template.as_object().unwrap_or(&Map::new())) {
            Ok(Some(ids)) if !ids.is_empty() => ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", "),
            Ok(None) => "those of its last node".to_owned(),
            _ => "by its settings".to_owned(),
        };
        let _ = writeln!(out, "* Outcomes: {outcomes}");
        if kind.callbacks.len() > 20 {
            out.push_str("* Callbacks: any\n");
        } else if !kind.callbacks.is_empty() {
            let names: Vec<&str> = kind.callbacks.iter().map(|callback| callback.name()).collect();
            let _ = writeln!(out, "* Callbacks: {}", names.join(", "));
        }
        if !kind.inputs.is_empty() {
            let _ = writeln!(out, "* Reads: {}", keys(kind.inputs));
        }
        if !kind.outputs.is_empty() {
            let _ = writeln!(out, "* Leaves: {}", keys(kind.outputs));
        }
        let fields = kind.fields();
        if fields.is_empty() {
            continue;
        }
        out.push_str("\n| setting | type | default | |\n|---|---|---|---|\n");
        for field in fields {
            let default = match &field.default {
                None => "required".to_owned(),
                Some(Value::Null) => String::new(),
                Some(value) => format!("`{value}`"),
            };
            let mut kind = match field.kind {
                Kind::Boolean => "boolean".to_owned(),
                Kind::Integer => "integer".to_owned(),
                Kind::Text => "text".to_owned(),
                Kind::Secret => "secret".to_owned(),
                Kind::List => "list".to_owned(),
                Kind::Map => "map".to_owned(),
                Kind::Localised => "text by language".to_owned(),
                Kind::Nodes => "nodes".to_owned(),
            };
            if !field.choices.is_empty() {
                kind = field.choices.join(", ");
            }
            let _ = writeln!(out, "| `{}` | {kind} | {default} | {} |", field.name, field.about.replace('|', "\\|"));
        }
    }
    out
}

#[test]
fn the_list_of_node_types_is_true() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("NODES.md");
    let written = document();
    if std::env::var_os("COUNTERSIGN_WRITE").is_some() {
        #[allow(clippy::disallowed_methods, reason = "asked for by name, beside the sources")]
        std::fs::write(&path, &written).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(known == written, "NODES.md is not up to date; see the head of tests/it/documents.rs");
}

/// The nodes are modules of a macro, where `cargo fmt` does not find them.
#[test]
fn the_files_of_the_nodes_are_formatted() {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files: Vec<_> =
        std::fs::read_dir(crate_folder.join("src/nodes")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let mut command = Command::new("rustfmt");
    command.args(["--edition", "2024", "--check"]).args(files).stdout(Stdio::null());
    match command.current_dir(crate_folder).status() {
        Err(_) => eprintln!("skipped: there is no rustfmt"),
        Ok(status) => assert!(status.success(), "run `rustfmt --edition 2024 crates/journey/src/nodes/*.rs`"),
    }
}
