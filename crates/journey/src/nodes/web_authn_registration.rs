use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::prelude::*;
use crate::devices::{RECOVERY_CODES, RECOVERY_DEVICE};
use crate::host::{Device, DeviceKind, Identity};
use crate::webauthn::answer::{Data, Outcome};
use crate::webauthn::ceremony::{self, Expected, Registered};
use crate::webauthn::options::{Creation, answer_slot, spinner};
use crate::webauthn::public_key::Algorithm;
use crate::webauthn::{CHALLENGE, DEVICE_DATA, DOM_EXCEPTION, credential_ids, user_handle};

config! {
    /// The name of the site, as browsers show it.
    relyingPartyName: String = "ForgeRock";
    /// The domain that credentials are for: by default that of the installation.
    relyingPartyDomain: Option<String>;
    /// Where the pages are: by default the installation's.
    origins: Vec<String>;
    /// Whether the authenticator checks who holds it.
    userVerificationRequirement: String = "PREFERRED" => ["REQUIRED", "PREFERRED", "DISCOURAGED"];
    /// Whether the authenticator says of what make it is. It is passed on and not evaluated.
    attestationPreference: String = "NONE" => ["NONE", "INDIRECT", "DIRECT"];
    /// Which signatures are taken: ES256, ES384, EDDSA, RS256, RS384, RS512. ES512 and RS1 are not asked for.
    acceptedSigningAlgorithms: Vec<String> = ["ES256", "RS256"].map(str::to_owned);
    /// Built into the user's device, or apart from it.
    authenticatorAttachment: String = "UNSPECIFIED" => ["UNSPECIFIED", "PLATFORM", "CROSS_PLATFORM"];
    /// Not used: attestation is not evaluated.
    trustStoreAlias: Option<String> = "trustalias".to_owned();
    /// Must be false: attestation is not evaluated.
    enforceRevocationCheck: bool = false;
    /// Seconds that the user has.
    timeout: i64 = 60;
    /// Refuse authenticators that the user has registered already.
    excludeCredentials: bool = false;
    /// Make recovery codes.
    generateRecoveryCodes: bool = true;
    /// Leave what the authenticator said of itself in the transient state.
    storeAttestationDataInTransientState: bool = false;
    /// Leave the device in the state, for a node that stores it later.
    postponeDeviceProfileStorage: bool = false;
    /// The authenticator keeps the credential with the user's name, for logins without one.
    requiresResidentKey: bool = false;
    /// The key in the state with the name that the authenticator shows; by default the user name.
    displayNameSharedState: Option<String>;
    /// Send a script instead of data.
    asScript: bool = true;
    /// How many devices a user may have; 0 for no limit.
    maxSavedDevices: i64 = 0;
    /// Not used: attestation is not evaluated.
    validateFidoU2fAaguid: bool = true;
    /// Must be OFF: attestation is not evaluated.
    fidoCertificationLevel: String = "OFF";
}

const ATTESTATION: &str = "webauthnAttestationInfo";
const DEVICE_UUID: &str = "webauthnDeviceUuid";
const DEVICE_NAME: &str = "webauthnDeviceName";

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "WebAuthnRegistrationNode";
    const NAME: &'static str = "WebAuthn Registration Node";
    const ABOUT: &'static str = "Registers a security key or passkey of the user.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Of(|config| {
        let limit = (config.maxSavedDevices > 0).then_some("exceedDeviceLimit");
        ["unsupported", "success", "failure", "error"].into_iter().chain(limit).map(str::to_owned).collect()
    });
    const CALLBACKS: &'static [CallbackType] =
        &[CallbackType::TextOutputCallback, CallbackType::MetadataCallback, CallbackType::HiddenValueCallback];
    const INPUTS: &'static [Key] =
        &[Key::Named("username"), Key::Named(CHALLENGE), Key::Setting("displayNameSharedState")];
    const OUTPUTS: &'static [Key] = &[
        Key::Named(CHALLENGE),
        Key::Named(DEVICE_DATA),
        Key::Named(DEVICE_UUID),
        Key::Named(DEVICE_NAME),
        Key::Named(ATTESTATION),
        Key::Named(DOM_EXCEPTION),
        Key::Named(RECOVERY_CODES),
        Key::Named(RECOVERY_DEVICE),
    ];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        if config.enforceRevocationCheck || config.fidoCertificationLevel != "OFF" {
            return Err(NodeError::Config("attestation is not evaluated".to_owned()));
        }
        let Some(user) = step.user().await? else { return goto("failure") };
        let devices = step.web_authn_devices(&user.username).await?;
        let max = usize::try_from(config.maxSavedDevices).unwrap_or(0);
        if max > 0 && devices.len() >= max {
            return goto("exceedDeviceLimit");
        }
        let algorithms: Vec<Algorithm> =
            config.acceptedSigningAlgorithms.iter().filter_map(|name| Algorithm::named(name)).collect();
        if algorithms.is_empty() {
            return Err(NodeError::Config("none of the signing algorithms is known".to_owned()));
        }
        let Some(outcome) = step.client_outcome() else {
            let exclude = if config.excludeCredentials { credential_ids(&devices) } else { Vec::new() };
            return ask(&config, step, &user, algorithms, exclude);
        };
        match Outcome::read(&outcome) {
            Outcome::Unsupported => goto("unsupported"),
            Outcome::Error(text) => {
                step.dom_exception(&text);
                goto("error")
            }
            Outcome::Malformed => goto("failure"),
            Outcome::Data(data) => register(&config, step, &user, &algorithms, &data).await,
        }
    }
}

