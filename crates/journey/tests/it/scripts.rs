//! Runs the scripts of real journeys in the sandbox in which the origin runs them, with a world around them that has
//! whatever they ask for: users, servers, secrets, variables.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use countersign_journey::host::{ScriptAction, ScriptCall, ScriptResult};
use countersign_journey::{Callback, CallbackType, Identified, Language, Library, NodeSpec};
use countersign_script::{
    Action, AllowList, Decision, FoundIdentity, Generation, Host, HostError, HttpRequest, HttpResponse, Input, Journey,
    Limits, Sandbox, Script, ScriptError,
};
use serde_json::{Map, Value, json};

/// What the deployment of one of the corpora puts in the place of its marker.
const LIBRARY: &str = include_str!("../../../script/tests/support/library.js");

static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| {
    // Generous with time, since a debug build shares its machine with other tests.
    Sandbox::new(Limits { time: Duration::from_secs(5), ..Limits::default() }, 2, 64).unwrap()
});

/// What came of a script in all of its runs.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    pub(crate) name: String,
    /// It came to one of its node's outcomes.
    pub(crate) decided: bool,
    /// The first exception that is the sandbox's making, not the script's: something that AM has was missing.
    pub(crate) fault: Option<String>,
    /// The first of any other kind: a script that is given nothing useful may well end with one.
    pub(crate) own: Option<String>,
}

/// Runs scripts of a library, and keeps what came of each.
pub(crate) struct Scripts {
    library: Arc<Library>,
    reachable: Arc<AllowList>,
    /// Those that are to decide, and those of them that are looked at.
    wanted: BTreeSet<String>,
    looked_at: Mutex<BTreeSet<String>>,
    seen: Mutex<BTreeMap<String, Seen>>,
}

/// Chooses among so many ways at a place.
pub(crate) type Choose = Arc<dyn Fn(&str, usize) -> usize + Send + Sync>;

