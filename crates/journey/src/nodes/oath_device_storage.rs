use super::oath_registration::{GENERATE, PROFILE};
use super::prelude::*;
use crate::devices::{RECOVERY_CODES, RECOVERY_DEVICE};
use crate::host::DeviceKind;

config! {}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "OathDeviceStorageNode";
    const NAME: &'static str = "OATH Device Storage";
    const ABOUT: &'static str = "Stores the device that an OATH registration has left in the state.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(&["successOutcome", "failureOutcome"]);
    const INPUTS: &'static [Key] = &[Key::Named("username"), Key::Named(PROFILE), Key::Named(GENERATE)];
    const OUTPUTS: &'static [Key] =
        &[Key::Named(PROFILE), Key::Named(GENERATE), Key::Named(RECOVERY_CODES), Key::Named(RECOVERY_DEVICE)];
    type Config = Config;

    async fn process(_: Config, step: &mut Step<'_>) -> NodeResult {
        let (Some(user), Some(device)) = (step.user().await?, step.postponed_device(PROFILE)) else {
            return goto("failureOutcome");
        };
        let codes = step.state.get(GENERATE).and_then(Value::as_bool).unwrap_or(false);
        step.state.remove(PROFILE);
        step.state.remove(GENERATE);
        let stored = step.store_device(&user, DeviceKind::Oath, &device, true, codes).await?;
        goto(if stored { "successOutcome" } else { "failureOutcome" })
    }
}
