use super::captcha;
use super::prelude::*;

config! {
    /// The key that the page has.
    siteKey: String;
    /// The secret that goes with it.
    secretKey: Secret;
    /// Where answers are checked.
    reCaptchaUri: String = "https://www.google.com/recaptcha/api/siteverify";
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "product-ReCaptchaNode";
    const NAME: &'static str = "Legacy CAPTCHA";
    const ABOUT: &'static str = "As CAPTCHA, with reCAPTCHA version 2.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(DECISION);
    const CALLBACKS: &'static [CallbackType] = captcha::This::CALLBACKS;
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let config = captcha::Config {
            siteKey: config.siteKey,
            secretKey: config.secretKey,
            secretLabelIdentifier: None,
            captchaUri: config.reCaptchaUri,
            apiUri: "https://www.google.com/recaptcha/api.js".to_owned(),
            divClass: "g-recaptcha".to_owned(),
            reCaptchaV3: false,
            scoreThreshold: "0.0".to_owned(),
            disableSubmission: true,
        };
        captcha::This::process(config, step).await
    }
}
