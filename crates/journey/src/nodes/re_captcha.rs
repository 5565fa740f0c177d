use super::captcha;
use super::prelude::*;
use crate::node::FALSE;

config! {
    /// The key that the page has.
    siteKey: String;
    /// The secret that goes with it.
    secretKey: Secret;
    /// Where answers are checked.
    reCaptchaUri: String = "https://www.google.com/recaptcha/api/siteverify";
    /// Where the page has its script from.
    apiUri: String = "https://www.google.com/recaptcha/api.js";
    /// The class of the element that the script fills.
    divClass: String = "g-recaptcha";
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "product-ReCaptchaNode";
    const NAME: &'static str = "Legacy CAPTCHA";
    const ABOUT: &'static str = "As CAPTCHA, with a journey that ends where no person is recognised.";
    const CALLBACKS: &'static [CallbackType] = captcha::This::CALLBACKS;
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let config = captcha::Config {
            siteKey: config.siteKey,
            secretKey: config.secretKey,
            secretLabelIdentifier: None,
            captchaUri: config.reCaptchaUri,
            apiUri: config.apiUri,
            divClass: config.divClass,
            reCaptchaV3: false,
            scoreThreshold: "0.0".to_owned(),
            disableSubmission: true,
        };
        match captcha::This::process(config, step).await? {
            Action::GoTo(outcome) if outcome == FALSE => {
                Err(NodeError::Refused("the CAPTCHA was not solved".to_owned()))
            }
            Action::GoTo(_) => next(),
            asks => Ok(asks),
        }
    }
}
