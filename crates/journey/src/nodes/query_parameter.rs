use std::collections::BTreeMap;

use super::prelude::*;

config! {
    /// The key of the state by name.
    allowedQueryParameters: BTreeMap<String, String>;
    /// The names whose value is a list with commas.
    queryParametersToBeDelimited: Vec<String>;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "QueryParameterNode";
    const NAME: &'static str = "Query Parameter";
    const ABOUT: &'static str = "Takes query parameters of the request into shared state, each as a list.";
    const OUTPUTS: &'static [Key] = &[Key::SettingValues("allowedQueryParameters")];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        for (name, key) in config.allowedQueryParameters {
            let mut values = step.request.parameters.get(&name).cloned().unwrap_or_default();
            if config.queryParametersToBeDelimited.contains(&name)
                && let [one] = &values[..]
            {
                values = one.split(',').map(|part| part.trim().to_owned()).collect();
            }
            step.state.put_shared(&key, values);
        }
        next()
    }
}
