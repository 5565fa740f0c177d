use super::prelude::*;

config! {
    /// The address.
    failureUrl: String;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "SetFailureUrlNode";
    const NAME: &'static str = "Failure URL";
    const ABOUT: &'static str = "Sets where the user goes after a failed journey.";
    const OUTPUTS: &'static [Key] = &[Key::Named("failureUrl")];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        step.state.put_shared("failureUrl", config.failureUrl);
        next()
    }
}
