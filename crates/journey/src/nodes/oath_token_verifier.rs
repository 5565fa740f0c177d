use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::prelude::*;
use crate::devices::{MFA_METHOD, NODE_TYPE, buttons};
use crate::host::{Device, DeviceKind};
use crate::oath::{Codes, Hash};

config! {
    /// Codes by time, or by a counter.
    algorithm: String = "TOTP" => ["TOTP", "HOTP"];
    /// How many codes by a counter may have been skipped; at most 1,000.
    hotpWindowSize: i64 = 100;
    /// Seconds that a code by time is shown, of devices that do not know it themselves.
    totpTimeInterval: i64 = 30;
    /// How many intervals before and after the device's time are taken; at most 100.
    totpTimeSteps: i64 = 2;
    /// The hash of codes by time, of devices that do not know it themselves.
    totpHashAlgorithm: String = "HMAC_SHA1" => ["HMAC_SHA1", "HMAC_SHA256", "HMAC_SHA512"];
    /// By how many intervals a device's clock may be wrong in the end.
    maximumAllowedClockDrift: i64 = 5;
    /// Offer to use a recovery code.
    isRecoveryCodeAllowed: bool = false;
}

const SUCCESS: &str = "successOutcome";
const FAILURE: &str = "failureOutcome";
const NOT_REGISTERED: &str = "notRegisteredOutcome";
const RECOVERY: &str = "recoveryCodeOutcome";

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "OathTokenVerifierNode";
    const NAME: &'static str = "OATH Token Verifier";
    const ABOUT: &'static str = "Asks for a one-time password of the user's device. A code works once, and none works that \
         is older than one that did. How often one may guess is for a retry limit to say.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Of(|config| {
        let recovery = config.isRecoveryCodeAllowed.then_some(RECOVERY);
        [SUCCESS, FAILURE, NOT_REGISTERED].into_iter().chain(recovery).map(str::to_owned).collect()
    });
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::NameCallback, CallbackType::ConfirmationCallback];
    const INPUTS: &'static [Key] = &[Key::Named("username"), Key::Named(NODE_TYPE)];
    const OUTPUTS: &'static [Key] = &[Key::Named(MFA_METHOD), Key::Named(NODE_TYPE)];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        if step.username().is_none() {
            return Err(NodeError::State("no user name".to_owned()));
        }
        // As the store spells it: another spelling must not be somebody without a device.
        let username = step.user().await?.map(|user| user.username).unwrap_or_default();
        let devices = step.host.devices.list(&username, DeviceKind::Oath).await?;
        let Some(mut device) = devices.into_iter().next_back() else {
            step.state.put_shared(MFA_METHOD, DeviceKind::Oath.name());
            return goto(NOT_REGISTERED);
        };
        let pressed = step.answered(CallbackType::ConfirmationCallback).and_then(Callback::index);
        if config.isRecoveryCodeAllowed && pressed == Some(1) {
            return goto(RECOVERY);
        }
        let Some(typed) = step.answer(CallbackType::NameCallback) else {
            let options: &[&str] =
                if config.isRecoveryCodeAllowed { &["Submit", "Use recovery code"] } else { &["Submit"] };
            return send([Callback::name("Enter verification code"), buttons(options)]);
        };
        let typed: String = typed.split_whitespace().collect();
        if !verify(&config, &mut device, &typed, step.now() / 1000)? {
            return goto(FAILURE);
        }
        device.profile.insert("lastAccessDate".to_owned(), json!(step.now()));
        // Whoever comes with the same code at the same time finds the device changed.
        if !step.host.devices.update(&username, DeviceKind::Oath, &device).await? {
            return goto(FAILURE);
        }
        step.used_factor("AuthenticatorOATH");
        goto(SUCCESS)
    }
}

/// Whether it is a code of the device that may be used now; if so, the profile then says that it was.
fn verify(config: &Config, device: &mut Device, typed: &str, now: u64) -> Result<bool, NodeError> {
    let broken = || NodeError::State("the device's profile is not complete".to_owned());
    let profile = &mut device.profile;
    // Its counter is of one algorithm and says nothing for the other.
    if profile.get("algorithm").and_then(Value::as_str).is_some_and(|own| own != config.algorithm) {
        return Ok(false);
    }
    let number = |profile: &Map<String, Value>, name: &str| profile.get(name).and_then(Value::as_i64);
    let secret = profile.get("sharedSecret").and_then(Value::as_str).ok_or_else(broken)?;
    let secret = STANDARD.decode(secret).map_err(|_| broken())?;
    let digits = number(profile, "digits").and_then(|digits| u32::try_from(digits).ok()).unwrap_or(6);
    let hash = match profile.get("hashAlgorithm").and_then(Value::as_str) {
        Some(name) => Hash::of(&format!("HMAC_{name}")),
        None => Hash::of(&config.totpHashAlgorithm),
    };
    let codes = Codes { secret, digits, hash };
    let next = number(profile, "counter").and_then(|counter| u64::try_from(counter).ok()).unwrap_or(0);
    if config.algorithm == "HOTP" {
        let window = u64::try_from(config.hotpWindowSize.clamp(0, 1000)).unwrap_or(0);
        let found = codes.find(typed, next..=next.saturating_add(window));
        if let Some(counter) = found {
            profile.insert("counter".to_owned(), json!(counter + 1));
        }
        return Ok(found.is_some());
    }
    let interval = number(profile, "period").unwrap_or(config.totpTimeInterval);
    let interval = u64::try_from(interval).unwrap_or(30).max(1);
    let seconds = i64::try_from(interval).unwrap_or(30);
    let drift = number(profile, "clockDriftSeconds").unwrap_or(0) / seconds;
    let steps = config.totpTimeSteps.clamp(0, 100);
    let max = config.maximumAllowedClockDrift.max(0);
    let current = i64::try_from(now / interval).unwrap_or(i64::MAX / 2);
    // Nearest first. `counter` is the time step behind the last that was used.
    let offsets = (0..=steps).flat_map(|off| [off, -off]).map(|off| drift + off).filter(|off| off.abs() <= max);
    let counters = offsets.filter_map(|offset| u64::try_from(current + offset).ok()).filter(|step| *step >= next);
    let Some(found) = codes.find(typed, counters) else { return Ok(false) };
    profile.insert("counter".to_owned(), json!(found + 1));
    let drift = i64::try_from(found).unwrap_or(current) - current;
    profile.insert("clockDriftSeconds".to_owned(), json!(drift * seconds));
    Ok(true)
}
