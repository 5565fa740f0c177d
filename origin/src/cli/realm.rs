use std::process::ExitCode;

use clap::Subcommand;
use countersign_store::StoreError;

use super::{Outcome, audited, open_store, realm_path};
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

async fn has_keys(store: &countersign_store::Store, realm: &str) -> Result<bool, StoreError> {
    Ok(store.keys().list().await?.iter().any(|key| key.realm.as_deref() == Some(realm)))
}
