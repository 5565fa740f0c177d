//! Exports as other tools, other versions and other hands leave them. Whatever came of one, it is never a panic, and
//! what is refused is refused with the name of its file.

use std::collections::BTreeMap;

use countersign_journey::import::{ImportError, Shape, decode, from_files, from_json};
use countersign_journey::validate::{Problem, Report, Severity, Surroundings, Verdict, validate, validate_in};
use countersign_journey::{Export, FAILURE_NODE, Library, SUCCESS_NODE, Variables};
use serde_json::{Map, Value, json};

use crate::driver;
use crate::support::{World, journey};

const PAGE: &str = "a1b2c3d4-0000-4000-8000-00000000000a";
const CHILD: &str = "a1b2c3d4-0000-4000-8000-00000000000b";
const DECISION: &str = "a1b2c3d4-0000-4000-8000-00000000000c";
const SCRIPT: &str = "a1b2c3d4-0000-4000-8000-00000000000d";

fn document() -> Value {
    json!({
        "tree": {"_id": "Log in", "entryNodeId": PAGE, "nodes": {
            PAGE: {"nodeType": "PageNode", "displayName": "Page", "connections": {"outcome": DECISION}},
            DECISION: {"nodeType": "ScriptedDecisionNode", "displayName": "é\u{1F600}", "connections": {"true": SUCCESS_NODE, "false": FAILURE_NODE}},
        }},
        "nodes": {
            PAGE: {"_id": PAGE, "_type": {"_id": "PageNode"}, "nodes": [{"_id": CHILD, "nodeType": "UsernameCollectorNode", "displayName": "Name"}]},
            DECISION: {"_id": DECISION, "_type": {"_id": "ScriptedDecisionNode"}, "script": SCRIPT, "outcomes": ["true", "false"]},
        },
        "innerNodes": {CHILD: {"_id": CHILD, "_type": {"_id": "UsernameCollectorNode"}}},
        "scripts": {SCRIPT: {"_id": SCRIPT, "name": "S", "language": "JAVASCRIPT", "script": "outcome = \"true\";"}},
    })
}

fn library(export: &Export) -> Library {
    let mut library = Library::new();
    library.add(export, &Variables::default());
    library
}

fn is_whole(export: &Export) {
    let library = library(export);
    let journey = library.journey("Log in").unwrap();
    let report = validate(&library, journey);
    assert_eq!(report.verdict, Verdict::Runs, "{:?}", report.findings);
    assert_eq!(library.script(SCRIPT).unwrap().source, "outcome = \"true\";");
    assert_eq!(journey.nodes[PAGE].children[0].type_id, "UsernameCollectorNode");
}

#[test]
fn other_envelopes_are_read() {
    let one = document();
    let mut lower = one.clone();
    lower["innernodes"] = lower.as_object_mut().unwrap().remove("innerNodes").unwrap();
    let mut bare = one.clone();
    for node in bare["nodes"].as_object_mut().unwrap().values_mut() {
        node.as_object_mut().unwrap().retain(|key, _| !key.starts_with('_'));
    }
    bare["innerNodes"] = json!({});
    let mut upper: Value =
        serde_json::from_str(&one.to_string().replace("\"entryNodeId\":\"a1", "\"entryNodeId\":\"A1")).unwrap();
    upper["tree"]["nodes"][PAGE]["connections"]["outcome"] = json!(DECISION.to_uppercase());
    let mut rich = one.clone();
    for (name, value) in [
        ("emailTemplates", json!({})),
        ("socialIdentityProviders", json!({})),
        ("saml2Entities", json!({"x": {}})),
        ("circlesOfTrust", json!({})),
        ("themes", json!([{"a": 1}])),
        ("variable", json!({"esv-x": {"valueBase64": "?"}})),
        ("nodeTypes", json!({"x": {}})),
    ] {
        rich[name] = value;
    }
    for document in [one.clone(), lower, bare, upper, rich] {
        for whole in [
            document.clone(),
            json!({"trees": {"Log in": document}}),
            json!({"meta": {"exportTool": "frodo", "exportToolVersion": "v0.1"}, "trees": {"Log in": document}}),
            json!({"journeys": {"Log in": document}}),
            json!({"trees": [document]}),
        ] {
            is_whole(&from_json(&whole.to_string()).unwrap_or_else(|error| panic!("{error}: {whole}")));
        }
    }
    let mut unnamed = one.clone();
    unnamed["tree"].as_object_mut().unwrap().remove("_id");
    is_whole(&from_files(&[("a/Log in.journey.json".to_owned(), unnamed.to_string())]).unwrap().0);
    let listing = json!({"result": [one["tree"], {"odd": 1}], "resultCount": 1});
    let (export, shape) = from_files(&[("trees.json".to_owned(), listing.to_string())]).unwrap();
    assert_eq!((shape, export.journeys.len()), (Shape::Trees, 1));
}

