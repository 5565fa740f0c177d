use super::prelude::*;

config! {
    /// How many digits; at least 6.
    length: i64 = 8;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "OneTimePasswordGeneratorNode";
    const NAME: &'static str = "HOTP Generator";
    const ABOUT: &'static str = "Makes a one-time password of digits.";
    const OUTPUTS: &'static [Key] = &[Key::Named("oneTimePassword"), Key::Named("oneTimePasswordTimestamp")];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let length = usize::try_from(config.length).ok().filter(|length| (6..=64).contains(length));
        let length = length.ok_or_else(|| NodeError::Config("length must be from 6 to 64".to_owned()))?;
        let digits = step.drawn("0123456789", length);
        step.state.put_transient("oneTimePassword", digits);
        step.state.put_transient("oneTimePasswordTimestamp", step.now() / 1000);
        next()
    }
}
