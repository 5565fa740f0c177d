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
    /// Not used.
    secretLabelIdentifier: Option<String>;
    /// The sender's address.
    fromEmailAddress: Option<String>;
    /// The attribute with the recipient's address.
    emailAttribute: String = "mail";
    /// The subject.
    emailSubject: Localised;
    /// The text; `{{OTP}}` is the password.
    emailContent: Localised;
    /// Not used.
    sslOption: Option<String>;
    /// Not used.
    smsGatewayImplementationClass: Option<String>;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "OneTimePasswordSmtpSenderNode";
    const NAME: &'static str = "OTP Email Sender";
    const ABOUT: &'static str = "Mails the one-time password, by the deployment's mail server.";
    const INPUTS: &'static [Key] = &[
        Key::Named("username"),
        Key::Named("emailAddress"),
        Key::Named("oneTimePassword"),
        Key::Named(OBJECT_ATTRIBUTES),
    ];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let Some(code) = step.state.text("oneTimePassword") else {
            return Err(NodeError::State("no one-time password was made".to_owned()));
        };
        let collected = step.attribute(&config.emailAttribute);
        let known = step.state.text("emailAddress").or_else(|| collected.as_ref()?.as_str());
        let to = match known.map(str::to_owned) {
            Some(to) => to,
            None => {
                let user = step.user().await?;
                let address =
                    user.and_then(|user| Some(at(&user.attributes, &config.emailAttribute)?.as_str()?.to_owned()));
                address.ok_or_else(|| NodeError::State("no address to mail to".to_owned()))?
            }
        };
        let subject = step.text(&config.emailSubject, "One Time Password").replace(['\r', '\n'], " ");
        let content = step.text(&config.emailContent, "Your One Time Password: {{OTP}}");
        let body = if content.contains("{{OTP}}") { content.replace("{{OTP}}", code) } else { content + code };
        let html = body.contains("</") || body.contains("<br");
        let from = config.fromEmailAddress.unwrap_or_default();
        step.host.mailer.send(Mail { from, to, subject, body, html }).await?;
        next()
    }
}
