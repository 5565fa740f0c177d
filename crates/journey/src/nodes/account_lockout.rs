use super::prelude::*;

config! {
    /// Which of the two.
    lockAction: String = "LOCK" => ["LOCK", "UNLOCK"];
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "AccountLockoutNode";
    const NAME: &'static str = "Account Lockout";
    const ABOUT: &'static str = "Locks or unlocks the account of the user.";
    const INPUTS: &'static [Key] = &[Key::Named("realm"), Key::Named("username")];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let username = step.username().ok_or_else(|| NodeError::State("no user name".to_owned()))?;
        if step.host.identities.set_active(username, config.lockAction == "UNLOCK").await? {
            next()
        } else {
            Err(NodeError::State("no such user".to_owned()))
        }
    }
}
