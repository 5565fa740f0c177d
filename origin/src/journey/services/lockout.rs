//! Account lockout. Names that nobody has are counted and locked like those of users, so that a lock tells nothing.
//!
//! An attempt is reserved before its outcome is known, so that of any number at once no more are checked than may fail.
//! One that was right is given back when the request is answered; so are those that were given up, since nobody has
//! learnt anything by them. What a process that ended has left behind lapses.
//!
//! What comes after a right password is guessed at within the same number: a typed answer is an attempt like a
//! password.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use countersign_core::time::UnixSeconds;
use countersign_journey::host::HostError;
use countersign_store::{Attempts, Held, Rules, Store};
use serde_json::json;

use super::Services;
use crate::rate_limits::{self, Quota, Trial};
use crate::settings::{Lockout, Rate};

/// The counter's name in the store.
pub(crate) const COUNTER: &str = "lockout";

/// For a lock without an end. (Seconds that every database and JSON reader can hold.)
const FOREVER: UnixSeconds = UnixSeconds(253_402_300_799);
/// What of such a lock a name gets that nobody has, so that the table does not grow for ever.
const NOBODYS_SECONDS: u64 = 30 * 24 * 3600;

/// More than a request takes.
const LAPSE_SECONDS: u64 = 30;
/// Where as many attempts are under way as may fail, most of them are right: the next one waits for them, for so long
/// in milliseconds until it asks again. Three seconds in all; then whoever tries is told to come back.
const PAUSES: [u64; 13] = [20, 40, 80, 160, 300, 300, 300, 300, 300, 300, 300, 300, 300];

/// Whether a password may be checked at all.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    Admitted,
    Locked,
}

/// What became of what was answered after a right password.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Guess {
    Right,
    Wrong,
    /// Typed, and followed by a question: for all that is known it was wrong. No lock comes of it as long as nobody
    /// else tries, since the login goes on.
    Open,
}

/// An attempt of one user. Dropped it is given back.
pub(super) struct Reserved {
    store: Store,
    realm: String,
    username: String,
    held: Option<Held>,
}

impl Reserved {
    async fn give_back(mut self) {
        if let Some(held) = self.held.take() {
            give_back(&self.store, &self.realm, &self.username, held).await;
        }
    }
}

async fn give_back(store: &Store, realm: &str, username: &str, held: Held) {
    if let Err(error) = store.attempts().give_back(realm, username, COUNTER, held).await {
        tracing::warn!(%error, "an attempt that was no failure counts for a while");
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let (Some(held), Ok(runtime)) = (self.held.take(), tokio::runtime::Handle::try_current()) else { return };
        let (store, realm) = (self.store.clone(), std::mem::take(&mut self.realm));
        let username = std::mem::take(&mut self.username);
        runtime.spawn(async move { give_back(&store, &realm, &username, held).await });
    }
}

