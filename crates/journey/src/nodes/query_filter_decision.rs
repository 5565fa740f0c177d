use super::prelude::*;
use crate::filter::Filter;

config! {
    /// The filter, such as `/preferences/updates eq true`.
    queryFilter: String;
    /// The attribute by which the user is found.
    identityAttribute: String = "userName";
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "QueryFilterDecisionNode";
    const NAME: &'static str = "Query Filter Decision";
    const ABOUT: &'static str = "Whether the profile matches a query filter.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(DECISION);
    const INPUTS: &'static [Key] = IDENTITY;
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let filter = Filter::parse(&config.queryFilter);
        let filter = filter.ok_or_else(|| NodeError::Config("queryFilter is not a filter".to_owned()))?;
        let identity = step.require(&config.identityAttribute).await?;
        decide(filter.matches(&identity.attributes))
    }
}
