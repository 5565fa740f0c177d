use super::prelude::*;

config! {
    /// The largest description, in kilobytes.
    maximumSize: String = "3";
    /// Ask for what the device is.
    deviceMetadata: bool = true;
    /// Ask where it is.
    deviceLocation: bool = false;
    /// What the user is told meanwhile.
    message: Localised;
}

const PROFILE: &str = "forgeRock.device.profile";

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "DeviceProfileCollectorNode";
    const NAME: &'static str = "Device Profile Collector";
    const ABOUT: &'static str = "Has the client describe its device.";
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::DeviceProfileCallback];
    const OUTPUTS: &'static [Key] = &[Key::Named(PROFILE)];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let Some(described) = step.answer(CallbackType::DeviceProfileCallback) else {
            let message = step.text(&config.message, "");
            let output = [
                ("metadata", json!(config.deviceMetadata)),
                ("location", json!(config.deviceLocation)),
                ("message", json!(message)),
            ];
            return send([Callback::new(CallbackType::DeviceProfileCallback, output, [("", json!(""))])]);
        };
        let most = config.maximumSize.trim().parse::<usize>().unwrap_or(3).saturating_mul(1024);
        if described.len() > most {
            return Err(NodeError::Refused("the device profile is too large".to_owned()));
        }
        let profile: Map<String, Value> = serde_json::from_str(described)
            .map_err(|_| NodeError::Refused("the device profile is not JSON".to_owned()))?;
        let known = |part: &String| matches!(part.as_str(), "identifier" | "alias" | "metadata" | "location");
        let profile: Map<String, Value> = profile.into_iter().filter(|(part, _)| known(part)).collect();
        step.state.put_shared(PROFILE, profile);
        next()
    }
}
