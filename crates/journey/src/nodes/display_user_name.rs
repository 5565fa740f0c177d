use super::prelude::*;
use crate::state::at;

config! {
    /// The attribute to show.
    userName: String = "userName";
    /// The attribute by which the user is found.
    identityAttribute: String = "mail";
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "DisplayUserNameNode";
    const NAME: &'static str = "Display Username";
    const ABOUT: &'static str = "Shows the user their name.";
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::TextOutputCallback];
    const INPUTS: &'static [Key] = IDENTITY;
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        if !step.callbacks.is_empty() {
            return next();
        }
        let collected = step.attribute(&config.userName).as_ref().and_then(Value::as_str).map(str::to_owned);
        let name = match collected {
            Some(name) => name,
            None => {
                let identity = step.require(&config.identityAttribute).await?;
                let name = at(&identity.attributes, &config.userName).and_then(Value::as_str);
                name.ok_or_else(|| NodeError::State("the user has no such attribute".to_owned()))?.to_owned()
            }
        };
        send([Callback::text_output(&name, MessageType::Information)])
    }
}