impl Scripts {
    /// `wanted` are the scripts, by id, that are to be seen deciding.
    pub(crate) fn new(library: &Library, wanted: BTreeSet<String>) -> Self {
        let mut origins = BTreeSet::from(["https://api.example.com".to_owned(), "https://value".to_owned()]);
        for script in library.scripts() {
            // The servers that they name themselves, and text after the scheme that is no name of a server.
            origins.extend(script.source.split("https://").skip(1).filter_map(|rest| {
                let end = rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || ".-:".contains(letter)));
                let host = &rest[..end.unwrap_or(rest.len())];
                let origin = format!("https://{host}");
                (!host.is_empty() && AllowList::new([origin.as_str()]).is_ok()).then_some(origin)
            }));
        }
        let reachable = AllowList::new(origins.iter().map(String::as_str)).unwrap();
        Self {
            library: Arc::new(library.clone()),
            reachable: Arc::new(reachable),
            looked_at: Mutex::new(wanted.clone()),
            wanted,
            seen: Mutex::default(),
        }
    }

    pub(crate) fn decided(&self) -> usize {
        let seen = self.seen.lock().unwrap();
        self.looked_at.lock().unwrap().iter().filter(|id| seen.get(*id).is_some_and(|seen| seen.decided)).count()
    }

    pub(crate) fn all_decided(&self) -> bool {
        self.decided() == self.looked_at.lock().unwrap().len()
    }

    /// Whether the node has a script that is still to decide.
    pub(crate) fn wants(&self, node: &NodeSpec) -> bool {
        let decided = |id: &str| self.seen.lock().unwrap().get(id).is_some_and(|seen| seen.decided);
        script_of(node).is_some_and(|id| self.wanted.contains(id) && !decided(id))
    }

    pub(crate) fn look_at(&self, node: &NodeSpec) {
        let own = node.with_children().filter(|part| self.wants(part)).filter_map(script_of).map(str::to_owned);
        *self.looked_at.lock().unwrap() = own.collect();
    }

    pub(crate) fn look_at_all(&self) {
        self.looked_at.lock().unwrap().clone_from(&self.wanted);
    }

    /// What nodes and scripts of the corpora leave for each other, where nothing has left it yet.
    pub(crate) fn seed(&self, call: &mut ScriptCall<'_>) {
        let shared = json!({
            "userName": "demo", "level": 1, "errorMessage": "e", "mail": "demo@example.com", "credential": "c", "hashedCredential": "h",
            "consentRequest": {"client_name": "c", "scopes": {"openid": null}, "claims": {"id_token": {"company": {"value": "v"}}}},
            "companyData": "{\"company_number\":\"1\",\"company_name\":\"c\",\"members\":[]}", "companyNumber": "1",
            "forgeRock.device.profile": {"identifier": "d", "metadata": {}}, "email": "demo@example.com", "jurisdiction": "EW",
        });
        let transient =
            json!({"idmAccessToken": "t", "oneTimePassword": "123456", "notifyJWT": "j", "notifyTemplates": "{}"});
        for (store, values) in [(&mut call.shared, shared), (&mut call.transient, transient)] {
            for (name, value) in values.as_object().into_iter().flatten() {
                store.entry(name).or_insert_with(|| value.clone());
            }
        }
    }

    pub(crate) fn seen(&self) -> BTreeMap<String, Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Runs it with the state it is given; `None` when nothing came of it.
    pub(crate) fn run(
        &self,
        call: &ScriptCall<'_>,
        users: BTreeMap<String, Map<String, Value>>,
        choose: Choose,
    ) -> Option<ScriptResult> {
        if call.script.language != Language::JavaScript {
            return None;
        }
        let source = &call.script.source;
        let source = if source.contains("// LIBRARY START") { format!("{source}\n{LIBRARY}") } else { source.clone() };
        let script = Script {
            name: call.script.name.as_str().into(),
            generation: if call.script.next_generation { Generation::Next } else { Generation::Legacy },
            source: source.into(),
        };
        let world = Surroundings {
            place: call.node.to_owned(),
            library: self.library.clone(),
            reachable: self.reachable.clone(),
            users,
            choose,
        };
        let report = SANDBOX.submit(script, input(call), Arc::new(world)).unwrap().wait();
        let mut seen = self.seen.lock().unwrap();
        let seen = seen.entry(call.script.id.clone()).or_default();
        seen.name.clone_from(&call.script.name);
        // Scripts catch what goes wrong, and log it.
        if let Some(line) = report.log.iter().find(|line| is_fault(&line.text)) {
            seen.fault.get_or_insert_with(|| line.text.clone());
        }
        match report.result {
            Err(error) => {
                let ours = match &error {
                    ScriptError::Threw { message, .. } => is_fault(message),
                    // One that only decorates a page does that.
                    ScriptError::NoOutcome => false,
                    _ => true,
                };
                let slot = if ours { &mut seen.fault } else { &mut seen.own };
                slot.get_or_insert_with(|| error.to_string());
                None
            }
            Ok(decision) => {
                if let Action::GoTo(outcome) = &decision.action {
                    if !call.outcomes.contains(outcome) {
                        seen.own.get_or_insert_with(|| format!("{outcome:?} is not one of its outcomes"));
                        return None;
                    }
                    seen.decided = true;
                }
                match result(decision) {
                    Ok(result) => Some(result),
                    Err(kind) => {
                        seen.fault.get_or_insert(format!("there is no callback {kind}"));
                        None
                    }
                }
            }
        }
    }
}

/// The id of the decision script that a node runs.
pub(crate) fn script_of(node: &NodeSpec) -> Option<&str> {
    match node.type_id.as_str() {
        "ScriptedDecisionNode" => node.config.get("script").and_then(Value::as_str),
        designed => designed.starts_with("designer-").then_some(designed),
    }
}

/// What the sandbox says of what it does not have, and what JavaScript says of it.
fn is_fault(text: &str) -> bool {
    ["is not available to scripts", "is not supported", "not a function", "not a constructor", "is not defined"]
        .iter()
        .any(|phrase| text.contains(phrase))
}

