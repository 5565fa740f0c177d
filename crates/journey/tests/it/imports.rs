//! The seven shapes on disk, and what validation says of what they hold.

use countersign_journey::import::{ImportError, Shape, from_files, from_json};
use countersign_journey::validate::{Problem, Report, Severity, Verdict, validate};
use countersign_journey::{Export, Library, NodeSpec, Variables};
use serde_json::{Value, json};

use crate::support::{journey, page};

const PAGE: &str = "a1b2c3d4-0000-4000-8000-000000000001";
const CHILD: &str = "a1b2c3d4-0000-4000-8000-000000000002";
const DECISION: &str = "a1b2c3d4-0000-4000-8000-000000000003";
const SCRIPT: &str = "a1b2c3d4-0000-4000-8000-000000000004";

fn tree() -> Value {
    json!({
        "_id": "Log in", "entryNodeId": PAGE, "enabled": true, "nodes": {
            PAGE: {"nodeType": "PageNode", "displayName": "Page", "connections": {"outcome": DECISION}, "x": 1.5},
            DECISION: {"nodeType": "ScriptedDecisionNode", "displayName": "Script",
                       "connections": {"true": countersign_journey::SUCCESS_NODE}},
        },
    })
}

fn child() -> Value {
    json!({"_id": CHILD, "nodeType": "UsernameCollectorNode", "displayName": "Name: of user"})
}

fn decision() -> Value {
    json!({"_id": DECISION, "_type": {"_id": "ScriptedDecisionNode"}, "script": SCRIPT, "outcomes": ["true"]})
}

fn script() -> Value {
    json!({"_id": SCRIPT, "name": "S", "language": "JAVASCRIPT", "script": "outcome = \"true\";"})
}

/// The one journey with its page, child and script, whatever shape it came in.
fn check(export: &Export) {
    assert_eq!(export.journeys.keys().collect::<Vec<_>>(), ["Log in"]);
    let mut library = Library::new();
    library.add(export, &Variables::default());
    let journey = library.journey("Log in").unwrap();
    let report = validate(&library, journey);
    assert_eq!(report.verdict, Verdict::Runs, "{:?}", report.findings);
    let children: Vec<&NodeSpec> = journey.nodes[PAGE].children.iter().collect();
    assert_eq!(children.len(), 1);
    assert_eq!((children[0].id.as_str(), children[0].type_id.as_str()), (CHILD, "UsernameCollectorNode"));
    assert_eq!(children[0].display_name, "Name: of user");
    assert_eq!(journey.nodes[PAGE].config["stage"], "s");
    assert_eq!(library.script(SCRIPT).unwrap().source, "outcome = \"true\";");
    // And frodo reads it again.
    assert!(from_json(&export.to_value().to_string()).unwrap() == *export);
}

fn page_config(child: &Value) -> Value {
    json!({"_id": PAGE, "_type": {"_id": "PageNode"}, "stage": "s", "nodes": [child]})
}

fn file(path: &str, value: &Value) -> (String, String) {
    (path.to_owned(), value.to_string())
}

#[test]
fn trees_and_single() {
    let document = json!({
        "tree": tree(), "nodes": {PAGE: page_config(&child()), DECISION: decision()},
        "innerNodes": {CHILD: {"_id": CHILD}}, "scripts": {SCRIPT: script()}, "themes": [{"odd": 1}],
    });
    let many = json!({"meta": {"exportTool": "frodo"}, "trees": {"Log in": document}, "more": true});
    let export = from_json(&many.to_string()).unwrap();
    check(&export);
    assert_eq!(export.to_value(), many);
    let mut single = document;
    single["innernodes"] = single.as_object_mut().unwrap().remove("innerNodes").unwrap();
    single["origin"] = json!("x");
    let export = from_json(&format!("\u{feff}{single}")).unwrap();
    check(&export);
    assert_eq!(export.to_value(), single);
}

#[test]
fn list() {
    let details = |mut config: Value| {
        config.as_object_mut().unwrap().retain(|key, _| !key.starts_with('_'));
        config
    };
    let list = json!({
        "tree": tree(), "scripts": [script()], "nodes": [
            {"_id": PAGE, "nodeType": "PageNode", "details": details(page_config(&child()))},
            {"_id": CHILD, "nodeType": "UsernameCollectorNode", "details": {}},
            {"_id": DECISION, "nodeType": "ScriptedDecisionNode", "details": details(decision())},
        ],
    });
    check(&from_json(&list.to_string()).unwrap());
}

