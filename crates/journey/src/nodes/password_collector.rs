use super::prelude::*;

config! {}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "PasswordCollectorNode";
    const NAME: &'static str = "Password Collector";
    const ABOUT: &'static str = "Asks for the user's password.";
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::PasswordCallback];
    const OUTPUTS: &'static [Key] = &[Key::Named("password")];
    type Config = Config;

    async fn process(_: Config, step: &mut Step<'_>) -> NodeResult {
        match step.answer(CallbackType::PasswordCallback) {
            None => send([Callback::password("Password")]),
            Some(password) => {
                step.state.put_transient("password", password);
                next()
            }
        }
    }
}
