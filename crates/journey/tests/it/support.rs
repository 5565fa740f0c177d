//! A realm in memory, and a trial that runs one node between a script that prepares state and one that looks at it.

pub(crate) mod attestation;
mod authenticator;
mod certificates;
mod devices;
mod phone;
mod provider;
mod users;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use countersign_journey::host::{
    Audit, Clock, Host, HostError, Http, HttpRequest, HttpResponse, Mailer, NodeEvent, Pending, PersistentCookies,
    PushAnswers, Random, Realm, ResponseCookie, ScriptAction, ScriptCall, ScriptResult, Scripts,
};
use countersign_journey::{
    Answer, Callback, Engine, Failure, FailureCause, JourneyState, Library, Limits, Mail, NodeError, PersistentCookie,
    Request, StepError, Variables, import, node_type,
};
use serde_json::{Map, Value, json};

pub(crate) use authenticator::{Authenticator, ORIGIN, RP};
pub(crate) use devices::one_time_code;
pub(crate) use phone::{Phone, token};
pub(crate) use provider::{Provider, jwk, sign, ssh_key};
pub(crate) use users::{PASSWORD, Users};

/// Services in memory are never pending, so one poll is enough.
pub(crate) fn now_or_never<T>(future: impl Future<Output = T> + Send) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("a service in memory waited"),
    }
}

