//! Every node type: its outcomes, its callbacks on the wire, the state it reads and leaves. That a node touches no
//! state beside what it declares is checked by the engine itself in debug builds.

mod apps;
mod catalogue;
mod collect;
mod control;
mod decide;
mod factors;
mod long_tail;
mod more;
mod one_time;
mod profile;
mod push;
mod session;
mod social;
mod web_authn;

use countersign_journey::{Kind, node_types};
use serde_json::{Map, Value, json};

use crate::support::{Trial, World};

/// A trial with this state before the node.
fn trial(type_id: &str, config: Value, shared: Value, transient: Value) -> Trial {
    Trial::of(type_id, config, shared, transient, World::new()).run()
}

/// Runs once with this configuration and shared state and tells the outcome.
fn outcome(type_id: &str, config: Value, shared: Value) -> String {
    trial(type_id, config, shared, Value::Null).outcome()
}

#[test]
fn every_node_type_has_a_test() {
    let tests = [
        include_str!("catalogue.rs"),
        include_str!("collect.rs"),
        include_str!("control.rs"),
        include_str!("decide.rs"),
        include_str!("factors.rs"),
        include_str!("more.rs"),
        include_str!("one_time.rs"),
        include_str!("profile.rs"),
        include_str!("session.rs"),
        include_str!("apps.rs"),
        include_str!("long_tail.rs"),
        include_str!("push.rs"),
        include_str!("social.rs"),
        include_str!("web_authn.rs"),
        include_str!("../engine.rs"),
    ];
    for kind in node_types() {
        let name = format!("\"{}\"", kind.type_id);
        assert!(tests.iter().any(|text| text.contains(&name)), "{} has no test", kind.type_id);
    }
}

#[test]
fn type_ids_are_unique_and_files_are_named_after_them() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/nodes");
    let mut ids: Vec<&str> = node_types().iter().map(|kind| kind.type_id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), node_types().len());
    for kind in node_types() {
        let name = kind.type_id.trim_start_matches("product-");
        let name = name.strip_suffix("Node").unwrap_or(name);
        let letters: Vec<char> = name.chars().collect();
        let mut file = String::new();
        for (position, letter) in letters.iter().enumerate() {
            let after_lower = position > 0 && letters[position - 1].is_lowercase();
            let before_lower = position > 0 && letters.get(position + 1).is_some_and(|next| next.is_lowercase());
            if letter.is_uppercase() && (after_lower || before_lower) {
                file.push('_');
            }
            file.extend(letter.to_lowercase());
        }
        let path = folder.join(format!("{file}.rs"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("{} is not there", path.display()));
        assert!(text.contains(&format!("\"{}\"", kind.type_id)), "{}", path.display());
    }
}

#[test]
fn declarations_make_schemas_and_templates() {
    for kind in node_types() {
        let schema = kind.schema();
        let template = kind.template();
        for field in kind.fields() {
            let property = &schema["properties"][field.name];
            assert!(property["type"].is_string(), "{} {}", kind.type_id, field.name);
            assert!(!field.about.is_empty());
            assert_eq!(property["required"], json!(field.default.is_none()));
            assert_eq!(template.get(field.name).is_some(), field.default.is_some());
            if field.kind == Kind::Secret {
                assert_eq!(template[field.name], Value::Null);
            }
        }
        // A designed node is declared by its definition, without which it is none.
        let required = kind.type_id == "designer" || kind.fields().iter().any(|field| field.default.is_none());
        let outcomes = kind.outcomes(template.as_object().unwrap());
        assert_eq!(outcomes.is_err(), required, "{}: {outcomes:?}", kind.type_id);
        // Settings that are not known are not an error: newer versions have more.
        let mut more = template.as_object().unwrap().clone();
        more.insert("notKnownYet".to_owned(), json!({"a": [1]}));
        assert_eq!(kind.outcomes(&more).is_err(), required);
    }
}

/// Whatever stands in a configuration, a node refuses or works; it does not panic.
#[test]
fn settings_of_the_wrong_type_are_refused() {
    for kind in node_types() {
        for field in kind.fields() {
            for wrong in [json!([1, {}]), json!({"a": 1, "b": []}), json!("not one of them"), json!(-7), json!(true)] {
                let config = Map::from_iter([(field.name.to_owned(), wrong)]);
                let _ = kind.outcomes(&config);
            }
        }
    }
}
