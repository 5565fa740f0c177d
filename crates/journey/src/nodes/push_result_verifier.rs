use super::prelude::*;
use crate::devices::NODE_TYPE;
use crate::push::{self, MESSAGE_ID, NUMBER, Outcome, PENDING};

config! {}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "PushResultVerifierNode";
    const NAME: &'static str = "Push Result Verifier";
    const ABOUT: &'static str = "Looks whether the phone has answered, and checks the answer.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(&["TRUE", "FALSE", "EXPIRED", "WAITING"]);
    const INPUTS: &'static [Key] = &[
        Key::Named("username"),
        Key::Named(MESSAGE_ID),
        Key::Named(PENDING),
        Key::Named(NUMBER),
        Key::Named(NODE_TYPE),
    ];
    const OUTPUTS: &'static [Key] =
        &[Key::Named(MESSAGE_ID), Key::Named(PENDING), Key::Named(NUMBER), Key::Named(NODE_TYPE)];
    type Config = Config;

    async fn process(_: Config, step: &mut Step<'_>) -> NodeResult {
        let missing = || NodeError::State("there is no user whose phone could answer".to_owned());
        let user = step.user().await?.ok_or_else(missing)?;
        match push::result(step, &user).await? {
            Outcome::Waiting => goto("WAITING"),
            Outcome::Expired => goto("EXPIRED"),
            Outcome::Denied => goto("FALSE"),
            Outcome::Allowed => {
                step.used_factor("AuthenticatorPush");
                step.identify(&user);
                goto("TRUE")
            }
        }
    }
}
