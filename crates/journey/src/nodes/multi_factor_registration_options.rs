use super::prelude::*;
use crate::devices::MFA_METHOD;

config! {
    /// Users can neither skip it nor opt out.
    mandatory: bool = false;
    /// Offer the way to the app.
    getApp: bool = true;
    /// What is said above the choices.
    message: Localised;
    /// The first choice.
    registerDeviceLabel: Localised;
    /// The choice of the app.
    getAppLabel: Localised;
    /// The choice to skip it this time.
    skipStepLabel: Localised;
    /// The choice to be asked no more.
    optOutLabel: Localised;
}

fn offered(config: &Config) -> Vec<(&'static str, &Localised, &'static str)> {
    let all = [
        (true, "registerOutcome", &config.registerDeviceLabel, "Register Device"),
        (config.getApp, "getAppOutcome", &config.getAppLabel, "Get the App"),
        (!config.mandatory, "skipOutcome", &config.skipStepLabel, "Skip this step"),
        (!config.mandatory, "optOutOutcome", &config.optOutLabel, "Opt-out"),
    ];
    let all = all.into_iter().filter(|(there, ..)| *there);
    all.map(|(_, id, label, default)| (id, label, default)).collect()
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "MultiFactorRegistrationOptionsNode";
    const NAME: &'static str = "MFA Registration Options";
    const ABOUT: &'static str = "Asks a user without a second factor whether to register one now, later, or never.";
    const OUTCOMES: Outcomes<Config> =
        Outcomes::Of(|config| offered(config).into_iter().map(|(id, ..)| id.to_owned()).collect());
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::TextOutputCallback, CallbackType::ConfirmationCallback];
    const INPUTS: &'static [Key] = &[Key::Named("username"), Key::Named(MFA_METHOD)];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let offered = offered(&config);
        if let Some(answered) = step.answered(CallbackType::ConfirmationCallback) {
            let index = answered.index().and_then(|index| usize::try_from(index).ok());
            let chosen = index.and_then(|index| offered.get(index));
            let (outcome, ..) = chosen.ok_or_else(|| NodeError::State("not one of the choices".to_owned()))?;
            return goto(*outcome);
        }
        if step.username().is_none() || step.state.text(MFA_METHOD).is_none() {
            return Err(NodeError::State("there is no user, or no second factor was found missing".to_owned()));
        }
        let message = step.text(&config.message, "Set up your second factor for login");
        let labels: Vec<String> = offered.iter().map(|(_, label, default)| step.text(label, default)).collect();
        send([Callback::text_output(&message, MessageType::Information), Callback::confirmation(&labels, 0, 0)])
    }
}
