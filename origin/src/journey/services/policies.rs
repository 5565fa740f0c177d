//! What values must be like, and how that is said: requirements by IDM's names, which clients know.

use std::sync::Arc;

use countersign_journey::host::HostError;
use countersign_store::{check_new_name, normal_name};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::Services;
use crate::journey::MAX_USERNAME;
use crate::passwords::MAX_PASSWORD;
use crate::settings::PasswordPolicy;

/// Longest value of an attribute that is not the password.
const MAX_VALUE: usize = 4096;

/// The policy object that callbacks show, for a property.
pub(super) fn shown(name: &str, required: bool, policy: &PasswordPolicy) -> Value {
    let mut policies = Vec::new();
    let mut add = |id: &str, requirement: &str, params: Value| {
        policies.push(json!({"policyId": id, "policyRequirements": [requirement], "params": params}));
    };
    if required {
        add("required", "REQUIRED", json!({}));
    }
    match name {
        "userName" => {
            add("unique", "UNIQUE", json!({}));
            add("maximum-length", "MAX_LENGTH", json!({"maxLength": MAX_USERNAME}));
            add("cannot-contain-characters", "CANNOT_CONTAIN_CHARACTERS", forbidden());
        }
        "password" => {
            add("minimum-length", "MIN_LENGTH", json!({"minLength": policy.min_length}));
            add("maximum-length", "MAX_LENGTH", json!({"maxLength": policy.max_length}));
            if policy.min_capitals > 0 {
                let params = json!({"numCaps": policy.min_capitals});
                add("at-least-X-capitals", "AT_LEAST_X_CAPITAL_LETTERS", params);
            }
            if policy.min_numbers > 0 {
                add("at-least-X-numbers", "AT_LEAST_X_NUMBERS", json!({"numNums": policy.min_numbers}));
            }
            add("cannot-contain-others", "CANNOT_CONTAIN_OTHERS", json!({"disallowedFields": ["userName"]}));
            if policy.history > 0 {
                add("is-new", "IS_NEW", json!({}));
            }
        }
        "mail" => add("valid-email-address-format", "VALID_EMAIL_ADDRESS_FORMAT", json!({})),
        _ => {}
    }
    let requirements: Vec<&Value> =
        policies.iter().filter_map(|policy| policy.get("policyRequirements")?.get(0)).collect();
    json!({"policyRequirements": requirements, "fallbackPolicies": null, "name": name, "policies": policies,
           "conditionalPolicies": null})
}

/// What no user name has: white space of any kind, and what separates names in addresses.
fn forbidden() -> Value {
    json!({"forbiddenChars": ["/", " "]})
}

fn failed(requirement: &str, params: Value) -> Value {
    json!({"policyRequirement": requirement, "params": params})
}

/// What a password fails by itself; `username` is whom it is for, where that is known.
pub(super) fn of_password(password: &str, username: Option<&str>, policy: &PasswordPolicy) -> Vec<Value> {
    let mut out = Vec::new();
    // Characters, as people count them; the hash takes bytes.
    if password.chars().count() < policy.min_length {
        out.push(failed("MIN_LENGTH", json!({"minLength": policy.min_length})));
    }
    if password.chars().count() > policy.max_length || password.len() > MAX_PASSWORD {
        out.push(failed("MAX_LENGTH", json!({"maxLength": policy.max_length})));
    }
    if password.chars().filter(|letter| letter.is_uppercase()).count() < policy.min_capitals {
        out.push(failed("AT_LEAST_X_CAPITAL_LETTERS", json!({"numCaps": policy.min_capitals})));
    }
    if password.chars().filter(|letter| letter.is_numeric()).count() < policy.min_numbers {
        out.push(failed("AT_LEAST_X_NUMBERS", json!({"numNums": policy.min_numbers})));
    }
    // A short name is in many words.
    let name = username.filter(|name| name.chars().count() >= 4).map(str::to_lowercase);
    if name.is_some_and(|name| password.to_lowercase().contains(&name)) {
        out.push(failed("CANNOT_CONTAIN_OTHERS", json!({"disallowedFields": "userName"})));
    }
    out
}

/// An address that a mail can be sent to: one `@`, with something on both sides.
fn is_address(text: &str) -> bool {
    let plain = text.len() <= 254 && !text.chars().any(|letter| letter.is_whitespace() || letter.is_control());
    plain
        && text.rsplit_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !domain.starts_with('.') && !domain.ends_with('.')
        })
}

