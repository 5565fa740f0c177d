use super::prelude::*;
use crate::engine;
use crate::journey::NodeSpec;
use crate::nodes::node_type;
use crate::scripting::{self, Access};

config! {
    /// The type of the node to be.
    nodeType: String;
    /// The id of the script that makes its settings.
    script: String;
    /// The state that the script may read; `*` is all.
    scriptInputs: Vec<String>;
}

const FAILED: &str = "CONFIGURATION_FAILED";
/// The settings while the node waits for an answer.
const SETTINGS: &str = "config";

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "ConfigProviderNode";
    const NAME: &'static str = "Configuration Provider";
    const ABOUT: &'static str = "Is a node of another type, with settings that a script makes.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Of(|config| {
        let fixed = node_type(&config.nodeType).and_then(|kind| kind.fixed_outcomes).unwrap_or_default();
        fixed.iter().chain(&[FAILED]).map(|id| (*id).to_owned()).collect()
    });
    const CALLBACKS: &'static [CallbackType] = CallbackType::ALL;
    const INPUTS: &'static [Key] = &[Key::All];
    const OUTPUTS: &'static [Key] = &[Key::All];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let kind = node_type(&config.nodeType).filter(|kind| kind.fixed_outcomes.is_some());
        let unknown = || NodeError::Config(format!("{} cannot be configured by a script", config.nodeType));
        let kind = kind.ok_or_else(unknown)?;
        let key = step.own(SETTINGS);
        let kept = step.state.get(&key).and_then(Value::as_object).cloned().filter(|_| !step.callbacks.is_empty());
        let settings = match kept {
            Some(settings) => settings,
            None => {
                let Some(script) = step.library.script(&config.script) else { return goto(FAILED) };
                let access = Access { inputs: config.scriptInputs, outputs: Vec::new() };
                let call = scripting::call(step, script, &access, &[], Map::new());
                match step.host.scripts.configure(call).await {
                    Ok(settings) => settings,
                    Err(_) => return goto(FAILED),
                }
            }
        };
        if kind.outcomes(&settings).is_err() {
            return goto(FAILED);
        }
        let node = NodeSpec {
            type_id: config.nodeType,
            node_type: Some(kind),
            config: settings,
            children: Vec::new(),
            ..step.node.clone()
        };
        let callbacks = step.callbacks;
        let mut inner = step.within(&node, callbacks);
        let action = Box::pin(engine::process(&mut inner)).await?;
        step.state.remove(&key);
        if matches!(action, Action::Send(_) | Action::Suspend { .. }) {
            step.state.put_transient(&key, node.config);
        }
        Ok(action)
    }
}
