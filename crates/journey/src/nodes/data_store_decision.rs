use super::prelude::*;
use crate::host::PasswordCheck;

config! {}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "DataStoreDecisionNode";
    const NAME: &'static str = "Data Store Decision";
    const ABOUT: &'static str = "Checks the collected user name and password against the realm's identity store.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(DECISION);
    const INPUTS: &'static [Key] =
        &[Key::Named("realm"), Key::Named("username"), Key::Named("password"), Key::Named(OBJECT_ATTRIBUTES)];
    type Config = Config;

    async fn process(_: Config, step: &mut Step<'_>) -> NodeResult {
        let Some(password) = step.state.text("password") else {
            return Err(NodeError::State("no password was collected".to_owned()));
        };
        let Some(username) = step.login_name() else { return decide(false) };
        if password.trim().is_empty() {
            return decide(false);
        }
        match step.host.identities.check_password(&username, password).await? {
            PasswordCheck::Right { identity, .. } => {
                step.identify(&identity);
                decide(true)
            }
            PasswordCheck::Wrong | PasswordCheck::Locked | PasswordCheck::Expired => decide(false),
        }
    }
}
