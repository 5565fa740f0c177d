use super::prelude::*;
use crate::mail::Mail;
use crate::state::at;

config! {
    /// Not used: the deployment has its mail server.
    hostName: Option<String>;
    /// Not used.
    hostPort: Option<i64>;
    /// Not used.
    username: Option<String>;
    /// Not used.
    password: Secret;
    /// The sender's address.
    fromEmailAddress: Option<String>;
    /// The attribute with the number.
    mobilePhoneAttributeName: String = "telephoneNumber";
    /// The attribute with the domain at which the carrier takes mails for its numbers.
    mobileCarrierAttributeName: Option<String>;
    /// The subject.
    smsSubject: Localised;
    /// The text; `{{OTP}}` is the password.
    smsContent: Localised;
    /// Not used.
    sslOption: Option<String>;
    /// Not used.
    smsGatewayImplementationClass: Option<String>;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "OneTimePasswordSmsSenderNode";
    const NAME: &'static str = "OTP SMS Sender";
    const ABOUT: &'static str =
        "Mails the one-time password to the gateway of the user's carrier, which makes a short message of it.";
    const INPUTS: &'static [Key] =
        &[Key::Named("username"), Key::Named("oneTimePassword"), Key::Named(OBJECT_ATTRIBUTES)];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let Some(code) = step.state.text("oneTimePassword").map(str::to_owned) else {
            return Err(NodeError::State("no one-time password was made".to_owned()));
        };
        let user = step.user().await?;
        let known = |name: &str| {
            let collected = step.attribute(name).and_then(|value| value.as_str().map(str::to_owned));
            collected.or_else(|| Some(at(&user.as_ref()?.attributes, name)?.as_str()?.to_owned()))
        };
        let digits = |text: String| text.chars().filter(|letter| letter.is_ascii_digit()).collect::<String>();
        let number = known(&config.mobilePhoneAttributeName).map(digits).filter(|number| !number.is_empty());
        let number = number.ok_or_else(|| NodeError::State("no number to send to".to_owned()))?;
        let carrier = config.mobileCarrierAttributeName.as_deref().and_then(known);
        let carrier = carrier.ok_or_else(|| NodeError::State("the carrier of the number is not known".to_owned()))?;
        let subject = step.text(&config.smsSubject, "One Time Password").replace(['\r', '\n'], " ");
        let content = step.text(&config.smsContent, "Your One Time Password: {{OTP}}");
        let body = if content.contains("{{OTP}}") { content.replace("{{OTP}}", &code) } else { content + &code };
        let to = format!("{number}@{}", carrier.trim_start_matches('@'));
        let from = config.fromEmailAddress.unwrap_or_default();
        step.host.mailer.send(Mail { from, to, subject, body, html: false }).await?;
        next()
    }
}
