use super::prelude::*;

config! {
    /// Its least length.
    minPasswordLength: i64 = 8;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "CreatePasswordNode";
    const NAME: &'static str = "Create Password";
    const ABOUT: &'static str = "Asks for a new password, twice.";
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::PasswordCallback, CallbackType::TextOutputCallback];
    const OUTPUTS: &'static [Key] = &[Key::Named("password")];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let typed = step.answers(CallbackType::PasswordCallback);
        let mut callbacks = Vec::new();
        if let [new, again] = typed[..] {
            let least = usize::try_from(config.minPasswordLength).unwrap_or(0);
            let problem = if new.is_empty() || new.chars().count() < least {
                "The password is too short."
            } else if new != again {
                "The passwords do not match."
            } else {
                step.state.put_transient("password", new);
                return next();
            };
            callbacks.push(Callback::text_output(problem, MessageType::Error));
        }
        callbacks.extend([Callback::password("Password"), Callback::password("Confirm Password")]);
        send(callbacks)
    }
}
