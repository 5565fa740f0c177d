//! A sandbox, and a world in memory for scripts to reach.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of this")]

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use countersign_script::{
    Action, AllowList, Decision, FoundIdentity, Generation, Host, HostError, HttpRequest, HttpResponse, Input, Limits,
    Report, Sandbox, Script, ScriptError,
};
use serde_json::{Value, json};

pub static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| Sandbox::new(limits(), 2, 64).unwrap());

pub fn limits() -> Limits {
    // Generous with time, since two threads of a debug build share a machine with other tests.
    Limits { time: Duration::from_secs(5), ..Limits::default() }
}

#[derive(Default)]
pub struct World {
    pub list: AllowList,
    pub users: Mutex<BTreeMap<String, BTreeMap<String, Vec<String>>>>,
    pub sent: Mutex<Vec<HttpRequest>>,
    pub answers: Mutex<Vec<HttpResponse>>,
    pub properties: BTreeMap<&'static str, &'static str>,
    pub libraries: BTreeMap<&'static str, &'static str>,
}

impl World {
    /// One user, one server that is allowed, and what it will answer.
    pub fn new(answers: impl IntoIterator<Item = (u16, &'static str)>) -> Self {
        let bob = BTreeMap::from([("mail".to_owned(), vec!["bob@example.com".to_owned()])]);
        let answer = |(status, body): (u16, &str)| HttpResponse {
            status,
            reason: "Reason".to_owned(),
            headers: vec![
                ("Content-Type".to_owned(), "application/json".to_owned()),
                ("Location".to_owned(), "/next".to_owned()),
            ],
            body: body.to_owned(),
        };
        let mut answers: Vec<_> = answers.into_iter().map(answer).collect();
        answers.reverse();
        Self {
            list: AllowList::new(["https://api.example.com/v1"]).unwrap(),
            users: Mutex::new(BTreeMap::from([("bob".to_owned(), bob)])),
            answers: Mutex::new(answers),
            properties: BTreeMap::from([("esv.name", "value"), ("esv.count", "7")]),
            ..Self::default()
        }
    }
}

impl Host for World {
    fn identity(&self, user: &str) -> Result<Option<FoundIdentity>, HostError> {
        let name = user.trim_start_matches("id=");
        let known = self.users.lock().unwrap().contains_key(name);
        Ok(known.then(|| FoundIdentity { universal_id: format!("id={name}"), name: name.to_owned() }))
    }

    fn attribute(&self, universal_id: &str, name: &str) -> Result<Vec<String>, HostError> {
        let users = self.users.lock().unwrap();
        let user = users.get(universal_id.trim_start_matches("id="));
        Ok(user.and_then(|user| user.get(name)).cloned().unwrap_or_default())
    }

    fn set_attribute(&self, universal_id: &str, name: &str, values: &[String]) -> Result<(), HostError> {
        let mut users = self.users.lock().unwrap();
        let user =
            users.get_mut(universal_id.trim_start_matches("id=")).ok_or(HostError::Failed("no such user".into()))?;
        user.insert(name.to_owned(), values.to_vec());
        Ok(())
    }

    fn add_attribute(&self, universal_id: &str, name: &str, value: &str) -> Result<(), HostError> {
        let mut users = self.users.lock().unwrap();
        let user =
            users.get_mut(universal_id.trim_start_matches("id=")).ok_or(HostError::Failed("no such user".into()))?;
        user.entry(name.to_owned()).or_default().push(value.to_owned());
        Ok(())
    }

    fn reachable(&self) -> Option<&AllowList> {
        Some(&self.list)
    }

    fn exchange(&self, request: &HttpRequest) -> Result<HttpResponse, HostError> {
        self.sent.lock().unwrap().push(request.clone());
        self.answers.lock().unwrap().pop().ok_or_else(|| HostError::Failed("connection refused".into()))
    }

    fn secret(&self, id: &str) -> Result<Vec<u8>, HostError> {
        if id == "known" {
            Ok("s3cr\u{e9}t".as_bytes().to_vec())
        } else {
            Err(HostError::Failed(format!("no secret {id:?}")))
        }
    }

    fn property(&self, name: &str) -> Result<Option<String>, HostError> {
        Ok(self.properties.get(name).map(|value| (*value).to_owned()))
    }

    fn library(&self, name: &str) -> Result<Option<Arc<str>>, HostError> {
        Ok(self.libraries.get(name).map(|source| Arc::from(*source)))
    }
}

pub fn script(generation: Generation, source: &str) -> Script {
    Script { name: "test".into(), generation, source: source.into() }
}

pub fn input(value: Value) -> Input {
    let map = |name: &str| value.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
    let read = |name: &str| serde_json::from_value(value.get(name).cloned().unwrap_or_else(|| json!({}))).unwrap();
    Input {
        node: "node-1".to_owned(),
        realm: "/alpha".to_owned(),
        shared: map("shared"),
        transient: map("transient"),
        secure: map("secure"),
        callbacks: value.get("callbacks").and_then(Value::as_array).cloned().unwrap_or_default(),
        headers: read("headers"),
        parameters: read("parameters"),
        existing_session: value.get("session").map(|session| serde_json::from_value(session.clone()).unwrap()),
        properties: map("properties"),
        client_ip: "192.0.2.1".to_owned(),
        ..Input::default()
    }
}

pub fn report(generation: Generation, source: &str, told: Value, world: Arc<World>) -> Report {
    SANDBOX.submit(script(generation, source), input(told), world).unwrap().wait()
}

#[track_caller]
pub fn decide(generation: Generation, source: &str, told: Value) -> Decision {
    report(generation, source, told, Arc::new(World::new([])))
        .result
        .unwrap_or_else(|error| panic!("{error}\n{source}"))
}

pub fn fails(generation: Generation, source: &str) -> ScriptError {
    report(generation, source, json!({}), Arc::new(World::new([]))).result.unwrap_err()
}

/// The values of an expression, as the script sees them: it is run, and what it gives becomes state.
#[track_caller]
pub fn values(generation: Generation, expression: &str, told: Value) -> Value {
    let put = match generation {
        Generation::Legacy => format!("sharedState.put('it', {expression}); outcome = 'x';"),
        Generation::Next => format!("nodeState.putShared('it', {expression}); outcome = 'x';"),
    };
    decide(generation, &put, told).shared.remove("it").unwrap()
}

pub fn sent(decision: &Decision) -> Vec<Value> {
    match &decision.action {
        Action::Send(callbacks) => callbacks.iter().enumerate().map(|(at, callback)| callback.wire(at + 1)).collect(),
        other => panic!("{other:?}"),
    }
}
