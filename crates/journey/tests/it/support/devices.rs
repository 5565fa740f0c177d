use countersign_journey::host::{Device, DeviceKind, Devices, Pending};

use hmac::{Hmac, KeyInit as _, Mac as _};

use super::users::{Users, ready};

/// As an app computes it (RFC 4226 §5.3), apart from the product's own arithmetic.
pub(crate) fn one_time_code(secret: &[u8], counter: u64, digits: usize) -> String {
    let mac = Hmac::<sha1::Sha1>::new_from_slice(secret).unwrap().chain_update(counter.to_be_bytes());
    let mac = mac.finalize().into_bytes();
    let at = usize::from(mac[19] & 15);
    let number = u32::from_be_bytes(mac[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:0digits$}", number % 10_u32.pow(u32::try_from(digits).unwrap()))
}

impl Devices for Users {
    fn list<'a>(&'a self, username: &'a str, kind: DeviceKind) -> Pending<'a, Vec<Device>> {
        ready(self.devices(username, |devices| {
            devices.iter().filter(|(known, _)| *known == kind).map(|(_, device)| device.clone()).collect()
        }))
    }

    fn owner<'a>(&'a self, kind: DeviceKind, credential_id: &'a str) -> Pending<'a, Option<String>> {
        let is = |(known, device): &(DeviceKind, Device)| {
            *known == kind && device.credential_id.as_deref() == Some(credential_id)
        };
        ready(self.names().into_iter().find(|name| self.devices(name, |devices| devices.iter().any(is))))
    }

    fn add<'a>(&'a self, username: &'a str, kind: DeviceKind, device: &'a Device, replace: bool) -> Pending<'a, bool> {
        let taken = device.credential_id.as_ref().is_some_and(|id| {
            let is = |(_, device): &(DeviceKind, Device)| device.credential_id.as_ref() == Some(id);
            self.names().iter().any(|name| self.devices(name, |devices| devices.iter().any(is)))
        });
        if !taken {
            self.devices(username, |devices| {
                devices.retain(|(known, _)| !replace || *known != kind);
                devices.push((kind, device.clone()));
            });
        }
        ready(!taken)
    }

    fn update<'a>(&'a self, username: &'a str, kind: DeviceKind, device: &'a Device) -> Pending<'a, bool> {
        ready(self.devices(username, |devices| {
            let same = |(known, old): &&mut (DeviceKind, Device)| {
                *known == kind && old.id == device.id && old.version == device.version
            };
            let found = devices.iter_mut().find(same);
            found.map(|(_, old)| *old = Device { version: old.version + 1, ..device.clone() }).is_some()
        }))
    }

    fn set_recovery_codes<'a>(&'a self, username: &'a str, kind: DeviceKind, codes: &'a [String]) -> Pending<'a, ()> {
        self.change(username, |user| {
            user.codes.retain(|(known, _)| known != kind.recovery());
            user.codes.extend(codes.iter().map(|code| (kind.recovery().to_owned(), code.clone())));
        });
        ready(())
    }
}
