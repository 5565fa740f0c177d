use super::prelude::*;
use crate::social::{ACCOUNT_EXISTS, HANDLER_INPUTS, HANDLER_OUTPUTS, Handler, INTERRUPTED, NO_ACCOUNT, handle};

config! {
    /// The script that makes a user's attributes of the provider's profile.
    script: String;
    /// The attribute that becomes the user name.
    usernameAttribute: String = "userName";
    /// `NATIVE` for apps that have the provider's SDK.
    clientType: String = "BROWSER" => ["BROWSER", "NATIVE"];
    /// Keep the provider's tokens for later nodes.
    storeTokens: bool = false;
}

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
        let handler = Handler {
            script: &config.script,
            username_attribute: &config.usernameAttribute,
            native: config.clientType == "NATIVE",
            store_tokens: config.storeTokens,
            interruptible: true,
        };
        handle(handler, step).await
    }
}
