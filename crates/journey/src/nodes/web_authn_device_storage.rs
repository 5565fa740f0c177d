use super::prelude::*;
use crate::devices::{RECOVERY_CODES, RECOVERY_DEVICE};
use crate::host::DeviceKind;
use crate::webauthn::DEVICE_DATA;

config! {
    /// Make recovery codes.
    generateRecoveryCodes: bool = true;
    /// How many devices a user may have; 0 for no limit.
    maxSavedDevices: i64 = 0;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "WebAuthnDeviceStorageNode";
    const NAME: &'static str = "WebAuthn Device Storage Node";
    const ABOUT: &'static str = "Stores the device that a WebAuthn registration has left in the state.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(&["success", "failure", "exceedDeviceLimit"]);
    const INPUTS: &'static [Key] = &[Key::Named("username"), Key::Named(DEVICE_DATA)];
    const OUTPUTS: &'static [Key] = &[Key::Named(DEVICE_DATA), Key::Named(RECOVERY_CODES), Key::Named(RECOVERY_DEVICE)];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let (Some(user), Some(device)) = (step.user().await?, step.postponed_device(DEVICE_DATA)) else {
            return goto("failure");
        };
        let max = usize::try_from(config.maxSavedDevices).unwrap_or(0);
        if max > 0 && step.web_authn_devices(&user.username).await?.len() >= max {
            return goto("exceedDeviceLimit");
        }
        step.state.remove(DEVICE_DATA);
        let codes = config.generateRecoveryCodes;
        let stored = step.store_device(&user, DeviceKind::WebAuthn, &device, false, codes).await?;
        goto(if stored { "success" } else { "failure" })
    }
}
