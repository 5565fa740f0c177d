use super::prelude::*;

config! {
    /// The text.
    message: Localised;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "HTMLMessageNode";
    const NAME: &'static str = "HTML Message";
    const ABOUT: &'static str = "Shows a message.";
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::TextOutputCallback];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        if step.callbacks.is_empty() {
            let message = step.text(&config.message, "");
            return send([Callback::text_output(&message, MessageType::Information)]);
        }
        next()
    }
}
