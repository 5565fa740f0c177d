use super::prelude::*;
use crate::oauth::KeySource;
use crate::social::{SINGLE_INPUTS, SINGLE_OUTCOMES, SINGLE_OUTPUTS, single};
use crate::social_settings::{ALIASES, single_config};

single_config! {
    authorize: "https://accounts.google.com/o/oauth2/v2/auth",
    token: "https://www.googleapis.com/oauth2/v4/token",
    user_info: "https://www.googleapis.com/oauth2/v3/userinfo",
    scope: "profile email",
    provider: "google",
    id_prefix: "google-",
    account: &[("sub", ALIASES)],
    attributes: &[("sub", ALIASES), ("name", "cn"), ("given_name", "givenName"), ("family_name", "sn"), ("email", "mail")]
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "SocialGoogleNode";
    const NAME: &'static str = "Social Google";
    const ABOUT: &'static str = "Logs in with Google.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(SINGLE_OUTCOMES);
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::RedirectCallback];
    const INPUTS: &'static [Key] = SINGLE_INPUTS;
    const OUTPUTS: &'static [Key] = SINGLE_OUTPUTS;
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        single(config.single(KeySource::None), step).await
    }
}
