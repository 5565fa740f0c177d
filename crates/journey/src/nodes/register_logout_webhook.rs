use super::prelude::*;

config! {
    /// The name of the webhook.
    webhookName: String;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "RegisterLogoutWebhookNode";
    const NAME: &'static str = "Register Logout Webhook";
    const ABOUT: &'static str =
        "Does nothing: there are no webhooks here, and an import says so. Journeys that name one go on without it.";
    type Config = Config;

    async fn process(_: Config, _: &mut Step<'_>) -> NodeResult {
        next()
    }
}
