//! Every script of the real journeys, where they are at hand (`JOURNEYS_DIR`, or `../shared/journeys` beside the
//! workspace): each must compile, and is run with inputs that could be, empty-handed and with answered callbacks.
//! Prints a table of what fails and why.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_script::{
    Action, AllowList, FoundIdentity, Generation, Host, HostError, HttpRequest, HttpResponse, Input, Script,
    ScriptError,
};
use serde_json::{Map, Value, json};
use support::SANDBOX;

struct Found {
    file: String,
    name: String,
    generation: Generation,
    source: String,
}

/// What the deployment of one of the corpora puts in the place of its marker: a log, settings, secrets.
const LIBRARY: &str = include_str!("support/library.js");

fn text_of(script: &Value) -> Option<String> {
    if let Some(lines) = script.as_array() {
        return lines.iter().map(Value::as_str).collect::<Option<Vec<_>>>().map(|lines| lines.join("\n"));
    }
    let text = script.as_str()?;
    if text.starts_with("file://") || text == "[Empty]" {
        return None;
    }
    if let Ok(inner) = serde_json::from_str::<String>(text) {
        return Some(inner);
    }
    let decoded = STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    Some(decoded.unwrap_or_else(|| text.to_owned()))
}

fn collect(value: &Value, file: &str, seen: &mut BTreeSet<String>, found: &mut Vec<Found>) {
    match value {
        Value::Object(map) => {
            let is =
                |name: &str, wanted: &str| map.get(name).and_then(Value::as_str).is_some_and(|held| held == wanted);
            let known = is("context", "AUTHENTICATION_TREE_DECISION_NODE") || map.contains_key("serviceName");
            if known
                && !is("language", "GROOVY")
                && map.contains_key("script")
                && let Some(source) = map.get("script").and_then(text_of)
                && seen.insert(source.clone())
            {
                let named = |name: &str| map.get(name).and_then(Value::as_str);
                let name = named("name").or(named("displayName")).unwrap_or("?").to_owned();
                let generation = Generation::of(if map.contains_key("serviceName") {
                    Some("2.0")
                } else {
                    named("evaluatorVersion")
                });
                found.push(Found { file: file.to_owned(), name, generation, source });
            }
            map.values().for_each(|inner| collect(inner, file, seen, found));
        }
        Value::Array(all) => all.iter().for_each(|inner| collect(inner, file, seen, found)),
        _ => {}
    }
}

/// A world where everything that is asked for exists.
#[derive(Default)]
struct Plenty {
    list: AllowList,
    asked: Mutex<usize>,
}

impl Host for Plenty {
    fn identity(&self, user: &str) -> Result<Option<FoundIdentity>, HostError> {
        Ok(Some(FoundIdentity { universal_id: format!("id={user}"), name: user.to_owned() }))
    }

    fn attribute(&self, _: &str, name: &str) -> Result<Vec<String>, HostError> {
        // Attributes that hold JSON in the one script that reads such.
        Ok(vec![if name == "mail" {
            "bob@example.com".into()
        } else {
            "{\"custom_verifyStatus\":\"live\",\"_embedded\":{\"metaData\":[]}}".into()
        }])
    }

    fn set_attribute(&self, _: &str, _: &str, _: &[String]) -> Result<(), HostError> {
        Ok(())
    }

    fn add_attribute(&self, _: &str, _: &str, _: &str) -> Result<(), HostError> {
        Ok(())
    }

    fn reachable(&self) -> Option<&AllowList> {
        Some(&self.list)
    }

    fn exchange(&self, _: &HttpRequest) -> Result<HttpResponse, HostError> {
        *self.asked.lock().unwrap() += 1;
        let body = json!({ "result": [{ "_id": "1", "name": "n", "mail": "bob@example.com" }], "access_token": "t", "_id": "1", "company": { "name": "c", "status": "pending" } });
        Ok(HttpResponse {
            status: 200,
            reason: "OK".into(),
            headers: vec![("location".into(), "https://x/".into())],
            body: body.to_string(),
        })
    }

    fn secret(&self, _: &str) -> Result<Vec<u8>, HostError> {
        Ok(b"0123456789abcdef0123456789abcdef".to_vec())
    }

    fn property(&self, name: &str) -> Result<Option<String>, HostError> {
        Ok(Some(if name.contains("fqdn") { "api.example.com".into() } else { "value".into() }))
    }
}

