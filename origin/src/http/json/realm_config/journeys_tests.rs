use axum::http::Method;
use countersign_core::time::UnixSeconds;
use countersign_journey::{FAILURE_NODE, SUCCESS_NODE};
use countersign_store::{Attributes, IdentityStatus};
use serde_json::{Value, json};

use crate::testing::{ALPHA, Answer, COOKIE, NOW, Origin, PASSWORD};

const PAGE: &str = "11111111-1111-4111-8111-111111111111";
const NAME: &str = "22222222-2222-4222-8222-222222222222";
const SCRIPTED: &str = "33333333-3333-4333-8333-333333333333";
const SCRIPT: &str = "44444444-4444-4444-8444-444444444444";

/// A client with an administrator's session.
struct Admin {
    origin: Origin,
    token: String,
}

impl Admin {
    async fn new() -> Self {
        let origin = Origin::new().await;
        origin.add_user("ada", IdentityStatus::Active, &Attributes::new()).await;
        origin.app.store.administrators().grant("/alpha", "ada", UnixSeconds(NOW)).await.unwrap();
        let headers = [("x-openam-username", "ada"), ("x-openam-password", PASSWORD)];
        let answer = origin.post(&format!("{ALPHA}/authenticate"), &headers, "{}").await;
        let token = answer.json()["tokenId"].as_str().unwrap().to_owned();
        Self { origin, token }
    }

    async fn send(&self, method: Method, path: &str, more: &[(&str, &str)], body: &Value) -> Answer {
        let path = match path.strip_prefix("scripts") {
            Some(_) => format!("{ALPHA}/{path}"),
            None => format!("{ALPHA}/realm-config/authentication/authenticationtrees/{path}"),
        };
        let version = if path.contains("/scripts") { "protocol=2.0,resource=1.0" } else { "protocol=2.1,resource=1.0" };
        let mut headers = vec![(COOKIE, self.token.as_str()), ("accept-api-version", version)];
        headers.extend_from_slice(more);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.origin.send(method, &path, &headers, &body).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], &Value::Null).await
    }

    async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PUT, path, &[], body).await
    }

    async fn action(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, &[], body).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], &Value::Null).await
    }

    /// A journey as frodo imports it: script, inner nodes, nodes, tree.
    async fn import(&self) {
        let script = json!({"_id": SCRIPT, "name": "Decide", "description": null, "language": "JAVASCRIPT",
                            "script": "b3V0Y29tZSA9ICJ0cnVlIjs=", "context": "AUTHENTICATION_TREE_DECISION_NODE"});
        let child = json!({"_id": NAME, "_type": {"_id": "UsernameCollectorNode", "name": "x", "collection": true}});
        let page = json!({"_id": PAGE, "nodes": [
            {"_id": NAME, "nodeType": "UsernameCollectorNode", "displayName": "Name"}
        ]});
        let scripted = json!({"script": SCRIPT, "outcomes": ["true", "Other one"], "_rev": "1"});
        for (path, body) in [
            (format!("scripts/{SCRIPT}"), &script),
            (format!("nodes/UsernameCollectorNode/{NAME}"), &child),
            (format!("nodes/PageNode/{PAGE}"), &page),
            (format!("nodes/ScriptedDecisionNode/{SCRIPTED}"), &scripted),
            ("trees/Log%20in".to_owned(), &tree()),
        ] {
            let answer = self.put(&path, body).await;
            assert_eq!(answer.status, 201, "{path}: {}", answer.text());
            let location = answer.header("location").to_owned();
            assert!(location.starts_with("http://localhost:8787/am/json/realms/root/realms/alpha/"), "{location}");
            assert_eq!(self.put(&path, body).await.status, 200, "{path}");
            let here = location.strip_prefix("http://localhost:8787").unwrap();
            assert_eq!(self.origin.get_with(here, &[(COOKIE, &self.token)]).await.status, 200, "{here}");
        }
    }
}

fn tree() -> Value {
    json!({
        "_id": "Log in", "entryNodeId": PAGE, "identityResource": "managed/user", "description": "d", "nodes": {
            PAGE: {"nodeType": "PageNode", "displayName": "Page", "x": 1, "y": 2, "connections": {"outcome": SCRIPTED}},
            SCRIPTED: {"nodeType": "ScriptedDecisionNode", "displayName": "Decide",
                       "connections": {"true": SUCCESS_NODE, "Other one": FAILURE_NODE}},
        },
    })
}

