use super::prelude::*;
use crate::state::at;

config! {
    /// The attribute.
    comparisonAttribute: String;
    /// Whether it is there, or has the value.
    comparisonOperation: String = "EQUALS" => ["PRESENT", "EQUALS"];
    /// The value.
    comparisonValue: Option<String>;
    /// The attribute by which the user is found.
    identityAttribute: String = "userName";
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "AttributeValueDecisionNode";
    const NAME: &'static str = "Attribute Value Decision";
    const ABOUT: &'static str = "Compares an attribute of the profile.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(DECISION);
    const INPUTS: &'static [Key] = IDENTITY;
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let identity = step.require(&config.identityAttribute).await?;
        if config.comparisonOperation == "PRESENT" {
            return decide(step.host.identities.has(step.resource(), &identity, &config.comparisonAttribute).await?);
        }
        let expected = config.comparisonValue.unwrap_or_default();
        decide(match at(&identity.attributes, &config.comparisonAttribute) {
            Some(Value::String(text)) => *text == expected,
            Some(Value::Bool(value)) => expected.parse() == Ok(*value),
            Some(Value::Number(number)) => number.as_i64().is_some_and(|number| expected.trim().parse() == Ok(number)),
            Some(Value::Array(list)) => list.iter().any(|item| item.as_str() == Some(expected.as_str())),
            _ => false,
        })
    }
}
