use super::prelude::*;

config! {
    /// The key of the state that the beginning is kept under.
    startTimeProperty: String = "TimerNodeStartTime";
    /// The name of the measurement.
    metricKey: String;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "TimerStopNode";
    const NAME: &'static str = "Timer Stop";
    const ABOUT: &'static str =
        "Adds the time since Timer Start to a measurement of the server's. Without a beginning it measures nothing.";
    const INPUTS: &'static [Key] = &[Key::Setting("startTimeProperty"), Key::Named("TimerNodeStartTime")];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        if let Some(started) = step.state.get(&config.startTimeProperty).and_then(Value::as_u64) {
            step.host.audit.timed(&config.metricKey, step.now().saturating_sub(started));
        }
        next()
    }
}