fn ask(
    config: &Config,
    step: &mut Step<'_>,
    user: &Identity,
    algorithms: Vec<Algorithm>,
    exclude: Vec<Vec<u8>>,
) -> NodeResult {
    let shown = config.displayNameSharedState.as_deref().and_then(|key| step.state.text(key));
    let display_name = shown.unwrap_or(&user.username).to_owned();
    let (relying_party_id, _) = step.relying_party(config.relyingPartyDomain.clone(), Vec::new());
    let creation = Creation {
        challenge: step.challenge(),
        relying_party_id,
        relying_party_name: config.relyingPartyName.clone(),
        user_id: user_handle(&step.host.realm.name, user),
        user_name: user.username.clone(),
        display_name,
        algorithms,
        attestation: config.attestationPreference.to_lowercase(),
        user_verification: config.userVerificationRequirement.to_lowercase(),
        attachment: match config.authenticatorAttachment.as_str() {
            "PLATFORM" => Some("platform"),
            "CROSS_PLATFORM" => Some("cross-platform"),
            _ => None,
        },
        resident_key: config.requiresResidentKey,
        exclude,
        timeout_seconds: config.timeout,
    };
    if config.asScript && !step.request.without_scripts {
        return send([creation.script(), spinner(), answer_slot()]);
    }
    send([creation.metadata(), answer_slot()])
}

async fn register(
    config: &Config,
    step: &mut Step<'_>,
    user: &Identity,
    algorithms: &[Algorithm],
    data: &Data,
) -> NodeResult {
    let challenge = step.take_challenge()?;
    let (relying_party_id, origins) = step.relying_party(config.relyingPartyDomain.clone(), config.origins.clone());
    let expected = Expected {
        challenge: &challenge,
        relying_party_id: &relying_party_id,
        origins: &origins,
        user_verification_required: config.userVerificationRequirement == "REQUIRED",
    };
    let Ok(registered) = ceremony::register(&expected, algorithms, data) else { return goto("failure") };
    let device = device(step, &registered, data.text(2));
    let text = |name: &str| device.profile.get(name).cloned().unwrap_or_default();
    step.state.put_shared(DEVICE_UUID, text("uuid"));
    step.state.put_shared(DEVICE_NAME, text("deviceName"));
    if config.storeAttestationDataInTransientState {
        let info = json!({
            "format": registered.format,
            "aaguid": text("aaguid"),
            "credentialId": text("credentialId"),
            "attestationObject": data.bytes(0).map(|bytes| URL_SAFE_NO_PAD.encode(bytes)),
        });
        step.state.put_transient(ATTESTATION, info);
    }
    if config.postponeDeviceProfileStorage {
        step.state.put_transient(DEVICE_DATA, Value::Object(device.profile));
        return goto("success");
    }
    // A credential belongs to one user (§7.1, step 22).
    let codes = config.generateRecoveryCodes;
    let stored = step.store_device(user, DeviceKind::WebAuthn, &device, false, codes).await?;
    goto(if stored { "success" } else { "failure" })
}

fn device(step: &Step<'_>, registered: &Registered, name: &str) -> Device {
    let name: String = name.chars().filter(|letter| !letter.is_control()).take(64).collect();
    let id = step.device_id();
    let credential_id = URL_SAFE_NO_PAD.encode(&registered.credential_id);
    let profile = json!({
        "uuid": id,
        "deviceName": if name.trim().is_empty() { "New Security Key" } else { name.trim() },
        "credentialId": credential_id,
        "algorithm": registered.key.alg().name(),
        "key": registered.key.to_jwk(),
        "signCount": registered.sign_count,
        "userVerified": registered.user_verified,
        "backupEligible": registered.backup_eligible,
        "backedUp": registered.backed_up,
        "aaguid": URL_SAFE_NO_PAD.encode(registered.aaguid),
        "createdDate": step.now(),
    });
    let profile = if let Value::Object(profile) = profile { profile } else { Map::new() };
    Device { id, profile, credential_id: Some(credential_id), version: 0 }
}
