use super::prelude::*;

config! {}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "AccountActiveDecisionNode";
    const NAME: &'static str = "Account Active Decision";
    const ABOUT: &'static str = "Whether the account of the user is active.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(DECISION);
    const INPUTS: &'static [Key] = &[Key::Named("username")];
    type Config = Config;

    async fn process(_: Config, step: &mut Step<'_>) -> NodeResult {
        match step.user().await? {
            Some(user) => decide(user.active),
            None => Err(NodeError::State("no such user".to_owned())),
        }
    }
}
