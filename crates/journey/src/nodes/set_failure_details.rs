use std::collections::BTreeMap;

use super::prelude::*;

config! {
    /// The message.
    failureMessage: Localised;
    /// Values by member; what is JSON is put in as JSON.
    failureDetails: BTreeMap<String, String>;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "SetFailureDetailsNode";
    const NAME: &'static str = "Set Failure Details";
    const ABOUT: &'static str = "Sets the message of a journey that fails, and adds details to its answer.";
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let message = step.text(&config.failureMessage, "");
        if !message.is_empty() {
            step.effects.failure_message = Some(message);
        }
        for (name, value) in config.failureDetails {
            let value = serde_json::from_str(&value).unwrap_or(Value::String(value));
            step.effects.failure_details.insert(name, value);
        }
        next()
    }
}
