use serde::Deserialize;

use super::session::over;
use super::within;

/// What a realm asks of passwords that are set from now on. No `Wrong` of a login depends on it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct PasswordPolicy {
    /// Characters.
    pub(crate) min_length: usize,
    pub(crate) max_length: usize,
    pub(crate) min_capitals: usize,
    pub(crate) min_numbers: usize,
    /// How many of the passwords that a user had, the present one among them, may not be taken again.
    pub(crate) history: u32,
    /// 0 for no end.
    pub(crate) max_age_days: u64,
    pub(crate) expiry_warning_days: u64,
    /// One that somebody else has set must be changed at the next login.
    pub(crate) force_change_on_reset: bool,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            min_length: 8,
            max_length: 256,
            min_capitals: 0,
            min_numbers: 0,
            history: 0,
            max_age_days: 0,
            expiry_warning_days: 5,
            force_change_on_reset: false,
        }
    }
}

/// The section as it is written.
#[derive(Clone, Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Passwords {
    pub(super) min_length: Option<u64>,
    pub(super) max_length: Option<u64>,
    pub(super) min_capitals: Option<u64>,
    pub(super) min_numbers: Option<u64>,
    pub(super) history: Option<u64>,
    pub(super) max_age_days: Option<u64>,
    pub(super) expiry_warning_days: Option<u64>,
    pub(super) force_change_on_reset: Option<bool>,
}

impl Passwords {
    /// With what `above` says where this says nothing.
    pub(super) fn over(self, above: &Self) -> Self {
        over!(
            self,
            above,
            min_length,
            max_length,
            min_capitals,
            min_numbers,
            history,
            max_age_days,
            expiry_warning_days,
            force_change_on_reset
        )
    }

    pub(super) fn check(&self) -> Result<PasswordPolicy, (&'static str, String)> {
        let or = PasswordPolicy::default();
        let number = |key, value: Option<u64>, or: u64, least, most| {
            let value = value.unwrap_or(or);
            within(key, value, least, most).map(|()| value)
        };
        let size = |key, value, or: usize, least, most| {
            number(key, value, or as u64, least, most).map(|value| usize::try_from(value).unwrap_or(usize::MAX))
        };
        let min_length = size("passwords.min_length", self.min_length, or.min_length, 1, 128)?;
        let max_length = size("passwords.max_length", self.max_length, or.max_length, 16, 1024)?;
        if max_length < min_length {
            return Err(("passwords.max_length", format!("must be at least min_length, which is {min_length}")));
        }
        Ok(PasswordPolicy {
            min_length,
            max_length,
            min_capitals: size("passwords.min_capitals", self.min_capitals, or.min_capitals, 0, 16)?,
            min_numbers: size("passwords.min_numbers", self.min_numbers, or.min_numbers, 0, 16)?,
            // Each is a hash to compute when a password is set.
            history: u32::try_from(number("passwords.history", self.history, or.history.into(), 0, 24)?).unwrap_or(24),
            max_age_days: number("passwords.max_age_days", self.max_age_days, or.max_age_days, 0, 3650)?,
            expiry_warning_days: number(
                "passwords.expiry_warning_days",
                self.expiry_warning_days,
                or.expiry_warning_days,
                0,
                365,
            )?,
            force_change_on_reset: self.force_change_on_reset.unwrap_or(or.force_change_on_reset),
        })
    }
}
