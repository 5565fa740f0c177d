use super::prelude::*;

config! {
    /// The attribute by which the user is found.
    identityAttribute: String = "userName";
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "TermsAndConditionsDecisionNode";
    const NAME: &'static str = "Terms and Conditions Decision";
    const ABOUT: &'static str = "Whether the user has accepted the terms in force.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(DECISION);
    const INPUTS: &'static [Key] = IDENTITY;
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let Some(terms) = &step.host.realm.terms else { return decide(true) };
        let identity = step.require(&config.identityAttribute).await?;
        let accepted = step.host.identities.accepted_terms(&identity).await?;
        decide(accepted.as_ref() == Some(&terms.version))
    }
}
