use super::prelude::*;

config! {
    /// The keys.
    attributes: Vec<String>;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "MetadataNode";
    const NAME: &'static str = "Metadata";
    const ABOUT: &'static str = "Sends values of shared state to the client, on a page with other nodes.";
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::MetadataCallback];
    const INPUTS: &'static [Key] = &[Key::Setting("attributes")];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let shared = &step.state.shared;
        let known = config.attributes.iter().filter_map(|key| Some((key.clone(), shared.get(key)?.clone())));
        send([Callback::metadata(known.collect())])
    }
}
