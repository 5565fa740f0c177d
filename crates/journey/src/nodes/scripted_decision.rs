use super::prelude::*;
use crate::host::{ScriptAction, ScriptCall, ScriptResult};

config! {
    /// The id of the script.
    script: String;
    /// The outcomes it may choose.
    outcomes: Vec<String>;
    /// The state it may read; `*` is all.
    inputs: Vec<String>;
    /// The state it may leave; `*` is all.
    outputs: Vec<String>;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "ScriptedDecisionNode";
    const NAME: &'static str = "Scripted Decision";
    const ABOUT: &'static str = "Runs a script that asks for callbacks or chooses an outcome.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Of(|config| config.outcomes.clone());
    const CALLBACKS: &'static [CallbackType] = CallbackType::ALL;
    const INPUTS: &'static [Key] = &[Key::Setting("inputs")];
    const OUTPUTS: &'static [Key] = &[Key::Setting("outputs")];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let missing = || NodeError::Config(format!("script {} does not exist", config.script));
        let script = step.library.script(&config.script).ok_or_else(missing)?;
        let call = ScriptCall {
            script,
            node: &step.node.id,
            shared: visible(&config.inputs, &step.state.shared),
            transient: visible(&config.inputs, &step.state.transient),
            secure: visible(&config.inputs, &step.state.secure),
            callbacks: step.callbacks,
            outcomes: &config.outcomes,
            realm: &step.host.realm.name,
            resource: step.resource(),
            request: step.request,
            resumed: step.resumed,
        };
        let result = step.host.scripts.decide(call).await.map_err(|error| NodeError::Script(error.to_string()))?;
        let action = take(&config, step, result)?;
        match action {
            ScriptAction::GoTo(outcome) if config.outcomes.contains(&outcome) => {
                let missing = |name: &&String| *name != "*" && step.state.get(name).is_none();
                match config.outputs.iter().find(missing) {
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
}

fn all(names: &[String]) -> bool {
    names.is_empty() || names.iter().any(|name| name == "*")
}

fn visible(names: &[String], store: &Map<String, Value>) -> Map<String, Value> {
    let shown = store.iter().filter(|(key, _)| all(names) || names.contains(key));
    shown.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Takes over what the script left.
fn take(config: &Config, step: &mut Step<'_>, result: ScriptResult) -> Result<ScriptAction, NodeError> {
    let stores = [
        (&mut step.state.shared, result.shared),
        (&mut step.state.transient, result.transient),
        (&mut step.state.secure, result.secure),
    ];
    for (store, left) in stores {
        if all(&config.inputs) && all(&config.outputs) {
            *store = left;
            continue;
        }
        let may = |key: &String| all(&config.outputs) || config.outputs.contains(key);
        // What it could see and has not left, it removed.
        store.retain(|key, _| {
            !(may(key) && (all(&config.inputs) || config.inputs.contains(key))) || left.contains_key(key)
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
