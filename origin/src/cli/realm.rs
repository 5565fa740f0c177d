use std::process::ExitCode;

use clap::{Args, Subcommand};
use countersign_core::denylist::{Entry, Kind, Slot};
use countersign_store::denylist::NewEntry;
use countersign_store::{AuditEvent, Store, StoreError};

use super::keys::actor;
use super::{Failure, Outcome, audited, open_store, realm_path};
use crate::endings;
use crate::key_files;
use crate::keyring::{self, Keyring};
use crate::seal_budgets::SealBudgets;
use crate::settings::Settings;
use crate::{Clock as _, SystemClock, SystemEntropy};

#[derive(Subcommand)]
pub(super) enum Realm {
    /// Adds a realm with keys of its own. Running servers take it up within a second; edges serve one realm each.
    Add {
        /// Such as beta, or / for the root realm.
        name: String,
    },
    /// Lists the realms.
    List,
    /// Deletes a realm with its users, agents, journeys and keys, and ends its sessions everywhere. The log and the
    /// audit keep what they have. Not the last one.
    Delete {
        /// Such as beta, or / for the root realm.
        name: String,
        /// Also one that has users or sessions, and the one that addresses without a realm lead to.
        #[arg(long)]
        even_if_used: bool,
        /// Says what would be deleted.
        #[arg(long)]
        dry_run: bool,
    },
}

/// The realm that a command is about.
#[derive(Args)]
pub(super) struct RealmArg {
    /// May be left out when there is one only (the root realm does not count).
    #[arg(long)]
    realm: Option<String>,
}

impl RealmArg {
    /// What was said, whether there is such a realm or not.
    pub(super) fn named(&self) -> Option<String> {
        self.realm.as_deref().map(realm_path)
    }

    /// The realm that is meant, which there is. The root realm is there for administrators, mostly.
    pub(super) async fn of(&self, store: &Store) -> Result<String, Failure> {
        let realms = store.realms().list().await?;
        let names: Vec<&str> = realms.iter().map(|realm| realm.name.as_str()).collect();
        if let Some(realm) = self.named() {
            return match names.contains(&realm.as_str()) {
                true => Ok(realm),
                false => Err(Failure(format!("there is no realm {realm}"))),
            };
        }
        let mut others = names.iter().filter(|name| names.len() == 1 || **name != "/");
        match (others.next(), others.next()) {
            (Some(realm), None) => Ok((*realm).to_owned()),
            (None, _) => Err(Failure("there is no realm".into())),
            _ => Err(Failure(format!("there are several realms; name one with --realm: {}", names.join(", ")))),
        }
    }
}

impl Realm {
    pub(super) async fn run(self, settings: Settings) -> Outcome {
        let store = open_store(&settings).await?;
        match self {
            Self::Add { name } => {
                // Else the realm would begin with a key that nobody has meant.
                key_files::check(&settings)?;
                let (name, now) = (realm_path(&name), SystemClock.now().seconds());
                // The first realm is that of addresses that name none: no later one is as old.
                let newest = store.realms().list().await?.into_iter().map(|realm| realm.created_at).max();
                let made = newest.map_or(now, |newest| now.max(newest.plus(1)));
                match store.realms().create(&name, made).await {
                    Ok(_) => {}
                    // One whose keys were never made: the command was interrupted.
                    Err(StoreError::Conflict { name: same, .. })
                        if same == name && !has_keys(&store, &name).await? => {}
                    Err(error) => return Err(error.into()),
                }
                keyring::generate(&store, Some((&name, settings.realm(&name))), now, &SystemEntropy).await?;
                audited(&store, &name, "", serde_json::json!({"object": "realm", "operation": "add"})).await?;
                println!("Added the realm {name}.");
                if name == "/" && newest.is_some() {
                    println!(
                        "Addresses that name no realm lead to it now, /.well-known/jwks.json too: applications that verify \
                         assertions there need the address of their own realm (`countersign doctor` has it)."
                    );
                }
            }
            Self::Delete { name, even_if_used, dry_run } => {
                println!("{}", delete(&store, &settings, &realm_path(&name), even_if_used, dry_run).await?);
            }
            Self::List => {
                for realm in store.realms().list().await? {
                    println!("{}{}", realm.name, if realm.active { "" } else { "  inactive" });
                }
            }
        }
        store.close().await;
        Ok(ExitCode::SUCCESS)
    }
}

async fn delete(
    store: &Store,
    settings: &Settings,
    name: &str,
    even_if_used: bool,
    dry_run: bool,
) -> Result<String, Failure> {
    let (realms, now) = (store.realms().list().await?, SystemClock.now().seconds());
    if !realms.iter().any(|realm| realm.name == name) {
        return Err(Failure(format!("there is no realm {name}")));
    }
    if realms.len() < 2 {
        return Err(Failure(format!("{name} is the only realm; add the one that is to take its place first")));
    }
    let contents = store.realms().contents(name, now).await?;
    // Of client-side sessions no more is known than how many tokens may live.
    let live = store.keys().live_tokens(now).await?;
    let keys = store.keys().list().await?;
    let own = keys.iter().filter(|key| key.realm.as_deref() == Some(name));
    let tokens: u64 = own.filter_map(|key| live.get(key.kid.as_str())).map(|live| live.tokens).max().unwrap_or(0);
    let mut what = format!(
        "{name} with {} users, {} server-side sessions, and up to {tokens} client-side tokens that may live",
        contents.users, contents.sessions
    );
    let is_default = keyring::default_realm(&realms) == Some(name);
    let others: Vec<_> = realms.iter().filter(|realm| realm.name != name).cloned().collect();
    if let Some(next) = keyring::default_realm(&others).filter(|_| is_default) {
        what.push_str(&format!("; addresses that name no realm would lead to {next}"));
    }
    if dry_run {
        return Ok(format!("Would delete {what}. Nothing was changed."));
    }
    if !even_if_used && (is_default || (contents.users, contents.sessions, tokens) != (0, 0, 0)) {
        return Err(Failure(format!("this would delete {what}; with --even-if-used it does")));
    }
    let ring = Keyring::load(store, settings, &SealBudgets::few(settings.keys.max_seals)).await?;
    let fingerprint = ring.denylist.fingerprint(Kind::Realm, name, &[]);
    let slot = Slot::of(endings::latest_end(store, settings, now).await?);
    let actor = actor();
    let end = NewEntry::new(Entry { kind: Kind::Realm, slot, fingerprint }, name, "the realm was deleted", &actor);
    let detail = serde_json::json!({
        "object": "realm", "operation": "delete", "users": contents.users, "sessions": contents.sessions,
    });
    let told = AuditEvent::config_change(now, name, &actor, detail);
    let ended = store.realms().delete(name, &end, &told, now).await?;
    let section = if settings.names_realm(name) { " The settings file still has a section for it." } else { "" };
    Ok(format!("Deleted {what}. All sessions end with line {} of the log.{section}", ended.seq))
}

async fn has_keys(store: &Store, realm: &str) -> Result<bool, StoreError> {
    Ok(store.keys().list().await?.iter().any(|key| key.realm.as_deref() == Some(realm)))
}
