use super::prelude::*;

config! {
    /// The attribute.
    presentAttribute: String = "password";
    /// The attribute by which the user is found.
    identityAttribute: String = "userName";
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "AttributePresentDecisionNode";
    const NAME: &'static str = "Attribute Present Decision";
    const ABOUT: &'static str =
        "Whether the profile has a value for an attribute, those included that are never shown.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(DECISION);
    const INPUTS: &'static [Key] = IDENTITY;
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let identity = step.require(&config.identityAttribute).await?;
        decide(step.host.identities.has(step.resource(), &identity, &config.presentAttribute).await?)
    }
}
