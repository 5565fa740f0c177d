//! Scripts of journeys: what they are told, and what became of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use countersign_journey::host::{HostError, Pending, ScriptAction, ScriptCall, ScriptResult, Scripts};
use countersign_journey::{Callback, CallbackType, Identified, Language, Request, Script};
use countersign_script::{Action, Decision, Generation, Input, Journey, Level, Report};
use serde_json::{Map, Value};

use super::Services;
use super::openidm::Asked;
use super::script_host::ScriptHost;
use crate::universal_id::{universal_id, universal_id_of_agent};

/// Where a config provider script leaves what it made.
const CONFIG: &str = "countersign.config";
const CONFIGURED: &str = "configured";

impl Services<'_> {
    async fn run(&self, call: ScriptCall<'_>, source: Arc<str>) -> Result<Decision, HostError> {
        let error = |why: String| HostError { service: "scripts", why };
        if call.script.language != Language::JavaScript {
            return Err(error("only JavaScript runs here".to_owned()));
        }
        let sandbox = self.app.sandbox().map_err(error)?;
        let (script, node) = (call.script, call.node.to_owned());
        let sandboxed = countersign_script::Script {
            name: script.name.as_str().into(),
            generation: if script.next_generation { Generation::Next } else { Generation::Legacy },
            source,
        };
        let (ask, mut asked) = tokio::sync::mpsc::channel(1);
        let host = ScriptHost::new(self.app, &self.realm_name, Arc::clone(&self.realm), ask);
        let input = self.input(call);
        let mut ticket = sandbox.submit(sandboxed, input, Arc::new(host)).map_err(|busy| {
            self.overloaded.store(true, Ordering::Relaxed);
            error(busy.to_string())
        })?;
        // The script waits for what it asks on its thread, and is answered here, where the services are.
        let Report { result, log, spent } = loop {
            tokio::select! {
                report = &mut ticket => break report,
                Some(Asked { method, arguments, answer }) = asked.recv() => {
                    // Nobody listens any more when the script's time was over.
                    let _: Result<(), _> = answer.try_send(self.openidm(&method, &arguments).await);
                }
            }
        };
        for line in log {
            let (script, text) = (script.name.as_str(), line.text);
            match line.level {
                Level::Trace => tracing::trace!(target: "countersign::script", script, node, text),
                Level::Debug => tracing::debug!(target: "countersign::script", script, node, text),
                Level::Info => tracing::info!(target: "countersign::script", script, node, text),
                Level::Warn => tracing::warn!(target: "countersign::script", script, node, text),
                Level::Error => tracing::error!(target: "countersign::script", script, node, text),
            }
        }
        let millis = u64::try_from(spent.as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(script = script.name, node, millis, "a script ran");
        result.map_err(|why| error(format!("script {}: {why}", script.name)))
    }

    fn input(&self, call: ScriptCall<'_>) -> Input {
        let Request { headers, parameters, cookies, client_ip, existing_session, languages, .. } = call.request;
        let existing_session = existing_session.as_ref().map(|session| {
            let properties = session.properties.iter().map(|(name, value)| (name.clone(), text(value)));
            properties.chain([("UserToken".to_owned(), session.username.clone())]).collect::<BTreeMap<_, _>>()
        });
        Input {
            node: call.node.to_owned(),
            realm: call.realm.to_owned(),
            shared: call.shared,
            transient: call.transient,
            secure: call.secure,
            callbacks: call.callbacks.iter().enumerate().map(|(at, callback)| callback.to_wire(at, false)).collect(),
            headers: headers.clone(),
            parameters: parameters.clone(),
            cookies: cookies.clone(),
            client_ip: client_ip.map(|address| address.to_string()).unwrap_or_default(),
            existing_session,
            resumed: call.resumed,
            cookie_name: self.app.settings().realm(&self.realm_name).session.cookie_name.clone(),
            properties: call.properties,
            languages: languages.clone(),
            journey: Journey {
                name: call.journey.name.clone(),
                resource: call.journey.identity_resource().to_owned(),
                inner_only: call.journey.inner_only,
                must_run: call.journey.must_run,
            },
            ..Input::default()
        }
    }

    fn result(&self, decision: Decision) -> Result<ScriptResult, HostError> {
        let action = match decision.action {
            Action::GoTo(outcome) => ScriptAction::GoTo(outcome),
            Action::Send(callbacks) => ScriptAction::Send(callbacks.iter().map(callback).collect::<Result<_, _>>()?),
            Action::Suspend { message, minutes } => ScriptAction::Suspend { message, minutes },
        };
        let identified = decision.identified.map(|who| Identified {
            universal_id: match who.agent {
                true => universal_id_of_agent(&self.realm_name, &who.name),
                false => universal_id(&self.realm_name, &who.name),
            },
            username: who.name,
            stored: !who.agent,
        });
        if let Some(detail) = decision.audit {
            self.detail(detail);
        }
        Ok(ScriptResult {
            shared: decision.shared,
            transient: decision.transient,
            secure: decision.secure,
            action,
            session_properties: decision
                .session_properties
                .into_iter()
                .map(|(name, value)| (name, Value::from(value)))
                .collect(),
            removed_session_properties: decision.removed_session_properties,
            identified,
            error_message: decision.error_message,
            lockout_message: decision.lockout_message,
            max_session_minutes: decision.max_session_minutes,
            max_idle_minutes: decision.max_idle_minutes,
            header: decision.header,
            description: decision.description,
            stage: decision.stage,
        })
    }

    async fn configured(&self, call: ScriptCall<'_>) -> Result<Map<String, Value>, HostError> {
        let source = configuring(call.script);
        let mut decision = self.run(call, source.into()).await?;
        let left = decision.shared.remove(CONFIG);
        let config = left.as_ref().and_then(Value::as_str).and_then(|text| serde_json::from_str(text).ok());
        config.ok_or_else(|| HostError { service: "scripts", why: "the script left no object in config".to_owned() })
    }
}

/// A config provider script with what hands its `config` over. On the script's own lines, so that errors name them.
fn configuring(script: &Script) -> String {
    let leave = match script.next_generation {
        true => format!("action.goTo(\"{CONFIGURED}\");"),
        false => format!("outcome = \"{CONFIGURED}\";"),
    };
    format!("var config = {{}}; {}\n;nodeState.putShared(\"{CONFIG}\", JSON.stringify(config)); {leave}", script.source)
}

/// A callback that a script sends.
fn callback(sent: &countersign_script::Callback) -> Result<Callback, HostError> {
    let kind = CallbackType::of(&sent.kind).ok_or_else(|| HostError {
        service: "scripts",
        why: format!("there is no callback {:?}", sent.kind.chars().take(64).collect::<String>()),
    })?;
    fn borrowed(list: &[(String, Value)]) -> impl Iterator<Item = (&str, Value)> {
        list.iter().map(|(name, value)| (name.as_str(), value.clone()))
    }
    Ok(Callback::new(kind, borrowed(&sent.output), borrowed(&sent.input)))
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl Scripts for Services<'_> {
    fn decide<'a>(&'a self, call: ScriptCall<'a>) -> Pending<'a, ScriptResult> {
        Box::pin(async move {
            let source = call.script.source.as_str().into();
            let decision = self.run(call, source).await?;
            self.result(decision)
        })
    }

    fn configure<'a>(&'a self, call: ScriptCall<'a>) -> Pending<'a, Map<String, Value>> {
        Box::pin(self.configured(call))
    }
}