#[test]
fn scripts_are_found_in_every_form_and_place() {
    let source = "outcome = \"true\";";
    let packed = "b3V0Y29tZSA9ICJ0cnVlIjs=";
    for body in [json!(source), json!([source]), json!(packed), json!(serde_json::to_string(source).unwrap())] {
        let mut one = document();
        one["scripts"][SCRIPT]["script"] = body;
        is_whole(&from_json(&one.to_string()).unwrap());
    }
    let mut beside = document();
    beside["scripts"][SCRIPT]["script"] = json!("file://S.script.js");
    let mut elsewhere = document();
    let script = elsewhere["scripts"][SCRIPT].take();
    elsewhere["scripts"] = json!({});
    let own = json!({"meta": {}, "script": {SCRIPT: script}}).to_string();
    for files in [
        vec![("journey/L.journey.json", beside.to_string()), ("journey/S.script.js", source.to_owned())],
        vec![("journey/L.journey.json", elsewhere.to_string()), ("script/S.script.json", own)],
    ] {
        let files: Vec<(String, String)> = files.into_iter().map(|(path, text)| (path.to_owned(), text)).collect();
        is_whole(&from_files(&files).unwrap().0);
    }
}

/// Windows line ends, byte order marks, UTF-16.
#[test]
fn texts_of_all_editors_are_read() {
    let text = serde_json::to_string_pretty(&json!({"trees": {"Log in": document()}})).unwrap();
    let units = |text: &str, big: bool| -> Vec<u8> {
        text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    };
    let marked = format!("\u{feff}{text}");
    for bytes in [
        text.clone().into_bytes(),
        marked.clone().into_bytes(),
        text.replace('\n', "\r\n").into_bytes(),
        units(&text, false),
        units(&text, true),
        units(&marked, false),
        units(&marked, true),
    ] {
        is_whole(&from_json(&decode("x.json", bytes).unwrap()).unwrap());
    }
    for (bytes, at) in
        [(b"{\"a\": \"\xff\"}".to_vec(), 7), (vec![0xff, 0xfe, b'{'], 2), (vec![0xff, 0xfe, 0x00, 0xd8, b'a', 0], 6)]
    {
        let error = decode("x.json", bytes).unwrap_err();
        assert!(matches!(&error, ImportError::NotText { at: found, .. } if *found <= at), "{error:?}");
        assert!(error.to_string().starts_with("x.json: byte"), "{error}");
    }
    assert_eq!(decode("x.json", Vec::new()).unwrap(), "");
}

