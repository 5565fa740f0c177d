use super::prelude::*;

config! {
    /// Per cent.
    threshold: i64;
    /// The attribute by which the user is found.
    identityAttribute: String = "userName";
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "ProfileCompletenessDecisionNode";
    const NAME: &'static str = "Profile Completeness Decision";
    const ABOUT: &'static str =
        "Whether more than so many per cent of the attributes that users see and may edit have a value.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(DECISION);
    const INPUTS: &'static [Key] = IDENTITY;
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let user = step.require(&config.identityAttribute).await?;
        let missing = || NodeError::Config("the realm has no schema".to_owned());
        let schema = step.schema().ok_or_else(missing)?;
        let shown = schema.properties.iter().filter(|(_, property)| property.viewable && property.user_editable);
        let (mut all, mut filled) = (0_i64, 0_i64);
        for (name, _) in shown {
            all += 1;
            filled += i64::from(step.host.identities.has(step.resource(), &user, name).await?);
        }
        decide(all > 0 && filled * 100 > config.threshold.saturating_mul(all))
    }
}