fn input(call: &ScriptCall<'_>) -> Input {
    let request = call.request;
    let session = request.existing_session.as_ref().map(|session| {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        session.properties.iter().map(|(name, value)| (name.clone(), text(value))).collect()
    });
    Input {
        node: call.node.to_owned(),
        realm: call.realm.to_owned(),
        shared: call.shared.clone(),
        transient: call.transient.clone(),
        secure: call.secure.clone(),
        callbacks: call.callbacks.iter().enumerate().map(|(at, callback)| callback.to_wire(at, false)).collect(),
        headers: request.headers.clone(),
        parameters: request.parameters.clone(),
        cookies: request.cookies.clone(),
        client_ip: request.client_ip.map(|address| address.to_string()).unwrap_or_default(),
        existing_session: session,
        resumed: call.resumed,
        properties: call.properties.clone(),
        languages: vec!["en".to_owned()],
        journey: Journey {
            name: call.journey.name.clone(),
            resource: call.journey.identity_resource().to_owned(),
            inner_only: call.journey.inner_only,
            must_run: call.journey.must_run,
        },
        ..Input::default()
    }
}

/// The type of callback is the error.
fn result(decision: Decision) -> Result<ScriptResult, String> {
    fn borrowed(list: &[(String, Value)]) -> impl Iterator<Item = (&str, Value)> {
        list.iter().map(|(name, value)| (name.as_str(), value.clone()))
    }
    let callback = |sent: &countersign_script::Callback| {
        let kind = CallbackType::of(&sent.kind).ok_or_else(|| sent.kind.clone())?;
        Ok::<_, String>(Callback::new(kind, borrowed(&sent.output), borrowed(&sent.input)))
    };
    Ok(ScriptResult {
        action: match decision.action {
            Action::GoTo(outcome) => ScriptAction::GoTo(outcome),
            Action::Send(sent) => ScriptAction::Send(sent.iter().map(callback).collect::<Result<_, _>>()?),
            Action::Suspend { message, minutes } => ScriptAction::Suspend { message, minutes },
        },
        shared: decision.shared,
        transient: decision.transient,
        secure: decision.secure,
        session_properties: decision
            .session_properties
            .into_iter()
            .map(|(name, value)| (name, Value::from(value)))
            .collect(),
        removed_session_properties: decision.removed_session_properties,
        identified: decision.identified.map(|who| Identified {
            universal_id: format!("id={},ou=user", who.name),
            username: who.name,
            stored: !who.agent,
        }),
        error_message: decision.error_message,
        lockout_message: decision.lockout_message,
        max_session_minutes: decision.max_session_minutes,
        max_idle_minutes: decision.max_idle_minutes,
        header: decision.header,
        description: decision.description,
        stage: decision.stage,
    })
}

/// What scripts reach from one node: the users of the walk, and servers that answer in every way in turn.
struct Surroundings {
    place: String,
    library: Arc<Library>,
    reachable: Arc<AllowList>,
    users: BTreeMap<String, Map<String, Value>>,
    choose: Choose,
}

impl Surroundings {
    fn user(&self, name: &str) -> Option<(&String, &Map<String, Value>)> {
        let name = name.trim_start_matches("id=").split(',').next().unwrap_or_default();
        let name = name.strip_prefix("id-of-").unwrap_or(name);
        self.users.get_key_value(name)
    }

    fn ways(&self, what: &str, ways: usize) -> usize {
        (self.choose)(&format!("{} {what}", self.place), ways)
    }

    /// An object with the members that scripts look for.
    fn object(&self) -> Value {
        let user = self.users.get("demo").cloned().unwrap_or_default();
        let mut object = json!({
            "_id": "id-of-demo", "_rev": "1", "id": "1", "name": "name", "status": "active", "userName": "demo", "accountStatus": "active",
            "access_token": "token", "token": "token", "frIndexedString1": "1", "frUnindexedString1": "1", "frUnindexedInteger1": 0,
            "company": {"name": "c", "status": "pending", "_id": "c"}, "members": [], "memberOfOrg": [], "metaData": [],
            "company_number": "1", "company_name": "c", "success": true, "score": 0.5, "uri": "https://api.example.com/x",
        });
        if let Value::Object(object) = &mut object {
            object.extend(user);
        }
        object
    }

