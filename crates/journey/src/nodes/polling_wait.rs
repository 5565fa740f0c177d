use super::prelude::*;

config! {
    /// How long.
    secondsToWait: i64 = 8;
    /// Leave by `SPAM` when the client asks too often.
    spamDetectionEnabled: bool = false;
    /// How often it may ask too early.
    spamDetectionTolerance: i64 = 3;
    /// What is shown meanwhile; `{{time}}` is the seconds.
    waitingMessage: Localised;
    /// Show a button that leaves by `EXITED`.
    exitable: bool = false;
    /// Its text.
    exitMessage: Localised;
}

const END: &str = "end_time";
const SPAM: &str = "spam_count";

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "PollingWaitNode";
    const NAME: &'static str = "Polling Wait";
    const ABOUT: &'static str = "Has the client wait and ask again.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Of(|config| {
        let ids = [(true, "DONE"), (config.exitable, "EXITED"), (config.spamDetectionEnabled, "SPAM")];
        ids.into_iter().filter(|(there, _)| *there).map(|(_, id)| id.to_owned()).collect()
    });
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::PollingWaitCallback, CallbackType::ConfirmationCallback];
    const INPUTS: &'static [Key] = &[Key::Own(END), Key::Own(SPAM)];
    const OUTPUTS: &'static [Key] = &[Key::Own(END), Key::Own(SPAM)];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let (end_key, spam_key) = (step.own(END), step.own(SPAM));
        let now = i64::try_from(step.now()).unwrap_or(i64::MAX);
        let wait = config.secondsToWait.saturating_mul(1000);
        let mut end = step.own_number(END).filter(|_| !step.callbacks.is_empty());
        if let Some(known) = end {
            let pressed = step.answered(CallbackType::ConfirmationCallback).and_then(Callback::index) == Some(0);
            let early = now < known;
            let spam = step.own_number(SPAM).unwrap_or(0) + i64::from(early);
            let outcome = if config.exitable && pressed {
                Some("EXITED")
            } else if config.spamDetectionEnabled && spam > config.spamDetectionTolerance {
                Some("SPAM")
            } else if early {
                None
            } else {
                Some("DONE")
            };
            if let Some(outcome) = outcome {
                step.state.remove(&end_key);
                step.state.remove(&spam_key);
                return goto(outcome);
            }
            if config.spamDetectionEnabled {
                step.state.put_shared(&spam_key, spam);
            }
        } else {
            end = Some(now.saturating_add(wait));
            step.state.put_shared(&end_key, now.saturating_add(wait));
        }
        let left = u64::try_from(end.unwrap_or(now).saturating_sub(now)).unwrap_or(0);
        let message = step.text(&config.waitingMessage, "Waiting for response...");
        let message = message.replace("{{time}}", &left.div_ceil(1000).to_string());
        let mut callbacks = vec![Callback::polling_wait(left, &message)];
        if config.exitable {
            let button = step.text(&config.exitMessage, "Cancel");
            callbacks.push(Callback::confirmation(&[button], 0, NOT_PRESSED));
        }
        send(callbacks)
    }
}
