use super::prelude::*;

config! {
    /// The key of the state that the time is kept under.
    startTimeProperty: String = "TimerNodeStartTime";
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "TimerStartNode";
    const NAME: &'static str = "Timer Start";
    const ABOUT: &'static str = "Notes the time, for a Timer Stop further on.";
    const OUTPUTS: &'static [Key] = &[Key::Setting("startTimeProperty"), Key::Named("TimerNodeStartTime")];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        step.state.put_shared(&config.startTimeProperty, step.now());
        next()
    }
}
