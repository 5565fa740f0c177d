//! A client that answers whatever a journey asks: again and again from the beginning, each time choosing what it has
//! chosen least at each place, until it has been everywhere it can get to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use countersign_journey::host::{DeviceKind, ScriptAction, ScriptCall, ScriptResult};
use countersign_journey::{
    Answer, Callback, CallbackType, ExistingSession, FailureCause, Journey, JourneyState, Library, Request, Variables,
    import,
};
use serde_json::{Map, Value, json};

use crate::scripts::Scripts;
use crate::support::{
    Authenticator, PASSWORD, Phone, Provider, START, World, attestation, dummy_script, journey, jwk, one_time_code,
    plain_result, sign, ssh_key,
};

/// How far it got.
pub(crate) struct Driven {
    /// `None`: no edge leads there.
    pub(crate) success: Option<bool>,
    pub(crate) failure: Option<bool>,
    /// Walked, and how many there are that can be reached.
    pub(crate) edges: (usize, usize),
}

const WALKS: usize = 3000;
/// Scripts cost more than what stands in for them.
const SCRIPT_WALKS: usize = 30;
const NODE_WALKS: usize = 40;
const SCRIPT_IDLE: usize = 15;
const SCRIPT_STEPS: usize = 15;
const STEPS: usize = 40;
/// Walks without anything new until it gives up.
const IDLE: usize = 100;

/// How often each way was chosen at each place.
#[derive(Default)]
struct Chosen {
    taken: BTreeMap<(String, usize), usize>,
    dice: u64,
}

impl Chosen {
    /// The way taken least so far, or now and then any: else places that are always passed together would always be
    /// passed in the same combinations. The dice are the same in every run.
    fn least(&mut self, place: &str, ways: usize) -> usize {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let thrown = usize::try_from(self.dice >> 33).unwrap_or(0);
        let taken = |way: &usize| self.taken.get(&(place.to_owned(), *way)).copied().unwrap_or(0);
        let way = if thrown % 2 == 0 { (thrown / 2) % ways.max(1) } else { (0..ways).min_by_key(taken).unwrap_or(0) };
        *self.taken.entry((place.to_owned(), way)).or_default() += 1;
        way
    }
}

/// Who sits at the client.
#[derive(Clone, Copy, PartialEq)]
enum Persona {
    /// A user who knows the password.
    Demo,
    /// Someone who is not a user yet.
    New,
    /// Someone who has the name and not the password.
    Thief,
    Nobody,
    Agent,
}

impl Persona {
    fn name(self) -> &'static str {
        match self {
            Self::Demo | Self::Thief => "demo",
            Self::New => "newbie",
            Self::Nobody => "nobody",
            Self::Agent => "agent",
        }
    }
}

const PERSONAS: [Persona; 5] = [Persona::Demo, Persona::New, Persona::Thief, Persona::Nobody, Persona::Agent];

/// `patient` searches on for ends that it has not reached.
pub(crate) fn explore(library: &Library, journey: &Journey, patient: bool) -> Driven {
    explore_by(library, journey, patient, WALKS, None)
}

/// So many walks, wherever they lead.
pub(crate) fn explore_some(library: &Library, journey: &Journey, walks: usize) {
    explore_by(library, journey, true, walks, None);
}

/// Walks of a journey whose scripts are run for real: from its entry, then from each node whose script has not decided
/// yet, as if all before it had gone well.
pub(crate) fn explore_scripts(library: &Library, journey: &Journey, scripts: &Arc<Scripts>) {
    explore_by(library, journey, true, SCRIPT_WALKS, Some(scripts));
    for id in journey.reachable(&journey.entry) {
        let node = &journey.nodes[id];
        if node.with_children().any(|part| scripts.wants(part)) {
            let mut from_there = journey.clone();
            from_there.entry = id.to_owned();
            scripts.look_at(node);
            explore_by(library, &from_there, true, NODE_WALKS, Some(scripts));
            scripts.look_at_all();
        }
    }
}

