use super::prelude::*;
use crate::state::at;

config! {
    /// The mail's template.
    emailTemplateName: String = "welcome";
    /// The attribute with the address.
    emailAttribute: String = "mail";
    /// The attribute by which the user is found.
    identityAttribute: String = "userName";
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "EmailTemplateNode";
    const NAME: &'static str = "Email Template";
    const ABOUT: &'static str = "Sends a mail to the user.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(&["EMAIL_SENT", "EMAIL_NOT_SENT"]);
    const INPUTS: &'static [Key] = IDENTITY;
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let Some(identity) = step.lookup(&config.identityAttribute).await? else { return goto("EMAIL_NOT_SENT") };
        let to = at(&identity.attributes, &config.emailAttribute).and_then(Value::as_str);
        let (Some(to), Some(template)) = (to, step.library.template(&config.emailTemplateName)) else {
            return goto("EMAIL_NOT_SENT");
        };
        let mail = template.render(to, &identity.attributes, &step.request.languages);
        goto(if step.host.mailer.send(mail).await.is_ok() { "EMAIL_SENT" } else { "EMAIL_NOT_SENT" })
    }
}
