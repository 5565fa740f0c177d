use super::device_match::PROFILE;
use super::prelude::*;

config! {
    /// The highest score that is let through, from 0 to 1.
    score: String = "0";
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "DeviceTamperingVerificationNode";
    const NAME: &'static str = "Device Tampering Verification";
    const ABOUT: &'static str = "Whether the device says of itself that nobody has broken its protection.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(DECISION);
    const INPUTS: &'static [Key] = &[Key::Named(PROFILE)];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let wrong = || NodeError::Config("setting score: must be a number".to_owned());
        let most: f64 = config.score.trim().parse().map_err(|_| wrong())?;
        let profile = step.state.get(PROFILE);
        let score = profile.and_then(|profile| profile.pointer("/metadata/platform/jailBreakScore")?.as_f64());
        let score = score.ok_or_else(|| NodeError::State("the device did not say how safe it is".to_owned()))?;
        decide(score <= most)
    }
}
