use super::prelude::*;

config! {
    /// Set the time, or add to it.
    operation: String => ["SET", "MODIFY"];
    /// Minutes; negative only to take away.
    value: i64;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "UpdateJourneyTimeoutNode";
    const NAME: &'static str = "Update Journey Timeout";
    const ABOUT: &'static str = "Changes how long the journey may take.";
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let now = step.effects.max_journey_minutes.unwrap_or(0);
        let minutes = if config.operation == "SET" { config.value } else { now.saturating_add(config.value) };
        if minutes <= 0 {
            return Err(NodeError::Config("the journey would have no time left".to_owned()));
        }
        step.effects.max_journey_minutes = Some(minutes);
        next()
    }
}
