use std::collections::BTreeMap;

use super::prelude::*;

config! {
    /// The key of the state by name.
    allowedHeaders: BTreeMap<String, String>;
    /// The names whose value is a list with commas.
    headersToBeDelimited: Vec<String>;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "RequestHeaderNode";
    const NAME: &'static str = "Request Header";
    const ABOUT: &'static str = "Takes headers of the request into shared state, each as a list.";
    const OUTPUTS: &'static [Key] = &[Key::SettingValues("allowedHeaders")];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        for (name, key) in config.allowedHeaders {
            let mut values = step.request.header(&name).to_vec();
            if config.headersToBeDelimited.contains(&name)
                && let [one] = &values[..]
            {
                values = one.split(',').map(|part| part.trim().to_owned()).collect();
            }
            step.state.put_shared(&key, values);
        }
        next()
    }
}