#[tokio::test]
async fn a_journey_is_imported_node_by_node_and_runs() {
    let admin = Admin::new().await;
    admin.import().await;
    let app = &admin.origin.app;
    let library = app.library("/alpha");
    let journey = library.journey("Log in").unwrap();
    let report = countersign_journey::validate::validate(&library, journey);
    assert_eq!(report.reasons().count(), 0, "{:?}", report.findings);
    assert_eq!(journey.nodes[PAGE].children[0].type_id, "UsernameCollectorNode");
    // The other origin of the installation has it as well.
    let second = admin.origin.second().await;
    assert!(second.app.library("/alpha").journey("Log in").is_some());
    assert!(second.app.library("/alpha").script(SCRIPT).is_some());
}

/// A journey that was meant to be shut does not become open by a word in the wrong place.
#[tokio::test]
async fn a_flag_is_true_or_false() {
    let admin = Admin::new().await;
    admin.import().await;
    for flag in ["enabled", "innerTreeOnly", "mustRun", "noSession", "transactionalOnly"] {
        for odd in [json!("false"), json!("true"), json!(0), json!(1), json!(null), json!({})] {
            let mut body = tree();
            body[flag] = odd.clone();
            let answer = admin.put("trees/Log%20in", &body).await;
            assert_eq!(answer.status, 400, "{flag}: {odd}");
            assert!(answer.error().1.starts_with("Data validation failed for the attribute, "), "{}", answer.text());
        }
    }
    for (member, odd) in
        [("maximumSessionTime", json!("x")), ("maximumIdleTime", json!(1.5)), ("treeTimeout", json!(-1))]
    {
        let mut body = tree();
        body[member] = odd;
        assert_eq!(admin.put("trees/Log%20in", &body).await.status, 400, "{member}");
    }
    let mut body = tree();
    body["enabled"] = json!(false);
    body["treeTimeout"] = json!(7);
    assert_eq!(admin.put("trees/Log%20in", &body).await.status, 200);
}

/// Who changed what, over REST.
#[tokio::test]
async fn changes_are_lines_of_the_audit() {
    let admin = Admin::new().await;
    admin.import().await;
    let told = async || {
        let filter = countersign_store::AuditFilter { topic: Some("config"), ..Default::default() };
        let line = admin.origin.app.store.audit().find(filter, 1).await.unwrap().remove(0).event;
        assert_eq!(
            (line.actor.as_str(), line.realm.as_str(), line.event.as_str()),
            ("ada", "/alpha", "AM-CONFIG-CHANGE")
        );
        line.detail
    };
    let of = |put: &[&str], deleted: &[&str]| json!({"object": "journeys", "put": put, "deleted": deleted, "more": 0});
    assert_eq!(told().await, of(&["tree Log in"], &[]));
    assert_eq!(admin.put("nodes/InnerTreeEvaluatorNode/x", &json!({"tree": "Log in"})).await.status, 201);
    assert_eq!(told().await, of(&["node InnerTreeEvaluatorNode/x"], &[]));
    assert_eq!(admin.delete("nodes/InnerTreeEvaluatorNode/x").await.status, 200);
    assert_eq!(told().await, of(&[], &["node InnerTreeEvaluatorNode/x"]));
    assert_eq!(admin.delete("trees/Log%20in").await.status, 200);
    assert_eq!(told().await, of(&[], &["tree Log in"]));
    assert_eq!(admin.delete(&format!("nodes/ScriptedDecisionNode/{SCRIPTED}")).await.status, 200);
    assert_eq!(admin.delete(&format!("scripts/{SCRIPT}")).await.status, 200);
    assert_eq!(told().await, of(&[], &[&format!("script {SCRIPT}")]));
}

