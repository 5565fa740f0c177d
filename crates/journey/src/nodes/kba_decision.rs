use super::prelude::*;

config! {
    /// The attribute by which the user is found.
    identityAttribute: String = "userName";
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "KbaDecisionNode";
    const NAME: &'static str = "KBA Decision";
    const ABOUT: &'static str = "Whether the user has answered as many security questions as the realm wants.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(DECISION);
    const INPUTS: &'static [Key] = IDENTITY;
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let identity = step.require(&config.identityAttribute).await?;
        let questions = step.host.identities.questions(&identity, "kbaInfo").await?;
        decide(questions.len() >= step.host.realm.kba.minimum_answers_to_define)
    }
}