type ScriptFn = Box<dyn Fn(&mut ScriptCall<'_>) -> Result<ScriptAction, String> + Send + Sync>;

/// Everything that a script leaves; the error is for the log.
pub(crate) type RunFn = Box<dyn Fn(ScriptCall<'_>) -> Result<ScriptResult, String> + Send + Sync>;

/// Status and JSON.
pub(crate) type ServerFn = Box<dyn Fn(&HttpRequest) -> (u16, Value) + Send + Sync>;

/// Everything a journey needs.
pub(crate) struct World {
    pub(crate) realm: Realm,
    pub(crate) users: Users,
    /// Shared by the many worlds of a driver.
    pub(crate) library: Arc<Library>,
    pub(crate) limits: Limits,
    pub(crate) clock: AtomicU64,
    pub(crate) random: AtomicU64,
    pub(crate) mails: Mutex<Vec<Mail>>,
    pub(crate) mail_fails: bool,
    /// Node type and outcome, or the error.
    pub(crate) events: Mutex<Vec<(String, Result<String, NodeError>)>>,
    /// Key and, of times, milliseconds.
    pub(crate) measured: Mutex<Vec<(String, Option<u64>)>>,
    /// What nodes have set.
    pub(crate) cookies: Mutex<Vec<ResponseCookie>>,
    /// Journey, node and outcome.
    pub(crate) left: Mutex<Vec<(String, String, String)>>,
    pub(crate) scripts: Vec<(String, ScriptFn)>,
    /// For those that have none of their own.
    pub(crate) any_script: Option<ScriptFn>,
    /// Runs those that have none of their own for real.
    pub(crate) sandbox: Option<RunFn>,
    /// The servers that nodes ask: by the beginning of the URL.
    pub(crate) servers: Vec<(String, ServerFn)>,
    /// What they were asked.
    pub(crate) requests: Mutex<Vec<HttpRequest>>,
    /// Push messages that are expected, and what was answered.
    pub(crate) answers: Mutex<BTreeMap<String, Option<String>>>,
    /// The phone of whoever sits at the client.
    pub(crate) phone: Mutex<Option<Phone>>,
    /// Cookie value and whom it remembers.
    pub(crate) remembered: Option<(String, String)>,
    /// The security key of whoever sits at the client.
    pub(crate) key: OnceLock<Mutex<Authenticator>>,
}

pub(crate) const START: u64 = 1_790_000_000_000;

impl World {
    pub(crate) fn new() -> Self {
        Self {
            realm: users::realm(),
            users: Users::demo(),
            library: Arc::default(),
            limits: Limits::default(),
            clock: AtomicU64::new(START),
            random: AtomicU64::new(1),
            mails: Mutex::default(),
            mail_fails: false,
            events: Mutex::default(),
            measured: Mutex::default(),
            cookies: Mutex::default(),
            left: Mutex::default(),
            scripts: Vec::new(),
            any_script: None,
            sandbox: None,
            servers: Vec::new(),
            requests: Mutex::default(),
            answers: Mutex::default(),
            phone: Mutex::default(),
            remembered: None,
            key: OnceLock::new(),
        }
    }

    /// With these journeys, as a frodo file has them.
    pub(crate) fn with(mut self, export: &Value) -> Self {
        let export = import::from_json(&export.to_string()).unwrap();
        Arc::make_mut(&mut self.library).add(&export, &Variables::default());
        self
    }

    pub(crate) fn script(
        mut self,
        id: &str,
        body: impl Fn(&mut ScriptCall<'_>) -> Result<ScriptAction, String> + Send + Sync + 'static,
    ) -> Self {
        self.scripts.push((id.to_owned(), Box::new(body)));
        self
    }

    /// A server whose URLs begin so.
    pub(crate) fn server(
        mut self,
        url: &str,
        answer: impl Fn(&HttpRequest) -> (u16, Value) + Send + Sync + 'static,
    ) -> Self {
        self.servers.push((url.to_owned(), Box::new(answer)));
        self
    }

    /// A phone answers a message; one that nobody expects is dropped.
    pub(crate) fn phone_says(&self, message: &str, answer: String) {
        if let Some(slot) = self.answers.lock().unwrap().get_mut(message) {
            *slot = Some(answer);
        }
    }

    pub(crate) fn engine(&self) -> Engine<'_> {
        let host = Host {
            realm: &self.realm,
            identities: &self.users,
            devices: &self.users,
            mailer: self,
            scripts: self,
            cookies: self,
            http: self,
            push: self,
            clock: self,
            random: self,
            audit: self,
        };
        Engine { library: &self.library, host, limits: self.limits }
    }

    pub(crate) fn pass(&self, milliseconds: u64) {
        self.clock.fetch_add(milliseconds, Ordering::Relaxed);
    }

    pub(crate) fn start(&self, journey: &str) -> Result<Answer, StepError> {
        self.start_with(journey, &Request::default())
    }

    pub(crate) fn start_with(&self, journey: &str, request: &Request) -> Result<Answer, StepError> {
        now_or_never(self.engine().start(journey, request))
    }

    /// Sends the answers of the state's callbacks, through JSON and back as a client and a store would have it.
    pub(crate) fn step(&self, state: &JourneyState, answers: &[Value]) -> Result<Answer, StepError> {
        self.step_with(state, answers, &Request::default())
    }

    pub(crate) fn step_with(
        &self,
        state: &JourneyState,
        answers: &[Value],
        request: &Request,
    ) -> Result<Answer, StepError> {
        let callbacks = fill(state.callbacks_json(), answers);
        let stored: JourneyState = serde_json::from_str(&serde_json::to_string(state).unwrap()).unwrap();
        now_or_never(self.engine().step(stored, &callbacks, request))
    }

    pub(crate) fn resume(&self, state: &JourneyState) -> Result<Answer, StepError> {
        now_or_never(self.engine().resume(state.clone(), &Request::default()))
    }

    /// The outcome of the last run of a node of this type that left it.
    pub(crate) fn outcome(&self, type_id: &str) -> Option<Result<String, NodeError>> {
        let events = self.events.lock().unwrap();
        events.iter().rev().find(|(known, _)| known == type_id).map(|(_, outcome)| outcome.clone())
    }
}

/// Puts answers into the inputs of a step: one for each input in order, `null` for "as it was shown".
pub(crate) fn fill(mut callbacks: Vec<Value>, answers: &[Value]) -> Vec<Value> {
    let mut answers = answers.iter();
    for callback in &mut callbacks {
        for input in callback.get_mut("input").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(answer) = answers.next()
                && !answer.is_null()
            {
                input["value"] = answer.clone();
            }
        }
    }
    assert!(answers.next().is_none(), "more answers than inputs in {callbacks:?}");
    callbacks
}

impl Clock for World {
    fn now(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }
}

impl Random for World {
    /// The same numbers in every run.
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            let last = self.random.load(Ordering::Relaxed);
            let next = last.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            self.random.store(next, Ordering::Relaxed);
            *byte = next.to_be_bytes()[0];
        }
    }
}

impl Audit for World {
    fn node(&self, event: NodeEvent<'_>) {
        if let Ok(outcome) = event.outcome {
            let left = (event.journey.to_owned(), event.node.to_owned(), outcome.to_owned());
            self.left.lock().unwrap().push(left);
        }
        let outcome = event.outcome.map(str::to_owned).map_err(Clone::clone);
        self.events.lock().unwrap().push((event.node_type.to_owned(), outcome));
    }

