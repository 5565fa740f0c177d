use super::prelude::*;

config! {
    /// The session property.
    sessionDataKey: String;
    /// The key it gets in shared state and among the collected attributes.
    sharedStateKey: String;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "SessionDataNode";
    const NAME: &'static str = "Get Session Data";
    const ABOUT: &'static str = "Takes a property of the caller's session into the state, if there is a session.";
    const OUTPUTS: &'static [Key] = &[Key::Setting("sharedStateKey"), Key::Named(OBJECT_ATTRIBUTES)];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let Some(session) = &step.request.existing_session else { return next() };
        let own_name = || {
            let named = matches!(config.sessionDataKey.as_str(), "UserToken" | "UserId");
            (named && !session.username.is_empty()).then(|| json!(session.username))
        };
        if let Some(value) = session.properties.get(&config.sessionDataKey).cloned().or_else(own_name) {
            step.state.put_shared(&config.sharedStateKey, value.clone());
            step.set_attribute(Where::Shared, &config.sharedStateKey, value);
        }
        next()
    }
}
