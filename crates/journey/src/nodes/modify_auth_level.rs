use super::prelude::*;

config! {
    /// By how much; may be negative.
    authLevelIncrement: i64;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "ModifyAuthLevelNode";
    const NAME: &'static str = "Modify Auth Level";
    const ABOUT: &'static str = "Raises or lowers the authentication level.";
    const INPUTS: &'static [Key] = &[Key::Named("authLevel")];
    const OUTPUTS: &'static [Key] = &[Key::Named("authLevel")];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let level = step.state.get("authLevel").and_then(Value::as_i64).unwrap_or(0);
        step.state.put_shared("authLevel", level.saturating_add(config.authLevelIncrement));
        next()
    }
}
