use super::prelude::*;

config! {}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "UsernameCollectorNode";
    const NAME: &'static str = "Username Collector";
    const ABOUT: &'static str = "Asks for the user's name.";
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::NameCallback];
    const OUTPUTS: &'static [Key] = &[Key::Named("username")];
    type Config = Config;

    async fn process(_: Config, step: &mut Step<'_>) -> NodeResult {
        match step.answer(CallbackType::NameCallback) {
            None => send([Callback::name("User Name")]),
            Some(name) => {
                step.state.put_shared("username", name);
                next()
            }
        }
    }
}
