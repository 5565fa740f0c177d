use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::prelude::*;
use crate::devices::{RECOVERY_CODES, RECOVERY_DEVICE, account_name, buttons};
use crate::host::{DeviceKind, Identity};
use crate::oath::{Hash, base32, percent};
use crate::qr;

config! {
    /// Who asks for codes, as apps show it.
    issuer: String = "ForgeRock";
    /// What of the user apps show.
    accountName: String = "USERNAME" => ["USERNAME", "COMMON_NAME", "EMAIL_ADDRESS", "EMPLOYEE_NUMBER", "GIVEN_NAME", "LAST_NAME"];
    /// The colour of the entry in the app, as six hexadecimal digits.
    bgColor: String = "032b75";
    /// The image of the entry in the app.
    imgUrl: Option<String>;
    /// Make recovery codes.
    generateRecoveryCodes: bool = true;
    /// The text above the QR code.
    scanQRCodeMessage: Localised;
    /// How long the codes are.
    passwordLength: String = "SIX_DIGITS" => ["SIX_DIGITS", "EIGHT_DIGITS"];
    /// The length of the shared secret in hexadecimal digits; 32 to 128.
    minSharedSecretLength: i64 = 32;
    /// Codes by time, or by a counter.
    algorithm: String = "TOTP" => ["TOTP", "HOTP"];
    /// Seconds that a code by time is shown.
    totpTimeInterval: i64 = 30;
    /// The hash of codes by time.
    totpHashAlgorithm: String = "HMAC_SHA1" => ["HMAC_SHA1", "HMAC_SHA256", "HMAC_SHA512"];
    /// Not used: a link for apps has no way to say it.
    addChecksum: bool = false;
    /// Not used, likewise.
    truncationOffset: i64 = -1;
    /// Leave the device in the state, for a node that stores it later.
    postponeDeviceProfileStorage: bool = false;
}

pub(crate) const PROFILE: &str = "oathDeviceProfile";
pub(crate) const GENERATE: &str = "oathGenerateRecoveryCodes";

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "OathRegistrationNode";
    const NAME: &'static str = "OATH Registration";
    const ABOUT: &'static str = "Shows a QR code for an app that makes one-time passwords, and registers it in the place of \
         one that the user has. Whether the app took it is for the verifier to find out.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(&["successOutcome", "failureOutcome"]);
    const CALLBACKS: &'static [CallbackType] =
        &[CallbackType::TextOutputCallback, CallbackType::HiddenValueCallback, CallbackType::ConfirmationCallback];
    const INPUTS: &'static [Key] = &[Key::Named("username"), Key::Named(PROFILE)];
    const OUTPUTS: &'static [Key] =
        &[Key::Named(PROFILE), Key::Named(GENERATE), Key::Named(RECOVERY_CODES), Key::Named(RECOVERY_DEVICE)];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let Some(user) = step.user().await? else { return goto("failureOutcome") };
        if step.callbacks.is_empty() {
            return ask(&config, step, &user);
        }
        let device = step.postponed_device(PROFILE);
        let device = device.ok_or_else(|| NodeError::State("no device profile was made".to_owned()))?;
        if config.postponeDeviceProfileStorage {
            step.state.put_shared(GENERATE, config.generateRecoveryCodes);
            return goto("successOutcome");
        }
        step.state.remove(PROFILE);
        let stored = step.store_device(&user, DeviceKind::Oath, &device, true, config.generateRecoveryCodes).await?;
        goto(if stored { "successOutcome" } else { "failureOutcome" })
    }
}

fn ask(config: &Config, step: &mut Step<'_>, user: &Identity) -> NodeResult {
    let digits = usize::try_from(config.minSharedSecretLength.clamp(32, 128)).unwrap_or(32);
    let mut secret = vec![0; digits.div_ceil(2)];
    step.host.random.fill(&mut secret);
    let by_time = config.algorithm == "TOTP";
    let hash = if by_time { Hash::of(&config.totpHashAlgorithm) } else { Hash::Sha1 };
    let length = if config.passwordLength == "EIGHT_DIGITS" { 8 } else { 6 };
    let id = step.device_id();

    let mut link = format!(
        "otpauth://{}/{}:{}?secret={}&issuer={}&digits={length}",
        if by_time { "totp" } else { "hotp" },
        percent(&config.issuer),
        percent(&account_name(user, &config.accountName)),
        base32(&secret),
        percent(&config.issuer),
    );
    if by_time {
        link.push_str(&format!("&period={}", config.totpTimeInterval.max(1)));
    } else {
        link.push_str("&counter=0");
    }
    if hash != Hash::Sha1 {
        link.push_str(&format!("&algorithm={}", hash.name()));
    }
    link.push_str(&format!("&b={}", percent(config.bgColor.trim_start_matches('#'))));
    if let Some(image) = &config.imgUrl {
        link.push_str(&format!("&image={}", percent(&STANDARD.encode(image))));
    }
    link.push_str(&format!("&uid={}&oid={}", percent(&STANDARD.encode(&user.id)), percent(&STANDARD.encode(&id))));

    let profile = json!({
        "uuid": id,
        "deviceName": "OATH Device",
        "sharedSecret": STANDARD.encode(&secret),
        "algorithm": config.algorithm,
        "hashAlgorithm": hash.name(),
        "digits": length,
        "period": config.totpTimeInterval.max(1),
        "counter": 0,
        "clockDriftSeconds": 0,
        "createdDate": step.now(),
    });
    // Transient, so that it is not among what scripts and metadata show of the shared state.
    step.state.put_transient(PROFILE, profile);
    let default = "Scan this code with an authenticator app, then go on.";
    let message = step.text(&config.scanQRCodeMessage, default);
    let mut callbacks = vec![Callback::text_output(&message, MessageType::Information)];
    if !step.request.without_scripts {
        callbacks.push(Callback::script(&script(&link)));
    }
    callbacks.push(Callback::hidden("mfaDeviceRegistration", &link));
    callbacks.push(buttons(&["Next"]));
    send(callbacks)
}

/// Draws the QR code, in a link for those who have the app on the same device. Rows and not an image, since the state
/// of the journey carries them.
fn script(link: &str) -> String {
    let rows = qr::rows(link).unwrap_or_default();
    format!(
        "var rows = {};\n\
         var link = document.createElement('a');\n\
         link.href = {};\n\
         var canvas = document.createElement('canvas');\n\
         canvas.width = canvas.height = (rows.length + 8) * 4;\n\
         var context = canvas.getContext('2d');\n\
         context.fillStyle = '#fff';\n\
         context.fillRect(0, 0, canvas.width, canvas.height);\n\
         context.fillStyle = '#000';\n\
         rows.forEach(function (row, y) {{\n  for (var x = 0; x < rows.length; x += 1) {{\n    \
         if (parseInt(row.charAt(x >> 2), 16) >> (3 - x % 4) & 1) {{\n      \
         context.fillRect((x + 4) * 4, (y + 4) * 4, 4, 4);\n    }}\n  }}\n}});\n\
         link.appendChild(canvas);\n\
         document.body.appendChild(link);\n",
        json!(rows),
        json!(link)
    )
}
