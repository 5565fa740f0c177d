//! Where a request has taken a journey, and what becomes of one that succeeded.

use std::collections::BTreeSet;

use axum::http::HeaderValue;
use countersign_journey::{Failure, Request, Success};
use countersign_store::StoreError;
use serde_json::Value;

use super::progress::{Destinations, Progress};
use super::services::Services;
use crate::app::App;
use crate::sessions::Authenticated;
use crate::settings::MAX_TIME_MINUTES;

pub(crate) enum Outcome {
    /// The client is asked.
    Step(Box<Shown>),
    Success(Box<Succeeded>),
    Failure(Box<Failed>),
}

/// A step, for the client.
pub(crate) struct Shown {
    pub(crate) auth_id: String,
    pub(crate) progress: Progress,
    /// That nodes set on the way here.
    pub(crate) cookies: Vec<HeaderValue>,
}

/// A journey that has ended well. It is completed: nothing leads to this end again.
pub(crate) struct Succeeded {
    pub(crate) success: Success,
    pub(super) rvs: u64,
    pub(super) methods: BTreeSet<String>,
    pub(crate) to: Destinations,
    /// That nodes set on the way here.
    pub(super) cookies: Vec<HeaderValue>,
}

pub(crate) struct Failed {
    pub(crate) failure: Failure,
    pub(crate) to: Destinations,
}

impl Succeeded {
    /// Whom the session is for, and what the journey wants of it; `None` when there is nobody.
    pub(crate) async fn authenticated(&self, app: &App, realm: &str) -> Result<Option<Authenticated>, StoreError> {
        let success = &self.success;
        let Some(username) = &success.username else { return Ok(None) };
        // Anonymous users and agents are not in the store.
        let identity = app.store.identities().get(realm, username).await?;
        let mut properties: Vec<(String, String)> =
            success.session_properties.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        properties.push(("Service".to_owned(), success.journey.clone()));
        if !success.auth_type.is_empty() {
            properties.push(("AuthType".to_owned(), success.auth_type.clone()));
        }
        let seconds = |minutes: Option<i64>| {
            let minutes = u64::try_from(minutes?).ok().filter(|minutes| *minutes > 0)?;
            Some(minutes.min(MAX_TIME_MINUTES) * 60)
        };
        Ok(Some(Authenticated {
            realm: realm.to_owned(),
            username: username.clone(),
            attributes: identity.map(|identity| identity.attributes).unwrap_or_default(),
            rvs: self.rvs,
            auth_level: u32::try_from(success.auth_level).unwrap_or(0),
            amr: self.methods.iter().cloned().collect(),
            properties,
            max_seconds: seconds(success.max_session_minutes),
            max_idle_seconds: seconds(success.max_idle_minutes),
        }))
    }

    /// The cookies that the journey's nodes ask for. The login does not fail for one that cannot be made.
    pub(crate) async fn cookies(&self, app: &App, realm: &str, request: &Request) -> Vec<HeaderValue> {
        let mut cookies = self.persistent_cookies(app, realm, request).await;
        cookies.extend(self.cookies.iter().cloned());
        cookies
    }

    async fn persistent_cookies(&self, app: &App, realm: &str, request: &Request) -> Vec<HeaderValue> {
        let Some(username) = &self.success.username else { return Vec::new() };
        let services = Services::new(app, realm);
        let made = services.persistent_cookies(&self.success.cookies, username, self.rvs, request).await;
        made.unwrap_or_else(|error| {
            tracing::error!(%error, "a persistent cookie was not made");
            Vec::new()
        })
    }
}

/// Session properties are text.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
