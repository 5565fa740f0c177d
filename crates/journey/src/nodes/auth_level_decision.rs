use super::prelude::*;

config! {
    /// The least level.
    authLevelRequirement: i64;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "AuthLevelDecisionNode";
    const NAME: &'static str = "Auth Level Decision";
    const ABOUT: &'static str = "Whether the authentication level is high enough.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(DECISION);
    const INPUTS: &'static [Key] = &[Key::Named("authLevel")];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let level = step.state.get("authLevel").and_then(Value::as_i64);
        decide(level.is_some_and(|level| level >= config.authLevelRequirement))
    }
}
