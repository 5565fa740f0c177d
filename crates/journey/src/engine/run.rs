use std::collections::BTreeSet;
use std::io::Write;

use serde_json::{Map, Value, json};

use super::answer::text;
use super::journey_state::{CookieOf, Frame, JourneyState, Suspended, minutes};
use super::{Answer, Engine, Failure, FailureCause, Page, PersistentCookie, Success};
use crate::callback::{Callback, CallbackType};
use crate::config::NodeConfig as _;
use crate::host::NodeEvent;
use crate::journey::{FAILURE_NODE, Journey, NodeSpec, SUCCESS_NODE};
use crate::library::Library;
use crate::node::{Action, FALSE, NodeError, TRUE};
use crate::nodes::{persistent_cookie_decision, set_persistent_cookie};
use crate::request::Request;
use crate::state::Stores;
use crate::step::Step;

/// What a node is given to go on with.
struct Given<'r> {
    callbacks: &'r [Callback],
    resumed: bool,
    request: &'r Request,
    budget: &'r mut u32,
}

/// Runs one node, or one child of a page, by its type.
pub(crate) async fn process(step: &mut Step<'_>) -> Result<Action, NodeError> {
    *step.budget = step.budget.checked_sub(1).ok_or(NodeError::Limit("too many nodes in one request"))?;
    let node = step.node;
    let result = match node.node_type {
        None => match step.library.stub_of(&node.type_id) {
            Some(outcome) => Ok(Action::GoTo(outcome.to_owned())),
            None => Err(NodeError::Config(format!("node type {} is not known", node.type_id))),
        },
        Some(node_type) => {
            // A page's children are held to their own declarations.
            let guard = (cfg!(debug_assertions) && !node.is_page()).then(|| Declared::hide(step));
            let result = node_type.process(&node.config, step).await;
            if let Some(guard) = guard {
                guard.check(step);
            }
            result
        }
    };
    let outcome = match &result {
        Ok(Action::GoTo(outcome)) => Some(Ok(outcome.as_str())),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    };
    if let Some(outcome) = outcome {
        step.host.audit.node(NodeEvent {
            journey: &step.journey.name,
            node: &node.id,
            node_type: &node.type_id,
            display_name: &node.display_name,
            outcome,
        });
    }
    result
}

