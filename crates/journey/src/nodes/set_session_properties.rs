use std::collections::BTreeMap;

use super::prelude::*;

config! {
    /// Values by name.
    properties: BTreeMap<String, String>;
    /// Minutes that the session lives.
    maxSessionTime: Option<i64>;
    /// Minutes that it may be idle.
    maxIdleTime: Option<i64>;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "SetSessionPropertiesNode";
    const NAME: &'static str = "Set Session Properties";
    const ABOUT: &'static str = "Sets properties and lifetimes of the session to come.";
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        for (name, value) in config.properties {
            step.effects.set_property(&name, json!(value))?;
        }
        step.effects.max_session_minutes = config.maxSessionTime.or(step.effects.max_session_minutes);
        step.effects.max_idle_minutes = config.maxIdleTime.or(step.effects.max_idle_minutes);
        next()
    }
}
