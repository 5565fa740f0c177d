use super::prelude::*;
use crate::scripting::{self, Access};

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
        let access = Access { inputs: config.inputs, outputs: config.outputs };
        scripting::decide(step, script, &access, &config.outcomes, Map::new()).await
    }
}
