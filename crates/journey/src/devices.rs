//! What the nodes of second factors have in common.

use serde_json::{Value, json};

use crate::callback::Callback;
use crate::host::{Device, DeviceKind, Identity};
use crate::node::NodeError;
use crate::step::Step;

/// Codes that each work once, from the node that registers a device to the one that shows them.
pub(crate) const RECOVERY_CODES: &str = "recoveryCodes";
pub(crate) const RECOVERY_DEVICE: &str = "recoveryCodeDeviceName";
/// Which second factor was missing, for the nodes that offer to register or to skip it.
pub(crate) const MFA_METHOD: &str = "mfaMethod";
/// The number beside a user that says that he wants no second factor of this kind (a value of [`MFA_METHOD`]).
pub(crate) fn opted_out(method: &str) -> String {
    format!("optOut.{method}")
}

/// Types of the factors that were used, with `|` between them: the session's `AuthType`.
pub(crate) const NODE_TYPE: &str = "NodeType";

const COUNT: usize = 10;
const LENGTH: usize = 10;
/// Without letters and digits that look alike.
const ALPHABET: &str = "abcdefghjkmnpqrstuvwxyz23456789";

/// What an app shows of the user, by the setting `accountName` of the nodes that register one.
pub(crate) fn account_name(user: &Identity, setting: &str) -> String {
    let attribute = match setting {
        "COMMON_NAME" => "cn",
        "EMAIL_ADDRESS" => "mail",
        "EMPLOYEE_NUMBER" => "employeeNumber",
        "GIVEN_NAME" => "givenName",
        "LAST_NAME" => "sn",
        _ => "",
    };
    let value = user.attributes.get(attribute).and_then(|value| value.as_str().or_else(|| value.get(0)?.as_str()));
    value.filter(|value| !value.is_empty()).unwrap_or(&user.username).to_owned()
}

impl Step<'_> {
    /// `uuid` of a new device: a random UUID (RFC 9562 §5.4).
    pub(crate) fn device_id(&self) -> String {
        let mut bytes = [0; 16];
        self.host.random.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    /// Stores a new device and, if wanted, makes recovery codes and leaves them for the node that shows them. `false`
    /// when the device cannot be added.
    pub(crate) async fn store_device(
        &mut self,
        user: &Identity,
        kind: DeviceKind,
        device: &Device,
        replace: bool,
        with_codes: bool,
    ) -> Result<bool, NodeError> {
        let devices = self.host.devices;
        if !devices.add(&user.username, kind, device, replace).await? {
            return Ok(false);
        }
        if with_codes {
            let codes: Vec<String> = (0..COUNT).map(|_| self.drawn(ALPHABET, LENGTH)).collect();
            devices.set_recovery_codes(&user.username, kind, &codes).await?;
            self.state.put_transient(RECOVERY_CODES, json!(codes));
            let name = device.profile.get("deviceName").and_then(Value::as_str).unwrap_or_default();
            self.state.put_transient(RECOVERY_DEVICE, name);
        }
        Ok(true)
    }

    /// Adds to the types of the factors that were used.
    pub(crate) fn used_factor(&mut self, name: &str) {
        let types = match self.state.text(NODE_TYPE) {
            Some(types) if types.split('|').any(|known| known == name) => return,
            Some(types) if !types.is_empty() => format!("{types}|{name}"),
            _ => name.to_owned(),
        };
        self.state.remove(NODE_TYPE);
        self.state.put_shared(NODE_TYPE, types);
    }

    /// A device that an earlier node left in the state because it is to be stored later.
    pub(crate) fn postponed_device(&self, key: &str) -> Option<Device> {
        let profile = self.state.get(key)?.as_object()?.clone();
        let text = |name: &str| profile.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Device { id: text("uuid")?, credential_id: text("credentialId"), profile, version: 0 })
    }
}

/// Buttons, the first of which is what comes from a client that presses none.
pub(crate) fn buttons(options: &[&str]) -> Callback {
    let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
    Callback::confirmation(&options, 0, 0)
}