#[test]
fn errors_name_their_file() {
    let good = document().to_string();
    let deep = format!("{{\"trees\": {}1{}}}", "{\"a\":".repeat(5000), "}".repeat(5000));
    let many: Map<String, Value> = (0..3000).map(|n| (n.to_string(), json!({}))).collect();
    for bad in [
        good[..good.len() / 2].to_owned(),
        good.replace(',', ",,"),
        deep,
        json!({"trees": {"a": 1}}).to_string(),
        json!({"trees": [1]}).to_string(),
        json!({"trees": [{"tree": {}}]}).to_string(),
        json!({"tree": {"entryNodeId": "x"}, "nodes": [1]}).to_string(),
        json!({"tree": {"entryNodeId": "x"}, "nodes": [{"nodeType": "x"}]}).to_string(),
        json!({"trees": {"a": {"tree": {}, "nodes": many}}}).to_string(),
    ] {
        let files = [("x/good.json".to_owned(), good.clone()), ("x/bad.json".to_owned(), bad)];
        let error = from_files(&files).err().expect("it was read");
        assert!(error.to_string().starts_with("x/bad.json: "), "{error}");
    }
}

/// Every member in turn is left out, and replaced by what is of another type or far too large.
#[test]
fn every_member_may_be_wrong() {
    let whole = json!({"meta": {"exportTool": "frodo"}, "trees": {"Log in": document()}});
    let mut paths = Vec::new();
    collect(&whole, String::new(), &mut paths);
    let long = "x".repeat(1_000_000);
    let others = [
        Value::Null,
        json!(true),
        json!(-1),
        json!(0.5),
        json!(""),
        json!(long),
        json!([]),
        json!([{}]),
        json!({}),
        json!({"a": {"b": []}}),
    ];
    assert!(paths.len() > 40);
    for path in &paths {
        let (parent, key) = path.rsplit_once('/').unwrap();
        let key = key.replace("~1", "/").replace("~0", "~");
        let mut without = whole.clone();
        match without.pointer_mut(parent).unwrap() {
            Value::Object(map) => drop(map.remove(&key)),
            Value::Array(list) => drop(list.remove(key.parse().unwrap())),
            _ => {}
        }
        survives(&without);
        for other in &others {
            let mut changed = whole.clone();
            *changed.pointer_mut(path).unwrap() = other.clone();
            survives(&changed);
        }
    }
}

fn collect(value: &Value, path: String, paths: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let path = format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
                paths.push(path.clone());
                collect(value, path, paths);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                paths.push(format!("{path}/{index}"));
                collect(value, format!("{path}/{index}"), paths);
            }
        }
        _ => {}
    }
}

/// Reads, judges, draws and runs it.
fn survives(value: &Value) {
    let (export, _) = match from_files(&[("dir/x.json".to_owned(), value.to_string())]) {
        Ok(read) => read,
        Err(ImportError::NoJourney) => return,
        Err(error) => {
            assert!(error.to_string().starts_with("dir/x.json: "), "{error}");
            return;
        }
    };
    let again = from_json(&export.to_value().to_string()).unwrap();
    assert!(again == export);
    let library = library(&export);
    let journeys: Vec<_> = library.journeys().cloned().collect();
    for journey in journeys {
        validate(&library, &journey);
        countersign_journey::graph::svg(&journey);
        countersign_journey::graph::dot(&journey);
        driver::explore_some(&library, &journey, 1);
    }
}

fn reports(export: &Value) -> BTreeMap<String, Report> {
    let library = library(&from_json(&export.to_string()).unwrap());
    library.journeys().map(|journey| (journey.name.clone(), validate(&library, journey))).collect()
}

fn blocked(report: &Report) -> Vec<String> {
    let blocks = report.findings.iter().filter(|finding| finding.severity == Severity::Blocks);
    blocks.map(|finding| finding.problem.to_string()).collect()
}

