use super::prelude::*;
use crate::host::Identity;

config! {
    /// The attributes, tried in turn.
    datastoreAttributes: Vec<String>;
    /// The key with the value; the user name takes its place.
    sharedStateAttribute: String = "username";
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "SearchForUserNode";
    const NAME: &'static str = "Search for User";
    const ABOUT: &'static str = "Looks for a user whose attributes have a value of the state.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(&["found", "notFound", "ambiguous"]);
    const INPUTS: &'static [Key] = &[Key::Named("username"), Key::Setting("sharedStateAttribute")];
    const OUTPUTS: &'static [Key] = &[Key::Named("username")];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let Some(value) = step.state.text(&config.sharedStateAttribute).filter(|value| !value.is_empty()) else {
            return goto("notFound");
        };
        let mut found: Option<Identity> = None;
        for attribute in &config.datastoreAttributes {
            let attribute = if matches!(attribute.as_str(), "username" | "uid") { "userName" } else { attribute };
            let Some(identity) = step.host.identities.find(step.resource(), attribute, value).await? else { continue };
            if found.as_ref().is_some_and(|known| known.id != identity.id) {
                return goto("ambiguous");
            }
            found = Some(identity);
        }
        let Some(identity) = found else { return goto("notFound") };
        step.state.put_shared("username", identity.username);
        goto("found")
    }
}
