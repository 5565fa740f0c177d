use super::prelude::*;

config! {
    /// The text to show.
    message: Localised;
    /// The text of the button that leaves by `true`.
    messageYes: Localised;
    /// The text of the button that leaves by `false`.
    messageNo: Localised;
    /// Shared state takes the index of the pressed button under this key.
    stateField: Option<String>;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "MessageNode";
    const NAME: &'static str = "Message Node";
    const ABOUT: &'static str = "Shows a message with two buttons.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(DECISION);
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::TextOutputCallback, CallbackType::ConfirmationCallback];
    const OUTPUTS: &'static [Key] = &[Key::Setting("stateField")];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        match step.answered(CallbackType::ConfirmationCallback).and_then(Callback::index) {
            None => {
                let buttons = [step.text(&config.messageYes, "Yes"), step.text(&config.messageNo, "No")];
                let message = step.text(&config.message, "Default message");
                send([
                    Callback::text_output(&message, MessageType::Information),
                    Callback::confirmation(&buttons, 1, 0),
                ])
            }
            Some(pressed) => {
                if let Some(field) = &config.stateField {
                    step.state.put_shared(field, pressed);
                }
                decide(pressed == 0)
            }
        }
    }
}
