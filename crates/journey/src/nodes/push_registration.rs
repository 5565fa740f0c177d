use super::prelude::*;
use crate::devices::{RECOVERY_CODES, RECOVERY_DEVICE, account_name};
use crate::push::{self, Registration};

config! {
    /// Who sends the messages, as apps show it.
    issuer: String = "ForgeRock";
    /// What of the user apps show.
    accountName: String = "USERNAME" => ["USERNAME", "COMMON_NAME", "EMAIL_ADDRESS", "EMPLOYEE_NUMBER", "GIVEN_NAME", "LAST_NAME"];
    /// Seconds that the code is shown.
    timeout: i64 = 60;
    /// The colour of the entry in the app, as six hexadecimal digits.
    bgColor: String = "032b75";
    /// Likewise, in versions whose outcomes are `SUCCESS`, `FAILURE` and `EXPIRED`.
    color: Option<String>;
    /// The image of the entry in the app.
    imgUrl: Option<String>;
    /// Make recovery codes.
    generateRecoveryCodes: bool = true;
    /// The text above the QR code.
    scanQRCodeMessage: Localised;
}

const KEPT: &str = "registration";
const NAMES: [&str; 3] = ["successOutcome", "failureOutcome", "timeoutOutcome"];
const OLD_NAMES: [&str; 3] = ["SUCCESS", "FAILURE", "EXPIRED"];

impl Config {
    const fn names(&self) -> [&'static str; 3] {
        if self.color.is_some() { OLD_NAMES } else { NAMES }
    }
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "PushRegistrationNode";
    const NAME: &'static str = "Push Registration";
    const ABOUT: &'static str = "Shows a QR code until a phone has registered for push messages, in the place of one that \
         the user has.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Of(|config| config.names().into_iter().map(str::to_owned).collect());
    const CALLBACKS: &'static [CallbackType] =
        &[CallbackType::TextOutputCallback, CallbackType::HiddenValueCallback, CallbackType::PollingWaitCallback];
    const INPUTS: &'static [Key] = &[Key::Named("username"), Key::Own(KEPT)];
    const OUTPUTS: &'static [Key] = &[Key::Own(KEPT), Key::Named(RECOVERY_CODES), Key::Named(RECOVERY_DEVICE)];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let [success, failure, timeout] = config.names();
        let Some(user) = step.user().await? else { return goto(failure) };
        let account = account_name(&user, &config.accountName);
        let message = step.text(&config.scanQRCodeMessage, "Scan this code with an authenticator app.");
        let key = step.own(KEPT);
        let registration = Registration {
            issuer: &config.issuer,
            account: &account,
            color: config.color.as_deref().unwrap_or(&config.bgColor),
            image: config.imgUrl.as_deref().unwrap_or_default(),
            message: &message,
            seconds: config.timeout,
            wait: 2000,
            codes: config.generateRecoveryCodes,
            success,
            failure,
            timeout,
            key: &key,
        };
        push::register(step, &user, registration).await
    }
}
