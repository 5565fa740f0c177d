use super::prelude::*;

config! {
    /// Check the name against the policies of the schema.
    validateInput: bool = false;
    /// The attribute that holds the name.
    usernameAttribute: String = "userName";
    /// Show the name that is already known.
    prepopulate: bool = false;
    /// Values of the field's `autocomplete`.
    autocompleteValues: Vec<String>;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "ValidatedUsernameNode";
    const NAME: &'static str = "Platform Username";
    const ABOUT: &'static str = "Asks for the user name and, on request, checks it against the realm's policies.";
    const CALLBACKS: &'static [CallbackType] =
        &[CallbackType::NameCallback, CallbackType::ValidatedCreateUsernameCallback];
    const INPUTS: &'static [Key] = &[Key::Named("username"), Key::Named("_id")];
    const OUTPUTS: &'static [Key] = &[Key::Named("username"), Key::Named(OBJECT_ATTRIBUTES)];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let kind = if config.validateInput {
            CallbackType::ValidatedCreateUsernameCallback
        } else {
            CallbackType::NameCallback
        };
        let Some(answered) = step.answered(kind) else {
            let known = if config.prepopulate { step.username().unwrap_or_default() } else { "" };
            if config.validateInput {
                let validation = step.validate(&config.usernameAttribute, None, false).await?;
                let prompt = step.prompt_for(&config.usernameAttribute, "User Name");
                return send([Callback::validated_username(prompt, known, validation)]);
            }
            let mut callback = Callback::name("User Name");
            if !known.is_empty() {
                callback.prefill(known);
            }
            return send([callback]);
        };
        let name = answered.text();
        if config.validateInput {
            let only = answered.flag("validateOnly");
            let validation = step.validate(&config.usernameAttribute, Some(&json!(name)), only).await?;
            if only || !validation.failed.is_empty() {
                let prompt = step.prompt_for(&config.usernameAttribute, "User Name");
                return send([Callback::validated_username(prompt, name, validation)]);
            }
        }
        if !name.trim().is_empty() {
            step.state.put_shared("username", name);
            step.set_attribute(Where::Shared, &config.usernameAttribute, json!(name));
        }
        next()
    }
}
