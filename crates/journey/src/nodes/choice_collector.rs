use super::prelude::*;

config! {
    /// The choices, each of which is an outcome.
    choices: Vec<String>;
    /// The one that is chosen at first.
    defaultChoice: Option<String>;
    /// The question.
    prompt: Option<String>;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "ChoiceCollectorNode";
    const NAME: &'static str = "Choice Collector";
    const ABOUT: &'static str = "Asks for one of several choices and leaves by its text.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Of(|config| config.choices.clone());
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::ChoiceCallback];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        if config.choices.is_empty() {
            return Err(NodeError::Config("there is nothing to choose".to_owned()));
        }
        let chosen = step.answered(CallbackType::ChoiceCallback).and_then(Callback::index);
        match chosen.and_then(|index| config.choices.get(usize::try_from(index).ok()?)) {
            Some(choice) => goto(choice.as_str()),
            None => {
                let is_default = |choice: &String| Some(choice) == config.defaultChoice.as_ref();
                let default = config.choices.iter().position(is_default).unwrap_or(0);
                send([Callback::choice(config.prompt.as_deref().unwrap_or_default(), &config.choices, default)])
            }
        }
    }
}
