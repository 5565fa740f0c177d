use super::prelude::*;

config! {
    /// Of which kind of device.
    recoveryCodeType: String = "OATH" => ["OATH", "PUSH", "WEB_AUTHN"];
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "RecoveryCodeCollectorDecisionNode";
    const NAME: &'static str = "Recovery Code Collector Decision";
    const ABOUT: &'static str = "Asks for a recovery code and uses it up.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(DECISION);
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::NameCallback];
    const INPUTS: &'static [Key] = &[Key::Named("username")];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let Some(code) = step.answer(CallbackType::NameCallback) else {
            return send([Callback::name("Recovery Code")]);
        };
        if step.username().is_none() {
            return Err(NodeError::State("no user name".to_owned()));
        }
        let Some(user) = step.user().await? else { return decide(false) };
        decide(step.host.identities.use_recovery_code(&user.username, &config.recoveryCodeType, code.trim()).await?)
    }
}
