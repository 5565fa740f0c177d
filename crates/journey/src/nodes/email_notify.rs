use super::prelude::*;
use crate::mail::EmailTemplate;
use crate::state::at;

config! {
    /// The attribute with the address.
    attribute: String = "mail";
    /// Who it is from; the deployment's sender if there is none.
    from: Option<String>;
    /// The subject; `{{name}}` stands for an attribute.
    subject: String = "";
    /// The text, likewise.
    message: String = "";
    /// The text is HTML.
    htmlType: bool = false;
    /// Not used: the deployment has a mail server.
    smtpHostName: Option<String>;
    /// Not used.
    smtpHostPort: Option<String>;
    /// Not used.
    smtpUserName: Option<String>;
    /// Not used.
    smtpUserPassword: Secret;
    /// Not used.
    smtpSSLEnabled: bool = true;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "EmailNotifyNode";
    const NAME: &'static str = "Email Notify";
    const ABOUT: &'static str = "Sends a mail to the user and goes on, whatever becomes of it.";
    const INPUTS: &'static [Key] = &[Key::Named("username"), Key::Named(OBJECT_ATTRIBUTES)];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        // What was collected goes before what is stored: the profile may not have been written yet.
        let mut object = step.user().await?.map(|user| user.attributes).unwrap_or_default();
        object.extend(step.state.object(OBJECT_ATTRIBUTES).into_iter().filter(|(name, _)| name != "password"));
        let to = at(&object, &config.attribute).and_then(Value::as_str).filter(|to| !to.is_empty()).map(str::to_owned);
        if let Some(to) = to {
            let english = |text: String| Localised([("en".to_owned(), text)].into());
            let template = EmailTemplate {
                from: config.from.unwrap_or_default(),
                subject: english(config.subject),
                message: english(config.message),
                html: config.htmlType,
                enabled: true,
            };
            let mail = template.render(&to, &object, &step.request.languages);
            step.host.mailer.send(mail).await?;
        }
        next()
    }
}
