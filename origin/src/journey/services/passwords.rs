//! Passwords of users and agents: checked, changed, and what ends with a change.

use std::sync::atomic::Ordering;

use countersign_journey::host::{HostError, Identity, PasswordChange, PasswordCheck};
use countersign_store::{IdentityStatus, NewPassword, StoreError, name_key};
use serde_json::Map;
use zeroize::Zeroizing;

use super::Services;
use super::lockout::Admission;
use super::policies::of_password;
use crate::endings::{self, Order, Scope};
use crate::journey::MAX_USERNAME;
use crate::settings::PasswordPolicy;
use crate::universal_id::universal_id_of_agent;

const DAY: u64 = 24 * 3600;

/// Whether somebody could have that name.
pub(super) fn is_plausible(username: &str) -> bool {
    !username.is_empty() && username.len() <= MAX_USERNAME
}

/// What is wrong with a new password, in one line.
pub(crate) fn password_refusal(password: &str, username: &str, policy: &PasswordPolicy) -> Option<String> {
    let failures = of_password(password, Some(username), policy);
    let names: Vec<&str> = failures.iter().filter_map(|failure| failure.get("policyRequirement")?.as_str()).collect();
    (!names.is_empty()).then(|| format!("the password fails {}", names.join(", ")))
}

impl Services<'_> {
    /// An unknown name, an inactive user, an overlong name, a locked one and a wrong password cost the same.
    pub(super) async fn check(&self, username: &str, password: &str) -> Result<PasswordCheck, HostError> {
        let plausible = is_plausible(username);
        let known = self.plausible(username).await?;
        // One name has one counter, however it is spelled.
        let username = &known.as_ref().map_or_else(|| name_key(username), |known| known.username.clone());
        let exists = known.is_some();
        let (admission, trial) =
            if plausible { self.admit(username, exists).await? } else { (Admission::Admitted, None) };
        let locked = admission == Admission::Locked;
        let stored = known.as_ref().filter(|_| !locked).map(|known| known.password_hash.clone());
        let password = Zeroizing::new(password.to_owned());
        let dummy = match &known {
            // One that is locked costs what it costs otherwise.
            Some(known) => Some(known.password_hash.clone()),
            None => {
                let now = self.app.clock.now().seconds();
                let dummy = self.app.mixes.dummy(&self.app.store, &self.realm_name, username, now).await;
                dummy.map_err(|error| self.store_error(error))?
            }
        };
        let checked = self.app.passwords.verify_or(password, stored, dummy, &*self.app.entropy).await;
        let checked = checked.map_err(|error| self.hash_error(error))?;
        let right = known.filter(|_| checked.right && !locked);
        match trial {
            Some(trial) if right.is_none() => trial.wrong(self.app.clock.now().0),
            other => drop(other),
        }
        if locked {
            return Ok(PasswordCheck::Locked);
        }
        let Some(known) = right else {
            if plausible {
                self.hold_against(username, exists, true).await?;
            }
            return Ok(PasswordCheck::Wrong);
        };
        self.right(username);
        if known.status != IdentityStatus::Active {
            // Only who knows the password learns that there is such an account.
            return Ok(PasswordCheck::Locked);
        }
        if let Some(renewed) = checked.renewed {
            // Nobody's login fails for it: the next one tries again.
            let identities = self.app.store.identities();
            let old = &known.password_hash;
            if let Err(error) = identities.renew_password_hash(&known.realm, &known.username, old, &renewed).await {
                tracing::warn!(%error, "a password hash was not renewed");
            }
        }
        self.age(&known).await
    }

    /// What the password's age and origin ask for.
    async fn age(&self, known: &countersign_store::Identity) -> Result<PasswordCheck, HostError> {
        let identity = self.seen(known);
        let policy = self.policy();
        if policy.max_age_days == 0 && !policy.force_change_on_reset {
            return Ok(PasswordCheck::Right { identity, change: PasswordChange::None });
        }
        let state = self.app.store.identities().password_state(&known.realm, &known.username).await;
        let state = state.map_err(|error| self.store_error(error))?;
        if policy.force_change_on_reset && state.is_some_and(|state| state.reset) {
            return Ok(PasswordCheck::Right { identity, change: PasswordChange::Forced });
        }
        let since = state.map_or(known.created_at, |state| state.changed_at);
        let age = self.app.clock.now().seconds().0.saturating_sub(since.0);
        let most = policy.max_age_days.saturating_mul(DAY);
        Ok(match most {
            0 => PasswordCheck::Right { identity, change: PasswordChange::None },
            most if age >= most => PasswordCheck::Expired,
            most if age >= most.saturating_sub(policy.expiry_warning_days.saturating_mul(DAY)) => {
                PasswordCheck::Right { identity, change: PasswordChange::Offered }
            }
            _ => PasswordCheck::Right { identity, change: PasswordChange::None },
        })
    }

    pub(super) async fn check_agent(&self, name: &str, password: &str) -> Result<Option<Identity>, HostError> {
        let plausible = is_plausible(name);
        let agent = self.app.store.agents().get(&self.realm_name, if plausible { name } else { "-" }).await;
        let agent = agent.map_err(|error| self.store_error(error))?.filter(|agent| plausible && agent.active);
        let stored = agent.as_ref().map(|agent| agent.password_hash.clone());
        let password = Zeroizing::new(password.to_owned());
        let checked = self.app.passwords.verify(password, stored, &*self.app.entropy).await;
        let checked = checked.map_err(|error| self.hash_error(error))?;
        Ok(agent.filter(|_| checked.right).map(|agent| Identity {
            universal_id: universal_id_of_agent(&self.realm_name, &agent.name),
            id: agent.name.clone(),
            username: agent.name,
            active: true,
            created: None,
            attributes: Map::new(),
        }))
    }

    /// The user's own change; whether it was made.
    pub(super) async fn change_own(&self, username: &str, old: &str, new: &str) -> Result<bool, HostError> {
        // An expired password too may be changed by who knows it.
        let known = self.plausible(username).await?.filter(|known| known.status == IdentityStatus::Active);
        let stored = known.as_ref().map(|known| known.password_hash.clone());
        let right = self.app.passwords.verify(Zeroizing::new(old.to_owned()), stored, &*self.app.entropy).await;
        let right = right.map_err(|error| self.hash_error(error))?.right;
        let Some(known) = known.filter(|_| right) else { return Ok(false) };
        if old == new || !self.failures(Some(&known.username), "password", &new.into()).await?.is_empty() {
            return Ok(false);
        }
        self.set_password(&known.username, new, Some(&known.password_hash)).await
    }

    /// What is wrong with a new password, in one line.
    pub(super) fn refusal(&self, username: &str, password: &str) -> Option<String> {
        password_refusal(password, username, &self.policy())
    }

    pub(super) async fn hashed(&self, secret: &str) -> Result<String, HostError> {
        let secret = Zeroizing::new(secret.to_owned());
        self.app.passwords.hash(secret, &*self.app.entropy).await.map_err(|error| self.hash_error(error))
    }

    /// Sets a password and ends the user's sessions; `false` when it was changed by someone else meanwhile.
    pub(super) async fn set_password(
        &self,
        username: &str,
        password: &str,
        instead_of: Option<&str>,
    ) -> Result<bool, HostError> {
        let hash = self.hashed(password).await?;
        let history = self.policy().history;
        let new = NewPassword { hash: &hash, instead_of, reset: false, history };
        let now = self.app.clock.now().seconds();
        let changed = self.app.store.identities().change_password(&self.realm_name, username, new, now).await;
        if !changed.map_err(|error| self.store_error(error))? {
            return Ok(false);
        }
        self.end_sessions(username, "the password was changed").await?;
        Ok(true)
    }

    /// Ends all sessions of a user. After the change that asks for it: a login under way read the end of the log before
    /// it read the user.
    pub(super) async fn end_sessions(&self, username: &str, reason: &str) -> Result<(), HostError> {
        let (settings, ring) = (self.app.settings(), self.app.keys());
        let scope = Scope::User { realm: &self.realm_name, username };
        let order = Order { actor: "journey", reason };
        let now = self.app.clock.now().seconds();
        let ended = endings::end(&self.app.store, &ring.denylist, &settings, scope, order, now).await;
        let ended = ended.map_err(|error: StoreError| self.store_error(error))?;
        self.renewed.fetch_max(ended.seq, Ordering::Relaxed);
        Ok(())
    }
}
