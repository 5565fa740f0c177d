use super::prelude::*;
use crate::oauth::KeySource;
use crate::social::{SINGLE_INPUTS, SINGLE_OUTCOMES, SINGLE_OUTPUTS, single};
use crate::social_settings::single_config;

single_config! {
    any, user_info: Option<String>, scope: (= "openid"), {
        /// Where the keys of identity tokens are.
        openIdValidationType: String = "WELL_KNOWN_URL" => ["WELL_KNOWN_URL", "JWK_URL", "CLIENT_SECRET"];
        /// The URL of the provider's configuration or of its keys.
        openIdValidationValue: Option<String>;
    }
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "SocialOpenIdConnectNode";
    const NAME: &'static str = "OpenID Connect";
    const ABOUT: &'static str = "Logs in with a provider of OpenID Connect.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(SINGLE_OUTCOMES);
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::RedirectCallback];
    const INPUTS: &'static [Key] = SINGLE_INPUTS;
    const OUTPUTS: &'static [Key] = SINGLE_OUTPUTS;
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let keys = match (config.openIdValidationType.as_str(), &config.openIdValidationValue) {
            ("CLIENT_SECRET", _) => KeySource::ClientSecret,
            ("JWK_URL", Some(url)) => KeySource::Jwks(url.clone()),
            ("WELL_KNOWN_URL", Some(url)) => KeySource::WellKnown(url.clone()),
            _ => return Err(NodeError::Config("setting openIdValidationValue: is required".to_owned())),
        };
        single(config.single(keys), step).await
    }
}
