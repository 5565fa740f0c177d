//! What phones have answered to push messages, kept beside the journeys: the first answer counts.

use countersign_core::time::UnixSeconds;
use countersign_journey::host::{HostError, Pending, PushAnswers};
use countersign_store::StoreError;

use super::Services;
use crate::app::App;

/// Longest answer: a JWT with a handful of claims.
pub(crate) const MAX_ANSWER: usize = 8 * 1024;
const MAX_ID: usize = 128;

/// Nobody else keeps anything under such a reference: those of journeys are random.
fn reference(realm: &str, message: &str) -> Vec<u8> {
    format!("push {realm} {message}").into_bytes()
}

impl PushAnswers for Services<'_> {
    fn expect<'a>(&'a self, message: &'a str, until: u64) -> Pending<'a, ()> {
        Box::pin(async move {
            let until = UnixSeconds(until.div_ceil(1000));
            let journeys = self.app.store.journeys();
            let done = journeys.create(&reference(&self.realm_name, message), &self.realm_name, b"", until).await;
            done.map_err(|error| self.store_error(error))
        })
    }

    fn answer<'a>(&'a self, message: &'a str) -> Pending<'a, Option<String>> {
        Box::pin(async move {
            let now = self.app.clock.now().seconds();
            let kept = self.app.store.journeys().get(&reference(&self.realm_name, message), now).await;
            let kept = kept.map_err(|error| self.store_error(error))?;
            let Some(kept) = kept.filter(|kept| !kept.state.is_empty()) else { return Ok(None) };
            let broken = |_| HostError { service: "push", why: "the answer is not a text".to_owned() };
            String::from_utf8(kept.state).map(Some).map_err(broken)
        })
    }
}

/// Keeps a phone's answer; `false` when none is expected, or not any more.
pub(crate) async fn keep(app: &App, realm: &str, message: &str, answer: &str) -> Result<bool, StoreError> {
    if message.is_empty() || message.len() > MAX_ID || answer.is_empty() || answer.len() > MAX_ANSWER {
        return Ok(false);
    }
    let (reference, now) = (reference(realm, message), app.clock.now().seconds());
    let journeys = app.store.journeys();
    let Some(expected) = journeys.get(&reference, now).await?.filter(|kept| kept.state.is_empty()) else {
        return Ok(false);
    };
    match journeys.step(&reference, expected.version, answer.as_bytes(), expected.expires_at, now).await {
        Ok(()) => Ok(true),
        // Another answer was faster.
        Err(StoreError::Outdated { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