#[test]
fn config_manager() {
    let mut own = script();
    own["script"] = json!({"file": "S.js"});
    let files = [
        file("journeys/Log in/Log in.json", &tree()),
        file(&format!("journeys/Log in/nodes/Page - {PAGE}.json"), &page_config(&child())),
        file(&format!("journeys/Log in/nodes/Page - {PAGE}/Name - {CHILD}.json"), &json!({"_id": CHILD})),
        file(&format!("journeys/Log in/nodes/Script - {DECISION}.json"), &decision()),
        file(&format!("scripts/scripts-config/{SCRIPT}.json"), &own),
        ("scripts/scripts-content/S.js".to_owned(), "outcome = \"true\";".to_owned()),
    ];
    let (export, shape) = from_files(&files).unwrap();
    assert_eq!(shape, Shape::ConfigManager);
    check(&export);
}

#[test]
fn amster_with_ids_in_upper_case() {
    let entity = |kind: &str, id: &str, data: Value| json!({"metadata": {"realm": "/", "entityType": kind, "entityId": id}, "data": data});
    let mut upper = page_config(&child());
    upper["_id"] = json!(PAGE.to_uppercase());
    let files = [
        file("AuthTree/Log in.json", &entity("AuthTree", "Log in", tree())),
        file("PageNode/1.json", &entity("PageNode", PAGE, upper)),
        file("UsernameCollector/2.json", &entity("UsernameCollectorNode", CHILD, json!({"_id": CHILD}))),
        file("ScriptedDecisionNode/3.json", &entity("ScriptedDecisionNode", DECISION, decision())),
        file("Scripts/4.json", &entity("Scripts", SCRIPT, script())),
    ];
    let (export, shape) = from_files(&files).unwrap();
    assert_eq!(shape, Shape::Amster);
    check(&export);
}

#[test]
fn file_based_with_children_as_texts() {
    let entity = |kind: &str, id: &str, data: Value| {
        let id = format!("default/{id}");
        json!({"metadata": {"realm": "/", "entityType": kind, "entityId": id, "pathParams": {}}, "data": data})
    };
    for version in ["", "1.0:"] {
        let text = format!("{CHILD}:UsernameCollectorNode:{version}Name: of user");
        let mut page = page_config(&json!(text));
        page.as_object_mut().unwrap().remove("_id");
        let files = [
            file(
                "authenticationtreesservice/1.0/organizationconfig/default/log in.json",
                &entity("authenticationTreesService", "Log in", tree()),
            ),
            file(&format!("pagenode/1.0/organizationconfig/default/{PAGE}.json"), &entity("PageNode", PAGE, page)),
            file(&format!("x/{CHILD}.json"), &entity("UsernameCollectorNode", CHILD, json!({}))),
            file(&format!("x/{DECISION}.json"), &entity("ScriptedDecisionNode", DECISION, decision())),
            file(&format!("x/{SCRIPT}.json"), &entity("scripting", SCRIPT, script())),
        ];
        let (export, shape) = from_files(&files).unwrap();
        assert_eq!(shape, Shape::FileBased);
        check(&export);
    }
}

#[test]
fn bare() {
    let mut own = tree();
    own["nodes"][PAGE]["config"] = page_config(&json!({"_id": CHILD, "nodeType": "UsernameCollectorNode",
        "displayName": "Name: of user", "_properties": {}}));
    own["nodes"][DECISION]["config"] = decision();
    let mut export = from_json(&own.to_string()).unwrap();
    export.journeys.get_mut("Log in").unwrap().0["scripts"] = json!({SCRIPT: script()});
    check(&export);
    // With a file for each node beside it.
    let files = [
        file("Log in.json", &tree()),
        file("1.json", &page_config(&child())),
        file("2.json", &json!({"_id": CHILD, "_type": {"_id": "UsernameCollectorNode"}})),
        file("3.json", &decision()),
        file("4.json", &script()),
    ];
    check(&from_files(&files).unwrap().0);
}

#[test]
fn what_is_not_an_export_is_refused() {
    let error = |text: &str| from_json(text).err().unwrap();
    assert!(matches!(error("{"), ImportError::NotJson { .. }));
    assert!(matches!(error("[]"), ImportError::UnknownShape { .. }));
    assert!(matches!(error("{}"), ImportError::UnknownShape { .. }));
    assert!(matches!(error("{\"trees\": {}}"), ImportError::NoJourney));
    assert!(matches!(error("{\"trees\": {\"a\": 1}}"), ImportError::Malformed { .. }));
    assert!(matches!(error("{\"tree\": {}, \"nodes\": {}}"), ImportError::Malformed { .. }));
    assert!(matches!(error("{\"tree\": {}, \"nodes\": 1}"), ImportError::UnknownShape { .. }));
    assert!(matches!(error(&"[".repeat(100_000)), ImportError::NotJson { .. }), "deep nesting");
    let nodes: serde_json::Map<String, Value> = (0..3000).map(|n| (n.to_string(), json!({}))).collect();
    let many = json!({"trees": {"a": {"tree": {}, "nodes": nodes}}});
    assert!(matches!(error(&many.to_string()), ImportError::TooManyNodes { .. }));
    assert!(matches!(from_files(&[]), Err(ImportError::NoJourney)));
}

