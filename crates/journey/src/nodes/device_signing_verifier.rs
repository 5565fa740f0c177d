use countersign_core::token::foreign::Unverified;

use super::prelude::*;
use crate::binding::{self, Answered, Expected};
use crate::host::{Device, DeviceKind};

config! {
    /// Have random bytes signed; otherwise what `sharedStateAttribute` names.
    challenge: bool = true;
    /// The key of the state with what is to be signed, such as a transaction.
    sharedStateAttribute: Option<String>;
    /// The ids of the apps that may sign; none means any.
    applicationIds: Vec<String>;
    /// The title that the app shows.
    title: Localised;
    /// The line under it.
    subtitle: Localised;
    /// The text.
    description: Localised;
    /// Seconds that the app waits for the user.
    timeout: i64 = 60;
    /// Leave in the state why it failed.
    captureFailure: bool = false;
    /// What apps may report instead of a signature, each an outcome.
    clientErrorOutcomes: Vec<String>;
}

const CHALLENGE: &str = "challenge";
const JWT: &str = "DeviceSigningVerifierNode.JWT";
const FAILURE: &str = "DeviceSigningVerifierNode.FAILURE";

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "DeviceSigningVerifierNode";
    const NAME: &'static str = "Device Signing Verifier";
    const ABOUT: &'static str =
        "Has an app sign with a key that was bound before. Without a user name the key says who it is.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Of(|config| {
        let fixed = ["success", "failure", "noDeviceRegistered", "keyNotFound"].into_iter().map(str::to_owned);
        fixed.chain(config.clientErrorOutcomes.iter().cloned()).collect()
    });
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::DeviceSigningVerifierCallback];
    const INPUTS: &'static [Key] = &[Key::Named("username"), Key::Own(CHALLENGE), Key::Setting("sharedStateAttribute")];
    const OUTPUTS: &'static [Key] =
        &[Key::Named("username"), Key::Own(CHALLENGE), Key::Named(JWT), Key::Named(FAILURE)];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let user = step.user().await?;
        if user.is_none() && step.username().is_some() {
            return goto("failure");
        }
        let devices = match &user {
            Some(user) => Some(step.host.devices.list(&user.username, DeviceKind::Binding).await?),
            None => None,
        };
        if devices.as_ref().is_some_and(Vec::is_empty) {
            return goto("noDeviceRegistered");
        }
        let key = step.own(CHALLENGE);
        let asked = step.state.text(&key).map(str::to_owned);
        let answered = binding::answered(step, CallbackType::DeviceSigningVerifierCallback).zip(asked);
        let Some((answered, challenge)) = answered else {
            let named = config.sharedStateAttribute.as_ref().filter(|_| !config.challenge);
            let challenge = match named {
                None => binding::challenge(step),
                Some(name) => {
                    let missing = || NodeError::State(format!("there is no {name:?} to sign"));
                    step.state.text(name).filter(|text| !text.is_empty()).ok_or_else(missing)?.to_owned()
                }
            };
            step.state.put_shared(&key, challenge.as_str());
            let texts = [
                step.text(&config.title, "Authentication required"),
                step.text(&config.subtitle, "Cryptography device binding"),
                step.text(&config.description, "Please complete with biometric to proceed"),
            ];
            let subject = user.as_ref().map_or("", |user| user.universal_id.as_str());
            return send([Callback::device_key(
                CallbackType::DeviceSigningVerifierCallback,
                subject,
                None,
                &challenge,
                texts.each_ref().map(String::as_str),
                config.timeout,
            )]);
        };
        // A challenge is signed once.
        step.state.remove(&key);
        let jws = match answered {
            Answered::Error(error) => {
                if let Some(known) = config.clientErrorOutcomes.iter().find(|known| *known == error) {
                    return goto(known.as_str());
                }
                return fail(&config, step, "the client reports an error");
            }
            Answered::Signed(jws) => jws,
        };
        let Ok(parsed) = Unverified::parse(jws.as_bytes()) else { return fail(&config, step, "not a JWS") };
        let kid = parsed.kid().to_owned();
        let (user, devices) = match (user, devices) {
            (Some(user), Some(devices)) => (user, devices),
            _ => {
                let Some(name) = step.host.devices.owner(DeviceKind::Binding, &kid).await? else {
                    return goto("keyNotFound");
                };
                let found = step.host.identities.find(step.resource(), "userName", &name).await?;
                let Some(user) = found else { return goto("keyNotFound") };
                let devices = step.host.devices.list(&user.username, DeviceKind::Binding).await?;
                (user, devices)
            }
        };
        let is_it = |device: &&Device| !kid.is_empty() && device.credential_id.as_deref() == Some(&kid);
        let Some(device) = devices.iter().find(is_it) else { return goto("keyNotFound") };
        let jwk = device.profile.get("key").and_then(Value::as_object).cloned().unwrap_or_default();
        let expected =
            Expected { challenge: &challenge, subject: Some(&user.universal_id), applications: &config.applicationIds };
        // An app that was told nobody says itself for whom it signs.
        if let Err(why) = binding::verify(jws, &jwk, &expected, step.now()) {
            return fail(&config, step, &why);
        }
        let mut device = device.clone();
        device.profile.insert("lastAccessDate".to_owned(), json!(step.now()));
        // That another login was faster with its date does no harm.
        step.host.devices.update(&user.username, DeviceKind::Binding, &device).await?;
        step.state.put_transient(JWT, jws);
        step.state.put_shared("username", user.username.as_str());
        step.identify(&user);
        goto("success")
    }
}

fn fail(config: &Config, step: &mut Step<'_>, why: &str) -> NodeResult {
    if config.captureFailure {
        step.state.put_shared(FAILURE, json!({"message": why}));
    }
    goto("failure")
}
