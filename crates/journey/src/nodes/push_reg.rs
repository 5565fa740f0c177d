use super::prelude::*;
use crate::devices::{RECOVERY_CODES, RECOVERY_DEVICE};
use crate::push::{self, Registration};

config! {
    /// Who sends the messages, as apps show it.
    issuer: String = "ForgeRock";
    /// Milliseconds between two questions of the client.
    timeout: i64 = 4000;
    /// How often it asks.
    retries: i64 = 15;
    /// The colour of the entry in the app, as six hexadecimal digits.
    color: String = "519387";
    /// The image of the entry in the app.
    imgUrl: Option<String>;
}

const KEPT: &str = "registration";

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "PushRegNode";
    const NAME: &'static str = "Push Registration (before 7)";
    const ABOUT: &'static str = "Shows a QR code until a phone has registered for push messages. A registration that fails \
         ends like one that never comes.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(&["success", "timeout"]);
    const CALLBACKS: &'static [CallbackType] =
        &[CallbackType::TextOutputCallback, CallbackType::HiddenValueCallback, CallbackType::PollingWaitCallback];
    const INPUTS: &'static [Key] = &[Key::Named("username"), Key::Own(KEPT)];
    const OUTPUTS: &'static [Key] = &[Key::Own(KEPT), Key::Named(RECOVERY_CODES), Key::Named(RECOVERY_DEVICE)];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let missing = || NodeError::State("there is no user to register a phone for".to_owned());
        let user = step.user().await?.ok_or_else(missing)?;
        let key = step.own(KEPT);
        let registration = Registration {
            issuer: &config.issuer,
            account: &user.username,
            color: &config.color,
            image: config.imgUrl.as_deref().unwrap_or_default(),
            message: "Scan this code with an authenticator app.",
            seconds: config.timeout.max(0).saturating_mul(config.retries.max(0)) / 1000,
            wait: u64::try_from(config.timeout).unwrap_or(0),
            codes: true,
            success: "success",
            failure: "timeout",
            timeout: "timeout",
            key: &key,
        };
        push::register(step, &user, registration).await
    }
}
