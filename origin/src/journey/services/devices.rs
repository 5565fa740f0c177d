use countersign_journey::host::{Device, DeviceKind, Devices, HostError, Pending};
use countersign_store::NewDevice;
use zeroize::Zeroizing;

use super::Services;

/// Profiles of the store are JSON; what is not is nobody's fault but ours.
fn broken(why: impl std::fmt::Display) -> HostError {
    HostError { service: "devices", why: format!("a device's profile: {why}") }
}

fn text(device: &Device) -> Result<Zeroizing<Vec<u8>>, HostError> {
    serde_json::to_vec(&device.profile).map(Zeroizing::new).map_err(broken)
}

impl Devices for Services<'_> {
    fn list<'a>(&'a self, username: &'a str, kind: DeviceKind) -> Pending<'a, Vec<Device>> {
        Box::pin(async move {
            let found = self.app.store.devices().list(&self.realm_name, username, kind.name()).await;
            let found = found.map_err(|error| self.store_error(error))?;
            let device = |stored: countersign_store::Device| {
                let profile: serde_json::Map<String, serde_json::Value> =
                    serde_json::from_slice(&stored.profile).map_err(broken)?;
                let credential_id = profile.get("credentialId").and_then(serde_json::Value::as_str).map(str::to_owned);
                Ok(Device { id: stored.id, profile, credential_id, version: stored.version })
            };
            found.into_iter().map(device).collect()
        })
    }

    fn owner<'a>(&'a self, kind: DeviceKind, credential_id: &'a str) -> Pending<'a, Option<String>> {
        Box::pin(async move {
            let owner = self.app.store.devices().owner(&self.realm_name, kind.name(), credential_id).await;
            owner.map_err(|error| self.store_error(error))
        })
    }

    fn add<'a>(&'a self, username: &'a str, kind: DeviceKind, device: &'a Device, replace: bool) -> Pending<'a, bool> {
        Box::pin(async move {
            let profile = text(device)?;
            let new = NewDevice {
                realm: &self.realm_name,
                username,
                kind: kind.name(),
                id: &device.id,
                credential_id: device.credential_id.as_deref(),
                profile: &profile,
                replace,
            };
            let added = self.app.store.devices().add(new, self.app.clock.now().seconds()).await;
            added.map_err(|error| self.store_error(error))
        })
    }

    fn update<'a>(&'a self, username: &'a str, kind: DeviceKind, device: &'a Device) -> Pending<'a, bool> {
        Box::pin(async move {
            let profile = text(device)?;
            let devices = self.app.store.devices();
            let updated =
                devices.update(&self.realm_name, username, kind.name(), &device.id, device.version, &profile).await;
            updated.map_err(|error| self.store_error(error))
        })
    }

    fn set_recovery_codes<'a>(&'a self, username: &'a str, kind: DeviceKind, codes: &'a [String]) -> Pending<'a, ()> {
        Box::pin(async move {
            let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
            let done =
                self.app.store.recovery_codes().replace(&self.realm_name, username, kind.recovery(), &codes).await;
            done.map_err(|error| self.store_error(error))
        })
    }
}
