use countersign_journey::import::from_json;
use countersign_journey::{Library, Variables};
use serde_json::json;

use super::*;

fn export(script: &str) -> Export {
    let tree = |entry: &str, kind: &str| json!({"_id": entry, "entryNodeId": "n", "nodes": {"n": {"nodeType": kind, "connections": {}}}});
    let value = json!({"trees": {
        "a": {
            "tree": tree("a", "PageNode"), "themes": [{"x": 1}], "odd": null,
            "nodes": {"n": {"_id": "n", "nodes": [{"_id": "C", "nodeType": "ScriptedDecisionNode"}]}},
            "innerNodes": {"c": {"_id": "c", "script": "s"}}, "saml2Entities": {},
            "scripts": {"s": {"_id": "s", "script": script}, "library": {"script": "lib"}},
            "variable": {"esv-x": {"valueBase64": "eA=="}},
        },
        "b": {
            "tree": tree("b", "ScriptedDecisionNode"), "nodes": {"n": {"_id": "n", "script": "s", "of": "b"}},
            "innerNodes": [], "scripts": {"s": {"_id": "s", "script": script}},
        },
    }});
    from_json(&value.to_string()).unwrap()
}

fn documents() -> Documents {
    let documents = Documents::default();
    let plan = documents.plan(&export("one"), true);
    assert_eq!(plan.imported, ["a", "b"]);
    documents.with(&plan.changes)
}

#[test]
fn what_went_in_comes_out() {
    let documents = documents();
    assert_eq!(documents.export(&[]).to_value(), export("one").to_value());
    assert_eq!(documents.export(&["b".to_owned()]).journeys.keys().collect::<Vec<_>>(), ["b"]);
    // Both have a node `n`, each its own.
    assert_eq!(documents.node("b", "ScriptedDecisionNode", "n").unwrap()["of"], "b");
    let mut library = Library::new();
    library.add(&documents.export(&[]), &Variables::default());
    assert_eq!(library.script("s").unwrap().source, "one");
    assert!(documents.plan(&export("one"), true).shared.is_empty());
}

