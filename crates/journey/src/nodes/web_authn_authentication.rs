use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::prelude::*;
use crate::devices::{MFA_METHOD, NODE_TYPE};
use crate::host::{Device, DeviceKind, Identity};
use crate::webauthn::answer::{Data, Outcome};
use crate::webauthn::ceremony::{self, Expected};
use crate::webauthn::options::{Request, answer_slot, spinner};
use crate::webauthn::public_key::PublicKey;
use crate::webauthn::{CHALLENGE, DOM_EXCEPTION, credential_ids, device_number, is_handle_of};

config! {
    /// The domain that credentials are for: by default that of the installation.
    relyingPartyDomain: Option<String>;
    /// Where the pages are: by default the installation's.
    origins: Vec<String>;
    /// Whether the authenticator checks who holds it.
    userVerificationRequirement: String = "PREFERRED" => ["REQUIRED", "PREFERRED", "DISCOURAGED"];
    /// Offer to use a recovery code.
    isRecoveryCodeAllowed: bool = false;
    /// Seconds that the user has.
    timeout: i64 = 60;
    /// The authenticator says who the user is; else an earlier node has.
    requiresResidentKey: bool = false;
    /// Send a script instead of data.
    asScript: bool = true;
    /// Tell when the authenticator's counter did not go up: there may be two of it.
    detectSignCountMismatch: bool = false;
}

const ASSERTION: &str = "webauthnAssertionInfo";

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "WebAuthnAuthenticationNode";
    const NAME: &'static str = "WebAuthn Authentication Node";
    const ABOUT: &'static str = "Has the user prove a security key or passkey that was registered.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Of(|config| {
        let recovery = config.isRecoveryCodeAllowed.then_some("recoveryCode");
        let mismatch = config.detectSignCountMismatch.then_some("successSignCountMismatch");
        let always = ["unsupported", "noDevice", "success", "failure", "error"];
        always.into_iter().chain(recovery).chain(mismatch).map(str::to_owned).collect()
    });
    const CALLBACKS: &'static [CallbackType] = &[
        CallbackType::TextOutputCallback,
        CallbackType::MetadataCallback,
        CallbackType::HiddenValueCallback,
        CallbackType::ConfirmationCallback,
    ];
    const INPUTS: &'static [Key] = &[Key::Named("username"), Key::Named(CHALLENGE), Key::Named(NODE_TYPE)];
    const OUTPUTS: &'static [Key] = &[
        Key::Named("username"),
        Key::Named(CHALLENGE),
        Key::Named(ASSERTION),
        Key::Named(DOM_EXCEPTION),
        Key::Named(MFA_METHOD),
        Key::Named(NODE_TYPE),
    ];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let (user, devices) = if config.requiresResidentKey {
            (None, Vec::new())
        } else {
            if step.username().is_none() {
                return Err(NodeError::State("no user name".to_owned()));
            }
            let user = step.user().await?;
            let devices = match &user {
                Some(user) => step.web_authn_devices(&user.username).await?,
                None => Vec::new(),
            };
            if devices.is_empty() {
                step.state.put_shared(MFA_METHOD, DeviceKind::WebAuthn.name());
                return goto("noDevice");
            }
            (user, devices)
        };
        let pressed = step.answered(CallbackType::ConfirmationCallback).and_then(Callback::index);
        if config.isRecoveryCodeAllowed && pressed == Some(0) {
            return goto("recoveryCode");
        }
        let Some(outcome) = step.client_outcome() else { return ask(&config, step, &devices) };
        match Outcome::read(&outcome) {
            Outcome::Unsupported => goto("unsupported"),
            Outcome::Error(text) => {
                step.dom_exception(&text);
                goto("error")
            }
            Outcome::Malformed => goto("failure"),
            Outcome::Data(data) => authenticate(&config, step, user, devices, &data).await,
        }
    }
}

