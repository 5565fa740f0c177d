//! Account lockout. Names that nobody has are counted and locked like those of users, so that a lock tells nothing.

use std::sync::PoisonError;

use countersign_core::time::UnixSeconds;
use countersign_journey::host::HostError;
use countersign_store::Attempts;

use super::Services;
use crate::rate_limits::Quota;
use crate::settings::Lockout;

/// The counter's name in the store.
pub(crate) const COUNTER: &str = "lockout";

/// For a lock without an end. (Seconds that every database and JSON reader can hold.)
const FOREVER: UnixSeconds = UnixSeconds(253_402_300_799);
/// What of such a lock a name gets that nobody has, so that the table does not grow for ever.
const NOBODYS_SECONDS: u64 = 30 * 24 * 3600;

/// Whether a password may be checked at all.
pub(super) enum Admission {
    Admitted(Option<Attempts>),
    Locked,
}

impl Services<'_> {
    fn lockout(&self) -> Option<Lockout> {
        self.app.settings().realm(&self.realm_name).lockout.clone()
    }

    /// Counts an attempt as a failure, before it is known to be one: of any number at once no more are checked than may
    /// fail.
    pub(super) async fn admit(&self, username: &str) -> Result<Admission, HostError> {
        let now = self.app.clock.now();
        if let Some(quota) =
            self.app.limiter.password(&self.app.settings().rate_limits, &self.realm_name, username, now.0)
        {
            *self.quota.lock().unwrap_or_else(PoisonError::into_inner) = Some(quota);
            if !quota.allowed {
                return Err(HostError { service: "rate limit", why: "too many attempts for one user".to_owned() });
            }
        }
        let Some(lockout) = self.lockout() else { return Ok(Admission::Admitted(None)) };
        // The store keeps no such names: nobody has one.
        if username.chars().any(char::is_control) {
            return Ok(Admission::Admitted(None));
        }
        let (attempts, now) = (self.app.store.attempts(), now.seconds());
        let known = attempts.get(&self.realm_name, username, COUNTER).await.map_err(|error| self.store_error(error))?;
        if known.is_locked(now) {
            return Ok(Admission::Locked);
        }
        let counted = attempts.fail(&self.realm_name, username, COUNTER, lockout.window_seconds, now).await;
        let counted = counted.map_err(|error| self.store_error(error))?;
        // Locked by another that came at the same time, or about to be.
        let over = counted.is_locked(now) || counted.failures > lockout.failures;
        Ok(if over { Admission::Locked } else { Admission::Admitted(Some(counted)) })
    }

    /// The password was right. What was counted stays until the journey has led to a session: a second factor comes after
    /// the password, and would otherwise be guessed at without end by who knows that.
    pub(super) fn right(&self, username: &str) {
        self.app.limiter.right(&self.app.settings().rate_limits, &self.realm_name, username);
    }

    /// The user has logged in. A lock in force stays: a journey without a password may succeed meanwhile, and lifts none.
    pub(crate) async fn forgive(&self, username: &str) {
        if self.lockout().is_none() {
            return;
        }
        let (attempts, now) = (self.app.store.attempts(), self.app.clock.now().seconds());
        let forgiven = match attempts.get(&self.realm_name, username, COUNTER).await {
            Ok(known) if known.is_locked(now) => Ok(()),
            Ok(_) => attempts.clear(&self.realm_name, username, COUNTER).await,
            Err(error) => Err(error),
        };
        if let Err(error) = forgiven {
            tracing::warn!(%error, "failed logins were not forgotten after a right one");
        }
    }

    /// It was wrong: locks when that was one too many.
    pub(super) async fn hold_against(
        &self,
        username: &str,
        counted: Option<Attempts>,
        exists: bool,
    ) -> Result<(), HostError> {
        let (Some(lockout), Some(counted)) = (self.lockout(), counted) else { return Ok(()) };
        let left = lockout.failures.saturating_sub(counted.failures);
        if left > 0 {
            if lockout.warn_from.is_some_and(|from| counted.failures >= from) {
                let warning = format!("Warning: You will be locked out after {left} more failure(s).");
                *self.warning.lock().unwrap_or_else(PoisonError::into_inner) = Some(warning);
            }
            return Ok(());
        }
        let now = self.app.clock.now().seconds();
        let until = match lockout.duration(counted.lockouts) {
            Some(seconds) => now.plus(seconds),
            None if exists => FOREVER,
            None => now.plus(NOBODYS_SECONDS),
        };
        let locked = self.app.store.attempts().lock(&self.realm_name, username, COUNTER, until).await;
        locked.map_err(|error| self.store_error(error))?;
        tracing::warn!(realm = self.realm_name, until = until.0, "an account was locked after failed logins");
        self.note("AM-LOGIN-LOCKED", username);
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