fn report(export: &Value) -> Report {
    let mut library = Library::new();
    library.add(&from_json(&export.to_string()).unwrap(), &Variables::default());
    let journey = library.journeys().next().unwrap().clone();
    validate(&library, &journey)
}

fn problems(report: &Report, severity: Severity) -> Vec<Problem> {
    report
        .findings
        .iter()
        .filter(|finding| finding.severity == severity)
        .map(|finding| finding.problem.clone())
        .collect()
}

#[test]
fn partial_journeys_say_where_and_why() {
    let groovy = json!({"name": "G", "language": "GROOVY", "script": "outcome = 'true'"});
    let mut export = journey(
        "Partial",
        &[
            (
                "start",
                "ChoiceCollectorNode",
                json!({"choices": ["a", "b", "c", "d", "e"]}),
                &[("a", "odd"), ("b", "script"), ("c", "groovy"), ("d", "inner"), ("e", "limit"), ("f", "gone")],
            ),
            ("odd", "TrusonaDecisionNode", json!({"apiToken": "s3cret", "resource": "x"}), &[("x", "SUCCESS")]),
            ("script", "ScriptedDecisionNode", json!({"script": "none", "outcomes": ["x"]}), &[]),
            ("groovy", "ScriptedDecisionNode", json!({"script": "g", "outcomes": ["x"]}), &[("x", "FAILURE")]),
            ("inner", "InnerTreeEvaluatorNode", json!({"tree": "None"}), &[("true", "SUCCESS"), ("false", "SUCCESS")]),
            (
                "limit",
                "RetryLimitDecisionNode",
                json!({"retryLimit": "many"}),
                &[("Retry", "SUCCESS"), ("Reject", "page")],
            ),
            ("page", "PageNode", page(&[("in", "InnerTreeEvaluatorNode", json!({"tree": "None"}))]), &[]),
            ("left", "OddNode", json!({}), &[]),
        ],
    );
    export["trees"]["Partial"]["scripts"] = json!({"g": groovy});
    let report = report(&export);
    assert_eq!(report.verdict, Verdict::Partial);
    let blocks = problems(&report, Severity::Blocks);
    for expected in [
        Problem::UnknownType("TrusonaDecisionNode".to_owned()),
        Problem::MissingScript("none".to_owned()),
        Problem::ScriptLanguage("G".to_owned()),
        Problem::MissingJourney("None".to_owned()),
        Problem::Setting("setting retryLimit: must be a whole number".to_owned()),
        Problem::Page("pages and inner trees cannot be on a page"),
        Problem::DanglingOutcome("f".to_owned()),
    ] {
        assert!(blocks.contains(&expected), "{expected:?} in {blocks:?}");
    }
    let warns = problems(&report, Severity::Warns);
    for expected in [
        Problem::LiteralSecret("apiToken".to_owned()),
        Problem::UnconnectedOutcome("x".to_owned()),
        Problem::NoSuchOutcome("f".to_owned()),
        Problem::Unreachable(1),
    ] {
        assert!(warns.contains(&expected), "{expected:?} in {warns:?}");
    }
    assert!(!format!("{:?}", report.findings).contains("s3cret"));
}

#[test]
fn journeys_that_cannot_start_are_refused() {
    let mut export = journey("None", &[("a", "UsernameCollectorNode", json!({}), &[("outcome", "SUCCESS")])]);
    export["trees"]["None"]["tree"]["entryNodeId"] = json!("b");
    assert_eq!(report(&export).verdict, Verdict::Refused);
}

#[test]
fn what_is_wrong_in_an_inner_journey_is_wrong_in_its_caller() {
    let inner = journey("B inner", &[("odd", "OddNode", json!({}), &[])]);
    let mut export =
        journey("A", &[("call", "InnerTreeEvaluatorNode", json!({"tree": "B inner"}), &[("true", "SUCCESS")])]);
    export["trees"]["B inner"] = inner["trees"]["B inner"].clone();
    let report = report(&export);
    assert_eq!(report.verdict, Verdict::Partial);
    assert_eq!(problems(&report, Severity::Blocks), [Problem::UnknownType("OddNode".to_owned())]);
}

