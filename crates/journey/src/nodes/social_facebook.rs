use super::prelude::*;
use crate::oauth::KeySource;
use crate::social::{SINGLE_INPUTS, SINGLE_OUTCOMES, SINGLE_OUTPUTS, single};
use crate::social_settings::{ALIASES, single_config};

single_config! {
    authorize: "https://www.facebook.com/dialog/oauth",
    token: "https://graph.facebook.com/v2.12/oauth/access_token",
    user_info: "https://graph.facebook.com/v2.6/me?fields=name%2Cemail%2Cfirst_name%2Clast_name",
    scope: "public_profile,email",
    provider: "facebook",
    id_prefix: "facebook-",
    account: &[("id", ALIASES)],
    attributes: &[("id", ALIASES), ("name", "cn"), ("first_name", "givenName"), ("last_name", "sn"), ("email", "mail")]
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "SocialFacebookNode";
    const NAME: &'static str = "Social Facebook";
    const ABOUT: &'static str = "Logs in with Facebook.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(SINGLE_OUTCOMES);
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::RedirectCallback];
    const INPUTS: &'static [Key] = SINGLE_INPUTS;
    const OUTPUTS: &'static [Key] = SINGLE_OUTPUTS;
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        single(config.single(KeySource::None), step).await
    }
}
