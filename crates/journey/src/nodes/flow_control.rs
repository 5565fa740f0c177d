use super::prelude::*;

config! {
    /// How many of a hundred leave by `A`.
    percentageA: i64 = 50;
    /// For the editor.
    outcomeADisplayName: Option<String>;
    /// For the editor.
    outcomeBDisplayName: Option<String>;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "FlowControlNode";
    const NAME: &'static str = "Flow Control";
    const ABOUT: &'static str = "Sends a share of all journeys one way and the rest the other.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(&["A", "B"]);
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        goto(if i64::from(step.below(100)) < config.percentageA { "A" } else { "B" })
    }
}
