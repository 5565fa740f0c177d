use super::device_geo_fencing::{kilometres, place};
use super::device_match::PROFILE;
use super::prelude::*;
use crate::host::DeviceKind;

config! {
    /// Kilometres.
    distance: String = "10";
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "DeviceLocationMatchNode";
    const NAME: &'static str = "Device Location Match";
    const ABOUT: &'static str = "Whether the device says that it is near the place where it was when it was saved.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(&["true", "false", "unknownDevice"]);
    const INPUTS: &'static [Key] = &[Key::Named("username"), Key::Named(PROFILE)];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let wrong = || NodeError::Config("setting distance: must be a number".to_owned());
        let most: f64 = config.distance.trim().parse().map_err(|_| wrong())?;
        let user = step.user().await?.ok_or_else(|| NodeError::State("no such user".to_owned()))?;
        let told = step.state.get(PROFILE);
        let id = told.and_then(|told| told.get("identifier")?.as_str());
        let id = id.ok_or_else(|| NodeError::State("the device did not say which it is".to_owned()))?;
        let saved = step.host.devices.list(&user.username, DeviceKind::Profile).await?;
        let Some(saved) = saved.iter().find(|device| device.id == id) else { return goto("unknownDevice") };
        let then = place(&Value::Object(saved.profile.clone()));
        match (told.and_then(place), then) {
            (Some(now), Some(then)) => decide(kilometres(now, then) < most),
            _ => decide(false),
        }
    }
}
