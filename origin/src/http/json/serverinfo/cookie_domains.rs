use serde_json::{Value, json};

/// `serverinfo/cookieDomains`: none, for the cookie is host-only.
pub(super) fn body() -> Value {
    json!({"domains": []})
}
