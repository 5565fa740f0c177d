use std::collections::BTreeMap;

use super::prelude::*;

config! {
    /// The message.
    errorMessage: Localised;
    /// Values by member; what is JSON is put in as JSON.
    errorDetails: BTreeMap<String, String>;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "SetErrorDetailsNode";
    const NAME: &'static str = "Set Error Details";
    const ABOUT: &'static str =
        "Sets the message of a journey that ends with an error, and adds details to its answer.";
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let message = step.text(&config.errorMessage, "");
        if !message.is_empty() {
            step.effects.exception_message = Some(message);
        }
        for (name, value) in config.errorDetails {
            let value = serde_json::from_str(&value).unwrap_or(Value::String(value));
            step.effects.exception_details.insert(name, value);
        }
        next()
    }
}
