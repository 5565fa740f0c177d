use super::prelude::*;
use crate::binding::{self, Answered, Expected, POSTPONED};
use crate::host::Device;
use crate::key_attestation;

config! {
    /// How the app is to protect its key.
    authenticationType: String = "BIOMETRIC_ALLOW_FALLBACK" => ["NONE", "APPLICATION_PIN", "BIOMETRIC_ONLY", "BIOMETRIC_ALLOW_FALLBACK"];
    /// Ask an Android phone for an attestation of the key, and fail without one that leads to a trusted root.
    attestation: bool = false;
    /// The ids of the apps that may bind a key; none means any.
    applicationIds: Vec<String>;
    /// The title that the app shows.
    title: Localised;
    /// The line under it.
    subtitle: Localised;
    /// The text.
    description: Localised;
    /// Seconds that the app waits for the user.
    timeout: i64 = 60;
    /// How many devices a user may have; 0 for any number.
    maxSavedDevices: i64 = 0;
    /// Leave the device in the state, for a node that stores it later.
    postponeDeviceProfileStorage: bool = false;
    /// What apps may report instead of a key, each an outcome.
    clientErrorOutcomes: Vec<String>;
}

const CHALLENGE: &str = "challenge";
/// What the hardware says of the key.
const ATTESTATION: &str = "DeviceBindingNode.ATTESTATION";

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "DeviceBindingNode";
    const NAME: &'static str = "Device Binding";
    const ABOUT: &'static str = "Has an app make a key and binds it to the user.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Of(|config| {
        let limit = (config.maxSavedDevices > 0).then(|| "exceedDeviceLimit".to_owned());
        let fixed = ["success", "failure"].into_iter().map(str::to_owned);
        fixed.chain(limit).chain(config.clientErrorOutcomes.iter().cloned()).collect()
    });
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::DeviceBindingCallback];
    const INPUTS: &'static [Key] = &[Key::Named("username"), Key::Own(CHALLENGE)];
    const OUTPUTS: &'static [Key] = &[Key::Own(CHALLENGE), Key::Named(POSTPONED), Key::Named(ATTESTATION)];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let Some(user) = step.user().await? else { return goto("failure") };
        let key = step.own(CHALLENGE);
        let asked = step.state.text(&key).map(str::to_owned);
        let answered = binding::answered(step, CallbackType::DeviceBindingCallback).zip(asked);
        let Some((answered, challenge)) = answered else {
            let challenge = binding::challenge(step);
            step.state.put_shared(&key, challenge.as_str());
            let texts = [
                step.text(&config.title, "Authentication required"),
                step.text(&config.subtitle, "Cryptography device binding"),
                step.text(&config.description, "Please complete with biometric to proceed"),
            ];
            return send([Callback::device_key(
                CallbackType::DeviceBindingCallback,
                &user.universal_id,
                Some((&user.username, &config.authenticationType, config.attestation)),
                &challenge,
                texts.each_ref().map(String::as_str),
                config.timeout,
            )]);
        };
        // A challenge is signed once.
        step.state.remove(&key);
        let jws = match answered {
            Answered::Error(error) => {
                let known = config.clientErrorOutcomes.iter().find(|known| *known == error);
                return goto(known.map_or("failure", String::as_str));
            }
            Answered::Signed(jws) => jws,
        };
        let Some((kid, mut jwk)) = binding::brought(jws) else { return goto("failure") };
        let expected =
            Expected { challenge: &challenge, subject: Some(&user.universal_id), applications: &config.applicationIds };
        if binding::verify(jws, &jwk, &expected, step.now()).is_err() {
            return goto("failure");
        }
        if config.attestation {
            let trusted = &step.host.realm.key_attestation;
            let verify =
                |challenge: Vec<u8>| key_attestation::verify(&jwk, &challenge, trusted, step.now() / 1000).ok();
            let Some(attested) = binding::challenged(&challenge).and_then(verify) else {
                return goto("failure");
            };
            if key_attestation::revoked(step, &attested.serials).await? {
                return goto("failure");
            }
            step.state.put_transient(ATTESTATION, attested.description);
        }
        // They are of this moment, and longer than the key.
        jwk.remove("x5c");
        let said = |name: &str| {
            step.answered(CallbackType::DeviceBindingCallback).map(|callback| binding::said(callback, name))
        };
        let id = step.device_id();
        let profile = json!({
            "uuid": id,
            "deviceId": said("deviceId").unwrap_or_default(),
            "deviceName": said("deviceName").filter(|name| !name.is_empty()).unwrap_or_else(|| "Device".to_owned()),
            "credentialId": kid,
            "key": jwk,
            "createdDate": step.now(),
            "lastAccessDate": step.now(),
        });
        if config.postponeDeviceProfileStorage {
            step.state.put_transient(POSTPONED, profile);
            return goto("success");
        }
        let profile = profile.as_object().cloned().unwrap_or_default();
        let device = Device { id, profile, credential_id: Some(kid), version: 0 };
        goto(match binding::store(step, &user, device, config.maxSavedDevices).await? {
            None => "exceedDeviceLimit",
            Some(true) => "success",
            Some(false) => "failure",
        })
    }
}
