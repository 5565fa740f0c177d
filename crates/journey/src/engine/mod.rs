//! Runs journeys: from where a [`JourneyState`] stands to the next question or the end.

mod answer;
mod journey_state;
mod run;

use serde_json::Value;

pub use answer::{Answer, Failure, FailureCause, Page, PersistentCookie, StepError, Success};
pub(crate) use journey_state::CookieOf;
pub use journey_state::{Effects, Identified, JourneyState, is_own_property};
pub(crate) use run::process;

use crate::callback::submit;
use crate::host::Host;
use crate::library::Library;
use crate::request::Request;
use journey_state::Frame;

/// Bounds of one journey.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Nodes that run in one request, children of pages included: what ends a loop without questions.
    pub nodes: u32,
    /// How often one node may ask in one login, whatever is answered.
    pub asks: u16,
    /// Inner trees in inner trees.
    pub depth: usize,
    /// The state as JSON.
    pub state_bytes: usize,
    /// The realm's `authenticationSessionsMaxDuration`.
    pub journey_minutes: i64,
    /// The realm's `suspendedAuthenticationTimeout`.
    pub suspended_minutes: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { nodes: 200, asks: 50, depth: 16, state_bytes: 64 * 1024, journey_minutes: 5, suspended_minutes: 5 }
    }
}

/// A realm's journeys with the services they need.
#[derive(Clone, Copy)]
pub struct Engine<'a> {
    pub library: &'a Library,
    pub host: Host<'a>,
    pub limits: Limits,
}

impl Engine<'_> {
    /// Begins a journey and takes it to its first question or its end.
    pub async fn start(&self, name: &str, request: &Request) -> Result<Answer, StepError> {
        let journey = self.library.journey(name).filter(|journey| journey.enabled).ok_or(StepError::NoJourney)?;
        if journey.inner_only {
            return Err(StepError::InnerOnly);
        }
        let mut state = JourneyState::new(Frame::new(journey, false), self.host.clock.now());
        state.shared.insert("realm".to_owned(), Value::from(self.host.realm.name.as_str()));
        state.effects.max_journey_minutes = Some(journey.tree_timeout.unwrap_or(self.limits.journey_minutes));
        Ok(self.run(state, Vec::new(), false, request).await)
    }

    /// Takes a journey further with a client's `callbacks`, as they stand in the request's JSON. A fault of the client
    /// leaves the journey where it was.
    pub async fn step(&self, state: JourneyState, callbacks: &[Value], request: &Request) -> Result<Answer, StepError> {
        if state.expired(self.host.clock.now(), &self.limits) {
            return Ok(Answer::timed_out());
        }
        if let Some(suspended) = &state.suspended {
            let (id, until) = (suspended.id.clone(), suspended.until);
            return Ok(Answer::Suspended { state: Box::new(state), id, until });
        }
        let answered = submit(&state.pending, callbacks).map_err(StepError::Callbacks)?;
        Ok(self.run(state, answered, false, request).await)
    }

    /// Takes a suspended journey further, whose link was opened. That the link works once is up to the one who keeps
    /// the state.
    pub async fn resume(&self, mut state: JourneyState, request: &Request) -> Result<Answer, StepError> {
        let suspended = state.suspended.take().ok_or(StepError::NotSuspended)?;
        let now = self.host.clock.now();
        if now >= suspended.until {
            return Ok(Answer::timed_out());
        }
        // The time in the mailbox does not count against the time to log in.
        state.started = now;
        Ok(self.run(state, Vec::new(), true, request).await)
    }
}
