use super::prelude::*;
use crate::oauth::KeySource;
use crate::social::{SINGLE_INPUTS, SINGLE_OUTCOMES, SINGLE_OUTPUTS, single};
use crate::social_settings::single_config;

single_config! { any, user_info: String, scope: (), {} }

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "SocialOAuth2Node";
    const NAME: &'static str = "OAuth 2.0";
    const ABOUT: &'static str = "Logs in with a provider of OAuth 2.0.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(SINGLE_OUTCOMES);
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::RedirectCallback];
    const INPUTS: &'static [Key] = SINGLE_INPUTS;
    const OUTPUTS: &'static [Key] = SINGLE_OUTPUTS;
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        single(config.single(KeySource::None), step).await
    }
}