impl Services<'_> {
    fn lockout(&self) -> Option<Lockout> {
        self.app.settings().realm(&self.realm_name).lockout.clone()
    }

    /// Before a password is checked. `exists` is whether somebody has that name.
    pub(super) async fn admit(
        &self,
        username: &str,
        exists: bool,
    ) -> Result<(Admission, Option<Trial<'_>>), HostError> {
        let refused = |why: &str| Err(HostError { service: "rate limit", why: why.to_owned() });
        let (settings, now_ms) = (self.app.settings(), || self.app.clock.now().0);
        let trial = match self.app.limiter.password(&settings.rate_limits, &self.realm_name, username, now_ms).await {
            None => None,
            Some(rate_limits::Admission::Admitted(quota, trial)) => {
                self.set_quota(quota);
                Some(trial)
            }
            Some(rate_limits::Admission::Refused(quota)) => {
                self.set_quota(quota);
                return refused("too many attempts for one user");
            }
            Some(rate_limits::Admission::Busy) => {
                // For all that is known they are right: there is too much to do, and nobody's fault.
                self.overloaded.store(true, Ordering::Relaxed);
                return refused("too many attempts for one user are under way");
            }
        };
        Ok((self.reserve(username, exists).await?, trial))
    }

    /// One attempt of one user in one request.
    async fn reserve(&self, username: &str, exists: bool) -> Result<Admission, HostError> {
        let Some(lockout) = self.lockout() else { return Ok(Admission::Admitted) };
        // The store keeps no such names: nobody has one.
        if username.chars().any(char::is_control) || self.reserved(|all| all.iter().any(|it| it.username == username)) {
            return Ok(Admission::Admitted);
        }
        let (attempts, failures) = (self.app.store.attempts(), lockout.failures);
        let rules = Rules { failures, window: lockout.window_seconds, lapse: LAPSE_SECONDS };
        let mut pauses = PAUSES.into_iter();
        loop {
            let now = self.app.clock.now().seconds();
            let held = attempts.reserve(&self.realm_name, username, COUNTER, rules, now).await;
            if let Some(held) = held.map_err(|error| self.store_error(error))? {
                let (store, realm) = (self.app.store.clone(), self.realm_name.clone());
                let reserved = Reserved { store, realm, username: username.to_owned(), held: Some(held) };
                self.reserved(|all| all.push(reserved));
                return Ok(Admission::Admitted);
            }
            let known = self.attempts(username).await?;
            // So many without a lock: the limit was higher, or logins were left open after an answer. Nobody has failed
            // for certain, so that this lock ends at the latest when they would be forgotten.
            let full = known.failures >= failures && now.0.saturating_sub(known.last_at.0) <= lockout.window_seconds;
            if full && !known.is_locked(now) {
                let seconds = lockout.seconds.or(Some(lockout.window_seconds));
                self.lock(username, &Lockout { seconds, ..lockout.clone() }, known, exists).await?;
            }
            if full || known.is_locked(now) {
                self.told_locked(username);
                return Ok(Admission::Locked);
            }
            let Some(pause) = pauses.next() else { break };
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        let limit = Rate { quota: failures, seconds: LAPSE_SECONDS };
        self.set_quota(Quota { allowed: false, limit, remaining: 0, reset_seconds: 1 });
        Err(HostError { service: "lockout", why: "as many attempts are under way as may fail".to_owned() })
    }

    async fn attempts(&self, username: &str) -> Result<Attempts, HostError> {
        let known = self.app.store.attempts().get(&self.realm_name, username, COUNTER).await;
        known.map_err(|error| self.store_error(error))
    }

    fn reserved<T>(&self, work: impl FnOnce(&mut Vec<Reserved>) -> T) -> T {
        work(&mut self.reserved.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn set_quota(&self, quota: Quota) {
        *self.quota.lock().unwrap_or_else(PoisonError::into_inner) = Some(quota);
    }

    fn told_locked(&self, username: &str) {
        tracing::info!(realm = self.realm_name, "a login was refused: the account is locked");
        self.add("AM-LOGIN-REFUSED", username, json!({"reason": "LOCKED_OUT"}));
    }

    /// Before what was typed after the right password of this user is looked at. `open` is whether an answer in this
    /// login is counted already.
    pub(crate) async fn admit_answer(&self, username: &str, open: bool) -> Result<Admission, HostError> {
        if self.lockout().is_none() {
            return Ok(Admission::Admitted);
        }
        if !open {
            return self.reserve(username, true).await;
        }
        if self.attempts(username).await?.is_locked(self.app.clock.now().seconds()) {
            self.told_locked(username);
            return Ok(Admission::Locked);
        }
        Ok(Admission::Admitted)
    }

    /// The password was right: what is typed from here on in this login is an attempt at what comes after it.
    pub(super) fn right(&self, username: &str) {
        *self.right.lock().unwrap_or_else(PoisonError::into_inner) = Some(username.to_owned());
    }

    /// Whose password was right in this request.
    pub(crate) fn whose_password(&self) -> Option<String> {
        self.right.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What came of the attempts that were reserved in this request, in a login of whom `open` names if an answer in it
    /// is counted already. Whether one is from now on.
    pub(crate) async fn judged(&self, guess: Guess, open: Option<&str>) -> Result<bool, HostError> {
        // Such a login has reserved nothing.
        if let (Some(username), Guess::Wrong) = (open, guess) {
            self.count(username, None, true, true).await?;
        }
        let mut is_open = open.is_some();
        for reserved in self.reserved(std::mem::take) {
            if guess == Guess::Right || guess == Guess::Open && is_open {
                reserved.give_back().await;
                continue;
            }
            let username = reserved.username.clone();
            self.reserved(|all| all.push(reserved));
            self.hold_against(&username, true, guess == Guess::Wrong).await?;
            is_open |= guess == Guess::Open;
        }
        Ok(is_open)
    }

    /// The user has logged in. A lock in force stays: a journey without a password may succeed meanwhile, and lifts
    /// none.
    pub(crate) async fn forgive(&self, username: &str) {
        if self.lockout().is_none() {
            return;
        }
        let held = self.taken(username);
        let (attempts, now) = (self.app.store.attempts(), self.app.clock.now().seconds());
        if let Err(error) = attempts.forgive(&self.realm_name, username, COUNTER, held, now).await {
            tracing::warn!(%error, "failed logins were not forgotten after a right one");
        }
    }

    /// The attempt that this request has reserved for that name.
    fn taken(&self, username: &str) -> Option<Held> {
        self.reserved(|all| {
            let at = all.iter().position(|reserved| reserved.username == username)?;
            all.swap_remove(at).held.take()
        })
    }

    /// The attempt was wrong; `locks` when that may be one too many.
    pub(super) async fn hold_against(&self, username: &str, exists: bool, locks: bool) -> Result<(), HostError> {
        match self.taken(username) {
            Some(held) => self.count(username, Some(held), exists, locks).await,
            None => Ok(()),
        }
    }

    async fn count(&self, username: &str, held: Option<Held>, exists: bool, locks: bool) -> Result<(), HostError> {
        let Some(lockout) = self.lockout() else { return Ok(()) };
        let (attempts, now) = (self.app.store.attempts(), self.app.clock.now().seconds());
        let (realm, window) = (&self.realm_name, lockout.window_seconds);
        let counted = match held {
            Some(held) => attempts.spend(realm, username, COUNTER, held, window, now).await,
            None => attempts.fail(realm, username, COUNTER, window, now).await,
        };
        let counted = counted.map_err(|error| self.store_error(error))?;
        let left = lockout.failures.saturating_sub(counted.failures);
        if left > 0 {
            if locks && lockout.warn_from.is_some_and(|from| counted.failures >= from) {
                let warning = format!("Warning: You will be locked out after {left} more failure(s).");
                *self.warning.lock().unwrap_or_else(PoisonError::into_inner) = Some(warning);
            }
            return Ok(());
        }
        if locks { self.lock(username, &lockout, counted, exists).await } else { Ok(()) }
    }

    async fn lock(&self, username: &str, lockout: &Lockout, counted: Attempts, exists: bool) -> Result<(), HostError> {
        let now = self.app.clock.now().seconds();
        let until = match lockout.duration(counted.lockouts) {
            Some(seconds) => now.plus(seconds),
            None if exists => FOREVER,
            None => now.plus(NOBODYS_SECONDS),
        };
        let attempts = self.app.store.attempts();
        let locked = attempts.lock(&self.realm_name, username, COUNTER, lockout.failures, until).await;
        if locked.map_err(|error| self.store_error(error))? {
            tracing::warn!(realm = self.realm_name, until = until.0, "an account was locked after failed logins");
            self.note("AM-LOGIN-LOCKED", username);
        }
        Ok(())
    }

    /// What the user is to be told about how many failures are left, where the realm wants that.
    pub(crate) fn lockout_warning(&self) -> Option<String> {
        self.warning.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is left to try of the user whose password was to be checked. Not `allowed`: nothing was checked, and the
    /// answer is 429, the same for names that nobody has.
    pub(crate) fn quota(&self) -> Option<Quota> {
        *self.quota.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