/// As editors leave coordinates behind; read as other tools read numbers, and so as they write them.
#[test]
fn numbers_come_out_digit_by_digit() {
    let tree =
        r#"{"_id":"a","entryNodeId":"n","nodes":{},"staticNodes":{"startNode":{"x":196.66666666666666,"y":0.1}}}"#;
    let plan =
        Documents::default().plan(&from_json(&format!(r#"{{"trees":{{"a":{{"tree":{tree}}}}}}}"#)).unwrap(), true);
    let out = Documents::default().with(&plan.changes).export(&[]).to_value().to_string();
    assert!(out.contains("196.66666666666666") && out.contains("0.1"), "{out}");
}

#[test]
fn what_exists_is_replaced_or_kept() {
    let before = documents();
    let mut one = export("two");
    one.journeys.remove("a");
    let plan = before.plan(&one, true);
    assert_eq!(plan.shared, [("Script s".to_owned(), vec!["a".to_owned()])]);
    let after = before.with(&plan.changes);
    assert_eq!(after.document("a").unwrap().0["scripts"]["s"]["script"], "two");
    let plan = before.plan(&one, false);
    assert_eq!((plan.kept.as_slice(), plan.changes.len()), (&["b".to_owned()][..], 0));
    // A journey that is replaced by one with less leaves nothing behind.
    let small = json!({"trees": {"a": {"tree": {"_id": "a", "entryNodeId": "n", "nodes": {}}}, "none": {"nodes": {}}}});
    let small = from_json(&small.to_string()).unwrap();
    let plan = before.plan(&small, true);
    assert_eq!(plan.treeless, ["none"]);
    let after = before.with(&plan.changes);
    assert_eq!(after.document("a").unwrap().0.len(), 1);
    let left: Vec<_> = after.rows.keys().map(|place| place.id.as_str()).collect();
    assert_eq!(left, ["a", "b", "innerNodes", "ScriptedDecisionNode/n", "s"]);
}

#[test]
fn what_only_a_removed_journey_used_goes_with_it() {
    let before = documents();
    let after = before.with(&before.removal(&["a".to_owned()]));
    let left: Vec<_> = after.rows.keys().map(|place| place.id.as_str()).collect();
    assert_eq!(left, ["b", "innerNodes", "ScriptedDecisionNode/n", "s"]);
    let after = after.with(&after.removal(&["b".to_owned()]));
    assert!(after.rows.is_empty());
}

#[test]
fn nodes_made_one_by_one_are_found_by_their_tree() {
    let script = key(DocumentKind::Script, "", "s");
    let page = key(DocumentKind::Node, "", "PageNode/P");
    let child = key(DocumentKind::Node, "", "designer-d/c");
    let kind = key(DocumentKind::NodeType, "", "d-1");
    let mut changes: Vec<Change> = vec![
        (script, Some(json!({"script": "x"}))),
        (page, Some(json!({"_id": "P", "nodes": ["c:designer-d:1.0:Child"]}))),
        (child, Some(json!({"_id": "c", "_type": {"_id": "designer-d"}, "script": "s"}))),
        (kind, Some(json!({"serviceName": "d", "script": "y"}))),
    ];
    let documents = Documents::default();
    let tree = json!({"entryNodeId": "p", "nodes": {"p": {"nodeType": "PageNode"}}});
    changes.extend(documents.tree_changes("t", tree.as_object().unwrap().clone()));
    let documents = documents.with(&changes);
    let document = documents.document("t").unwrap();
    let count = |section: &str| document.section(section).count();
    assert_eq!(["nodes", "innerNodes", "scripts", "nodeTypes", "emailTemplates"].map(count), [1, 1, 1, 1, 0]);
    let without = documents.with(&documents.tree_removal("t"));
    assert_eq!((without.names().count(), without.node_places("PageNode", "p").len()), (0, 1));
}

/// Every real export, into a database and out again.
#[tokio::test]
async fn real_exports_come_back_as_they_were() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/journeys");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        return eprintln!("skipped: there are no exports in ../shared/journeys");
    };
    let origin = crate::testing::Origin::new().await;
    let (store, now) = (&origin.app.store, origin.app.clock.now().seconds());
    let mut count = 0;
    for path in entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "json"))
    {
        let text = std::fs::read_to_string(&path).unwrap();
        // Beside the exports are statistics.
        let Ok(export) = from_json(&text) else { continue };
        let realm = format!("/r{count}");
        store.realms().create(&realm, now).await.unwrap();
        let editor = super::super::library::Editor { store, realm: &realm, actor: "test", now };
        let import = |journeys: &super::super::library::RealmJourneys| {
            Ok::<_, StoreError>((journeys.documents.plan(&export, true).changes, ()))
        };
        editor.change(import).await.unwrap();
        let journeys = editor.journeys().await.unwrap();
        assert!(journeys.documents.export(&[]).journeys == export.journeys, "{}", path.display());
        assert!(export.journeys.keys().all(|name| journeys.library.journey(name).is_some()), "{}", path.display());
        count += 1;
    }
    assert!(count > 0, "no exports in {}", folder.display());
}

/// What an export's tools wrote as text is what it says; names that REST refuses are refused.
#[test]
fn flags_are_truth_values_and_names_are_plain() {
    let tree = |flag: Value| {
        let (tree, nodes) = (json!({"_id": "x", "entryNodeId": "n", "enabled": flag, "nodes": {}}), json!({}));
        json!({"tree": tree, "nodes": nodes})
    };
    let trees = json!({"trees": {
        "a": tree(json!("False")), "b": tree(json!("true")), "c": tree(json!(0)),
        "../../etc/passwd": tree(json!(true)), "a/b": tree(json!(true)), "..": tree(json!(true)), " a": tree(json!(true)),
    }});
    let export = from_json(&trees.to_string()).unwrap();
    let plan = Documents::default().plan(&export, true);
    assert_eq!(plan.imported, ["a", "b", "c"]);
    assert_eq!(plan.unnameable, [" a", "..", "../../etc/passwd", "a/b"]);
    let documents = Documents::default().with(&plan.changes);
    assert_eq!(documents.names().collect::<Vec<_>>(), ["a", "b", "c"]);
    let enabled = |name: &str| documents.tree(name).unwrap()["enabled"].clone();
    assert_eq!((enabled("a"), enabled("b"), enabled("c")), (json!(false), json!(true), json!(0)));
}