#[test]
fn variables_are_resolved_when_a_journey_is_taken_in() {
    let config = json!({
        "persistentCookieName": "c-&{esv.cookie.name}-&{esv.none}", "idleTimeout": {"$int": "&{esv.hours}"},
        "hmacSigningKey": "&{esv-key}",
    });
    let mut export = journey("Variables", &[("a", "SetPersistentCookieNode", config, &[("outcome", "SUCCESS")])]);
    export["trees"]["Variables"]["variable"] = json!({"esv-hours": {"valueBase64": "Nw==", "expressionType": "int"}});
    let mut library = Library::new();
    let variables = [("esv-cookie-name".to_owned(), "x".to_owned()), ("esv.key".to_owned(), "k".to_owned())];
    library.add(&from_json(&export.to_string()).unwrap(), &Variables::new(variables));
    let journey = library.journey("Variables").unwrap();
    let config = &journey.nodes["a"].config;
    assert_eq!(config["persistentCookieName"], "c-x-&{esv.none}");
    assert_eq!((&config["idleTimeout"], &config["hmacSigningKey"]), (&json!(7), &json!("k")));
    let report = validate(&library, journey);
    assert!(problems(&report, Severity::Warns).contains(&Problem::MissingVariable("esv.none".to_owned())));
}

/// Journeys with the names of those that they call, in a row; `?` is a node with a way around what comes after it.
fn calling(calls: &[(&str, &str)]) -> Vec<Report> {
    let mut library = Library::new();
    for (name, row) in calls {
        let row: Vec<&str> = row.split(' ').collect();
        let ids: Vec<String> = (0..row.len()).map(|place| format!("n{place}")).collect();
        let next = |place: usize| ids.get(place + 1).map_or("SUCCESS", String::as_str);
        let ways: Vec<[(&str, &str); 2]> = (0..row.len())
            .map(|place| match row[place] {
                "?" => [("in", next(place)), ("out", "SUCCESS")],
                _ => [("true", next(place)), ("false", "FAILURE")],
            })
            .collect();
        let node = |place: usize| match row[place] {
            "?" => (&*ids[place], "ChoiceCollectorNode", json!({"choices": ["in", "out"]}), &ways[place][..]),
            tree => (&*ids[place], "InnerTreeEvaluatorNode", json!({"tree": tree}), &ways[place][..]),
        };
        let nodes: Vec<_> = (0..row.len()).map(node).collect();
        library.add(&from_json(&journey(name, &nodes).to_string()).unwrap(), &Variables::default());
    }
    calls.iter().map(|(name, _)| validate(&library, library.journey(name).unwrap())).collect()
}

#[test]
fn a_journey_that_calls_itself_on_every_way_never_ends() {
    let never = |name: &str| vec![Problem::NeverReturns(name.to_owned())];
    let reasons = |report: &Report| report.reasons().map(|finding| finding.problem.clone()).collect::<Vec<_>>();
    let own = calling(&[("A", "A")]);
    assert_eq!((own[0].verdict, reasons(&own[0])), (Verdict::Partial, never("A")));
    let ring =
        calling(&[("A1", "? A2"), ("A2", "A1"), ("A3", "A4"), ("A4", "A3"), ("B", "? A3"), ("C", "D A3"), ("D", "?")]);
    let verdicts: Vec<_> = ring.iter().map(|report| report.verdict).collect();
    use Verdict::{Partial, Runs};
    // Whoever is asked may leave; that it is deep then is the user's doing.
    assert_eq!(verdicts, [Runs, Runs, Partial, Partial, Partial, Partial, Runs]);
    assert!(reasons(&ring[4]).contains(&Problem::NeverReturns("A3".to_owned())));
}

#[test]
fn flags_that_are_none_shut() {
    let mut library = Library::new();
    let mut add = |flag: &str, value: Value| {
        let mut export = journey("F", &[("a", "ChoiceCollectorNode", json!({"choices": ["x"]}), &[("x", "SUCCESS")])]);
        export["trees"]["F"]["tree"][flag] = value;
        library.add(&from_json(&export.to_string()).unwrap(), &Variables::default());
        let journey = library.journey("F").unwrap().clone();
        (journey.enabled, journey.inner_only, journey.no_session, validate(&library, &journey).verdict)
    };
    assert_eq!(add("enabled", json!("FALSE")), (false, false, false, Verdict::Runs));
    assert_eq!(add("enabled", json!("true")), (true, false, false, Verdict::Runs));
    assert_eq!(add("innerTreeOnly", json!("true")), (true, true, false, Verdict::Runs));
    for odd in [json!(0), json!(1), Value::Null, json!("no"), json!([])] {
        assert_eq!(add("enabled", odd.clone()), (false, false, false, Verdict::Partial), "{odd}");
        assert_eq!(add("innerTreeOnly", odd.clone()), (true, true, false, Verdict::Partial), "{odd}");
        assert_eq!(add("noSession", odd.clone()), (true, false, true, Verdict::Partial), "{odd}");
    }
}