    fn counted(&self, key: &str) {
        self.measured.lock().unwrap().push((key.to_owned(), None));
    }

    fn timed(&self, key: &str, milliseconds: u64) {
        self.measured.lock().unwrap().push((key.to_owned(), Some(milliseconds)));
    }
}

impl Mailer for World {
    fn send<'a>(&'a self, mail: Mail) -> Pending<'a, ()> {
        let result = if self.mail_fails {
            Err(HostError { service: "mail", why: "down".to_owned() })
        } else {
            self.mails.lock().unwrap().push(mail);
            Ok(())
        };
        Box::pin(async { result })
    }
}

impl Http for World {
    fn send<'a>(&'a self, request: HttpRequest) -> Pending<'a, HttpResponse> {
        let server = self.servers.iter().find(|(url, _)| request.url.starts_with(url.as_str()));
        let result = match server {
            None => Err(HostError { service: "http", why: "no such server in this test".to_owned() }),
            Some((_, answer)) => {
                let (status, body) = answer(&request);
                Ok(HttpResponse { status, body: body.to_string().into_bytes() })
            }
        };
        self.requests.lock().unwrap().push(request);
        Box::pin(async { result })
    }
}

impl PushAnswers for World {
    fn expect<'a>(&'a self, message: &'a str, _: u64) -> Pending<'a, ()> {
        self.answers.lock().unwrap().insert(message.to_owned(), None);
        Box::pin(async { Ok(()) })
    }

    fn answer<'a>(&'a self, message: &'a str) -> Pending<'a, Option<String>> {
        let answer = self.answers.lock().unwrap().get(message).cloned().flatten();
        Box::pin(async { Ok(answer) })
    }
}

impl PersistentCookies for World {
    fn open<'a>(
        &'a self,
        value: &'a str,
        cookie: &'a PersistentCookie,
        _: &'a Request,
    ) -> Pending<'a, Option<countersign_journey::host::Identity>> {
        let name = self.remembered.as_ref().filter(|(known, _)| known == value && cookie.name == "session-jwt");
        let found = name.and_then(|(_, username)| self.users.identity(username));
        Box::pin(async { Ok(found) })
    }

    fn set(&self, cookie: &ResponseCookie) -> Result<(), String> {
        if cookie.name == "iPlanetDirectoryPro" {
            return Err("it is the session's".to_owned());
        }
        self.cookies.lock().unwrap().push(cookie.clone());
        Ok(())
    }
}

impl Scripts for World {
    fn decide<'a>(&'a self, mut call: ScriptCall<'a>) -> Pending<'a, ScriptResult> {
        let body = self.scripts.iter().find(|(id, _)| *id == call.script.id).map(|(_, body)| body);
        if let (None, Some(sandbox)) = (body, &self.sandbox) {
            let result = sandbox(call).map_err(script_error);
            return Box::pin(async { result });
        }
        let body = body.or(self.any_script.as_ref());
        let action = body.map_or_else(|| Err("no such script in this test".to_owned()), |body| body(&mut call));
        Box::pin(async move {
            let action = action.map_err(script_error)?;
            Ok(plain_result(call, action))
        })
    }

    /// In these tests such a script puts `config` into shared state.
    fn configure<'a>(&'a self, mut call: ScriptCall<'a>) -> Pending<'a, Map<String, Value>> {
        let body = self.scripts.iter().find(|(id, _)| *id == call.script.id).map(|(_, body)| body);
        let done = body.map_or_else(|| Err("no such script in this test".to_owned()), |body| body(&mut call));
        Box::pin(async move {
            done.map_err(script_error)?;
            match call.shared.remove("config") {
                Some(Value::Object(config)) => Ok(config),
                _ => Err(script_error("left no config".to_owned())),
            }
        })
    }
}

/// What a script leaves that only touches the state and decides.
pub(crate) fn plain_result(call: ScriptCall<'_>, action: ScriptAction) -> ScriptResult {
    ScriptResult {
        shared: call.shared,
        transient: call.transient,
        secure: call.secure,
        action,
        session_properties: Map::new(),
        removed_session_properties: Vec::new(),
        identified: None,
        error_message: None,
        lockout_message: None,
        max_session_minutes: None,
        max_idle_minutes: None,
        header: None,
        description: None,
        stage: None,
    }
}

