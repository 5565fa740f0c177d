use super::prelude::*;

config! {
    /// The address.
    successUrl: String;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "SetSuccessUrlNode";
    const NAME: &'static str = "Success URL";
    const ABOUT: &'static str = "Sets where the user goes after a successful journey.";
    const OUTPUTS: &'static [Key] = &[Key::Named("successUrl")];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        step.state.put_shared("successUrl", config.successUrl);
        next()
    }
}
