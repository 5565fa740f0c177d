use super::prelude::*;

config! {
    /// Their names.
    propertyNames: Vec<String>;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "RemoveSessionPropertiesNode";
    const NAME: &'static str = "Remove Session Properties";
    const ABOUT: &'static str = "Takes back properties of the session to come.";
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        for name in &config.propertyNames {
            step.effects.session_properties.remove(name);
        }
        next()
    }
}
