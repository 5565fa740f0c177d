use super::prelude::*;
use crate::binding::{self, POSTPONED};

config! {
    /// How many devices a user may have; 0 for any number.
    maxSavedDevices: i64 = 0;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "DeviceBindingStorageNode";
    const NAME: &'static str = "Device Binding Storage";
    const ABOUT: &'static str = "Stores the device that an earlier node has bound.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Of(|config| {
        let limit = (config.maxSavedDevices > 0).then(|| "exceedDeviceLimit".to_owned());
        ["success", "failure"].into_iter().map(str::to_owned).chain(limit).collect()
    });
    const INPUTS: &'static [Key] = &[Key::Named("username"), Key::Named(POSTPONED)];
    const OUTPUTS: &'static [Key] = &[Key::Named(POSTPONED)];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let Some((user, device)) = step.user().await?.zip(step.postponed_device(POSTPONED)) else {
            return goto("failure");
        };
        step.state.remove(POSTPONED);
        goto(match binding::store(step, &user, device, config.maxSavedDevices).await? {
            None => "exceedDeviceLimit",
            Some(true) => "success",
            Some(false) => "failure",
        })
    }
}
