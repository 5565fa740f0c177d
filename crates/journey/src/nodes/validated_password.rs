use super::prelude::*;

config! {
    /// Check the password against the policies of the schema.
    validateInput: bool = false;
    /// The attribute that holds the password.
    passwordAttribute: String = "password";
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "ValidatedPasswordNode";
    const NAME: &'static str = "Platform Password";
    const ABOUT: &'static str = "Asks for the password and, on request, checks it against the realm's policies.";
    const CALLBACKS: &'static [CallbackType] =
        &[CallbackType::PasswordCallback, CallbackType::ValidatedCreatePasswordCallback];
    const INPUTS: &'static [Key] = &[Key::Named("_id")];
    const OUTPUTS: &'static [Key] = &[Key::Named("password"), Key::Named(OBJECT_ATTRIBUTES)];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let kind = if config.validateInput {
            CallbackType::ValidatedCreatePasswordCallback
        } else {
            CallbackType::PasswordCallback
        };
        let Some(answered) = step.answered(kind) else {
            if config.validateInput {
                let validation = step.validate(&config.passwordAttribute, None, false).await?;
                let prompt = step.prompt_for(&config.passwordAttribute, "Password");
                return send([Callback::validated_password(prompt, validation)]);
            }
            return send([Callback::password("Password")]);
        };
        let password = answered.text();
        if config.validateInput {
            let only = answered.flag("validateOnly");
            let validation = step.validate(&config.passwordAttribute, Some(&json!(password)), only).await?;
            if only || !validation.failed.is_empty() {
                let prompt = step.prompt_for(&config.passwordAttribute, "Password");
                return send([Callback::validated_password(prompt, validation)]);
            }
        }
        // A blank one is wrong, which the deciding node says; it is never to become the profile's.
        step.state.put_transient("password", password);
        if !password.is_empty() {
            step.set_attribute(Where::Transient, &config.passwordAttribute, json!(password));
        }
        next()
    }
}
