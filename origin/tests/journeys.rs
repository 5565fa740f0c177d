//! `countersign journey`, run as an operator runs it.

mod common;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use countersign_test_postgres::{Database, shared_database};
use serde_json::{Value, json};

const PASSWORD: &str = "Ch4ng31t";
const SUCCESS: &str = "70e691a5-1e33-4ac3-a356-e7b6d60d92e0";
const FAILURE: &str = "e301438c-0bd0-429c-ab0c-66126501069a";
const SCRIPT: &str = "11111111-1111-4111-8111-111111111111";

/// An installation in a directory of its own, with the realm `/alpha`.
struct Site {
    dir: tempfile::TempDir,
    database: Option<Database>,
}

impl Site {
    fn new(database: Option<Database>) -> Self {
        let site = Self { dir: tempfile::tempdir().unwrap(), database };
        let args =
            ["init", "--realm", "alpha", "--public-url", "http://localhost:8787", "--listen", "127.0.0.1:0", "--dir"];
        let made = site.command().args(args).arg(site.dir.path()).output().unwrap();
        assert!(made.status.success(), "{}", text(&made.stderr));
        site
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        // Nothing of the machine's own settings.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("COUNTERSIGN")) {
            command.env_remove(name);
        }
        command.env("COUNTERSIGN_CONFIG", self.dir.path().join("countersign.toml"));
        command.env("COUNTERSIGN__ARGON2__MEMORY_KIB", "8").env("COUNTERSIGN__ARGON2__ITERATIONS", "1");
        if let Some(database) = &self.database {
            command.env("COUNTERSIGN__DATABASE__URL", database.url());
        }
        command
    }

    /// Exit code and output of `countersign journey …`.
    fn journey(&self, args: &[&str]) -> (Option<i32>, String) {
        let output: Output = self.command().arg("journey").args(args).stdin(Stdio::null()).output().unwrap();
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    }

    fn does(&self, args: &[&str]) -> String {
        let (code, said) = self.journey(args);
        assert_eq!(code, Some(0), "{args:?}: {said}");
        said
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path: PathBuf = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A tree of one node, whose outcomes `true` and `false` end it.
fn document(name: &str, kind: &str, config: Value) -> Value {
    let mut node = config;
    node["_id"] = json!("n");
    node["_type"] = json!({"_id": kind});
    json!({
        "tree": {"_id": name, "entryNodeId": "n", "nodes": {
            "n": {"nodeType": kind, "displayName": "Only", "connections": {"true": SUCCESS, "false": FAILURE}}
        }},
        "nodes": {"n": node}, "innerNodes": {}, "scripts": {}, "emailTemplates": {}, "themes": [{"kept": true}],
    })
}

fn export(documents: &[Value]) -> String {
    let named =
        documents.iter().map(|document| (document["tree"]["_id"].as_str().unwrap().to_owned(), document.clone()));
    json!({"meta": {}, "trees": named.collect::<serde_json::Map<_, _>>()}).to_string()
}

fn decision(name: &str) -> Value {
    document(name, "ZeroPageLoginNode", json!({}))
}

fn scripted(name: &str, source: Option<&str>) -> Value {
    let mut document = document(name, "ScriptedDecisionNode", json!({"script": SCRIPT, "outcomes": ["true", "false"]}));
    if let Some(source) = source {
        let script = json!({"_id": SCRIPT, "name": "S", "language": "JAVASCRIPT", "script": source});
        document["scripts"] = json!({ SCRIPT: script });
    }
    document
}

#[test]
fn journeys_are_brought_shown_given_back_and_taken_away() {
    let site = Site::new(None);
    let brought = [decision("One"), scripted("Two", Some("outcome = \"true\";"))];
    let file = site.file("export.json", &export(&brought));
    let said = site.does(&["import", &file, "--dry-run"]);
    assert!(said.contains("runs     One\nruns     Two\n2 run, 0 partial, 0 refused"), "{said}");
    assert!(said.contains("Nothing was changed.") && !site.does(&["list"]).contains("One"), "{said}");
    site.does(&["import", &file]);
    let list = site.does(&["list"]);
    assert!(list.lines().any(|line| line.starts_with("One ") && line.contains("command line")), "{list}");
    assert!(
        list.lines().any(|line| line.starts_with("Login ") && line.contains("default") && line.contains("built in"))
    );

    let given: Value = serde_json::from_str(&site.does(&["export"])).unwrap();
    assert_eq!(given["trees"], serde_json::from_str::<Value>(&export(&brought)).unwrap()["trees"]);
    let one: Value = serde_json::from_str(&site.does(&["export", "One"])).unwrap();
    assert_eq!(one["trees"].as_object().unwrap().len(), 1);
    let out = site.dir.path().join("out.json");
    site.does(&["export", "--out", out.to_str().unwrap()]);
    assert_eq!(site.journey(&["export", "--out", out.to_str().unwrap()]).0, Some(1), "nothing is written over");
    assert!(site.does(&["graph", "One"]).starts_with("<svg "));
    assert!(site.does(&["graph", "--dot", "Two"]).starts_with("digraph \"Two\""));

    assert_eq!(site.does(&["default"]), "Login\n");
    site.does(&["default", "One"]);
    let (code, said) = site.journey(&["delete", "One"]);
    assert!(code == Some(1) && said.contains("is the default of the realm"), "{said}");
    assert!(site.does(&["list"]).lines().any(|line| line.starts_with("Login ") && line.contains("inner only")));
    assert_eq!(site.journey(&["default", "None"]).0, Some(1));
    site.does(&["delete", "Two"]);
    assert!(!site.does(&["list"]).contains("Two"));
    assert_eq!(site.journey(&["delete", "Two"]).0, Some(1));
    assert_eq!(site.journey(&["list", "--realm", "beta"]).0, Some(1));
}

#[test]
fn import_says_what_will_not_run_and_why() {
    let site = Site::new(None);
    let mut caller = document("Caller", "InnerTreeEvaluatorNode", json!({"tree": "Absent"}));
    caller["nodes"]["n"]["displayErrorOutcome"] = json!(false);
    let mut cookie = document("Cookie", "PersistentCookieDecisionNode", json!({"hmacSigningKey": "AAAA"}));
    cookie["nodes"]["n"]["x"] = json!("&{esv.some.name}");
    let file = site.file(
        "export.json",
        &export(&[decision("Fine"), scripted("Lost", None), document("Odd", "MarketNode", json!({})), caller, cookie]),
    );
    let (code, said) = site.journey(&["import", &file]);
    assert_eq!(code, Some(3), "{said}");
    for line in [
        "runs     Fine",
        "partial  Lost",
        "script 11111111-1111-4111-8111-111111111111 is not in the export",
        "partial  Odd",
        "\"Only\" (MarketNode n): node type MarketNode is not known",
        "inner journey \"Absent\" does not exist",
        "hmacSigningKey holds a secret that stands in the export",
        "variable esv.some.name has no value",
        "2 run, 3 partial, 0 refused; realm /alpha.",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    // What was missing is brought later.
    let more = site.file("more.json", &export(&[decision("Absent"), scripted("Lost", Some("outcome = \"true\";"))]));
    let args = ["import", &more, "--variable", "esv-some-name=1", "--stub", "MarketNode=true"];
    assert!(site.does(&args).contains("2 run"));
    let said = site.does(&["validate"]);
    assert!(!said.contains("partial") && !said.contains("has no value"), "{said}");
    assert!(said.contains("it does nothing and is left by \"true\""), "{said}");
    let given = site.does(&["export", "Cookie"]);
    assert!(given.contains("&{esv.some.name}"), "a variable stays one");
    let args = ["import", "--stub", "MarketNode=", "--variable", "esv.some.name="];
    site.does(&args);
    assert_eq!(site.journey(&["validate", "Odd"]).0, Some(3));
    assert!(site.journey(&["validate", "Cookie"]).1.contains("has no value"));
    assert_eq!(site.journey(&["import", &more, "--stub", "PageNode=x"]).0, Some(1), "a known type needs none");
}

#[test]
fn an_import_is_whole_and_replaces_only_what_it_may() {
    let site = Site::new(None);
    let first = site.file("first.json", &export(&[scripted("A", Some("one")), scripted("B", Some("one"))]));
    site.does(&["import", &first]);
    let second = site.file("second.json", &export(&[scripted("A", Some("two")), decision("C")]));
    let said = site.does(&["import", &second, "--no-replace"]);
    assert!(said.contains("kept     A") && said.contains("runs     C"), "{said}");
    assert!(site.does(&["export", "A"]).contains("\"one\""));
    let said = site.does(&["import", &second]);
    assert!(said.contains("becomes another one, which changes B too"), "{said}");
    // One that cannot be read, and nothing is taken of the others.
    let third = site.file("third.json", &export(&[decision("D")]));
    let broken = site.file("broken.json", "{\"trees\": {\"x\": ");
    for bad in [broken.as_str(), "/does/not/exist.json"] {
        let (code, said) = site.journey(&["import", &third, bad]);
        assert!(code == Some(1) && said.contains(bad), "{said}");
    }
    let large = scripted("Large", Some(&"x".repeat(600 * 1024)));
    let large = site.file("large.json", &export(&[decision("D"), large]));
    let (code, said) = site.journey(&["import", &large]);
    assert!(code == Some(1) && said.contains("document of a journey"), "{said}");
    assert!(!site.does(&["list"]).lines().any(|line| line.starts_with("D ")));
}

#[test]
fn folders_are_read_and_looked_at_without_a_database() {
    let site = Site::new(None);
    let tree = json!({"_id": "Sign on", "entryNodeId": "n", "nodes": {
        "n": {"nodeType": "ScriptedDecisionNode", "displayName": "S", "connections": {"true": SUCCESS}}
    }});
    let node = json!({"_id": "n", "script": SCRIPT, "outcomes": ["true"]});
    let script = json!({"_id": SCRIPT, "name": "S", "language": "JAVASCRIPT", "script": {"file": "S.js"}});
    site.file("realm/journeys/Sign on/Sign on.json", &tree.to_string());
    site.file("realm/journeys/Sign on/nodes/S - n.json", &node.to_string());
    site.file(&format!("realm/scripts/scripts-config/{SCRIPT}.json"), &script.to_string());
    site.file("realm/scripts/scripts-content/S.js", "outcome = \"true\";");
    site.file("realm/.git/x.json", "not JSON");
    let folder = site.dir.path().join("realm");
    let folder = folder.to_str().unwrap();
    let nowhere = |args: &[&str]| {
        let mut command = site.command();
        let output = command.env("COUNTERSIGN_CONFIG", "/none.toml").arg("journey").args(args).output().unwrap();
        (output.status.code(), text(&output.stdout))
    };
    let (code, said) = nowhere(&["validate", folder]);
    assert_eq!((code, said.as_str()), (Some(0), "runs     Sign on\n"));
    assert!(nowhere(&["graph", folder]).1.contains("<svg "));
    let broken = site.file("odd.json", &export(&[document("Odd", "MarketNode", json!({}))]));
    assert_eq!(nowhere(&["validate", &broken]).0, Some(3));
    site.does(&["import", folder]);
    assert!(site.does(&["export", "Sign on"]).contains("outcome = \\\"true\\\";"));
    // From standard input, too.
    let mut command = site.command();
    command.args(["journey", "import", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(export(&[decision("Piped")]).as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(site.does(&["list"]).contains("Piped"));
}

struct Server(Child, String);

impl Server {
    fn start(site: &Site) -> Self {
        let mut child = site.command().arg("serve").stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let address = common::address(&mut log);
        // The log is read on, or the server would wait for whoever reads it.
        std::thread::spawn(move || log.lines().for_each(drop));
        Self(child, format!("http://{address}/am"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn add_user(site: &Site) {
    let mut command = site.command();
    command.args(["user", "add", "--realm", "alpha", "--username", "demo", "--password-stdin"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_journey_is_walked_in_the_terminal() {
    let site = Site::new(None);
    add_user(&site);
    let server = Server::start(&site);
    let run = |answers: &Value, more: &[&str]| {
        let file = site.file("answers.json", &answers.to_string());
        let mut args = vec!["run", "Login", "--url", &server.1, "--realm", "alpha", "--answers", &file];
        args.extend_from_slice(more);
        site.journey(&args)
    };
    let right = json!({"User Name": "demo", "PasswordCallback": PASSWORD});
    let (code, said) = run(&right, &[]);
    assert!(code == Some(0) && said.contains("Success") && said.contains("Its session was ended."), "{said}");
    let (_, said) = run(&right, &["--token"]);
    assert!(said.lines().last().unwrap().len() > 100, "{said}");
    let (code, said) = run(&json!({"User Name": "demo", "Password": "wrong"}), &[]);
    assert!(code == Some(3) && said.contains("Failure (401): Login failure"), "{said}");
    let (code, said) = run(&json!({"User Name": "demo"}), &[]);
    assert!(code == Some(1) && said.contains("there is no answer for Password or IDToken2"), "{said}");

    // A person, whose keyboard is a pipe here.
    let mut command = site.command();
    command.args(["journey", "run", "Login", "--url", &server.1, "--realm", "alpha"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("demo\n{PASSWORD}\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(&output.stderr), "User Name: Password: ");
    assert!(text(&output.stdout).starts_with("Sign in\nSuccess"), "{}", text(&output.stdout));
    let (code, said) = site.journey(&["run", "Login", "--url", "http://127.0.0.1:1/am", "--realm", "alpha"]);
    assert!(code == Some(1) && said.contains("http://127.0.0.1:1/am/json/"), "{said}");
}

#[test]
fn a_rehearsal_finds_what_cannot_be_written() {
    let site = Site::new(None);
    let long = scripted("Long", Some(&"x".repeat(600_000)));
    let name = "n".repeat(5000);
    let outside = decision("../../etc/passwd");
    for (brought, named) in [(long, "script \"11111111"), (decision(&name), "nnnn"), (outside, "\"../../etc/passwd\"")]
    {
        let file = site.file("export.json", &export(&[brought]));
        for args in [&["import", &file, "--dry-run"][..], &["import", &file]] {
            let (code, said) = site.journey(args);
            assert!(code == Some(1) && said.contains("nothing was imported") && said.contains(named), "{said}");
        }
    }
    assert_eq!(site.does(&["list"]).lines().count(), 2);
}

#[test]
fn scripts_that_are_none_are_told() {
    let site = Site::new(None);
    let file = site.file("export.json", &export(&[scripted("Bad", Some("outcome = (;"))]));
    for args in [&["validate", &file][..], &["import", &file], &["validate", "Bad"]] {
        let (code, said) = site.journey(args);
        assert!(code == Some(3) && said.contains("script \"S\" cannot be compiled"), "{args:?}: {said}");
    }
}

#[test]
fn exports_do_not_steer_the_terminal() {
    let site = Site::new(None);
    let mut odd = decision("Odd");
    odd["tree"]["nodes"]["n"]["displayName"] = json!("\u{1b}[31mred\u{9b}0m\u{7}");
    odd["tree"]["nodes"]["n"]["nodeType"] = json!("Un\u{1b}]0;known\u{7}\r\nruns     Fine");
    odd["nodes"]["n"]["_type"]["_id"] = json!("Un\u{1b}]0;known");
    odd["tree"]["nodes"]["n"]["connections"]["\u{1b}c"] = json!("gone\u{1b}");
    let file = site.file("export.json", &export(&[odd]));
    for args in [
        &["validate", &file][..],
        &["graph", &file],
        &["graph", "--dot", &file],
        &["import", &file, "--dry-run"],
        &["import", &file],
        &["list"],
        &["validate"],
        &["import", &site.file("bad.json", "{\"trees\": {\"\u{1b}[2J\": 1}}")],
    ] {
        let (_, said) = site.journey(args);
        assert!(!said.chars().any(|letter| letter.is_control() && letter != '\n'), "{args:?}: {said:?}");
        assert!(!said.contains("\nruns     Fine"), "{args:?}: {said}");
    }
}

#[test]
fn files_of_all_editors_are_read_and_errors_name_them() {
    let site = Site::new(None);
    let path = site.file("wide.json", "");
    let wide: Vec<u8> = export(&[decision("Wide")]).encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(&path, [vec![0xff, 0xfe], wide].concat()).unwrap();
    assert!(site.does(&["import", &path]).contains("runs     Wide"));
    // frodo can put scripts beside the journey.
    let mut apart = scripted("Apart", Some("file://S.script.js"));
    apart["tree"]["description"] = json!("see file://../../etc/passwd");
    site.file("dir/S.script.js", "outcome = \"true\";");
    let apart = site.file("dir/Apart.journey.json", &export(&[apart]));
    assert!(site.does(&["validate", &apart]).contains("runs     Apart"));
    for (name, content) in
        [("half.json", "{\"trees\": {"), ("list.json", "[]"), ("odd.json", "{\"trees\": {\"a\": 1}}")]
    {
        let bad = site.file(name, content);
        let (code, said) = site.journey(&["import", &bad]);
        assert!(code == Some(1) && said.contains(name), "{said}");
    }
}

#[test]
fn what_the_realm_lacks_is_told_and_a_suspended_walk_ends() {
    let site = Site::new(None);
    let mut mails = document("Mails", "EmailSuspendNode", json!({"emailTemplateName": "none"}));
    mails["tree"]["nodes"]["n"]["connections"] = json!({"outcome": SUCCESS});
    let file = site.file("export.json", &export(&[mails]));
    let (code, said) = site.journey(&["import", &file]);
    assert!(
        code == Some(3) && said.contains("partial  Mails") && said.contains("needs [mail] in the settings"),
        "{said}"
    );
    assert!(site.journey(&["list"]).1.lines().any(|line| line.starts_with("Mails ") && line.contains("partial")));
    let server = Server::start(&site);
    let answers = site.file("answers.json", "{}");
    let (code, said) = site.journey(&["run", "Mails", "--url", &server.1, "--realm", "alpha", "--answers", &answers]);
    assert!(code == Some(1) && said.contains("there is no answer for suspendedId"), "{said}");
    assert_eq!(said.matches("An email has been sent").count(), 1, "{said}");
}

/// The same on PostgreSQL, and what is there moves to a file with the rest.
#[test]
fn journeys_move_with_their_installation() {
    let site = Site::new(Some(shared_database().unwrap_or_else(|error| panic!("{error:#}"))));
    let file = site.file("export.json", &export(&[decision("One"), scripted("Two", Some("outcome = \"true\";"))]));
    site.does(&["import", &file, "--variable", "esv-a=secret"]);
    site.does(&["default", "One"]);
    let given = site.does(&["export"]);
    let copy = site.dir.path().join("copy");
    let db = |site: &Site, args: &[&str]| {
        let output = site.command().arg("db").args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    };
    db(&site, &["check"]);
    db(&site, &["export", "--out", copy.to_str().unwrap()]);
    let moved = Site { dir: site.dir, database: None };
    remove(moved.dir.path(), "countersign.db");
    db(&moved, &["import", "--file", copy.to_str().unwrap()]);
    assert_eq!(moved.does(&["export"]), given);
    assert_eq!(moved.does(&["default"]), "One\n");
}

fn remove(dir: &Path, name: &str) {
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(dir.join(format!("{name}{end}")));
    }
}