impl Services<'_> {
    pub(super) fn policy(&self) -> Arc<PasswordPolicy> {
        Arc::clone(&self.app.settings().realm(&self.realm_name).passwords)
    }

    pub(super) async fn failures(
        &self,
        object: Option<&str>,
        attribute: &str,
        value: &Value,
    ) -> Result<Vec<Value>, HostError> {
        let mut out = Vec::new();
        let required = self
            .realm
            .schema(countersign_journey::host::Realm::DEFAULT_RESOURCE)
            .and_then(|schema| schema.property(attribute))
            .is_some_and(|it| it.required);
        let blank = value.is_null() || value.as_str().is_some_and(str::is_empty);
        if required && blank {
            out.push(failed("REQUIRED", json!({})));
        }
        let text = value.as_str().unwrap_or_default();
        match attribute {
            "password" => {
                let policy = self.policy();
                out.extend(of_password(text, object, &policy));
                if let Some(username) = object
                    && out.is_empty()
                    && policy.history > 0
                    && self.was_used(username, text).await?
                {
                    out.push(failed("IS_NEW", json!({})));
                }
            }
            "userName" if !blank => {
                if text.len() > MAX_USERNAME {
                    out.push(failed("MAX_LENGTH", json!({"maxLength": MAX_USERNAME})));
                } else if object != Some(text) {
                    let name = normal_name(text);
                    if self.known(&name).await?.is_some_and(|known| Some(known.username.as_str()) != object) {
                        out.push(failed("UNIQUE", json!({})));
                    } else if check_new_name(&name).is_err() {
                        out.push(failed("CANNOT_CONTAIN_CHARACTERS", forbidden()));
                    }
                }
            }
            "mail" if !blank && !is_address(text) => {
                out.push(failed("VALID_EMAIL_ADDRESS_FORMAT", json!({})));
            }
            _ if text.len() > MAX_VALUE => out.push(failed("MAX_LENGTH", json!({"maxLength": MAX_VALUE}))),
            _ => {}
        }
        Ok(out)
    }

    /// Whether the user has this password or had it, as far back as the policy looks.
    async fn was_used(&self, username: &str, password: &str) -> Result<bool, HostError> {
        let policy = self.policy();
        let Some(known) = self.known(username).await? else { return Ok(false) };
        let history = self.app.store.identities().password_history(&self.realm_name, username).await;
        let history = history.map_err(|error| self.store_error(error))?;
        let hashes = std::iter::once(known.password_hash).chain(history).take(policy.history as usize);
        for hash in hashes {
            let password = Zeroizing::new(password.to_owned());
            let checked = self.app.passwords.verify(password, Some(hash), &*self.app.entropy).await;
            if checked.map_err(|error| self.hash_error(error))?.right {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requirements(failures: &[Value]) -> Vec<&str> {
        failures.iter().map(|failure| failure["policyRequirement"].as_str().unwrap()).collect()
    }

    #[test]
    fn a_password_fails_by_ams_names() {
        let policy = PasswordPolicy { min_capitals: 1, min_numbers: 1, ..PasswordPolicy::default() };
        assert_eq!(requirements(&of_password("Ch4ng31t!", Some("demo"), &policy)), [""; 0]);
        let all = requirements(&of_password("x", None, &policy)).join(" ");
        assert_eq!(all, "MIN_LENGTH AT_LEAST_X_CAPITAL_LETTERS AT_LEAST_X_NUMBERS");
        assert_eq!(requirements(&of_password("1Xdemo-Demo", Some("DEMO"), &policy)), ["CANNOT_CONTAIN_OTHERS"]);
        assert_eq!(requirements(&of_password(&"1X".repeat(600), None, &policy)), ["MAX_LENGTH"]);
        assert_eq!(requirements(&of_password("Größer-als-1", None, &policy)), [""; 0]);
        assert_eq!(shown("password", false, &policy)["policyRequirements"][0], "MIN_LENGTH");
    }

    #[test]
    fn an_address_has_two_sides() {
        for right in ["a@b", "a.b+c@example.com", "\"a@b\"@example.com"] {
            assert!(is_address(right), "{right}");
        }
        for wrong in ["", "a", "@b", "a@", "a b@c", "a@.c", "a@b\n", &format!("{}@b", "a".repeat(300))] {
            assert!(!is_address(wrong), "{wrong}");
        }
    }
}
