//! What becomes of a user, and of the sessions with it.

use clap::Args;
use countersign_store::{IdentityStatus, NewPassword, Store, StoreError};

use super::keys::actor;
use super::realm::RealmArg;
use super::{Failure, audited};
use crate::endings::{self, Order, Scope};
use crate::journey::services::LOCKOUT;
use crate::keyring::Keyring;
use crate::passwords;
use crate::seal_budgets::SealBudgets;
use crate::settings::Settings;
use crate::{Clock as _, SystemClock, SystemEntropy};

#[derive(Args)]
pub(super) struct Whom {
    #[command(flatten)]
    realm: RealmArg,
    #[arg(long)]
    username: String,
}

#[derive(Args)]
pub(super) struct Passwd {
    #[command(flatten)]
    whom: Whom,
    /// The password is the first line of standard input. (Arguments and variables would show it to others.)
    #[arg(long, required = true)]
    password_stdin: bool,
}

pub(super) enum Change {
    Password(Passwd),
    Disable(Whom),
    Enable(Whom),
    Delete(Whom),
}

impl Change {
    async fn tell(&self, store: &Store, realm: &str, username: &str) -> Result<(), Failure> {
        let operation = match self {
            Self::Password(_) => "passwd",
            Self::Disable(_) => "disable",
            Self::Enable(_) => "enable",
            Self::Delete(_) => "delete",
        };
        audited(store, realm, username, serde_json::json!({"object": "user", "operation": operation})).await
    }

    pub(super) async fn run(self, store: &Store, settings: &Settings) -> Result<String, Failure> {
        let identities = store.identities();
        let (whom, reason) = match &self {
            Self::Password(passwd) => (&passwd.whom, "the password was changed"),
            Self::Disable(whom) => (whom, "the user was disabled"),
            Self::Enable(whom) => (whom, ""),
            Self::Delete(whom) => (whom, "the user was deleted"),
        };
        let realm = whom.realm.of(store).await?;
        let missing = || StoreError::NotFound { what: "identity", name: whom.username.clone() };
        let known = identities.named(&realm, &whom.username).await?.ok_or_else(missing)?;
        let username = known.username.as_str();
        match &self {
            Self::Password(_) => {
                let password = super::user::read_password()?;
                super::user::accepted(settings, &realm, username, &password)?;
                let hasher = passwords::hasher(&settings.argon2)?;
                let hash = passwords::hash(&hasher, password.as_bytes(), &SystemEntropy)?;
                let history = settings.realm(&realm).passwords.history;
                let new = NewPassword { hash: &hash, instead_of: None, reset: true, history };
                identities.change_password(&realm, username, new, SystemClock.now().seconds()).await?;
            }
            Self::Disable(_) => identities.set_status(&realm, username, IdentityStatus::Inactive).await?,
            Self::Enable(_) => {
                identities.set_status(&realm, username, IdentityStatus::Active).await?;
                store.attempts().clear(&realm, username, LOCKOUT).await?;
                self.tell(store, &realm, username).await?;
                return Ok(format!("{username} of {realm} may log in again."));
            }
            Self::Delete(_) => {
                store.administrators().revoke(&realm, username).await?;
                identities.delete(&realm, username).await?;
            }
        }
        self.tell(store, &realm, username).await?;
        // After the change: a login under way read the end of the log before it read the user, and lies below this.
        let (now, actor) = (SystemClock.now().seconds(), actor());
        let ring = Keyring::load(store, settings, &SealBudgets::few(settings.keys.max_seals)).await?;
        let (scope, order) = (Scope::User { realm: &realm, username }, Order { actor: &actor, reason });
        let ended = endings::end(store, &ring.denylist, settings, scope, order, now).await;
        let ended = ended.map_err(|error| {
            Failure(format!(
                "{reason}, but the sessions go on: {error}; run `countersign sessions end --realm {realm} --user …`"
            ))
        })?;
        Ok(format!("For {username} of {realm}: {reason}. All sessions end with line {} of the log.", ended.seq))
    }
}