#[tokio::test]
async fn pages_in_pages_and_odd_names_are_refused() {
    let admin = Admin::new().await;
    admin.import().await;
    let page = |children: Value| json!({ "nodes": children });
    let child = |id: &str, kind: &str| json!({"_id": id, "nodeType": kind, "displayName": "x"});
    for (children, status) in [
        (json!([child(PAGE, "PageNode")]), 400),
        (json!([child("p", "UsernameCollectorNode")]), 400),
        (json!([child("other", "PageNode")]), 400),
        (json!([child(NAME, "UsernameCollectorNode")]), 201),
    ] {
        let answer = admin.put("nodes/PageNode/p", &page(children.clone())).await;
        assert_eq!(answer.status, status, "{children}: {}", answer.text());
    }
    let end = |id: &str| json!({"_id": id, "entryNodeId": SUCCESS_NODE, "nodes": {}});
    let name = json!({});
    for odd in ["%2E%2E", ".%2e", "a%2Fb", "a%5Cb", "%20a", "a%0Ab", "a%00", &"x".repeat(256)] {
        assert_eq!(admin.put(&format!("nodes/UsernameCollectorNode/{odd}"), &name).await.error().0, 400, "{odd}");
        assert_eq!(admin.put(&format!("trees/{odd}"), &end(odd)).await.error().0, 400, "{odd}");
    }
    let script = json!({"_id": "../x", "name": "x", "script": "b3V0Y29tZSA9ICJ0cnVlIjs=", "language": "JAVASCRIPT",
                        "context": "AUTHENTICATION_TREE_DECISION_NODE"});
    assert_eq!(admin.action("scripts?_action=create", &script).await.error().0, 400);
    let create = admin.action("nodes/UsernameCollectorNode?_action=create", &json!({"_id": "a/b"})).await;
    assert_eq!(create.error().0, 400);
    let mut inside = end("Inside");
    inside["nodes"] = json!({"a/b": {"nodeType": "UsernameCollectorNode", "displayName": "x", "connections": {}}});
    assert_eq!(admin.put("trees/Inside", &inside).await.error().0, 400);
    assert_eq!(admin.put("trees/Fine%20one", &end("Fine one")).await.status, 201);
}

#[tokio::test]
async fn resources_are_shown_in_ams_shape() {
    let admin = Admin::new().await;
    admin.import().await;
    let answer = admin.get("trees/Log%20in").await;
    let shown = answer.json();
    let members: Vec<&str> = shown.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members[..4], ["_id", "_rev", "identityResource", "entryNodeId"]);
    assert_eq!((&shown["enabled"], &shown["mustRun"], &shown["uiConfig"]), (&json!(true), &json!(false), &json!({})));
    assert_eq!(answer.header("etag"), format!("\"{}\"", shown["_rev"].as_str().unwrap()));
    assert_eq!(answer.header("content-api-version"), "resource=1.0");
    // What was read can be written.
    assert_eq!(admin.put("trees/Log%20in", &shown).await.json(), shown);
    let list = admin.get("trees?_queryFilter=true").await;
    assert_eq!(list.header("content-api-version"), "protocol=2.1,resource=1.0, resource=1.0");
    let names: Vec<Value> = list.json()["result"].as_array().unwrap().iter().map(|tree| tree["_id"].clone()).collect();
    assert_eq!(names, ["Log in", "Login"]);
    let count = admin.get("trees?_queryFilter=true&_pageSize=0&_totalPagedResultsPolicy=EXACT").await.json();
    assert_eq!((&count["resultCount"], &count["totalPagedResults"]), (&json!(0), &json!(2)));

    let node = admin.get(&format!("nodes/ScriptedDecisionNode/{SCRIPTED}")).await.json();
    assert_eq!(node["_type"], json!({"_id": "ScriptedDecisionNode", "name": "Scripted Decision", "collection": true}));
    assert_eq!(node["_outcomes"][1], json!({"id": "Other one", "displayName": "Other one"}));
    let inner = admin.put("nodes/InnerTreeEvaluatorNode/x", &json!({"tree": "Log in"})).await.json();
    assert_eq!(inner["displayErrorOutcome"], false, "the default");
    assert_eq!(inner["_outcomes"][0], json!({"id": "true", "displayName": "True"}));
    assert_eq!(admin.delete("nodes/InnerTreeEvaluatorNode/x").await.status, 200);
    let page = admin.get(&format!("nodes/PageNode/1.0/{PAGE}")).await.json();
    assert_eq!(page["_outcomes"], json!([{"id": "outcome", "displayName": "Outcome"}]));
    let of_type = admin.get("nodes/PageNode?_queryFilter=true").await.json();
    assert_eq!(of_type["resultCount"], 2, "the built-in one too");
    let all = admin.action("nodes?_action=nextdescendents", &json!({})).await.json();
    assert_eq!(all["result"].as_array().unwrap().len(), 7);

    let script = admin.get(&format!("scripts/{SCRIPT}")).await;
    assert_eq!(script.header("content-api-version"), "resource=1.1");
    assert_eq!(script.json()["script"], "b3V0Y29tZSA9ICJ0cnVlIjs=");
    let found = admin.get("scripts?_queryFilter=name%20eq%20%22Decide%22").await.json();
    assert_eq!((&found["resultCount"], &found["result"][0]["_id"]), (&json!(1), &json!(SCRIPT)));
    assert_eq!(admin.get("scripts?_queryFilter=name%20eq%20%22x%22").await.json()["resultCount"], 0);
}

