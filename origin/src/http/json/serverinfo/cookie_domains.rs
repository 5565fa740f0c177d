use serde_json::{Value, json};

use super::super::Call;

/// `serverinfo/cookieDomains`: none while the cookie is host-only.
pub(super) fn body(call: &Call) -> Value {
    json!({"domains": domains(call)})
}

pub(super) fn domains(call: &Call) -> Vec<String> {
    call.app.settings().realm(&call.realm).session.cookie.domain.iter().cloned().collect()
}
