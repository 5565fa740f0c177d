use super::prelude::*;

config! {
    /// The name of the measurement.
    metricKey: String;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "MeterNode";
    const NAME: &'static str = "Meter";
    const ABOUT: &'static str = "Counts that a journey came by, among the measurements of the server.";
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        step.host.audit.counted(&config.metricKey);
        next()
    }
}
