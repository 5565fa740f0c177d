//! What all nodes do that run a script.

use serde_json::{Map, Value};

use crate::callback::Callback;
use crate::host::{ScriptAction, ScriptCall, ScriptResult};
use crate::library::Script;
use crate::node::{Action, NodeError, NodeResult, goto, send};
use crate::step::Step;

/// The state that a script may read and leave; none named, or `*`, is all.
pub(crate) struct Access {
    pub(crate) inputs: Vec<String>,
    pub(crate) outputs: Vec<String>,
}

pub(crate) fn call<'a>(
    step: &'a Step<'_>,
    script: &'a Script,
    access: &Access,
    outcomes: &'a [String],
    properties: Map<String, Value>,
) -> ScriptCall<'a> {
    ScriptCall {
        script,
        node: &step.node.id,
        shared: visible(&access.inputs, &step.state.shared),
        transient: visible(&access.inputs, &step.state.transient),
        secure: visible(&access.inputs, &step.state.secure),
        callbacks: step.callbacks,
        properties,
        outcomes,
        realm: &step.host.realm.name,
        journey: step.journey,
        request: step.request,
        resumed: step.resumed,
    }
}

/// Runs a decision script and does what it decides.
pub(crate) async fn decide(
    step: &mut Step<'_>,
    script: &Script,
    access: &Access,
    outcomes: &[String],
    properties: Map<String, Value>,
) -> NodeResult {
    let call = call(step, script, access, outcomes, properties);
    let result = step.host.scripts.decide(call).await.map_err(|error| NodeError::Script(error.to_string()))?;
    match take(access, step, result)? {
        ScriptAction::GoTo(outcome) if outcomes.contains(&outcome) => {
            let missing = |name: &&String| *name != "*" && step.state.get(name).is_none();
            match access.outputs.iter().find(missing) {
                None => goto(outcome),
                Some(name) => Err(NodeError::Script(format!("left no {name:?}, which is an output"))),
            }
        }
        ScriptAction::GoTo(outcome) => Err(NodeError::Script(format!("{outcome:?} is not one of its outcomes"))),
        ScriptAction::Send(callbacks) => send(callbacks),
        ScriptAction::Suspend { message, minutes } => {
            let id = step.random_id();
            let message = message.replace("{{resumeURI}}", &format!("{}{id}", step.host.realm.resume_uri));
            Ok(Action::Suspend { id, message: Callback::suspended(&message), minutes })
        }
    }
}

fn all(names: &[String]) -> bool {
    names.is_empty() || names.iter().any(|name| name == "*")
}

fn visible(names: &[String], store: &Map<String, Value>) -> Map<String, Value> {
    let shown = store.iter().filter(|(key, _)| all(names) || names.contains(key));
    shown.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Takes over what the script left.
fn take(access: &Access, step: &mut Step<'_>, result: ScriptResult) -> Result<ScriptAction, NodeError> {
    let stores = [
        (&mut step.state.shared, result.shared),
        (&mut step.state.transient, result.transient),
        (&mut step.state.secure, result.secure),
    ];
    for (store, left) in stores {
        if all(&access.inputs) && all(&access.outputs) {
            *store = left;
            continue;
        }
        let may = |key: &String| all(&access.outputs) || access.outputs.contains(key);
        // What it could see and has not left, it removed.
        store.retain(|key, _| {
            !(may(key) && (all(&access.inputs) || access.inputs.contains(key))) || left.contains_key(key)
        });
        store.extend(left.into_iter().filter(|(key, _)| may(key)));
    }
    let effects = &mut *step.effects;
    for name in result.removed_session_properties {
        effects.session_properties.remove(&name);
    }
    for (name, value) in result.session_properties {
        effects.set_property(&name, value)?;
    }
    effects.identified = result.identified.or(effects.identified.take());
    effects.error_message = result.error_message.or(effects.error_message.take());
    effects.lockout_message = result.lockout_message.or(effects.lockout_message.take());
    effects.max_session_minutes = result.max_session_minutes.or(effects.max_session_minutes);
    effects.max_idle_minutes = result.max_idle_minutes.or(effects.max_idle_minutes);
    effects.page.header = result.header.or(effects.page.header.take());
    effects.page.description = result.description.or(effects.page.description.take());
    effects.page.stage = result.stage.or(effects.page.stage.take());
    Ok(result.action)
}