fn explore_by(
    library: &Library,
    journey: &Journey,
    patient: bool,
    walks: usize,
    real: Option<&Arc<Scripts>>,
) -> Driven {
    let (to_success, to_failure) = crate::corpus::ends(journey);
    let edges: usize = journey.reachable(&journey.entry).iter().map(|id| journey.nodes[*id].connections.len()).sum();
    let mut driven =
        Driven { success: to_success.then_some(false), failure: to_failure.then_some(false), edges: (0, edges) };
    // An inner journey is walked as its callers would run it.
    let mut library = library.clone();
    let mut own = journey.clone();
    (own.inner_only, own.enabled) = (false, true);
    library.insert(own);
    let mut walked = BTreeSet::new();
    let chosen = Arc::new(Mutex::new(Chosen::default()));
    library.add(&import::from_json(&caller(&journey.name).to_string()).unwrap(), &Variables::default());
    let library = Arc::new(library);
    let (mut idle, mut decided) = (0, 0);
    for _ in 0..walks {
        let mut world = World::new();
        world.library = library.clone();
        world.limits.journey_minutes = 1000;
        world.remembered = Some(("cookie".to_owned(), "demo".to_owned()));
        world.realm.kba.maximum_attempts = 100;
        world.realm.secrets.insert("/root/am/security/keys/amster/authorized_keys".to_owned(), ssh_key(5));
        world.users.change("demo", |user| user.counters.insert("loginCount".to_owned(), 3));
        let extra = chosen.lock().unwrap().least("world", 5);
        world.users.refuses.store(extra == 1, Ordering::Relaxed);
        if extra == 2 {
            let preferences = json!({"updates": true, "marketing": true});
            world.users.change("demo", |user| user.attributes.insert("preferences".to_owned(), preferences));
        }
        if extra == 4 {
            *world.phone.lock().unwrap() = Some(Phone::registered(&world, "demo"));
        }
        if extra == 3 {
            let device = security_key(&world).lock().unwrap().device();
            world.users.devices("demo", |devices| devices.push((DeviceKind::WebAuthn, device)));
        }
        let start = chosen.lock().unwrap().least("start", 6);
        let persona = PERSONAS[chosen.lock().unwrap().least(&format!("persona {start}"), PERSONAS.len())];
        // A thief has an account with a provider too, which is not always the user's.
        let known = match persona {
            Persona::Demo => true,
            Persona::Thief => chosen.lock().unwrap().least("thief", 2) == 0,
            _ => false,
        };
        let (id, mail) = if known { ("248289", "demo@example.com") } else { ("999", "newbie@example.com") };
        let provider = Provider::any(id, mail);
        let mut world = provider.serve(world);
        let named = library.providers().map(|(name, _)| name).chain(["google", "facebook"]);
        let aliases: Vec<Value> = named.map(|name| json!(format!("{name}-248289"))).collect();
        world.users.change("demo", |user| user.attributes.insert("aliasList".to_owned(), Value::Array(aliases)));
        let choices = chosen.clone();
        match real {
            None => world.any_script = Some(Box::new(move |call| Ok(stand_in(call, &choices, persona)))),
            Some(scripts) => {
                let named = world.users.names().into_iter();
                let users: BTreeMap<_, _> = named
                    .filter_map(|name| world.users.identity(&name).map(|found| (name, found.attributes)))
                    .collect();
                let scripts = scripts.clone();
                world.sandbox =
                    Some(Box::new(move |call| Ok(run_or_stand_in(call, &scripts, &users, &choices, persona))));
            }
        }
        match walk(&world, &provider, journey, &chosen, start, persona) {
            Some(Answer::Success(_)) => driven.success = Some(true),
            Some(Answer::Failure(failure)) if failure.cause == FailureCause::Rejected => driven.failure = Some(true),
            _ => {}
        }
        let left = world.left.lock().unwrap();
        let connected = |(name, node, outcome): &&(String, String, String)| {
            let node = journey.nodes.get(node).filter(|_| *name == journey.name);
            node.is_some_and(|node| node.connections.contains_key(outcome))
        };
        let before = walked.len();
        walked.extend(left.iter().filter(connected).cloned());
        let more = real.map_or(0, |scripts| scripts.decided());
        idle = if walked.len() > before || more > decided { 0 } else { idle + 1 };
        decided = more;
        let all = |found: Option<bool>| found != Some(false);
        let found = all(driven.success) && all(driven.failure);
        // Every script has decided: nothing more is to be learnt of them.
        if real.is_some_and(|scripts| scripts.all_decided()) || (real.is_some() && idle > SCRIPT_IDLE) {
            break;
        }
        if (idle > IDLE && found) || (idle > IDLE / 2 && !patient) || (walked.len() == edges && found) {
            break;
        }
    }
    driven.edges.0 = walked.len();
    driven
}

