use super::prelude::*;
use crate::outbound::post_json;

config! {
    /// The provider's project.
    projectId: String;
    /// The key that the page or the app has.
    siteKey: String;
    /// The label of the secret with the key for the provider's API.
    secretLabelIdentifier: String;
    /// The provider's API.
    captchaUri: String = "https://recaptchaenterprise.googleapis.com/v1";
    /// Where the page has its script from.
    apiUri: String = "https://www.google.com/recaptcha/enterprise.js";
    /// The class of the element that the script fills.
    divClass: String = "g-recaptcha";
    /// The least score, from 0 to 1.
    scoreThreshold: String = "0.5";
    /// Leave the provider's assessment in the state.
    storeAssessmentResult: bool = false;
    /// Leave in the state why it failed.
    storeErrors: bool = false;
}

const RESULT: &str = "CaptchaEnterpriseNode.ASSESSMENT_RESULT";
const FAILURE: &str = "CaptchaEnterpriseNode.FAILURE";
/// What the provider is told by us, whatever the client says of it.
const OURS: &[&str] = &["token", "siteKey", "expectedAction", "userIpAddress", "userAgent"];

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "product-CaptchaEnterpriseNode";
    const NAME: &'static str = "reCAPTCHA Enterprise";
    const ABOUT: &'static str = "Has reCAPTCHA Enterprise tell people from programs.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(DECISION);
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::ReCaptchaEnterpriseCallback];
    const OUTPUTS: &'static [Key] = &[Key::Named(RESULT), Key::Named(FAILURE)];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let Some(callback) = step.answered(CallbackType::ReCaptchaEnterpriseCallback) else {
            let output = [
                ("recaptchaSiteKey", json!(config.siteKey)),
                ("captchaApiUri", json!(config.apiUri)),
                ("captchaDivClass", json!(config.divClass)),
            ];
            let input = ["token", "action", "clientError", "payload"].map(|name| (name, json!("")));
            return send([Callback::new(CallbackType::ReCaptchaEnterpriseCallback, output, input)]);
        };
        let said = |name: &str| callback.input(name).and_then(Value::as_str).unwrap_or_default();
        if said("token").is_empty() || !said("clientError").is_empty() {
            return fail(&config, step, "the client reports an error");
        }
        let missing = || NodeError::Config(format!("secret {:?} does not exist", config.secretLabelIdentifier));
        let key = step.secret(&config.secretLabelIdentifier).ok_or_else(missing)?;
        let mut event: Map<String, Value> = serde_json::from_str(said("payload")).unwrap_or_default();
        event.retain(|name, _| !OURS.contains(&name.as_str()));
        event.extend([("token".to_owned(), json!(said("token"))), ("siteKey".to_owned(), json!(config.siteKey))]);
        let action = said("action");
        if !action.is_empty() {
            event.insert("expectedAction".to_owned(), json!(action));
        }
        if let Some(address) = step.request.client_ip {
            event.insert("userIpAddress".to_owned(), json!(address.to_string()));
        }
        if let [agent, ..] = step.request.header("user-agent") {
            event.insert("userAgent".to_owned(), json!(agent));
        }
        let wrong = || NodeError::Config("setting captchaUri: is not a URL".to_owned());
        let mut url = url::Url::parse(&config.captchaUri).map_err(|_| wrong())?;
        url.path_segments_mut().map_err(|()| wrong())?.pop_if_empty().extend([
            "projects",
            &config.projectId,
            "assessments",
        ]);
        url.query_pairs_mut().append_pair("key", key);
        let request = post_json(url.as_str(), &json!({"event": event}));
        let assessment = match step.exchange(request).await? {
            (200..300, Some(assessment)) => assessment,
            (status, _) => return fail(&config, step, &format!("the provider answers {status}")),
        };
        let token = assessment.get("tokenProperties");
        let valid = token.and_then(|token| token.get("valid")?.as_bool()) == Some(true);
        let same_action = action.is_empty() || token.and_then(|token| token.get("action")?.as_str()) == Some(action);
        let wrong = || NodeError::Config("setting scoreThreshold: is not a number".to_owned());
        let least: f64 = config.scoreThreshold.trim().parse().map_err(|_| wrong())?;
        let score = assessment.get("riskAnalysis").and_then(|risk| risk.get("score")?.as_f64());
        if config.storeAssessmentResult {
            step.state.put_transient(RESULT, assessment);
        }
        if !valid {
            return fail(&config, step, "the token is not valid");
        }
        if !same_action {
            return fail(&config, step, "the token is for another action");
        }
        if score.is_none_or(|score| score < least) {
            return fail(&config, step, "the score is too low");
        }
        decide(true)
    }
}

fn fail(config: &Config, step: &mut Step<'_>, why: &str) -> NodeResult {
    if config.storeErrors {
        step.state.put_shared(FAILURE, json!({"message": why}));
    }
    decide(false)
}
