use super::prelude::*;
use crate::push::NUMBER;

config! {
    /// How long.
    secondsToWait: i64 = 5;
    /// What is shown meanwhile; `{{time}}` is the seconds.
    waitingMessage: Localised;
    /// What is shown where a number is to be chosen on the phone; `{{challenge}}` is the number.
    challengeMessage: Localised;
    /// The text of the button that leaves by `EXITED`.
    exitMessage: Localised;
}

const END: &str = "end_time";

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "PushWaitNode";
    const NAME: &'static str = "Push Wait";
    const ABOUT: &'static str = "Has the client wait for the phone's answer.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(&["DONE", "EXITED"]);
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::PollingWaitCallback, CallbackType::ConfirmationCallback];
    const INPUTS: &'static [Key] = &[Key::Own(END), Key::Named(NUMBER)];
    const OUTPUTS: &'static [Key] = &[Key::Own(END)];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let key = step.own(END);
        let now = i64::try_from(step.now()).unwrap_or(i64::MAX);
        let end = step.own_number(END).filter(|_| !step.callbacks.is_empty());
        if let Some(end) = end {
            let pressed = step.answered(CallbackType::ConfirmationCallback).and_then(Callback::index) == Some(0);
            if pressed || now >= end {
                step.state.remove(&key);
                return goto(if pressed { "EXITED" } else { "DONE" });
            }
        }
        let end = end.unwrap_or_else(|| now.saturating_add(config.secondsToWait.saturating_mul(1000)));
        step.state.put_shared(&key, end);
        let left = u64::try_from(end.saturating_sub(now)).unwrap_or(0);
        let seconds = left.div_ceil(1000).to_string();
        let message = match step.state.text(NUMBER) {
            Some(number) => step
                .text(&config.challengeMessage, "Choose this number on your phone: {{challenge}}")
                .replace("{{challenge}}", number),
            None => step.text(&config.waitingMessage, "Waiting for response..."),
        };
        let message = message.replace("{{time}}", &seconds);
        let button = step.text(&config.exitMessage, "Cancel");
        send([Callback::polling_wait(left, &message), Callback::confirmation(&[button], 0, NOT_PRESSED)])
    }
}