impl Engine<'_> {
    pub(super) async fn run(
        &self,
        mut state: JourneyState,
        mut answers: Vec<Callback>,
        mut resumed: bool,
        request: &Request,
    ) -> Answer {
        let mut budget = self.limits.nodes;
        state.pending = Vec::new();
        state.only_validated = answers.iter().any(|answer| answer.flag("validateOnly"));
        loop {
            state.effects.page = Page::default();
            let given = Given { callbacks: &answers, resumed, request, budget: &mut budget };
            let action = self.process(&mut state, given).await;
            answers.clear();
            resumed = false;
            let mut leaving = match action {
                Ok(Action::Send(callbacks)) => match self.ask(&mut state, callbacks) {
                    Ok(()) => {
                        let page = std::mem::take(&mut state.effects.page);
                        return Answer::Callbacks { state: Box::new(state), page };
                    }
                    Err(error) => Err(error),
                },
                Ok(Action::Suspend { id, message, minutes: wanted }) => match self.ask(&mut state, vec![message]) {
                    Ok(()) => {
                        let wanted = wanted.unwrap_or(self.limits.suspended_minutes);
                        let until = self.host.clock.now().saturating_add(minutes(wanted));
                        state.suspended = Some(Suspended { id: id.clone(), until });
                        return Answer::Suspended { state: Box::new(state), id, until };
                    }
                    Err(error) => Err(error),
                },
                Ok(Action::Enter { journey, catch }) => match self.enter(&mut state, &journey, catch) {
                    Ok(()) => continue,
                    Err(error) => Err(error),
                },
                Ok(Action::GoTo(outcome)) => Ok(outcome),
                Err(error) => Err(error),
            };
            // Leaves the node, and every inner tree that ends with it.
            loop {
                leaving = match leaving {
                    Ok(outcome) => match self.target(&state, &outcome) {
                        Ok(Target::Node(id)) => {
                            if let Some(frame) = state.frames.last_mut() {
                                frame.node = id;
                            }
                            break;
                        }
                        Ok(Target::End(success)) => {
                            match self.completed(&mut state, success, request, &mut budget).await {
                                Err(error) => Err(error),
                                Ok(()) if state.frames.len() == 1 => return self.finish(state, success).await,
                                Ok(()) => {
                                    state.frames.pop();
                                    Ok(if success { TRUE } else { FALSE }.to_owned())
                                }
                            }
                        }
                        Err(error) => Err(error),
                    },
                    Err(error) if state.frames.len() <= 1 => return self.raised(state, error),
                    Err(error) => {
                        let node = self.current(&state).ok().map(
                            |(_, node)| json!({"id": node.id, "displayName": node.display_name, "type": node.type_id}),
                        );
                        match state.frames.pop() {
                            Some(frame) if frame.catch => {
                                state.shared.insert("errorNode".to_owned(), node.unwrap_or_default());
                                state.shared.insert("errorMessage".to_owned(), json!(error.to_string()));
                                Ok("error".to_owned())
                            }
                            _ => Err(error),
                        }
                    }
                };
            }
        }
    }

    fn current(&self, state: &JourneyState) -> Result<(&Journey, &NodeSpec), NodeError> {
        let frame = state.frames.last().ok_or_else(|| NodeError::State("no journey".to_owned()))?;
        let journey = self.library.journey(&frame.journey);
        let journey = journey.ok_or_else(|| NodeError::Config(format!("journey {} is gone", frame.journey)))?;
        let node = journey.nodes.get(&frame.node);
        let node = node.ok_or_else(|| NodeError::Config(format!("node {} does not exist", frame.node)))?;
        Ok((journey, node))
    }

    async fn process(&self, state: &mut JourneyState, given: Given<'_>) -> Result<Action, NodeError> {
        // An empty tree begins with its end; it is left like a node without a name.
        if let Some(frame) = state.frames.last()
            && (frame.node == SUCCESS_NODE || frame.node == FAILURE_NODE)
        {
            return Ok(Action::GoTo(String::new()));
        }
        let (journey, node) = self.current(state)?;
        if let Some(frame) = state.frames.last_mut()
            && node.with_children().any(|node| node.node_type.is_some_and(|kind| kind.completes))
            && !frame.visited.contains(&node.id)
        {
            frame.visited.push(node.id.clone());
        }
        self.with_step(state, journey, node, given, async |step| process(step).await).await
    }

    /// Gives a node the stores of the journey it is in, and takes them back.
    async fn with_step<T>(
        &self,
        state: &mut JourneyState,
        journey: &Journey,
        node: &NodeSpec,
        given: Given<'_>,
        work: impl AsyncFnOnce(&mut Step<'_>) -> Result<T, NodeError>,
    ) -> Result<T, NodeError> {
        let Some(frame) = state.frames.last_mut() else { return Err(NodeError::State("no journey".to_owned())) };
        let mut stores = Stores {
            shared: std::mem::take(&mut state.shared),
            transient: std::mem::take(&mut frame.transient),
            secure: std::mem::take(&mut frame.secure),
        };
        let mut step = Step {
            library: self.library,
            journey,
            node,
            host: self.host,
            request: given.request,
            state: &mut stores,
            effects: &mut state.effects,
            callbacks: given.callbacks,
            resumed: given.resumed,
            budget: given.budget,
        };
        let result = work(&mut step).await;
        state.shared = stores.shared;
        frame.transient = stores.transient;
        frame.secure = stores.secure;
        result
    }

    /// Where an outcome leads.
    fn target(&self, state: &JourneyState, outcome: &str) -> Result<Target, NodeError> {
        let frame_node = state.frames.last().map(|frame| frame.node.as_str());
        let target = match frame_node {
            Some(fixed @ (SUCCESS_NODE | FAILURE_NODE)) => fixed.to_owned(),
            _ => {
                let (_, node) = self.current(state)?;
                let loose = || NodeError::Config(format!("outcome {outcome:?} is not connected"));
                node.connections.get(outcome).ok_or_else(loose)?.clone()
            }
        };
        Ok(match target.to_lowercase().as_str() {
            SUCCESS_NODE => Target::End(true),
            FAILURE_NODE => Target::End(false),
            _ => Target::Node(target),
        })
    }

    fn enter(&self, state: &mut JourneyState, name: &str, catch: bool) -> Result<(), NodeError> {
        if state.frames.len() > self.limits.depth {
            return Err(NodeError::Limit("inner trees are too deep"));
        }
        let missing = || NodeError::Config(format!("inner journey {name:?} does not exist"));
        let inner = self.library.journey(name).filter(|journey| journey.enabled).ok_or_else(missing)?;
        let mut frame = Frame::new(inner, catch);
        if let Some(parent) = state.frames.last() {
            let needed = |key: &str| declares(self.library, inner, &inner.entry, key, &mut BTreeSet::new());
            let pick = |map: &Map<String, Value>| -> Map<String, Value> {
                map.iter().filter(|(key, _)| needed(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
            };
            frame.transient = pick(&parent.transient);
            frame.secure = pick(&parent.secure);
        }
        state.frames.push(frame);
        Ok(())
    }

    /// The round trip to the client: transient state ends, unless a later node has it as an input.
    fn ask(&self, state: &mut JourneyState, callbacks: Vec<Callback>) -> Result<(), NodeError> {
        if callbacks.is_empty() {
            return Err(NodeError::State("a node asked for nothing".to_owned()));
        }
        self.check_redirects(&callbacks)?;
        self.count(state, &callbacks)?;
        state.page = self.current(state)?.1.is_page();
        for frame in &mut state.frames {
            let Some(journey) = self.library.journey(&frame.journey) else { continue };
            let mut stores = Stores {
                shared: Map::new(),
                transient: std::mem::take(&mut frame.transient),
                secure: std::mem::take(&mut frame.secure),
            };
            let node = &frame.node;
            stores.promote(|key| declares(self.library, journey, node, key, &mut BTreeSet::new()));
            frame.secure = stores.secure;
        }
        state.pending = callbacks;
        let mut counter = Counter(0);
        let counted = serde_json::to_writer(&mut counter, state);
        if counted.is_err() || counter.0 > self.limits.state_bytes {
            return Err(NodeError::Limit("the journey's state is too large"));
        }
        Ok(())
    }

    /// A browser is sent to http, to https, to a path, or to an app that is listed: an address of another kind is one
    /// that the browser runs or shows itself.
    fn check_redirects(&self, callbacks: &[Callback]) -> Result<(), NodeError> {
        for callback in callbacks.iter().filter(|callback| callback.is(CallbackType::RedirectCallback)) {
            let url = callback.output("redirectUrl").and_then(Value::as_str).unwrap_or_default();
            let scheme = url.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
            let listed = |scheme: &str| self.host.realm.app_schemes.iter().any(|known| known == scheme);
            let fine = match &scheme {
                _ if url.chars().any(|letter| letter.is_control() || letter == '\\') => false,
                _ if url.starts_with('/') => !url.starts_with("//"),
                Some(scheme) => matches!(scheme.as_str(), "http" | "https") || listed(scheme),
                None => false,
            };
            if !fine {
                return Err(NodeError::Config(
                    "a redirect leads to no address of the web and to no listed app".to_owned(),
                ));
            }
        }
        Ok(())
    }

    /// What ends guessing in a journey that has no limit of its own. Waiting is no guess, nor is what a page asks while
    /// somebody types.
    fn count(&self, state: &mut JourneyState, callbacks: &[Callback]) -> Result<(), NodeError> {
        let waits = callbacks.iter().any(|callback| callback.is(CallbackType::PollingWaitCallback));
        if waits || state.only_validated {
            return Ok(());
        }
        let node: String = state.position().1.chars().take(8).collect();
        let asked = state.asked.entry(node).or_insert(0);
        *asked = asked.saturating_add(1);
        if *asked > self.limits.asks {
            return Err(NodeError::Limit("a node asked too often in one login"));
        }
        Ok(())
    }

    async fn completed(
        &self,
        state: &mut JourneyState,
        success: bool,
        request: &Request,
        budget: &mut u32,
    ) -> Result<(), NodeError> {
        let Some(frame) = state.frames.last_mut() else { return Ok(()) };
        let visited = std::mem::take(&mut frame.visited);
        let Some(journey) = self.library.journey(&frame.journey) else { return Ok(()) };
        for id in visited {
            let Some(node) = journey.nodes.get(&id) else { continue };
            for part in node.with_children() {
                let Some(kind) = part.node_type.filter(|kind| kind.completes) else { continue };
                let work = async |step: &mut Step<'_>| kind.completed(&part.config, step, success).await;
                let given = Given { callbacks: &[], resumed: false, request, budget };
                self.with_step(state, journey, part, given, work).await?;
            }
        }
        Ok(())
    }

    fn raised(&self, state: JourneyState, error: NodeError) -> Answer {
        let (journey, node) = state.position();
        let node_type = self.current(&state).map(|(_, node)| node.type_id.clone()).unwrap_or_default();
        let cause = FailureCause::Exception { journey: journey.to_owned(), node: node.to_owned(), node_type, error };
        Self::failure(state, cause)
    }

    fn failure(state: JourneyState, cause: FailureCause) -> Answer {
        let effects = state.effects;
        let (message, details) = match &cause {
            FailureCause::LockedOut => (effects.lockout_message.or(effects.failure_message), effects.failure_details),
            FailureCause::Exception { .. } => {
                (effects.exception_message.or(effects.error_message), effects.exception_details)
            }
            _ => (effects.failure_message.or(effects.error_message), effects.failure_details),
        };
        Answer::Failure(Box::new(Failure { cause, message, details, failure_url: text(&state.shared, "failureUrl") }))
    }

    async fn finish(&self, state: JourneyState, success: bool) -> Answer {
        if !success {
            return Self::failure(state, FailureCause::Rejected);
        }
        let Some(journey) = self.library.journey(state.journey()) else {
            return self.raised(state, NodeError::Config("the journey is gone".to_owned()));
        };
        let by_node = state.effects.identified.is_some();
        let identified = match &state.effects.identified {
            Some(identified) if !identified.stored => Some(identified.clone()),
            identified => {
                let name = identified.as_ref().map(|identified| identified.username.clone());
                let name = name.or_else(|| text(&state.shared, "username"));
                let found = match name {
                    None => None,
                    Some(name) => {
                        match self.host.identities.find(journey.identity_resource(), "userName", &name).await {
                            Ok(found) => found,
                            Err(error) => return self.raised(state, error.into()),
                        }
                    }
                };
                match found {
                    Some(identity) if !identity.active => return Self::failure(state, FailureCause::LockedOut),
                    Some(identity) => Some(super::Identified {
                        username: identity.username,
                        universal_id: identity.universal_id,
                        stored: true,
                    }),
                    None => None,
                }
            }
        };
        if identified.is_none() && !journey.no_session {
            return Self::failure(state, FailureCause::NoIdentity);
        }
        let cookies = state.effects.cookies.iter().filter_map(|cookie| self.cookie(cookie)).collect();
        let effects = state.effects;
        let mut details = effects.success_details;
        for (key, property) in effects.success_properties {
            if let Some(value) = property.as_str().and_then(|name| effects.session_properties.get(name)) {
                details.insert(key, value.clone());
            }
        }
        let (username, universal_id) = identified.map(|who| (who.username, who.universal_id)).unzip();
        Answer::Success(Box::new(Success {
            journey: journey.name.clone(),
            username,
            universal_id,
            identified: by_node,
            auth_level: state.shared.get("authLevel").and_then(Value::as_i64).unwrap_or(0),
            auth_type: text(&state.shared, "NodeType").unwrap_or_default(),
            no_session: journey.no_session,
            session_properties: effects.session_properties,
            max_session_minutes: effects.max_session_minutes.or(journey.max_session_time),
            max_idle_minutes: effects.max_idle_minutes.or(journey.max_idle_time),
            success_url: text(&state.shared, "successUrl"),
            details,
            cookies,
        }))
    }

    /// The cookie as its node has it now.
    fn cookie(&self, of: &CookieOf) -> Option<PersistentCookie> {
        let config = &self.library.journey(&of.journey)?.nodes.get(&of.node)?.config;
        if of.renews {
            persistent_cookie_decision::Config::read(config).ok().map(|config| config.cookie())
        } else {
            set_persistent_cookie::Config::read(config).ok().map(|config| config.cookie())
        }
    }
}

enum Target {
    Node(String),
    End(bool),
}

/// Whether a node that can be reached from `start` reads this key; inner trees count with their nodes.
fn declares<'a>(
    library: &'a Library,
    journey: &'a Journey,
    start: &'a str,
    key: &str,
    seen: &mut BTreeSet<&'a str>,
) -> bool {
    for id in journey.reachable(start) {
        let Some(node) = journey.nodes.get(id) else { continue };
        for part in node.with_children() {
            if part.node_type.is_some_and(|kind| kind.reads(key, &part.id, &part.config)) {
                return true;
            }
        }
        if let Some(name) = node.inner_tree()
            && seen.insert(name)
            && let Some(inner) = library.journey(name)
            && declares(library, inner, &inner.entry, key, seen)
        {
            return true;
        }
    }
    false
}

/// Counts bytes without keeping them.
struct Counter(usize);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// In debug builds, and so in every test, a node sees only the state it declares and may change only what it declares:
/// a missing declaration would otherwise first show as a password that did not survive a round trip.
struct Declared {
    hidden: Stores,
    before: Stores,
}

impl Declared {
    fn hide(step: &mut Step<'_>) -> Self {
        let mut hidden = Stores::default();
        let node = step.node;
        if let Some(kind) = node.node_type {
            let sees = |key: &str| kind.reads(key, &node.id, &node.config) || kind.writes(key, &node.id, &node.config);
            let parts = [
                (&mut step.state.shared, &mut hidden.shared),
                (&mut step.state.transient, &mut hidden.transient),
                (&mut step.state.secure, &mut hidden.secure),
            ];
            for (visible, hidden) in parts {
                let (keep, hide) = std::mem::take(visible).into_iter().partition(|(key, _)| sees(key));
                *visible = keep;
                *hidden = hide;
            }
        }
        Self { hidden, before: step.state.clone() }
    }

    fn check(self, step: &mut Step<'_>) {
        let node = step.node;
        let Some(kind) = node.node_type else { return };
        let parts = [
            (&mut step.state.shared, self.before.shared, self.hidden.shared),
            (&mut step.state.transient, self.before.transient, self.hidden.transient),
            (&mut step.state.secure, self.before.secure, self.hidden.secure),
        ];
        for (after, before, hidden) in parts {
            let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            for key in keys {
                let same = before.get(key) == after.get(key);
                assert!(
                    same || kind.writes(key, &node.id, &node.config),
                    "{} wrote {key:?}, which it does not declare",
                    node.type_id
                );
            }
            after.extend(hidden);
        }
    }
}
