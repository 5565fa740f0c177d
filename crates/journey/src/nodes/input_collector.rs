use super::prelude::*;

config! {
    /// The key it gets.
    variable: String;
    /// The question.
    prompt: String = "";
    /// Do not show what is typed.
    isPassword: bool = false;
    /// Put it into transient state.
    useTransient: bool = false;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "InputCollectorNode";
    const NAME: &'static str = "Input Collector";
    const ABOUT: &'static str = "Asks for a text and puts it into the state.";
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::NameCallback, CallbackType::PasswordCallback];
    const OUTPUTS: &'static [Key] = &[Key::Setting("variable")];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let kind = if config.isPassword { CallbackType::PasswordCallback } else { CallbackType::NameCallback };
        let Some(typed) = step.answer(kind) else {
            let prompt = &config.prompt;
            return send([if config.isPassword { Callback::password(prompt) } else { Callback::name(prompt) }]);
        };
        if config.useTransient {
            step.state.put_transient(&config.variable, typed);
        } else {
            step.state.put_shared(&config.variable, typed);
        }
        next()
    }
}
