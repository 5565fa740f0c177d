use super::prelude::*;
use crate::outbound::{form, post_form};

config! {
    /// The key that the page has.
    siteKey: String;
    /// The secret that goes with it.
    secretKey: Secret;
    /// The label of a secret to use instead.
    secretLabelIdentifier: Option<String>;
    /// Where answers are checked.
    captchaUri: String = "https://www.google.com/recaptcha/api/siteverify";
    /// Where the page has its script from.
    apiUri: String = "https://www.google.com/recaptcha/api.js";
    /// The class of the element that the script fills.
    divClass: String = "g-recaptcha";
    /// The provider gives a score and asks nothing.
    reCaptchaV3: bool = false;
    /// The least score, from 0 to 1.
    scoreThreshold: String = "0.0";
    /// Have the page wait for the answer.
    disableSubmission: bool = true;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "product-CaptchaNode";
    const NAME: &'static str = "CAPTCHA";
    const ABOUT: &'static str = "Has a provider tell people from programs: reCAPTCHA, hCaptcha, and others that answer \
         at a `siteverify` address.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(DECISION);
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::ReCaptchaCallback];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let Some(callback) = step.answered(CallbackType::ReCaptchaCallback) else {
            let output = [
                ("recaptchaSiteKey", json!(config.siteKey)),
                ("captchaApiUri", json!(config.apiUri)),
                ("captchaDivClass", json!(config.divClass)),
                ("reCaptchaV3", json!(config.reCaptchaV3)),
                ("disableSubmission", json!(config.disableSubmission)),
            ];
            return send([Callback::new(CallbackType::ReCaptchaCallback, output, [("", json!(""))])]);
        };
        let labelled = config.secretLabelIdentifier.as_deref().and_then(|label| step.secret(label));
        let secret = config.secretKey.0.as_deref().or(labelled);
        let secret = secret.ok_or_else(|| NodeError::Config("setting secretKey: is required".to_owned()))?;
        if callback.text().is_empty() {
            return decide(false);
        }
        let address = step.request.client_ip.map(|address| address.to_string());
        let mut pairs = vec![("secret", secret), ("response", callback.text()), ("sitekey", &config.siteKey)];
        pairs.extend(address.as_deref().map(|address| ("remoteip", address)));
        let verdict = step.fetch("the CAPTCHA provider", post_form(&config.captchaUri, form(pairs))).await?;
        let right = verdict.get("success").and_then(Value::as_bool) == Some(true);
        let enough = !config.reCaptchaV3 || {
            let wrong = || NodeError::Config("setting scoreThreshold: is not a number".to_owned());
            let least: f64 = config.scoreThreshold.trim().parse().map_err(|_| wrong())?;
            verdict.get("score").and_then(Value::as_f64).is_some_and(|score| score >= least)
        };
        decide(right && enough)
    }
}
