use super::device_match::PROFILE;
use super::prelude::*;
use crate::host::{Device, DeviceKind};

config! {
    /// The key of the state with a name for the device.
    variableName: Option<String>;
    /// How many are saved of a user; the one that was not seen for longest makes room.
    maxSavedProfiles: i64 = 5;
    /// Save what the device is.
    saveDeviceMetadata: bool = true;
    /// Save where it was.
    saveDeviceLocation: bool = false;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "DeviceSaveNode";
    const NAME: &'static str = "Device Save";
    const ABOUT: &'static str = "Saves what the device says of itself, to know it again.";
    const INPUTS: &'static [Key] = &[Key::Named("username"), Key::Named(PROFILE), Key::Setting("variableName")];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let missing = || NodeError::State("there is no device profile".to_owned());
        let collected = step.state.get(PROFILE).and_then(Value::as_object).cloned().ok_or_else(missing)?;
        let Some(user) = step.user().await? else {
            return Err(NodeError::State("there is no user to save the device for".to_owned()));
        };
        let identifier = collected.get("identifier").and_then(Value::as_str).filter(|id| !id.is_empty());
        let identifier = identifier.ok_or_else(|| NodeError::State("the device has no identifier".to_owned()))?;
        let mut profile = Map::from_iter([
            ("identifier".to_owned(), json!(identifier)),
            ("lastSelectedDate".to_owned(), json!(step.now())),
        ]);
        let parts = [("metadata", config.saveDeviceMetadata), ("location", config.saveDeviceLocation)];
        for (part, wanted) in parts {
            if let Some(value) = collected.get(part).filter(|_| wanted) {
                profile.insert(part.to_owned(), value.clone());
            }
        }
        let named = config.variableName.as_deref().and_then(|name| step.state.text(name));
        if let Some(alias) = named.or_else(|| collected.get("alias")?.as_str()) {
            profile.insert("alias".to_owned(), json!(alias));
        }
        let devices = step.host.devices;
        let known = devices.list(&user.username, DeviceKind::Profile).await?;
        let seen = |device: &&Device| device.profile.get("lastSelectedDate").and_then(Value::as_u64).unwrap_or(0);
        let same = known.iter().find(|device| device.profile.get("identifier") == Some(&json!(identifier)));
        let full = i64::try_from(known.len()).unwrap_or(i64::MAX) >= config.maxSavedProfiles.max(1);
        let replaced = same.or_else(|| known.iter().min_by_key(seen).filter(|_| full));
        let saved = match replaced {
            Some(old) => {
                profile.insert("uuid".to_owned(), json!(old.id));
                let device = Device { profile, ..old.clone() };
                devices.update(&user.username, DeviceKind::Profile, &device).await?
            }
            None => {
                let id = step.device_id();
                profile.insert("uuid".to_owned(), json!(id));
                let device = Device { id, profile, credential_id: None, version: 0 };
                devices.add(&user.username, DeviceKind::Profile, &device, false).await?
            }
        };
        // Two logins of one device at the same time say the same of it; that one was faster does no harm.
        let _ = saved;
        next()
    }
}
