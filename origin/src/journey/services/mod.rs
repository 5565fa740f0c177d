//! What journeys need of the world, for one realm: the origin's side of `countersign_journey::host`.

mod audit;
mod devices;
mod identities;
mod lockout;
mod mailer;
mod openidm;
mod outbound;
mod passwords;
mod persistent_cookies;
mod policies;
mod profile;
mod push_answers;
mod realm;
mod response_cookies;
mod script_host;
mod scripts;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::http::HeaderValue;
use countersign_journey::host::{Clock, Host, HostError, Random, Realm};
use countersign_store::{AuditEvent, StoreError};
use serde_json::Value;

use crate::app::App;
use crate::passwords::HashError;
use crate::rate_limits::Quota;
pub(crate) use lockout::{Admission, COUNTER as LOCKOUT, Guess};
pub(crate) use passwords::password_refusal;
pub(crate) use profile::{flattened, is_own};
pub(crate) use push_answers::keep as keep_push_answer;
pub(crate) use realm::{Realms, of as realm_of};

/// The services of one realm, for one step of a journey.
///
/// Whoever runs the step reads the head of the denylist log before it, and makes the session's `rvs` of the lowest of
/// the journey's heads; [`renewed`](Self::renewed) says when a node has ended the user's sessions, so that the one that
/// is being made is not among them.
pub(crate) struct Services<'a> {
    app: &'a App,
    realm_name: String,
    realm: Arc<Realm>,
    /// What joins the lines of the audit that are about one login.
    transaction: String,
    overloaded: AtomicBool,
    /// 0 for none: the first line of the log is its number 1.
    renewed: AtomicU64,
    events: Mutex<Vec<AuditEvent>>,
    /// What a script adds to the line about its node.
    detail: Mutex<Option<Value>>,
    quota: Mutex<Option<Quota>>,
    warning: Mutex<Option<String>>,
    /// What counts until it is known what came of it.
    reserved: Mutex<Vec<lockout::Reserved>>,
    /// Whose password was right.
    right: Mutex<Option<String>>,
    cookies: Mutex<Vec<HeaderValue>>,
}

impl<'a> Services<'a> {
    pub(crate) fn new(app: &'a App, realm: &str) -> Self {
        Self {
            app,
            realm_name: realm.to_owned(),
            realm: app.realms.get(&app.settings(), realm),
            transaction: String::new(),
            overloaded: AtomicBool::new(false),
            renewed: AtomicU64::new(0),
            events: Mutex::default(),
            detail: Mutex::default(),
            quota: Mutex::default(),
            warning: Mutex::default(),
            reserved: Mutex::default(),
            right: Mutex::default(),
            cookies: Mutex::default(),
        }
    }

    /// With an id that joins the lines of the audit.
    pub(crate) fn in_transaction(mut self, id: &str) -> Self {
        self.transaction = id.to_owned();
        self
    }

    pub(crate) fn host(&self) -> Host<'_> {
        Host {
            realm: &self.realm,
            identities: self,
            devices: self,
            mailer: self,
            scripts: self,
            cookies: self,
            http: self,
            push: self,
            clock: self,
            random: self,
            audit: self,
        }
    }

    /// Whether a node gave up because there is too much to do at the moment: the answer is 503, and the journey may be
    /// gone on with from where it was.
    pub(crate) fn overloaded(&self) -> bool {
        self.overloaded.load(Ordering::Relaxed)
    }

    /// The position in the denylist log at which a node has ended all sessions of the user who logs in, because the
    /// password was changed: from there on a session is good.
    pub(crate) fn renewed(&self) -> Option<u64> {
        Some(self.renewed.load(Ordering::Relaxed)).filter(|seq| *seq > 0)
    }

    fn store_error(&self, error: StoreError) -> HostError {
        if matches!(error, StoreError::Busy) {
            self.overloaded.store(true, Ordering::Relaxed);
        }
        HostError { service: "store", why: error.to_string() }
    }

    fn hash_error(&self, error: HashError) -> HostError {
        if error == HashError::Overloaded {
            self.overloaded.store(true, Ordering::Relaxed);
        }
        HostError { service: "passwords", why: error.to_string() }
    }
}

impl Clock for Services<'_> {
    fn now(&self) -> u64 {
        self.app.clock.now().0
    }
}

impl Random for Services<'_> {
    fn fill(&self, bytes: &mut [u8]) {
        self.app.entropy.fill(bytes);
    }
}
