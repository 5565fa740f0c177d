use subtle::ConstantTimeEq as _;

use super::prelude::*;

config! {
    /// Minutes that the password is good for.
    passwordExpiryTime: i64 = 5;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "OneTimePasswordCollectorDecisionNode";
    const NAME: &'static str = "OTP Collector Decision";
    const ABOUT: &'static str =
        "Asks for the one-time password and checks it. How often one may guess is for a retry limit to say.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(DECISION);
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::PasswordCallback];
    const INPUTS: &'static [Key] = &[Key::Named("oneTimePassword"), Key::Named("oneTimePasswordTimestamp")];
    const OUTPUTS: &'static [Key] = &[Key::Named("oneTimePassword"), Key::Named("oneTimePasswordTimestamp")];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let Some(typed) = step.answer(CallbackType::PasswordCallback) else {
            return send([Callback::password("One Time Password")]);
        };
        let Some(expected) = step.state.text("oneTimePassword") else {
            return Err(NodeError::State("no one-time password was made".to_owned()));
        };
        let made = step.state.get("oneTimePasswordTimestamp").and_then(Value::as_u64).unwrap_or(0);
        let life = u64::try_from(config.passwordExpiryTime).unwrap_or(0).saturating_mul(60);
        let fresh = step.now() / 1000 < made.saturating_add(life);
        let right = bool::from(typed.trim().as_bytes().ct_eq(expected.as_bytes()));
        if fresh && right {
            step.state.remove("oneTimePassword");
            step.state.remove("oneTimePasswordTimestamp");
        }
        decide(fresh && right)
    }
}
