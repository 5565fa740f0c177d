use super::prelude::*;
use crate::mail::escape;

config! {
    /// What is said above the links.
    message: Localised;
    /// The button to go on.
    continueLabel: Localised;
    /// The app in Apple's store.
    appleLink: String = "https://apps.apple.com/app/pingid/id891247102";
    /// The app in Google's store.
    googleLink: String = "https://play.google.com/store/apps/details?id=prod.com.pingidentity.pingid";
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "GetAuthenticatorAppNode";
    const NAME: &'static str = "Get Authenticator App";
    const ABOUT: &'static str = "Shows where the app for second factors is to be had.";
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::TextOutputCallback, CallbackType::ConfirmationCallback];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        if step.answered(CallbackType::ConfirmationCallback).is_some() {
            return next();
        }
        let message = step.text(&config.message, "Get the app from the {{appleLink}} or on {{googleLink}}.");
        let (apple, google) = ("Apple App Store", "Google Play Store");
        // A message with the names apart has written its links itself.
        let apart = message.contains("{{appleLabel}}") || message.contains("{{googleLabel}}");
        let link = |url: &str, name: &str| match (escape(url), apart) {
            (url, true) => url,
            (url, false) => format!("<a href=\"{url}\">{name}</a>"),
        };
        let message = message
            .replace("{{appleLabel}}", apple)
            .replace("{{googleLabel}}", google)
            .replace("{{appleLink}}", &link(&config.appleLink, apple))
            .replace("{{googleLink}}", &link(&config.googleLink, google));
        let label = step.text(&config.continueLabel, "Continue");
        send([Callback::text_output(&message, MessageType::Information), Callback::confirmation(&[label], 0, 0)])
    }
}