fn ask(config: &Config, step: &mut Step<'_>, devices: &[Device]) -> NodeResult {
    let (relying_party_id, _) = step.relying_party(config.relyingPartyDomain.clone(), Vec::new());
    let request = Request {
        challenge: step.challenge(),
        relying_party_id,
        user_verification: config.userVerificationRequirement.to_lowercase(),
        allow: credential_ids(devices),
        timeout_seconds: config.timeout,
    };
    let mut callbacks = if config.asScript && !step.request.without_scripts {
        vec![request.script(), spinner(), answer_slot()]
    } else {
        vec![request.metadata(), answer_slot()]
    };
    if config.isRecoveryCodeAllowed {
        callbacks.push(Callback::confirmation(&["Use Recovery Code".to_owned()], 0, NOT_PRESSED));
    }
    send(callbacks)
}

async fn authenticate(
    config: &Config,
    step: &mut Step<'_>,
    user: Option<Identity>,
    devices: Vec<Device>,
    data: &Data,
) -> NodeResult {
    let challenge = step.take_challenge()?;
    let Some(credential) = data.id(2).map(|id| URL_SAFE_NO_PAD.encode(id)) else { return goto("failure") };
    let (user, devices) = match user {
        Some(user) => (user, devices),
        None => match owner(step, &credential).await? {
            Some(found) => found,
            None => return goto("failure"),
        },
    };
    // §7.2, steps 5 to 7.
    let device = devices.into_iter().find(|device| device.credential_id.as_deref() == Some(&credential));
    let Some(mut device) = device else { return goto("failure") };
    if !is_handle_of(&step.host.realm.name, &user, data.text(3)) {
        return goto("failure");
    }
    let key = device.profile.get("key").and_then(Value::as_object).and_then(PublicKey::from_jwk);
    let key = key.ok_or_else(|| NodeError::State("the device's profile is not complete".to_owned()))?;
    let (relying_party_id, origins) = step.relying_party(config.relyingPartyDomain.clone(), config.origins.clone());
    let expected = Expected {
        challenge: &challenge,
        relying_party_id: &relying_party_id,
        origins: &origins,
        user_verification_required: config.userVerificationRequirement == "REQUIRED",
    };
    let eligible = device.profile.get("backupEligible").and_then(Value::as_bool).unwrap_or(false);
    let Ok(asserted) = ceremony::authenticate(&expected, &key, eligible, data) else { return goto("failure") };

    // Step 21: counters that stay at zero say nothing.
    let before = device_number(&device, "signCount");
    let count = u64::from(asserted.sign_count);
    let mismatch = (before > 0 || count > 0) && count <= before;
    device.profile.insert("signCount".to_owned(), json!(count.max(before)));
    device.profile.insert("backedUp".to_owned(), json!(asserted.backed_up));
    device.profile.insert("lastAccessDate".to_owned(), json!(step.now()));
    if !step.host.devices.update(&user.username, DeviceKind::WebAuthn, &device).await? {
        return goto("failure");
    }
    let info = json!({"userVerified": asserted.user_verified, "signCount": count, "backedUp": asserted.backed_up});
    step.state.put_transient(ASSERTION, info);
    if config.requiresResidentKey {
        step.state.remove("username");
        step.state.put_shared("username", user.username.as_str());
    }
    step.identify(&user);
    step.used_factor("WebAuthnAuthentication");
    goto(if mismatch && config.detectSignCountMismatch { "successSignCountMismatch" } else { "success" })
}

/// Whose credential it is, with all that he has.
async fn owner(step: &Step<'_>, credential: &str) -> Result<Option<(Identity, Vec<Device>)>, NodeError> {
    let Some(name) = step.host.devices.owner(DeviceKind::WebAuthn, credential).await? else { return Ok(None) };
    let Some(user) = step.host.identities.find(step.resource(), "userName", &name).await? else { return Ok(None) };
    let devices = step.web_authn_devices(&user.username).await?;
    Ok(Some((user, devices)))
}
