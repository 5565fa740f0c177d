use super::prelude::*;
use crate::profile::LOGIN_COUNT;

config! {
    /// The attribute by which the user is found.
    identityAttribute: String = "userName";
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "IncrementLoginCountNode";
    const NAME: &'static str = "Increment Login Count";
    const ABOUT: &'static str = "Counts a login of the user. It never stands in a login's way.";
    const INPUTS: &'static [Key] = IDENTITY;
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        if let Ok(Some(identity)) = step.lookup(&config.identityAttribute).await {
            let identities = step.host.identities;
            if let Ok(count) = identities.counter(&identity.username, LOGIN_COUNT).await {
                // As said above: a count that cannot be kept is no reason to refuse the user.
                let _ = identities.set_counter(&identity.username, LOGIN_COUNT, Some(count.unwrap_or(0) + 1)).await;
            }
        }
        next()
    }
}
