use super::prelude::*;
use crate::devices::{MFA_METHOD, opted_out};

config! {}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "OptOutMultiFactorAuthenticationNode";
    const NAME: &'static str = "Opt-out Multi-Factor Authentication";
    const ABOUT: &'static str = "Notes that the user wants no second factor of the kind that was found missing: its sender skips the user then.";
    const INPUTS: &'static [Key] = &[Key::Named("username"), Key::Named(MFA_METHOD)];
    type Config = Config;

    async fn process(_: Config, step: &mut Step<'_>) -> NodeResult {
        let Some(method) = step.state.text(MFA_METHOD).filter(|method| !method.is_empty()) else {
            return Err(NodeError::State("no second factor was found missing".to_owned()));
        };
        let user = step.user().await?.ok_or_else(|| NodeError::State("no such user".to_owned()))?;
        let name = opted_out(method);
        step.host.identities.set_counter(&user.username, &name, Some(1)).await?;
        next()
    }
}
