use std::collections::BTreeMap;

use super::prelude::*;

config! {
    /// Values by attribute.
    properties: BTreeMap<String, String>;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "SetProfilePropertyNode";
    const NAME: &'static str = "Set Profile Property";
    const ABOUT: &'static str = "Writes fixed values into the user's profile.";
    const INPUTS: &'static [Key] = &[Key::Named("username")];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let user = step.user().await?.ok_or_else(|| NodeError::State("no such user".to_owned()))?;
        let changes: Map<String, Value> =
            config.properties.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
        match step.host.identities.patch(step.resource(), &user, &changes, false).await? {
            Ok(()) => next(),
            Err(why) => Err(NodeError::Refused(why)),
        }
    }
}
