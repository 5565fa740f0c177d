use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgGroup, Args};
use countersign_core::denylist::barrier::Barrier;
use countersign_core::encoding;
use countersign_core::session::SessionId;

use super::keys::actor;
use super::realm::RealmArg;
use super::{Failure, Outcome, open_store};
use crate::endings::{self, Order, Scope};
use crate::keyring::Keyring;
use crate::seal_budgets::SealBudgets;
use crate::settings::Settings;
use crate::{Clock as _, SystemClock};

#[derive(Args)]
#[command(group(ArgGroup::new("scope").required(true).args(["user", "whole_realm", "kid", "sid"])))]
pub(super) struct End {
    #[command(flatten)]
    realm: RealmArg,
    /// All sessions of this user.
    #[arg(long, value_name = "USERNAME")]
    user: Option<String>,
    /// Also when there is no such user or agent: one that was deleted elsewhere may have left sessions.
    #[arg(long, requires = "user")]
    even_if_unknown: bool,
    /// All sessions of the realm.
    #[arg(long)]
    whole_realm: bool,
    /// All sessions that were made with this key. (`keys retire --revoke` ends the key itself.)
    #[arg(long)]
    kid: Option<String>,
    /// One session by its handle, as the audit and `session decode` show it.
    #[arg(long)]
    sid: Option<String>,
    /// Says why; it stands in the log.
    #[arg(long)]
    reason: String,
    /// Returns when no edge accepts them any more: after the lease in the settings file. One that was made shorter
    /// within the last minutes does not count yet.
    #[arg(long)]
    wait: bool,
}

impl End {
    pub(super) async fn run(self, settings: Settings) -> Outcome {
        let store = open_store(&settings).await?;
        let ended = self.end(&store, &settings).await;
        store.close().await;
        println!("{}", ended?);
        if self.wait {
            // Counted from here: the line was on the disk before.
            let barrier = Duration::from_millis(Barrier::all_anonymous(settings.denylist.lease_ms));
            tokio::time::sleep(barrier).await;
            println!("No edge accepts them any more.");
        }
        Ok(ExitCode::SUCCESS)
    }

    /// A slip of a key would end nothing, and look as if it had.
    async fn is_known(&self, store: &countersign_store::Store, realm: &str, username: &str) -> Result<(), Failure> {
        let known = self.even_if_unknown
            || store.identities().named(realm, username).await?.is_some()
            || store.agents().get(realm, username).await?.is_some();
        let why =
            || format!("there is no user {username} in {realm}; --even-if-unknown ends what sessions there may be");
        known.then_some(()).ok_or_else(|| Failure(why()))
    }

    async fn end(&self, store: &countersign_store::Store, settings: &Settings) -> Result<String, Failure> {
        let (now, actor) = (SystemClock.now().seconds(), actor());
        let order = Order { actor: &actor, reason: &self.reason };
        let ring = Keyring::load(store, settings, &SealBudgets::few(settings.keys.max_seals)).await?;
        let keys = store.keys().list().await?;
        // A key says itself which realm it is of.
        let realm = if self.kid.is_none() { self.realm.of(store).await? } else { String::new() };
        let scope = if let Some(username) = &self.user {
            self.is_known(store, &realm, username).await?;
            Scope::User { realm: &realm, username }
        } else if let Some(kid) = &self.kid {
            let key = keys.iter().find(|key| key.kid.as_str() == kid);
            let key = key.ok_or_else(|| Failure(format!("there is no key {kid}")))?;
            Scope::Key { realm: key.realm.as_deref(), kid }
        } else if let Some(sid) = &self.sid {
            let bytes = encoding::decode_array(sid.as_bytes());
            let sid = bytes.map(SessionId).map_err(|_| Failure("a handle is 16 bytes in base64url".into()))?;
            let ends = (now, endings::latest_end(store, settings, now).await?);
            let lines = endings::end_family(store, &ring.denylist, (&realm, sid), ends, order, now).await?;
            return Ok(format!("Ended {sid} of {realm}: {lines} lines, one for each time at which it may end."));
        } else {
            Scope::Realm(&realm)
        };
        let appended = endings::end(store, &ring.denylist, settings, scope, order, now).await?;
        let lease = settings.denylist.lease_ms;
        Ok(format!("Line {} of the log; refused everywhere within {lease} ms.", appended.seq))
    }
}