#[tokio::test]
async fn lists_are_filtered_sorted_paged_counted_and_cut_to_fields() {
    let admin = Admin::new().await;
    admin.import().await;
    let names = async |query: &str| -> Vec<String> {
        let list = admin.get(&format!("trees?{query}")).await.json();
        list["result"].as_array().unwrap().iter().map(|tree| tree["_id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("_queryFilter=_id%20eq%20%22Login%22").await, ["Login"]);
    assert_eq!(names("_queryFilter=!(_id%20sw%20%22log%20%22)%20and%20enabled%20eq%20true").await, ["Login"]);
    assert_eq!(names("_queryId=*&_sortKeys=-_id").await, ["Login", "Log in"]);
    let first = admin.get("trees?_queryFilter=true&_pageSize=1&_totalPagedResultsPolicy=EXACT").await.json();
    let counts = ["resultCount", "totalPagedResults", "remainingPagedResults"].map(|name| first[name].clone());
    assert_eq!(counts, [1, 2, 1].map(Value::from));
    let cookie = first["pagedResultsCookie"].as_str().unwrap();
    let last = admin.get(&format!("trees?_queryFilter=true&_pageSize=1&_pagedResultsCookie={cookie}")).await.json();
    assert_eq!((&last["result"][0]["_id"], &last["pagedResultsCookie"]), (&json!("Login"), &Value::Null));
    assert_eq!(names("_queryFilter=true&_pagedResultsOffset=1").await, ["Login"]);
    let count = admin.get("trees?_queryFilter=true&_countOnly=true").await.json();
    assert_eq!((&count["resultCount"], &count["result"]), (&json!(2), &json!([])));

    let tree = admin.get("trees/Login?_fields=enabled,/uiConfig").await.json();
    let members: Vec<&str> = tree.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["_id", "_rev", "enabled", "uiConfig"]);
    let page = admin.get(&format!("nodes/PageNode/{PAGE}?_fields=_outcomes&_prettyPrint=true")).await;
    assert!(page.text().starts_with("{\n  \"_id\": "), "{}", page.text());

    let bad = |what: &str, value: &str, kind: &str| {
        (400, format!("The value '{value}' for parameter '{what}' could not be parsed as a valid {kind}"))
    };
    for path in ["trees", "nodes/PageNode", "scripts"] {
        let asked = async |query: &str| admin.get(&format!("{path}?{query}")).await.error();
        assert_eq!(asked("_queryFilter=junk").await, bad("_queryFilter", "junk", "query filter"), "{path}");
        assert_eq!(asked("_queryFilter=true&_pageSize=-1").await, bad("_pageSize", "-1", "pageSize"), "{path}");
    }
}

#[tokio::test]
async fn conditions_on_reading_are_heeded() {
    let admin = Admin::new().await;
    let get =
        async |name: &str, value: &str| admin.send(Method::GET, "trees/Login", &[(name, value)], &Value::Null).await;
    let tag = admin.get("trees/Login").await.header("etag").to_owned();
    let known = get("if-none-match", &tag).await;
    assert_eq!((known.status, known.text().len(), known.header("etag")), (304, 0, tag.as_str()));
    assert_eq!(get("if-none-match", "\"1\"").await.status, 200);
    assert_eq!(get("if-match", &tag).await.error(), (412, "If-Match not supported for GET requests".into()));
}

#[tokio::test]
async fn types_of_nodes_describe_themselves() {
    let admin = Admin::new().await;
    let types = admin.action("nodes?_action=getAllTypes", &json!({})).await.json();
    let types = types["result"].as_array().unwrap();
    let page = types.iter().find(|kind| kind["_id"] == "PageNode").unwrap();
    assert_eq!((&page["name"], &page["collection"]), (&json!("Page Node"), &json!(true)));
    let ask =
        async |what: &str, body: Value| admin.action(&format!("nodes/ChoiceCollectorNode?_action={what}"), &body).await;
    let schema = ask("schema", json!({})).await.json();
    assert_eq!(schema["properties"]["choices"]["type"], "array");
    assert!(ask("template", json!({})).await.json().is_object());
    assert_eq!(ask("getType", json!({})).await.json()["name"], "Choice Collector");
    let choices = json!({"choices": ["a", "b"], "defaultChoice": "a", "prompt": "p"});
    let outcomes = ask("listOutcomes", choices).await.json();
    assert_eq!(outcomes, json!([{"id": "a", "displayName": "a"}, {"id": "b", "displayName": "b"}]));
    let (status, message) = ask("x", json!({})).await.error();
    assert_eq!((status, message.as_str()), (501, "Action x not implemented for this resource"));
    assert_eq!(admin.action("nodes/NoSuchNode?_action=schema", &json!({})).await.status, 404);

    let made = json!({"_id": NAME, "attributes": {"a": "b"}});
    let create = async || admin.action("nodes/SetStateNode?_action=create", &made).await;
    assert_eq!(create().await.status, 201);
    assert_eq!(create().await.error(), (409, "Unable to save config: Service already exists".into()));
}

#[tokio::test]
async fn a_post_makes_what_is_not_there() {
    let admin = Admin::new().await;
    let empty = json!({"_id": "Made here", "entryNodeId": SUCCESS_NODE, "nodes": {}});
    // This client speaks 2.1 of the protocol, where a POST without an action makes something.
    let made = admin.action("trees", &empty).await;
    assert_eq!((made.status, &made.json()["_id"]), (201, &json!("Made here")));
    assert!(made.header("location").ends_with("/trees/Made%20here"), "{}", made.header("location"));
    let again = admin.action("trees?_action=create", &empty).await;
    assert_eq!(again.error(), (409, "Unable to save config: Service already exists".into()));
    assert_eq!(admin.action("trees?_action=create", &json!({"nodes": {}})).await.status, 400, "it has no name");
    // The scripts' client speaks 2.0.
    assert_eq!(admin.action("scripts", &json!({})).await.error(), (400, "The request has no _action".into()));
    let script = json!({"name": "Odd", "script": "!!!"});
    assert_eq!(admin.put("scripts/odd", &script).await.error(), (400, "Script must be in base64".into()));
}

#[tokio::test]
async fn errors_are_ams() {
    let admin = Admin::new().await;
    admin.import().await;
    for path in ["trees/None", "nodes/PageNode/none", "nodes/PageNode/1.0/none"] {
        assert_eq!(admin.get(path).await.error(), (404, "Not Found".into()), "{path}");
        assert_eq!(admin.delete(path).await.error(), (404, "Not Found".into()), "{path}");
    }
    assert_eq!(admin.get("nodes/PageNode/9.0/x").await.error(), (404, "Resource '9.0' not found".into()));
    assert_eq!(admin.get("nodes/type1/node1").await.error(), (404, "Resource 'type1/node1' not found".into()));
    let missing = (404, "Script with UUID x could not be found in realm /alpha".into());
    assert_eq!(admin.get("scripts/x").await.error(), missing);

    let changed = |member: &str, value: Value| {
        let mut tree = tree();
        tree[member] = value;
        tree
    };
    let nodes = "Data validation failed for the attribute, Nodes";
    for (body, message) in [
        (changed("entryNodeId", json!("x")), nodes),
        (changed("nodes", json!({PAGE: {"nodeType": "PageNode"}, "x": {"nodeType": "PageNode"}})), nodes),
        (changed("nodes", json!({PAGE: {}})), nodes),
        (changed("nodes", json!([])), nodes),
        (changed("entryNodeId", json!(1)), "Data validation failed for the attribute, Entry Node Id"),
        (changed("odd", json!(1)), "Invalid attribute specified."),
        (json!([]), "The request could not be processed because the provided content is not a JSON object"),
    ] {
        assert_eq!(admin.put("trees/Log%20in", &body).await.error(), (400, message.into()), "{body}");
    }
    let bad = json!({"script": SCRIPT, "outcomes": "x"});
    let answer = admin.put(&format!("nodes/ScriptedDecisionNode/{SCRIPTED}"), &bad).await;
    assert_eq!(answer.error(), (400, "Data validation failed for the attribute, outcomes".into()));
    let same = json!({"name": "Decide", "script": "eA==", "language": "JAVASCRIPT"});
    let taken = (409, "Script with name Decide already exist in realm /alpha".into());
    assert_eq!(admin.put("scripts/other", &same).await.error(), taken);
    assert_eq!(admin.put("scripts/other", &json!({"name": "x", "script": "[Empty]"})).await.status, 400);
    assert_eq!(admin.put("trees/%20x", &tree()).await.status, 400);

    let only_new = [("if-none-match", "*")];
    assert_eq!(admin.send(Method::PUT, "trees/Log%20in", &only_new, &tree()).await.status, 412);
    assert_eq!(admin.send(Method::PUT, "trees/Copy", &only_new, &tree()).await.status, 201);
    assert_eq!(admin.send(Method::PUT, "trees/Log%20in", &[("if-match", "\"1\"")], &tree()).await.status, 412);
    assert_eq!(admin.send(Method::PUT, "trees/None", &[("if-match", "\"1\"")], &tree()).await.status, 404);
}

#[tokio::test]
async fn what_is_deleted_is_gone_and_nothing_more() {
    let admin = Admin::new().await;
    admin.import().await;
    let used = format!("Script {SCRIPT} is used by Log in");
    assert_eq!(admin.delete(&format!("scripts/{SCRIPT}")).await.error(), (409, used));
    let gone = admin.delete("trees/Log%20in").await;
    assert_eq!((gone.status, &gone.json()["_id"]), (200, &json!("Log in")));
    assert_eq!(admin.get("trees/Log%20in").await.status, 404);
    // Its nodes stay, until the client deletes them too.
    for node in [format!("PageNode/{PAGE}"), format!("UsernameCollectorNode/{NAME}")] {
        assert_eq!(admin.delete(&format!("nodes/{node}")).await.status, 200, "{node}");
        assert_eq!(admin.get(&format!("nodes/{node}")).await.status, 404, "{node}");
    }
    assert_eq!(admin.delete(&format!("scripts/{SCRIPT}")).await.json(), json!({"_id": SCRIPT}));
    assert!(admin.origin.app.library("/alpha").journey("Log in").is_none());
    assert_eq!(admin.delete("trees/Login").await.status, 409, "the built-in one");
}

#[tokio::test]
async fn the_built_in_journey_can_be_changed_and_another_made_the_default() {
    let admin = Admin::new().await;
    let mut login = admin.get("trees/Login").await.json();
    login["description"] = json!("mine");
    assert_eq!(admin.put("trees/Login", &login).await.status, 200);
    let journey = admin.origin.app.library("/alpha").journey("Login").unwrap().clone();
    assert_eq!(journey.nodes.len(), 2);
    assert!(journey.nodes.values().any(|node| node.children.len() == 2), "its nodes came along");
    admin.delete("trees/Login").await;
    assert_eq!(admin.get("trees/Login").await.json()["description"], "mine", "the default is not deleted");

    admin.import().await;
    let settings = format!("{ALPHA}/realm-config/authentication");
    let set = async |name: &str| {
        let body = json!({"core": {"orgConfig": name}}).to_string();
        admin.origin.send(Method::PUT, &settings, &[(COOKIE, &admin.token)], &body).await
    };
    assert_eq!(set("None").await.status, 400);
    let both = json!({"core": {"orgConfig": "Log in"}, "security": {"sharedSecret": "c2hvcnQ="}}).to_string();
    let answer = admin.origin.send(Method::PUT, &settings, &[(COOKIE, &admin.token)], &both).await;
    assert_eq!((answer.status, admin.origin.app.default_journey("/alpha").as_str()), (400, "Login"), "neither is made");
    assert_eq!(set("Log in").await.json()["core"]["orgConfig"], "Log in");
    assert_eq!(admin.origin.app.default_journey("/alpha"), "Log in");
    assert_eq!(admin.delete("trees/Log%20in").await.status, 409);
}

#[tokio::test]
async fn a_tree_is_looked_at_before_it_is_kept() {
    let admin = Admin::new().await;
    admin.import().await;
    assert_eq!(
        admin.action("trees?_action=validateTree", &tree()).await.json(),
        json!({"success": true, "errors": []})
    );
    let mut bad = tree();
    bad["nodes"][SCRIPTED]["connections"]["true"] = json!("nowhere");
    let told = admin.action("trees?_action=validateTree", &bad).await.json();
    assert_eq!(told["success"], false);
    assert!(told["errors"][0].as_str().unwrap().contains("leads to a node that does not exist"), "{told}");
    assert_eq!(admin.get("trees/Log%20in").await.json()["nodes"][SCRIPTED]["connections"]["true"], SUCCESS_NODE);
}

#[tokio::test]
async fn nobody_else_may() {
    let mut admin = Admin::new().await;
    admin.import().await;
    admin.token = admin.origin.log_in().await;
    for path in ["trees", "trees/Login", "nodes", "nodes/PageNode", "nodes/PageNode/1", "scripts", "scripts/1"] {
        for method in [Method::GET, Method::PUT, Method::POST, Method::DELETE] {
            let answer = admin.send(method.clone(), path, &[], &json!({})).await;
            assert_eq!(answer.error(), (403, "Forbidden".into()), "{method} {path}");
        }
        let anonymous = format!("{ALPHA}/realm-config/authentication/authenticationtrees/{path}");
        let anonymous = if path.starts_with("scripts") { format!("{ALPHA}/{path}") } else { anonymous };
        assert_eq!(admin.origin.get(&anonymous).await.status, 401, "{path}");
    }
}

/// A secret is not told; who writes back what was shown does not take it away.
#[tokio::test]
async fn secrets_of_nodes_are_not_shown() {
    let admin = Admin::new().await;
    let path = format!("nodes/SetPersistentCookieNode/{NAME}");
    let node = json!({"hmacSigningKey": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA=="});
    let answer = admin.put(&path, &node).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.json()["hmacSigningKey"], Value::Null);
    assert_eq!(admin.put(&path, &answer.json()).await.status, 200);
    let journeys = admin.origin.app.journeys("/alpha");
    let kept = journeys.documents.node("", "SetPersistentCookieNode", NAME).unwrap();
    assert_eq!(kept["hmacSigningKey"], node["hmacSigningKey"]);
}

/// By no spelling of its type, and by nothing that follows from it.
#[tokio::test]
async fn secrets_of_nodes_do_not_show_by_other_ways() {
    let admin = Admin::new().await;
    let path = "nodes/SetPersistentCookieNode/n";
    let put = async |secret: &str| admin.put(path, &json!({"hmacSigningKey": secret})).await.json()["_rev"].clone();
    let rev = put("b25l").await;
    for other in ["setpersistentcookienode", "SETPERSISTENTCOOKIENODE", "SetPersistentCoo\u{212a}ieNode"] {
        let other = format!("nodes/{}/n", other.replace('\u{212a}', "%E2%84%AA"));
        assert_eq!(admin.get(&other).await.status, 404, "{other}");
        assert_eq!(admin.delete(&other).await.status, 404, "{other}");
    }
    // That is another node.
    assert_eq!(admin.put("nodes/setpersistentcookienode/n", &json!({"a": 1})).await.status, 201);
    assert_eq!(admin.get("nodes/SetPersistentCookieNode/N").await.json()["maxLife"], 5);
    for filter in ["hmacSigningKey+pr", "hmacSigningKey+co+%22b%22", "hmacSigningKey+sw+%22%22"] {
        let found = admin.get(&format!("nodes/SetPersistentCookieNode?_queryFilter={filter}")).await;
        assert_eq!(found.json()["resultCount"], 0, "{filter}");
    }
    assert_eq!(put("dHdv").await, rev, "of the same time");
    admin.origin.clock.advance(1);
    assert_ne!(put("dHdv").await, rev, "of another");
}

/// Whoever means another version than there is neither changes nor deletes it.
#[tokio::test]
async fn what_another_has_changed_meanwhile_stays() {
    let admin = Admin::new().await;
    admin.import().await;
    for path in
        [format!("nodes/UsernameCollectorNode/{NAME}"), "trees/Log%20in".to_owned(), format!("scripts/{SCRIPT}")]
    {
        for stale in ["\"1\"", "\"*\"", ""] {
            for method in [Method::PUT, Method::DELETE] {
                let body = match path.split_once('/') {
                    Some(("trees", _)) => tree(),
                    Some(("scripts", _)) => json!({"name": "Decide", "script": "Ow=="}),
                    _ => json!({}),
                };
                let answer = admin.send(method.clone(), &path, &[("if-match", stale)], &body).await;
                let expected = (412, "The resource has another version".to_owned());
                // A script that a journey uses could not be deleted anyway.
                assert_eq!(answer.error(), expected, "{method} {path} {stale}");
            }
        }
        assert_eq!(admin.get(&path).await.status, 200, "{path}");
    }
    let path = format!("nodes/UsernameCollectorNode/{NAME}");
    let tag = admin.get(&path).await.header("etag").to_owned();
    let answer = admin.send(Method::DELETE, &path, &[("if-match", &tag)], &Value::Null).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// A row that can be written and not read would keep this realm's journeys from changing, and the server from starting.
#[tokio::test]
async fn what_is_nested_too_deeply_is_refused() {
    let admin = Admin::new().await;
    admin.import().await;
    let nested =
        |levels| serde_json::from_str::<Value>(&format!("{}{}", "[".repeat(levels), "]".repeat(levels))).unwrap();
    for (levels, status) in [(90, 200), (110, 400), (124, 400), (125, 400), (126, 400), (127, 400)] {
        let (mut tree, mut script) = (tree(), admin.get(&format!("scripts/{SCRIPT}")).await.json());
        tree["uiConfig"] = nested(levels);
        script["description"] = nested(levels);
        for (path, body) in [("trees/Log%20in".to_owned(), &tree), (format!("scripts/{SCRIPT}"), &script)] {
            let answer = admin.put(&path, body).await;
            assert_eq!(answer.status, status, "{path} {levels}: {}", answer.text());
        }
        let node = json!({"deep": nested(levels)});
        let answer = admin.put(&format!("nodes/UsernameCollectorNode/{NAME}"), &node).await;
        assert_eq!(answer.status, status, "node {levels}: {}", answer.text());
    }
    admin.origin.second().await;
}

/// Of one large node and a page that has it for each of its children nobody's memory would be large enough.
#[tokio::test]
async fn little_that_comes_to_much_is_refused() {
    let admin = Admin::new().await;
    admin.import().await;
    assert_eq!(admin.put("nodes/Large/large", &json!({"text": "x".repeat(200_000)})).await.status, 201);
    let child = json!({"_id": "large", "nodeType": "Large", "displayName": "x"});
    for (children, status) in [(1500, 413), (2, 200)] {
        let page = json!({"nodes": vec![child.clone(); children]});
        let answer = admin.put(&format!("nodes/PageNode/{PAGE}"), &page).await;
        assert_eq!(answer.status, status, "{children} children: {}", answer.text());
    }
    assert_eq!(admin.origin.app.library("/alpha").journey("Log in").unwrap().nodes[PAGE].children.len(), 2);
    // The same node in other letters, in a tree that is only looked at.
    assert_eq!(admin.put("nodes/Large/abcdefghijk", &json!({"text": "x".repeat(200_000)})).await.status, 201);
    let letters = |number: u32| {
        let letter =
            |(at, letter): (usize, char)| if number >> at & 1 == 1 { letter.to_ascii_uppercase() } else { letter };
        "abcdefghijk".chars().enumerate().map(letter).collect::<String>()
    };
    let mut wide = tree();
    for number in 0..1500 {
        wide["nodes"][letters(number)] = json!({"nodeType": "Large", "displayName": "x", "connections": {}});
    }
    assert_eq!(admin.action("trees?_action=validateTree", &wide).await.status, 413);
    assert_eq!(admin.put("trees/Wide", &wide).await.status, 413);
}

/// A short text, and letters that happen to be base64 themselves.
#[tokio::test]
async fn scripts_come_back_as_they_went_in() {
    let admin = Admin::new().await;
    for text in ["Ow==", "b3V0Y29tZQ==", "IA==", "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4", "WyJhIl0=", "ImEi"] {
        let script = json!({"name": "Short", "script": text});
        let answer = admin.put(&format!("scripts/{SCRIPT}"), &script).await;
        assert!([200, 201].contains(&answer.status), "{}", answer.text());
        assert_eq!(admin.get(&format!("scripts/{SCRIPT}")).await.json()["script"], text);
    }
    for bad in ["/////w==", "a", "", "T3c=="] {
        let answer = admin.put(&format!("scripts/{SCRIPT}"), &json!({"name": "Short", "script": bad})).await;
        assert_eq!(answer.status, 400, "{bad}");
    }
    // What is there is not made once more.
    let other = json!({"_id": SCRIPT, "name": "Other", "script": "Ow=="});
    let (status, message) = admin.action("scripts?_action=create", &other).await.error();
    assert_eq!((status, message), (409, format!("Script with UUID {SCRIPT} already exist in realm /alpha")));
    assert_eq!(admin.get(&format!("scripts/{SCRIPT}")).await.json()["name"], "Short");
}
