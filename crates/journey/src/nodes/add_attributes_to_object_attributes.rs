use std::collections::BTreeMap;

use super::prelude::*;

config! {
    /// The attribute by the key.
    attributesList: BTreeMap<String, String>;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "AddAttributesToObjectAttributesNode";
    const NAME: &'static str = "Add Attributes to Object Attributes";
    const ABOUT: &'static str = "Copies values of the state into the profile under construction.";
    const INPUTS: &'static [Key] = &[Key::Setting("attributesList"), Key::Named(OBJECT_ATTRIBUTES)];
    const OUTPUTS: &'static [Key] = &[Key::Named(OBJECT_ATTRIBUTES)];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        for (key, attribute) in &config.attributesList {
            // What is transient stays so.
            let hidden = step.state.transient.get(key).or_else(|| step.state.secure.get(key));
            let (store, value) = match hidden {
                Some(value) => (Where::Transient, value.clone()),
                None => match step.state.shared.get(key) {
                    Some(value) => (Where::Shared, value.clone()),
                    None => continue,
                },
            };
            step.set_attribute(store, attribute, value);
        }
        next()
    }
}
