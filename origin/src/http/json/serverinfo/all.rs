use serde_json::{Value, json};

use super::super::Call;

/// `serverinfo/*`. Several of AM's booleans are strings.
pub(super) fn body(call: &Call) -> Value {
    let settings = call.app.settings();
    let session = &settings.realm(&call.realm).session;
    json!({
        "domains": super::cookie_domains::domains(call),
        "protectedUserAttributes": ["telephoneNumber", "mail"],
        "cookieName": session.cookie_name,
        "secureCookie": session.cookie.secure,
        "forgotPassword": "false",
        "forgotUsername": "false",
        "kbaEnabled": "false",
        "selfRegistration": "false",
        "lang": "en-US",
        "successfulUserRegistrationDestination": "default",
        "socialImplementations": [],
        "referralsEnabled": "false",
        "zeroPageLogin": {"enabled": false, "refererWhitelist": [], "allowedWithoutReferer": true},
        "realm": call.realm,
        "xuiUserSessionValidationEnabled": true,
        "fileBasedConfiguration": false,
        "userIdAttributes": [],
        "nodeDesignerXuiEnabled": false,
    })
}