/// A journey that calls this one for a user it knows.
fn caller(name: &str) -> Value {
    let seed = json!({"script": "drive-seed", "outcomes": ["done"]});
    let mut export = journey(
        "drive",
        &[
            ("drive-seed", "ScriptedDecisionNode", seed, &[("done", "drive-call")]),
            (
                "drive-call",
                "InnerTreeEvaluatorNode",
                json!({"tree": name}),
                &[("true", "SUCCESS"), ("false", "FAILURE")],
            ),
        ],
    );
    export["trees"]["drive"]["scripts"] = json!({"drive-seed": dummy_script("drive-seed")});
    export
}

/// In place of a script: takes its outcomes in turn, and leaves the state that scripts of logins leave.
fn stand_in(call: &mut ScriptCall<'_>, chosen: &Mutex<Chosen>, persona: Persona) -> ScriptAction {
    let way = chosen.lock().unwrap().least(call.node, call.outcomes.len());
    let user = persona.name();
    call.shared.entry("username").or_insert_with(|| json!(user));
    call.shared.entry("_id").or_insert_with(|| json!(format!("id-of-{user}")));
    let mail = format!("{user}@example.com");
    call.shared.entry("emailAddress").or_insert_with(|| json!(mail));
    if let Value::Object(object) = call.shared.entry("objectAttributes").or_insert_with(|| Value::Object(Map::new())) {
        for (name, value) in [("mail", mail.as_str()), ("userName", user), ("givenName", "Text"), ("sn", "Text")] {
            object.entry(name).or_insert_with(|| json!(value));
        }
    }
    if !call.secure.contains_key("password") {
        let password = if persona == Persona::Thief { "wrong" } else { PASSWORD };
        call.transient.entry("password").or_insert_with(|| json!(password));
    }
    ScriptAction::GoTo(call.outcomes.get(way).cloned().unwrap_or_default())
}

/// Runs it, and in half of the walks goes another way than it says: so that what comes after is reached whatever
/// servers and users are like, with the state that the script has left.
fn run_or_stand_in(
    mut call: ScriptCall<'_>,
    scripts: &Scripts,
    users: &BTreeMap<String, Map<String, Value>>,
    chosen: &Arc<Mutex<Chosen>>,
    persona: Persona,
) -> ScriptResult {
    let least = |place: &str, ways| chosen.lock().unwrap().least(&format!("{} {place}", call.node), ways);
    let (bare, obey) = (least("state", 4) == 0, least("obey", 2) == 0);
    let before = (call.shared.clone(), call.transient.clone());
    let instead = stand_in(&mut call, chosen, persona);
    scripts.seed(&mut call);
    if bare {
        (call.shared, call.transient) = before;
    }
    let choices = chosen.clone();
    let choose = Arc::new(move |place: &str, ways: usize| choices.lock().unwrap().least(place, ways));
    match scripts.run(&call, users.clone(), choose) {
        Some(mut result) => {
            if !obey && matches!(result.action, ScriptAction::GoTo(_)) {
                result.action = instead;
            }
            result
        }
        None => plain_result(call, instead),
    }
}

fn walk(
    world: &World,
    provider: &Provider,
    journey: &Journey,
    chosen: &Mutex<Chosen>,
    start: usize,
    persona: Persona,
) -> Option<Answer> {
    // So that the security key can read what it is asked.
    let mut request = Request { without_scripts: true, ..Request::default() };
    let header = |request: &mut Request, name: &str, value: &str| {
        request.headers.insert(format!("x-openam-{name}"), vec![value.to_owned()]);
    };
    match start {
        1 => {
            header(&mut request, "username", persona.name());
            header(&mut request, "password", if persona == Persona::Thief { "wrong" } else { PASSWORD });
        }
        2 => {
            let properties = [("UserToken", json!("demo")), ("UserId", json!("id-of-demo"))];
            let properties = properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            request.existing_session = Some(ExistingSession { username: "demo".to_owned(), properties });
        }
        3 => {
            request.cookies.insert("session-jwt".to_owned(), "cookie".to_owned());
            request.client_ip = Some("10.10.10.1".parse().unwrap());
        }
        _ => request.client_ip = Some("192.168.7.12".parse().unwrap()),
    }
    let engine = world.engine();
    let name = if start == 4 { "drive" } else { journey.name.as_str() };
    if world.sandbox.is_some() {
        // What scripts look for in a request: tokens of links, and the request that consent is asked for.
        for (name, value) in [("token", "a.b.c"), ("goto", "https://x/"), ("consent_request", "e30.e30.e30")] {
            request.parameters.insert(name.to_owned(), vec![value.to_owned()]);
        }
        for (name, value) in [("host", "am.example.com"), ("notify-jwt", "j"), ("user-agent", "driver")] {
            request.headers.insert(name.to_owned(), vec![value.to_owned()]);
        }
    }
    let mut answer = crate::support::now_or_never(engine.start(name, &request)).ok()?;
    for _ in 0..if world.sandbox.is_some() { SCRIPT_STEPS } else { STEPS } {
        answer = match answer {
            Answer::Callbacks { state, .. } => {
                let redirect = state.callbacks().iter().find_map(|callback| callback.output("redirectUrl")?.as_str());
                if let Some(url) = redirect {
                    request.parameters = provider.authorize(url);
                }
                let answers = answers(&state, chosen, persona, world);
                world.step_with(&state, &answers, &request).ok()?
            }
            Answer::Suspended { state, .. } => world.resume(&state).ok()?,
            end => return Some(end),
        };
    }
    None
}

