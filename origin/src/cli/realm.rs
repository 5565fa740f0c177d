use std::process::ExitCode;

use clap::{Args, Subcommand};
use countersign_store::{Store, StoreError};

use super::{Failure, Outcome, audited, open_store, realm_path};
use crate::keyring;
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
                let (name, now) = (realm_path(&name), SystemClock.now().seconds());
                // The first realm is that of addresses that name none: no later one is as old.
                let newest = store.realms().list().await?.into_iter().map(|realm| realm.created_at).max();
                let made = newest.map_or(now, |newest| now.max(newest.plus(1)));
                match store.realms().create(&name, made).await {
                    Ok(_) => {}
                    // One whose keys were never made: the command was interrupted.
                    Err(StoreError::Conflict { .. }) if !has_keys(&store, &name).await? => {}
                    Err(error) => return Err(error.into()),
                }
                keyring::generate(&store, Some((&name, settings.realm(&name))), now, &SystemEntropy).await?;
                audited(&store, &name, "", serde_json::json!({"object": "realm", "operation": "add"})).await?;
                println!("Added the realm {name}.");
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

async fn has_keys(store: &Store, realm: &str) -> Result<bool, StoreError> {
    Ok(store.keys().list().await?.iter().any(|key| key.realm.as_deref() == Some(realm)))
}
