//! Programs that log in by journeys for agents.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::realm::RealmArg;
use super::user::read_password;
use super::{Failure, Outcome, open_store};
use crate::passwords;
use crate::settings::Settings;
use crate::{Clock as _, SystemClock, SystemEntropy};

#[derive(Subcommand)]
pub(super) enum Agent {
    /// Adds an agent.
    Add(Add),
    /// Removes an agent.
    Delete(Which),
    /// Lists the agents of a realm.
    List {
        #[command(flatten)]
        realm: RealmArg,
    },
}

#[derive(Args)]
pub(super) struct Add {
    #[command(flatten)]
    which: Which,
    /// The password is the first line of standard input. (Arguments and variables would show it to others.)
    #[arg(long, required = true)]
    password_stdin: bool,
}

#[derive(Args)]
pub(super) struct Which {
    #[command(flatten)]
    realm: RealmArg,
    #[arg(long)]
    name: String,
}

impl Agent {
    pub(super) async fn run(self, settings: Settings) -> Outcome {
        let store = open_store(&settings).await?;
        let agents = store.agents();
        match self {
            Self::Add(Add { which: Which { realm, name }, password_stdin: _ }) => {
                let (realm, password) = (realm.of(&store).await?, read_password()?);
                let hash = passwords::hash(&passwords::hasher(&settings.argon2)?, password.as_bytes(), &SystemEntropy)?;
                agents.create(&realm, &name, &hash, SystemClock.now().seconds()).await?;
                println!("Added the agent {name} to {realm}.");
            }
            Self::Delete(Which { realm, name }) => {
                let realm = realm.of(&store).await?;
                if !agents.delete(&realm, &name).await? {
                    return Err(Failure(format!("there is no agent {name} in {realm}")));
                }
                println!("Removed the agent {name} from {realm}.");
            }
            Self::List { realm } => {
                for agent in agents.list(&realm.of(&store).await?).await? {
                    println!("{}{}", agent.name, if agent.active { "" } else { "  inactive" });
                }
            }
        }
        store.close().await;
        Ok(ExitCode::SUCCESS)
    }
}
