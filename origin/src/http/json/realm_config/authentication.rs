//! `realm-config/authentication`: how a realm logs people in. The signing secret of `authId` can be set here, as in AM.

use axum::http::StatusCode;
use countersign_core::keys::SigningAlg;
use countersign_store::{Change, KeyRows, StoreError};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::super::configuration::{self, Verb};
use super::super::error::Crest;
use super::super::{Answer, Call, administrator};
use crate::key_files;
use crate::key_plan::{self, Step};
use crate::key_purpose::{self, Algorithm, Purpose};

/// Characters of an administrator's name in the history of keys, where a line has 255 bytes.
const MAX_SHOWN: usize = 60;

const KIND: (&str, &str) = ("EMPTY", "Core");

pub(in super::super) async fn answer(call: &Call) -> Answer {
    let caller = administrator::require(call, &call.realm).await?;
    let mut groups = groups(call);
    let mut resource = configuration::resource(&groups, KIND);
    if let Verb::Update(asked) = configuration::verb(call, &resource)? {
        configuration::unchanged(&asked, &groups, &[("security", "sharedSecret"), ("core", "orgConfig")], in_file)?;
        // Of two changes neither is made when one of them cannot be.
        let secret = shared_secret(&asked)?.map(|secret| readable(call, secret)).transpose()?;
        if let Some(name) = asked.get("core").and_then(|core| core.get("orgConfig")) {
            super::trees::make_default(call, &caller.claims().sub, name.as_str().unwrap_or_default()).await?;
            groups = self::groups(call);
            resource = configuration::resource(&groups, KIND);
        }
        if let Some((purpose, secret)) = secret {
            import(call, purpose, secret, &caller.claims().sub).await?;
        }
    }
    configuration::respond(&resource)
}

/// The fields whose meaning we have, in AM's order; secrets are never shown.
fn groups(call: &Call) -> Value {
    let settings = call.app.settings();
    let realm = settings.realm(&call.realm);
    json!({
        "security": {
            "sharedSecret": null,
            "addClearSiteDataHeader": true,
            "zeroPageLoginEnabled": false,
        },
        "trees": {
            "authenticationSessionsStateManagement": realm.journey.scheme.name(),
            "authenticationSessionsMaxDuration": realm.journey.max_seconds / 60,
            "authenticationSessionsWhitelist": realm.journey.allowlisting,
            "suspendedAuthenticationTimeout": realm.journey.suspended_seconds / 60,
            "authenticationTreeCookieHttpOnly": true,
        },
        "core": { "orgConfig": call.app.default_journey(&call.realm) },
        "general": {
            "statelessSessionsEnabled": !realm.session.server_side.always,
            "defaultAuthLevel": realm.session.auth_level,
        },
    })
}

fn in_file(group: &str, field: &str) -> Option<&'static str> {
    match (group, field) {
        ("trees", "authenticationSessionsStateManagement") => {
            Some("authenticationSessionsStateManagement of [journey]")
        }
        ("trees", "authenticationSessionsMaxDuration") => Some("max_duration_minutes of [journey]"),
        ("trees", "authenticationSessionsWhitelist") => Some("authenticationSessionsWhitelist of [journey]"),
        ("trees", "suspendedAuthenticationTimeout") => Some("suspendedAuthenticationTimeout of [journey]"),
        ("general", "statelessSessionsEnabled") => Some("statelessSessionsEnabled of [session]"),
        ("general", "defaultAuthLevel") => Some("auth_level of [session]"),
        _ => None,
    }
}

fn shared_secret(asked: &Map<String, Value>) -> Result<Option<&str>, Crest> {
    match asked.get("security").and_then(|security| security.get("sharedSecret")) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(secret)) => Ok(Some(secret)),
        Some(_) => Err(Crest::bad_request("security.sharedSecret must be a secret in base64")),
    }
}

/// The secret in the form of keys, with what it is for.
fn readable(call: &Call, secret: &str) -> Result<(Purpose, Zeroizing<Vec<u8>>), Crest> {
    let refuse = |why: String| Crest::bad_request(format!("security.sharedSecret: {why}"));
    let is_secret = |alg: Algorithm| matches!(alg, Algorithm::Signing(alg) if SigningAlg::is_symmetric(alg));
    let settings = call.app.settings();
    let mut purposes = key_purpose::of_journey(settings.realm(&call.realm).journey.format).into_iter();
    let purpose = purposes.find(|purpose| is_secret(purpose.algorithm)).ok_or_else(|| {
        refuse("the authId is signed with a key pair, as statelessSigningType of [journey] in the settings says".into())
    })?;
    Ok((purpose, key_files::read(purpose, secret.as_bytes()).map_err(refuse)?))
}

/// The secret is in use at once, and what was signed with the one before is good until it expires.
async fn import(call: &Call, purpose: Purpose, secret: Zeroizing<Vec<u8>>, administrator: &str) -> Result<(), Crest> {
    let app = &call.app;
    let place = (purpose, Some(call.realm.clone()));
    let now = app.clock.now().seconds();
    let KeyRows { generation, keys } = app.store.keys().rows().await?;
    if keys.iter().any(|key| key_plan::is_active_at(key, &place) && *key.secret == *secret) {
        return Ok(()); // as it is
    }
    let steps = key_plan::import(&keys, &place, secret, true, (now, app.times()), &*app.entropy)
        .map_err(|error| Crest::new(StatusCode::CONFLICT, format!("security.sharedSecret: {error}")))?;
    let changes: Vec<Change<'_>> = steps.iter().map(Step::change).collect();
    let actor = format!("REST, {}", administrator.chars().take(MAX_SHOWN).collect::<String>());
    match app.store.keys().change(&changes, Some(generation), &actor, now).await {
        Err(StoreError::Outdated { .. }) => {
            Err(Crest::new(StatusCode::CONFLICT, "The keys are being changed by somebody else; try again"))
        }
        Err(error @ StoreError::TooLarge { .. }) => Err(Crest::bad_request(format!("security.sharedSecret: {error}"))),
        outcome => outcome.map(drop).map_err(Crest::from),
    }?;
    steps.iter().for_each(|step| tracing::info!(change = step.text(now), actor, "keys"));
    app.keys_current().await.map(drop).map_err(Crest::internal)
}

#[cfg(test)]
#[path = "authentication_tests.rs"]
mod tests;