fn script_error(why: String) -> HostError {
    HostError { service: "script", why }
}

/// Id, type, configuration, and where the outcomes lead.
pub(crate) type NodeOf<'a> = (&'a str, &'a str, Value, &'a [(&'a str, &'a str)]);

/// A frodo file with one journey: nodes as `(id, type, configuration, connections)`.
pub(crate) fn journey(name: &str, nodes: &[NodeOf<'_>]) -> Value {
    let mut associations = Map::new();
    let mut configs = Map::new();
    for (id, node_type, config, connections) in nodes {
        let connections: Map<String, Value> =
            connections.iter().map(|(outcome, target)| ((*outcome).to_owned(), json!(fixed(target)))).collect();
        let association = json!({"nodeType": node_type, "displayName": id, "connections": connections});
        associations.insert((*id).to_owned(), association);
        let mut config = config.clone();
        config["_id"] = json!(id);
        config["_type"] = json!({"_id": node_type});
        configs.insert((*id).to_owned(), config);
    }
    let entry = nodes.first().map_or("", |(id, ..)| id);
    let tree = json!({"_id": name, "entryNodeId": entry, "nodes": associations});
    json!({"trees": {name: {"tree": tree, "nodes": configs, "innerNodes": {}, "scripts": {}}}})
}

/// A page's configuration; children as `(id, type, configuration)`.
pub(crate) fn page(children: &[(&str, &str, Value)]) -> Value {
    let child = |(id, node_type, config): &(&str, &str, Value)| json!({"_id": id, "nodeType": node_type, "displayName": id, "_properties": config});
    json!({"nodes": children.iter().map(child).collect::<Vec<_>>()})
}

pub(crate) fn fixed(target: &str) -> &str {
    match target {
        "SUCCESS" => countersign_journey::SUCCESS_NODE,
        "FAILURE" => countersign_journey::FAILURE_NODE,
        other => other,
    }
}

pub(crate) fn dummy_script(id: &str) -> Value {
    json!({"_id": id, "name": id, "language": "JAVASCRIPT", "script": "// stands for the test's own"})
}

/// One node under test: before it a script puts `shared` and `transient` into the state, after every outcome a script
/// asks for something, so that the state there can be looked at.
pub(crate) struct Trial {
    pub(crate) world: World,
    type_id: String,
    pub(crate) request: Request,
    state: Option<JourneyState>,
    pub(crate) last: Last,
}

/// How the last request ended.
pub(crate) enum Last {
    Asked(Vec<Value>),
    Suspended(String),
    Success,
    Failure(Box<Failure>),
}

static LOOK: &str = "look";

impl Trial {
    pub(crate) fn new(type_id: &str, config: Value) -> Self {
        Self::of(type_id, config, Value::Null, Value::Null, World::new())
    }

    pub(crate) fn of(type_id: &str, config: Value, shared: Value, transient: Value, world: World) -> Self {
        let kind = node_type(type_id).unwrap_or_else(|| panic!("{type_id} is not known"));
        let map = config.as_object().unwrap();
        let page = map.get("nodes").and_then(Value::as_array).and_then(|nodes| nodes.last());
        let outcomes = match page {
            Some(child) => {
                let kind = node_type(child["nodeType"].as_str().unwrap()).unwrap();
                kind.outcomes(child["_properties"].as_object().unwrap()).unwrap().unwrap()
            }
            // A configuration that is refused is refused when the node runs.
            None => kind.outcomes(map).ok().flatten().unwrap_or_default(),
        };
        let to_look: Vec<(&str, &str)> = outcomes.iter().map(|outcome| (outcome.as_str(), LOOK)).collect();
        let script = |id: &str| json!({"script": id, "outcomes": ["done"], "inputs": ["*"], "outputs": ["*"]});
        let mut export = journey(
            "Trial",
            &[
                ("seed", "ScriptedDecisionNode", script("seed"), &[("done", "it")]),
                ("it", type_id, config, &to_look),
                (LOOK, "ScriptedDecisionNode", script(LOOK), &[("done", "it")]),
            ],
        );
        export["trees"]["Trial"]["scripts"] = json!({"seed": dummy_script("seed"), LOOK: dummy_script(LOOK)});
        let merge = |map: &mut Map<String, Value>, value: &Value| {
            map.extend(value.as_object().cloned().unwrap_or_default());
        };
        let world = world
            .with(&export)
            .script("seed", move |call| {
                merge(&mut call.shared, &shared);
                merge(&mut call.transient, &transient);
                Ok(ScriptAction::GoTo("done".to_owned()))
            })
            .script(LOOK, |call| match call.callbacks.is_empty() {
                true => Ok(ScriptAction::Send(vec![Callback::metadata(Map::from_iter([
                    ("shared".to_owned(), Value::Object(call.shared.clone())),
                    ("transient".to_owned(), Value::Object(call.transient.clone())),
                    ("secure".to_owned(), Value::Object(call.secure.clone())),
                ]))])),
                false => Ok(ScriptAction::GoTo("done".to_owned())),
            });
        Self {
            world,
            type_id: type_id.to_owned(),
            request: Request::default(),
            state: None,
            last: Last::Asked(Vec::new()),
        }
    }

    pub(crate) fn run(mut self) -> Self {
        let answer = self.world.start_with("Trial", &self.request).unwrap();
        self.take(answer);
        self
    }

    fn take(&mut self, answer: Answer) {
        self.last = match answer {
            Answer::Callbacks { state, .. } => {
                let asked = state.callbacks_json();
                self.state = Some(*state);
                Last::Asked(asked)
            }
            Answer::Suspended { state, id, .. } => {
                self.state = Some(*state);
                Last::Suspended(id)
            }
            Answer::Success(_) => Last::Success,
            Answer::Failure(failure) => Last::Failure(failure),
        };
    }

    pub(crate) fn state(&self) -> &JourneyState {
        self.state.as_ref().unwrap()
    }

    /// The callbacks on the wire.
    pub(crate) fn asked(&self) -> &[Value] {
        match &self.last {
            Last::Asked(callbacks) => callbacks,
            Last::Suspended(_) => panic!("suspended"),
            Last::Success => panic!("succeeded"),
            Last::Failure(failure) => panic!("failed: {:?}", failure.cause),
        }
    }

    /// The types of the callbacks that the node asked, none when it has been left.
    pub(crate) fn types(&self) -> Vec<&str> {
        if self.left() { Vec::new() } else { self.asked().iter().map(|wire| wire["type"].as_str().unwrap()).collect() }
    }

    pub(crate) fn output(&self, callback: usize, name: &str) -> Value {
        let outputs = self.asked()[callback]["output"].as_array().unwrap();
        outputs.iter().find(|output| output["name"] == name).map_or(Value::Null, |output| output["value"].clone())
    }

    pub(crate) fn answer(mut self, answers: &[Value]) -> Self {
        let answer = self.world.step_with(self.state(), answers, &self.request).unwrap();
        self.take(answer);
        self
    }

    pub(crate) fn resume(mut self) -> Self {
        let answer = self.world.resume(self.state()).unwrap();
        self.take(answer);
        self
    }

    /// Runs the node again, with the state it has left.
    pub(crate) fn again(self) -> Self {
        assert!(self.left());
        self.answer(&[])
    }

    fn left(&self) -> bool {
        matches!(&self.last, Last::Asked(..)) && self.state().position().1 == LOOK
    }

    /// The outcome by which the node was left, or the exception.
    pub(crate) fn outcome(&self) -> String {
        match &self.last {
            Last::Failure(failure) => match &failure.cause {
                FailureCause::Exception { error, .. } => format!("exception: {error}"),
                other => panic!("{other:?}"),
            },
            Last::Suspended(_) => "suspended".to_owned(),
            _ if self.left() => self.world.outcome(&self.type_id).unwrap().unwrap(),
            _ => format!("asks: {:?}", self.types()),
        }
    }

    pub(crate) fn is_exception(&self) -> bool {
        self.outcome().starts_with("exception")
    }

    fn store(&self, name: &str) -> Value {
        assert!(self.left(), "{}", self.outcome());
        self.output(0, "data")[name].clone()
    }

    pub(crate) fn shared(&self) -> Value {
        self.store("shared")
    }

    pub(crate) fn transient(&self) -> Value {
        self.store("transient")
    }

    pub(crate) fn secure(&self) -> Value {
        self.store("secure")
    }
}
