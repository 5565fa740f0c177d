use super::prelude::*;
use crate::engine::Identified;

config! {
    /// Its name.
    anonymousUserName: String = "anonymous";
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "AnonymousUserNode";
    const NAME: &'static str = "Anonymous User Mapping";
    const ABOUT: &'static str = "Logs in as the anonymous user.";
    const OUTPUTS: &'static [Key] = &[Key::Named("username"), Key::Named("NodeType")];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let name = config.anonymousUserName;
        step.effects.identified = Some(match step.host.identities.find(step.resource(), "userName", &name).await? {
            Some(known) => Identified { username: known.username, universal_id: known.universal_id, stored: true },
            None => Identified { universal_id: format!("id={name},ou=user"), username: name.clone(), stored: false },
        });
        step.state.put_shared("username", name);
        step.state.put_shared("NodeType", "Anonymous");
        next()
    }
}
