use super::prelude::*;
use crate::social::{ACCOUNT_EXISTS, HANDLER_INPUTS, HANDLER_OUTPUTS, INTERRUPTED, NO_ACCOUNT, handle};
use crate::social_settings::handler_config;

handler_config!();

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "SocialProviderHandlerNodeV2";
    const NAME: &'static str = "Social Provider Handler (2.0)";
    const ABOUT: &'static str = "Logs in with the identity provider that was selected.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(&[ACCOUNT_EXISTS, NO_ACCOUNT, INTERRUPTED]);
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::RedirectCallback, CallbackType::IdPCallback];
    const INPUTS: &'static [Key] = HANDLER_INPUTS;
    const OUTPUTS: &'static [Key] = HANDLER_OUTPUTS;
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        handle(config.handler(true), step).await
    }
}
