use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::realm::RealmArg;
use super::{Failure, Outcome, open_store};
use crate::keyring::{self, Keyring};
use crate::seal_budgets::SealBudgets;
use crate::settings::Settings;
use crate::{Clock as _, SystemClock, SystemEntropy};

#[derive(Subcommand)]
pub(super) enum Edge {
    /// Prints the keys that one edge needs, as JSON. It is a secret.
    Bundle(Bundle),
}

#[derive(Args)]
pub(super) struct Bundle {
    #[command(flatten)]
    realm: RealmArg,
}

/// Longest secret of a worker on Cloudflare, in bytes.
const MAX_BINDING: usize = 5 * 1024;

pub(super) fn needs_all_formats(algorithms: &[&str]) -> String {
    format!(
        "only an edge that was built with the feature all-formats can use {} (`cargo xtask build-edge --features \
         all-formats --out edge/dist`, and the build command of wrangler.toml)",
        algorithms.join(", ")
    )
}

impl Edge {
    pub(super) async fn run(self, settings: Settings) -> Outcome {
        let Self::Bundle(Bundle { realm }) = self;
        let store = open_store(&settings).await?;
        let realm = realm.of(&store).await?;
        keyring::complete(&store, SystemClock.now().seconds(), &SystemEntropy).await?;
        let keys = Keyring::load(&store, &settings, &SealBudgets::none()).await?;
        store.close().await;
        if !keys.realms.contains_key(&realm) {
            return Err(Failure(format!("the realm {realm} has no keys")));
        }
        if keys.edge_could_mint(&realm, &settings)? {
            eprintln!(
                "countersign: warning: an edge with this bundle holds a key that can mint sessions (HS256, HS384 or HS512, \
                 or no signature); with another statelessSigningType it would not"
            );
        }
        let beyond = keys.beyond_plain_edges(&realm, &settings)?;
        if !beyond.is_empty() {
            eprintln!("countersign: warning: {}", needs_all_formats(&beyond));
        }
        let mut bundle = keys.edge_bundle(&realm, &settings)?;
        let id = keys.new_bundle(&SystemEntropy)?;
        let host = keys.host_delivery_key(&realm, id.clone())?.key;
        if let Some(members) = bundle.as_object_mut() {
            members.insert("delivery".into(), serde_json::to_value(keys.delivery_key(&realm, id)?)?);
            members.insert("host".into(), serde_json::json!({ "key": host }));
        }
        let bundle = bundle.to_string();
        if bundle.len() > MAX_BINDING {
            eprintln!(
                "countersign: warning: this bundle has {} bytes, and Cloudflare takes secrets of up to {MAX_BINDING}",
                bundle.len()
            );
        }
        println!("{bundle}");
        Ok(ExitCode::SUCCESS)
    }
}
