use std::collections::BTreeMap;

use super::prelude::*;

config! {
    /// Values by member; what is JSON is put in as JSON.
    successDetails: BTreeMap<String, String>;
    /// Members with the values of session properties.
    sessionProperties: BTreeMap<String, String>;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "SetSuccessDetailsNode";
    const NAME: &'static str = "Set Success Details";
    const ABOUT: &'static str = "Adds members to the answer of a successful journey.";
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let own = |name: &String| matches!(name.as_str(), "tokenId" | "realm" | "successUrl");
        if config.successDetails.keys().chain(config.sessionProperties.keys()).any(own) {
            return Err(NodeError::Config("tokenId, realm and successUrl are the answer's own".to_owned()));
        }
        for (name, value) in config.successDetails {
            let value = serde_json::from_str(&value).unwrap_or(Value::String(value));
            step.effects.success_details.insert(name, value);
        }
        for (name, property) in config.sessionProperties {
            step.effects.success_properties.insert(name, json!(property));
        }
        next()
    }
}
