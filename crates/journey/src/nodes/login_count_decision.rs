use super::prelude::*;
use crate::profile::LOGIN_COUNT;

config! {
    /// `AT`: exactly so many times. `EVERY`: a multiple.
    interval: String = "AT" => ["AT", "EVERY"];
    /// How many.
    amount: i64 = 25;
    /// The attribute by which the user is found.
    identityAttribute: String = "userName";
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "LoginCountDecisionNode";
    const NAME: &'static str = "Login Count Decision";
    const ABOUT: &'static str = "Whether the user has logged in so many times, or a multiple of it.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(DECISION);
    const INPUTS: &'static [Key] = IDENTITY;
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let identity = step.require(&config.identityAttribute).await?;
        let count = step.host.identities.counter(&identity.username, LOGIN_COUNT).await?;
        decide(count.is_some_and(|count| match config.interval.as_str() {
            "AT" => count == config.amount,
            _ => count > 0 && count.checked_rem(config.amount) == Some(0),
        }))
    }
}
