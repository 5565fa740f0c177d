//! `[accountlockout]`: by AM's names, whose times are minutes.

use serde::Deserialize;

use super::session::over;
use super::within;

/// When a name may not be tried any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Lockout {
    pub(crate) failures: u64,
    /// Failures that lie longer back than this before another one are forgotten.
    pub(crate) window_seconds: u64,
    /// `None`: until somebody enables the user again.
    pub(crate) seconds: Option<u64>,
    /// Each lock without a success in between lasts so many times longer than the one before.
    pub(crate) multiplier: u64,
    /// From this failure on, users are told how many are left; `None` for never.
    pub(crate) warn_from: Option<u64>,
}

#[derive(Clone, Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AccountLockout {
    #[serde(rename = "loginFailureLockoutMode")]
    mode: Option<bool>,
    #[serde(rename = "storeInvalidAttemptsInDataStore")]
    stored: Option<bool>,
    #[serde(rename = "loginFailureCount")]
    count: Option<u64>,
    #[serde(rename = "loginFailureDuration")]
    window_minutes: Option<u64>,
    #[serde(rename = "lockoutDuration")]
    minutes: Option<u64>,
    #[serde(rename = "lockoutDurationMultiplier")]
    multiplier: Option<u64>,
    #[serde(rename = "lockoutWarnUserCount")]
    warn_from: Option<u64>,
}

/// Counters are kept for a week after the last failure.
const MAX_WINDOW_MINUTES: u64 = 7 * 24 * 60;
const MAX_LOCK_MINUTES: u64 = 365 * 24 * 60;

impl AccountLockout {
    /// With what `above` says where this says nothing.
    pub(super) fn over(self, above: &Self) -> Self {
        over!(self, above, mode, stored, count, window_minutes, minutes, multiplier, warn_from)
    }

    /// `None` where the mode is off.
    pub(super) fn check(&self) -> Result<Option<Lockout>, (&'static str, String)> {
        if self.stored == Some(false) {
            let rule = "must be true: several origins count together".to_owned();
            return Err(("accountlockout.storeInvalidAttemptsInDataStore", rule));
        }
        let number = |key, value: Option<u64>, or: u64, least, most| {
            let value = value.unwrap_or(or);
            within(key, value, least, most).map(|()| value)
        };
        let failures = number("accountlockout.loginFailureCount", self.count, 5, 1, 1000)?;
        let window = number("accountlockout.loginFailureDuration", self.window_minutes, 300, 1, MAX_WINDOW_MINUTES)?;
        let lock = number("accountlockout.lockoutDuration", self.minutes, 0, 0, MAX_LOCK_MINUTES)?;
        let multiplier = number("accountlockout.lockoutDurationMultiplier", self.multiplier, 1, 1, 100)?;
        let warn = number("accountlockout.lockoutWarnUserCount", self.warn_from, 0, 0, 1000)?;
        Ok(self.mode.unwrap_or(false).then_some(Lockout {
            failures,
            window_seconds: window * 60,
            seconds: Some(lock * 60).filter(|seconds| *seconds > 0),
            multiplier,
            warn_from: Some(warn).filter(|count| *count > 0),
        }))
    }
}

impl Lockout {
    /// How long the next lock lasts, after so many before.
    pub(crate) fn duration(&self, before: u64) -> Option<u64> {
        let factor = self.multiplier.saturating_pow(u32::try_from(before).unwrap_or(u32::MAX));
        self.seconds.map(|seconds| seconds.saturating_mul(factor).min(MAX_LOCK_MINUTES * 60))
    }
}
