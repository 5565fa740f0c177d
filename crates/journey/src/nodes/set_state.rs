use std::collections::BTreeMap;

use super::prelude::*;

config! {
    /// Values by key.
    attributes: BTreeMap<String, String>;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "SetStateNode";
    const NAME: &'static str = "Set State";
    const ABOUT: &'static str = "Puts fixed values into shared state.";
    const OUTPUTS: &'static [Key] = &[Key::Setting("attributes")];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        for (key, value) in config.attributes {
            step.state.remove(&key);
            step.state.put_shared(&key, value);
        }
        next()
    }
}
