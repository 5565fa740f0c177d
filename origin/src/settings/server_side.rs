//! What of `[session]` is for server-side sessions.

use countersign_store::{Quota, QuotaAction};
use serde::Deserialize;

use super::session::{Session, Wrong};
use super::within;

/// AM's Enable Quota Constraints.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Debug)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Constraint {
    On,
    Off,
}

/// AM's Resulting behavior if session quota exhausted, by the names of its classes or the last parts of them.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Debug)]
pub(super) enum QuotaBehaviour {
    #[serde(rename = "DenyAccessAction", alias = "org.forgerock.openam.session.service.DenyAccessAction")]
    DenyAccess,
    #[serde(
        rename = "DestroyNextExpiringAction",
        alias = "org.forgerock.openam.session.service.DestroyNextExpiringAction"
    )]
    DestroyNextExpiring,
    #[serde(rename = "DestroyOldestAction", alias = "org.forgerock.openam.session.service.DestroyOldestAction")]
    DestroyOldest,
    #[serde(rename = "DestroyAllAction", alias = "org.forgerock.openam.session.service.DestroyAllAction")]
    DestroyAll,
}

/// Where sessions are kept, and how those in the store are.
#[derive(Clone, Debug)]
pub(crate) struct ServerSide {
    /// AM's Use Client-Side Sessions is off.
    pub(crate) always: bool,
    /// Administrators have server-side sessions, as in AM.
    pub(crate) administrators: bool,
    /// Use of a session is noted at most this often.
    pub(crate) access_update_seconds: u64,
    /// What holds where the quota is on.
    pub(crate) limits: Quota,
    pub(crate) quota_on: bool,
    /// Names of properties that users may read and set.
    pub(crate) property_allowlist: Vec<String>,
}

impl ServerSide {
    pub(crate) fn quota(&self) -> Option<Quota> {
        self.quota_on.then_some(self.limits)
    }
}

/// The name by which AM tells the action over REST.
pub(crate) const fn behaviour(action: QuotaAction) -> &'static str {
    match action {
        QuotaAction::DenyAccess => "org.forgerock.openam.session.service.DenyAccessAction",
        QuotaAction::DestroyNextExpiring => "org.forgerock.openam.session.service.DestroyNextExpiringAction",
        QuotaAction::DestroyOldest => "org.forgerock.openam.session.service.DestroyOldestAction",
        QuotaAction::DestroyOldSessions => "org.forgerock.openam.session.service.DestroyAllAction",
    }
}

/// Each costs a look at every session that is told about.
const MAX_ALLOWED: usize = 64;

pub(super) fn check(written: &Session) -> Result<ServerSide, Wrong> {
    let access_update_seconds = written.access_update_seconds.unwrap_or(60);
    within("session.latestAccessTimeUpdateFrequency", access_update_seconds, 1, 24 * 3600)?;
    let limit = written.quota_limit.unwrap_or(5);
    within("session.quotaLimit", limit.into(), 1, i32::MAX.unsigned_abs().into())?;
    let property_allowlist = written.property_allowlist.clone().unwrap_or_else(|| vec!["AMCtxId".to_owned()]);
    if property_allowlist.len() > MAX_ALLOWED {
        return Err(("session.sessionPropertyWhitelist", format!("may name at most {MAX_ALLOWED} properties")));
    }
    let action = match written.quota_behaviour.unwrap_or(QuotaBehaviour::DestroyNextExpiring) {
        QuotaBehaviour::DenyAccess => QuotaAction::DenyAccess,
        QuotaBehaviour::DestroyNextExpiring => QuotaAction::DestroyNextExpiring,
        QuotaBehaviour::DestroyOldest => QuotaAction::DestroyOldest,
        QuotaBehaviour::DestroyAll => QuotaAction::DestroyOldSessions,
    };
    Ok(ServerSide {
        always: !written.client_side.unwrap_or(true),
        administrators: written.administrators_server_side.unwrap_or(true),
        access_update_seconds,
        limits: Quota { limit, action },
        quota_on: written.constraint == Some(Constraint::On),
        property_allowlist,
    })
}