#[test]
fn journeys_that_never_end_are_told() {
    let circle =
        journey("Circle", &[("check", "DataStoreDecisionNode", json!({}), &[("true", "SUCCESS"), ("false", "check")])]);
    assert_eq!(
        blocked(&reports(&circle)["Circle"]),
        ["outcome \"false\" leads back to it without a question: it never ends"]
    );
    let wide = journey(
        "Wide",
        &[
            ("check", "DataStoreDecisionNode", json!({}), &[("true", "SUCCESS"), ("false", "url")]),
            ("url", "SetFailureUrlNode", json!({"failureUrl": "https://x/"}), &[("outcome", "check")]),
        ],
    );
    assert_eq!(blocked(&reports(&wide)["Wide"]).len(), 1);
    // One that counts, or asks, ends.
    let fine = journey(
        "Fine",
        &[
            ("name", "UsernameCollectorNode", json!({}), &[("outcome", "check")]),
            ("check", "DataStoreDecisionNode", json!({}), &[("true", "SUCCESS"), ("false", "limit")]),
            ("limit", "RetryLimitDecisionNode", json!({}), &[("Retry", "name"), ("Reject", "FAILURE")]),
        ],
    );
    assert!(blocked(&reports(&fine)["Fine"]).is_empty());
    let tree = |entry: &str, more: Value| {
        let mut tree = json!({"_id": "T", "entryNodeId": entry, "nodes": {}});
        tree.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        blocked(&reports(&json!({"tree": tree, "nodes": {}}))["T"])
    };
    assert_eq!(tree(SUCCESS_NODE, json!({})).len(), 1);
    assert_eq!(tree(FAILURE_NODE, json!({})), ["its entry is the failure node: every login fails"]);
    assert!(tree(SUCCESS_NODE, json!({"noSession": true})).is_empty());
    assert!(tree(SUCCESS_NODE, json!({"innerTreeOnly": true})).is_empty());
    // Journeys that call each other without end.
    let mut export = journey(
        "A",
        &[("in", "InnerTreeEvaluatorNode", json!({"tree": "B"}), &[("true", "SUCCESS"), ("false", "FAILURE")])],
    );
    let other = journey(
        "B",
        &[("in", "InnerTreeEvaluatorNode", json!({"tree": "A"}), &[("true", "SUCCESS"), ("false", "FAILURE")])],
    );
    export["trees"]["B"] = other["trees"]["B"].clone();
    reports(&export);
    survives(&export);
}

#[test]
fn what_the_realm_lacks_is_told() {
    let nodes = [
        ("AcceptTermsAndConditionsNode", json!({}), "[identities.terms]"),
        ("TermsAndConditionsDecisionNode", json!({}), "[identities.terms]"),
        ("EmailSuspendNode", json!({}), "[mail]"),
        ("OneTimePasswordSmtpSenderNode", json!({}), "[mail]"),
        ("PushAuthenticationSenderNode", json!({}), "nodes.push_gateway"),
        ("KbaCreateNode", json!({"allowUserDefinedQuestions": false}), "[identities.kba]"),
        ("SelectIdPNode", json!({"filteredProviders": ["google"]}), "identity provider \"google\""),
    ];
    for (type_id, config, named) in nodes {
        let export = journey("J", &[("it", type_id, config, &[("outcome", "SUCCESS")])]);
        let library = library(&from_json(&export.to_string()).unwrap());
        let journey = library.journey("J").unwrap();
        let full = World::new().realm;
        let told = |realm, mail| {
            let around = Surroundings { realm: Some(realm), mail, http: true, scripts: None };
            blocked(&validate_in(&library, journey, around))
        };
        if type_id != "SelectIdPNode" {
            assert!(told(&full, true).is_empty(), "{type_id}: {:?}", told(&full, true));
        }
        assert_eq!(validate(&library, journey).verdict, Verdict::Runs, "{type_id}");
        let mut bare = full.clone();
        bare.terms = None;
        bare.kba.questions.clear();
        bare.push.gateway.clear();
        let told = told(&bare, false);
        assert!(told.iter().any(|problem| problem.contains(named)), "{type_id}: {told:?}");
    }
    let library = library(&from_json(&document().to_string()).unwrap());
    let none = |_: &_| Err("cannot be compiled".to_owned());
    let around = Surroundings { scripts: Some(&none), ..Surroundings::default() };
    let report = validate_in(&library, library.journey("Log in").unwrap(), around);
    assert_eq!(blocked(&report), ["script \"S\" cannot be compiled"]);
    let needs = Problem::Needs("[mail]".to_owned());
    assert_eq!(needs.to_string(), "needs [mail] in the settings");
}