    fn list(&self, what: &str) -> Value {
        let result = if self.ways(what, 3) == 0 { Vec::new() } else { vec![self.object()] };
        json!({"result": result, "resultCount": result.len(), "pagedResultsCookie": null, "totalPagedResults": -1})
    }
}

impl Host for Surroundings {
    fn identity(&self, user: &str) -> Result<Option<FoundIdentity>, HostError> {
        Ok(self.user(user).map(|(name, _)| FoundIdentity { universal_id: format!("id={name}"), name: name.clone() }))
    }

    fn attribute(&self, user: &str, name: &str) -> Result<Vec<String>, HostError> {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Ok(match self.user(user).and_then(|(_, attributes)| attributes.get(name)) {
            Some(Value::Array(values)) => values.iter().map(text).collect(),
            Some(value) => vec![text(value)],
            // Attributes of AM's schema that tenants keep whatever they like in.
            None => match self.ways(name, 4) {
                0 => Vec::new(),
                1 => vec!["0".to_owned()],
                2 => vec!["true".to_owned()],
                _ => vec!["{\"custom_verifyStatus\":\"live\",\"_embedded\":{\"metaData\":[]}}".to_owned()],
            },
        })
    }

    fn set_attribute(&self, _: &str, _: &str, _: &[String]) -> Result<(), HostError> {
        Ok(())
    }

    fn add_attribute(&self, _: &str, _: &str, _: &str) -> Result<(), HostError> {
        Ok(())
    }

    fn reachable(&self) -> Option<&AllowList> {
        Some(&self.reachable)
    }

    fn exchange(&self, request: &HttpRequest) -> Result<HttpResponse, HostError> {
        let path = request.url.split('?').next().unwrap_or_default();
        let status = [200, 200, 201, 204, 404, 401, 500][self.ways(&format!("{} {path}", request.method), 7)];
        let mut body = self.object();
        body["result"] = self.list(&format!("list {path}"))["result"].clone();
        body["resultCount"] = json!(body["result"].as_array().map_or(0, Vec::len));
        Ok(HttpResponse {
            status,
            reason: "Reason".to_owned(),
            headers: vec![("location".to_owned(), "https://api.example.com/next".to_owned())],
            body: if status == 204 { String::new() } else { body.to_string() },
        })
    }

    fn secret(&self, _: &str) -> Result<Vec<u8>, HostError> {
        Ok(b"0123456789abcdef0123456789abcdef".to_vec())
    }

    fn property(&self, name: &str) -> Result<Option<String>, HostError> {
        let is = |parts: &[&str]| parts.iter().any(|part| name.to_lowercase().contains(part));
        Ok(Some(match () {
            () if is(&["fqdn", "host", "domain"]) => "api.example.com".to_owned(),
            () if is(&["url", "uri", "endpoint", "base"]) => "https://api.example.com".to_owned(),
            () if is(&["count", "limit", "timeout", "minutes", "seconds", "max", "port"]) => "3".to_owned(),
            () => "value".to_owned(),
        }))
    }

    fn library(&self, name: &str) -> Result<Option<Arc<str>>, HostError> {
        Ok(self.library.scripts().find(|script| script.name == name).map(|script| script.source.as_str().into()))
    }

    fn openidm(&self, method: &str, _: &[Value]) -> Result<Value, HostError> {
        Ok(match method {
            "query" => self.list("query"),
            "read" if self.ways("read", 3) == 0 => Value::Null,
            "action" if self.ways("action", 3) == 0 => {
                return Err(HostError::Refused { code: 500, why: "the action failed".to_owned() });
            }
            _ => self.object(),
        })
    }
}