fn input(callbacks: Vec<Value>) -> Input {
    let shared = json!({
        "username": "bob", "userName": "bob", "_id": "1", "realm": "/alpha", "level": 1, "errorMessage": "e", "mail": "bob@example.com",
        "objectAttributes": { "mail": "bob@example.com", "givenName": "Bob", "sn": "Smith" },
        "consentRequest": { "client_name": "c", "scopes": { "openid": null }, "claims": { "id_token": { "company": { "value": "v" } } } },
        "companyData": "{\"company_number\":\"1\",\"company_name\":\"c\",\"members\":[]}", "credential": "c", "hashedCredential": "h",
        "forgeRock.device.profile": { "identifier": "d", "metadata": {} },
    });
    let transient = json!({ "password": "pw", "idmAccessToken": "t", "oneTimePassword": "123456", "notifyJWT": "j", "notifyTemplates": "{}" });
    let map = |value: Value| -> Map<String, Value> { value.as_object().cloned().unwrap_or_default() };
    let header = |name: &str, value: &str| (name.to_owned(), vec![value.to_owned()]);
    Input {
        node: "node".into(),
        realm: "/alpha".into(),
        shared: map(shared),
        transient: map(transient),
        callbacks,
        headers: BTreeMap::from([header("cookie", "a=b"), header("host", "am.example.com"), header("notify-jwt", "j")]),
        parameters: BTreeMap::from([
            header("token", "a.b.c"),
            header("goto", "https://x/"),
            header("consent_request", "e30.e30.e30"),
        ]),
        ..Input::default()
    }
}

fn kind(result: &Result<Action, ScriptError>) -> String {
    match result {
        Ok(Action::GoTo(_)) => "goTo".into(),
        Ok(Action::Send(callbacks)) => format!("send {}", callbacks.len()),
        Ok(Action::Suspend { .. }) => "suspend".into(),
        Err(error) => error.to_string().chars().take(110).collect(),
    }
}

#[test]
fn every_script_of_the_real_journeys_compiles_and_most_run() {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/journeys");
    let folder = std::env::var_os("JOURNEYS_DIR").map_or(beside, PathBuf::from);
    let Ok(files) = std::fs::read_dir(&folder) else {
        eprintln!("SKIPPED: there are no journeys at {}", folder.display());
        return;
    };
    let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
    let mut files: Vec<_> = files
        .filter_map(|file| Some(file.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .collect();
    files.sort();
    for path in files {
        let Ok(value) = serde_json::from_slice::<Value>(&std::fs::read(&path).unwrap()) else { continue };
        collect(&value, &path.file_stem().unwrap().to_string_lossy(), &mut seen, &mut found);
    }
    let world = Arc::new(Plenty {
        list: AllowList::new(["https://api.example.com", "https://value"]).unwrap(),
        ..Plenty::default()
    });
    let (mut uncompiled, mut ran, mut table) = (Vec::new(), 0, Vec::new());
    for Found { file, name, generation, source } in &found {
        let source = if source.contains("// LIBRARY START") { format!("{source}{LIBRARY}") } else { source.clone() };
        let script = Script { name: name.as_str().into(), generation: *generation, source: source.into() };
        if let Err(error) = SANDBOX.check(&script) {
            uncompiled.push(format!("{file} / {name}: {error}"));
            continue;
        }
        let run = |callbacks| {
            let report = SANDBOX.submit(script.clone(), input(callbacks), world.clone()).unwrap().wait();
            report.result.map(|decision| decision.action)
        };
        let first = run(Vec::new());
        let second = match &first {
            Ok(Action::Send(callbacks)) => {
                Some(run(callbacks.iter().enumerate().map(|(at, callback)| callback.wire(at + 1)).collect()))
            }
            _ => None,
        };
        let fails = first.is_err() || second.as_ref().is_some_and(Result::is_err);
        ran += usize::from(!fails);
        if fails {
            table.push(format!(
                "{file} / {name}\n    first: {}{}",
                kind(&first),
                second.map(|second| format!("; answered: {}", kind(&second))).unwrap_or_default()
            ));
        }
    }
    println!(
        "{} scripts: {ran} ran, {} failed, {} do not compile; {} requests",
        found.len(),
        table.len(),
        uncompiled.len(),
        world.asked.lock().unwrap()
    );
    println!("{}\n{}", table.join("\n"), uncompiled.join("\n"));
    assert!(uncompiled.is_empty(), "{uncompiled:#?}");
    assert!(ran * 100 >= found.len() * 85, "{ran} of {} ran", found.len());
}