/// One answer for each input of the step.
fn answers(state: &JourneyState, chosen: &Mutex<Chosen>, persona: Persona, world: &World) -> Vec<Value> {
    let (_, node) = state.position();
    let mut answers = Vec::new();
    for (position, callback) in state.callbacks().iter().enumerate() {
        let place = format!("{node}.{position}");
        let prompt = callback.output("prompt").and_then(Value::as_str).unwrap_or_default();
        let name = callback.output("name").and_then(Value::as_str).unwrap_or_default();
        let least = |ways| chosen.lock().unwrap().least(&place, ways);
        let user = persona.name();
        let options = |name: &str| callback.output(name).and_then(Value::as_array).map_or(1, Vec::len);
        match callback.kind() {
            CallbackType::NameCallback if prompt == "Recovery Code" => {
                answers.push(json!(if least(2) == 0 { "abcd" } else { "wrong" }));
            }
            CallbackType::NameCallback if prompt == "Enter verification code" => {
                answers.push(json!(if least(3) > 0 { verification_code(world, user) } else { "000000".to_owned() }));
            }
            CallbackType::NameCallback => answers.push(json!(user)),
            CallbackType::HiddenValueCallback if callback.output("value") == Some(&json!("false")) => {
                let data = state.callbacks().iter().find_map(|callback| callback.output("data"));
                answers.push(json!(data.map_or_else(String::new, |data| use_security_key(world, data, least(6)))));
            }
            CallbackType::PasswordCallback => answers.push(json!(password(state, prompt, persona))),
            CallbackType::ValidatedCreateUsernameCallback => answers.extend([json!("newbie"), json!(false)]),
            CallbackType::ValidatedCreatePasswordCallback => answers.extend([json!("Other-12345"), json!(false)]),
            CallbackType::StringAttributeInputCallback => {
                let text = match (name, persona) {
                    ("mail", Persona::Demo | Persona::Thief) => "demo@example.com",
                    ("mail", _) => "newbie@example.com",
                    ("userName", _) => user,
                    _ => "Text",
                };
                answers.extend([json!(text), json!(false)]);
            }
            CallbackType::NumberAttributeInputCallback => answers.extend([json!(41), json!(false)]),
            CallbackType::BooleanAttributeInputCallback => answers.extend([json!(true), json!(false)]),
            CallbackType::ChoiceCallback => answers.push(json!(least(options("choices")))),
            CallbackType::ConfirmationCallback => {
                let count = options("options");
                // The button of a wait need not be pressed.
                let untouched = callback.index().is_some_and(|index| index >= 100);
                let way = least(count + usize::from(untouched));
                answers.push(if way < count { json!(way) } else { Value::Null });
            }
            CallbackType::TermsAndConditionsCallback => answers.push(json!(true)),
            CallbackType::KbaCreateCallback => {
                answers.extend([json!(format!("Question {position}?")), json!("answer")]);
            }
            CallbackType::HiddenValueCallback if callback.output("id") == Some(&json!("jwt")) => {
                let claims = json!({"sub": user, "nonce": callback.output("value")});
                answers.push(json!(sign(if persona == Persona::Thief { 6 } else { 5 }, &json!({}), &claims)));
            }
            CallbackType::HiddenValueCallback => {
                let value = callback.output("value").and_then(Value::as_str).unwrap_or_default();
                if value.starts_with("pushauth:") && least(2) == 0 {
                    *world.phone.lock().unwrap() = Some(Phone::scan(world, value));
                }
                answers.push(Value::Null);
            }
            CallbackType::ReCaptchaCallback => answers.push(json!(if least(3) > 0 { "right" } else { "wrong" })),
            CallbackType::DeviceBindingCallback => {
                let error = ["", "", "", "Unsupported", "Abort", "Timeout"][least(6)];
                let jws = if error.is_empty() && least(4) > 0 { bound_key(callback) } else { String::new() };
                answers.extend([json!(jws), json!("Phone"), json!("device"), json!(error)]);
            }
            CallbackType::PingOneProtectInitializeCallback => {
                answers.push(json!(if least(3) > 0 { "" } else { "no network" }));
            }
            CallbackType::PollingWaitCallback => {
                let phone = world.phone.lock().unwrap();
                let asked = world.requests.lock().unwrap().last().is_some_and(|last| last.url.ends_with("/send"));
                if let Some(phone) = phone.as_ref().filter(|_| asked) {
                    match least(4) {
                        0 => phone.answer(world, &json!({"deny": true})),
                        1 => world.pass(120_000),
                        _ => phone.answer(world, &json!({})),
                    }
                }
                let wait = callback.output("waitTime").and_then(Value::as_str).unwrap_or_default();
                if least(3) > 0 {
                    world.pass(wait.parse().unwrap_or(0));
                }
            }
            CallbackType::SelectIdPCallback => {
                let shown = callback.output("providers").and_then(Value::as_array).cloned().unwrap_or_default();
                let chosen = shown.get(least(shown.len())).map_or(Value::Null, |one| one["provider"].clone());
                answers.push(chosen);
            }
            CallbackType::DeviceProfileCallback => answers.push(json!("{\"identifier\": \"i\"}")),
            _ => answers.extend(callback.inputs().map(|_| Value::Null)),
        }
    }
    answers
}

