use super::prelude::*;
use crate::state::at;

config! {
    /// The attribute that becomes the user name.
    identifier: String = "userName";
    /// The attribute by which the user is found.
    identityAttribute: String = "mail";
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "IdentifyExistingUserNode";
    const NAME: &'static str = "Identify Existing User";
    const ABOUT: &'static str = "Finds the user by an attribute that was collected.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(DECISION);
    const INPUTS: &'static [Key] = IDENTITY;
    const OUTPUTS: &'static [Key] = &[Key::Named("_id"), Key::Named("username"), Key::Named(OBJECT_ATTRIBUTES)];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let Some(identity) = step.lookup(&config.identityAttribute).await? else { return decide(false) };
        let known = at(&identity.attributes, &config.identifier).and_then(Value::as_str);
        let name = known.unwrap_or(&identity.username).to_owned();
        step.state.put_shared("_id", identity.id.as_str());
        step.state.put_shared("username", name.as_str());
        step.set_attribute(Where::Shared, &config.identifier, json!(name));
        if let Some(aliases) = identity.attributes.get("aliasList") {
            step.set_attribute(Where::Transient, "aliasList", aliases.clone());
        }
        step.identify(&identity);
        decide(true)
    }
}
