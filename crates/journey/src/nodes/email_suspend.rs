use super::prelude::*;
use crate::mail::EmailTemplate;
use crate::state::at;

config! {
    /// The mail's template.
    emailTemplateName: String = "registration";
    /// The attribute with the address.
    emailAttribute: String = "mail";
    /// What the user is told.
    emailSuspendMessage: Localised;
    /// Take the address from the profile instead of what was collected.
    objectLookup: bool = false;
    /// The attribute by which the user is found.
    identityAttribute: String = "userName";
    /// Minutes until the link ends; the realm's if absent.
    suspendDuration: Option<i64>;
}

const SENT: &str = "An email has been sent to the address you entered. Click the link in that email to proceed.";

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "EmailSuspendNode";
    const NAME: &'static str = "Email Suspend";
    const ABOUT: &'static str = "Suspends the journey until the link is opened that is mailed to the user. Without a recipient it looks the same.";
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::SuspendedTextOutputCallback];
    const INPUTS: &'static [Key] = IDENTITY;
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        if step.resumed {
            return next();
        }
        let id = step.random_id();
        let mut object = step.state.object(OBJECT_ATTRIBUTES);
        if config.objectLookup {
            // Only the profile says where its owner reads mail.
            object = step.lookup(&config.identityAttribute).await?.map(|who| who.attributes).unwrap_or_default();
        }
        if let Some(to) = at(&object, &config.emailAttribute).and_then(Value::as_str).map(str::to_owned) {
            object.insert("resumeURI".to_owned(), json!(format!("{}{id}", step.host.realm.resume_uri)));
            let template = step.library.template(&config.emailTemplateName).cloned();
            let template = template.filter(|template| template.enabled).unwrap_or_else(EmailTemplate::link);
            let mail = template.render(&to, &object, &step.request.languages);
            // Whether it could be sent must not be seen: it would tell whether there is an account.
            let _ = step.host.mailer.send(mail).await;
        }
        let message = step.text(&config.emailSuspendMessage, SENT);
        Ok(Action::Suspend { id, message: Callback::suspended(&message), minutes: config.suspendDuration })
    }
}