/// What the app of this user shows.
fn verification_code(world: &World, user: &str) -> String {
    let profile = world.users.devices(user, |devices| devices.last().map(|(_, device)| device.profile.clone()));
    let secret = profile.as_ref().and_then(|profile| profile["sharedSecret"].as_str()).unwrap_or_default();
    let secret = base64::engine::general_purpose::STANDARD.decode(secret).unwrap();
    one_time_code(&secret, world.clock.load(Ordering::Relaxed) / 30_000, 6)
}

/// An app makes a key and signs with it.
fn bound_key(callback: &Callback) -> String {
    let output = |name: &str| callback.output(name).cloned().unwrap_or_default();
    let issuer = "com.pingidentity.journey.test";
    let claims = json!({"sub": output("userId"), "challenge": output("challenge"), "iss": issuer, "exp": START / 1000 + 9_000_000});
    let mut key = jwk(attestation::KEY, "5");
    if output("attestation") == json!(true) {
        key["x5c"] = attestation::attested(output("challenge").as_str().unwrap_or_default());
    }
    sign(attestation::KEY, &json!({"kid": "5", "jwk": key}), &claims)
}

fn security_key(world: &World) -> &Mutex<Authenticator> {
    world.key.get_or_init(|| Mutex::new(Authenticator::new(b"driven")))
}

fn use_security_key(world: &World, data: &Value, way: usize) -> String {
    let mut key = security_key(world).lock().unwrap();
    match way {
        0 => "unsupported".to_owned(),
        1 => "ERROR::NotAllowedError:no".to_owned(),
        2 => "{}::1::2".to_owned(),
        _ if data["_action"] == "webauthn_registration" => key.create(data),
        _ => key.get(data),
    }
}

fn password(state: &JourneyState, prompt: &str, persona: Persona) -> String {
    if prompt == "One Time Password" && persona != Persona::Thief {
        // As it came by mail.
        let state = serde_json::to_value(state).unwrap();
        let frames = state["frames"].as_array().unwrap();
        let code = frames.iter().rev().find_map(|frame| frame["secure"]["oneTimePassword"].as_str());
        return code.unwrap_or("000000").to_owned();
    }
    let text = match (prompt, persona) {
        (_, Persona::Thief) => "wrong",
        ("What's your favourite colour?", _) => "Blue ",
        ("Pet?", _) => "REX",
        _ => PASSWORD,
    };
    text.to_owned()
}
