use std::io::Read as _;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use countersign_store::{Attributes, IdentityStatus, NewIdentity};
use zeroize::Zeroizing;

use super::user_change::{Change, Passwd, Whom};
use super::user_import::Import;
use super::{Failure, Outcome, open_store, realm_path};
use crate::keyring::{self, Keyring, RealmKeys};
use crate::passwords::{self, MAX_PASSWORD};
use crate::seal_budgets::SealBudgets;
use crate::sessions::{self, IssueError, Subject};
use crate::settings::{self, Settings};
use crate::{Clock as _, SystemClock, SystemEntropy};

#[derive(Subcommand)]
pub(super) enum User {
    /// Adds a user.
    Add(Add),
    /// Adds the users of a file: CSV, JSON Lines or LDIF.
    Import(Import),
    /// Sets another password, and ends all sessions of the user.
    Passwd(Passwd),
    /// Lets the user log in no more, and ends all sessions.
    Disable(Whom),
    /// Lets a disabled user log in again.
    Enable(Whom),
    /// Removes the user, and ends all sessions.
    Delete(Whom),
}

#[derive(Args)]
pub(super) struct Add {
    #[arg(long)]
    realm: String,
    #[arg(long)]
    username: String,
    /// The password is the first line of standard input. (Arguments and variables would show it to others.)
    #[arg(long, required = true)]
    password_stdin: bool,
    /// An attribute, such as mail=demo@example.com; may be repeated, also for one name.
    #[arg(long, value_name = "NAME=VALUE", value_parser = attribute)]
    attr: Vec<(String, String)>,
    /// The user may administer the realm, and one of the root realm all realms. It says so in no attribute.
    #[arg(long)]
    admin: bool,
}

fn attribute(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("must be NAME=VALUE".to_owned()),
    }
}

impl User {
    pub(super) async fn run(self, settings: Settings) -> Outcome {
        let change = match self {
            Self::Add(add) => return add.run(settings).await,
            Self::Import(import) => return import.run(settings).await,
            Self::Passwd(passwd) => Change::Password(passwd),
            Self::Disable(whom) => Change::Disable(whom),
            Self::Enable(whom) => Change::Enable(whom),
            Self::Delete(whom) => Change::Delete(whom),
        };
        let store = open_store(&settings).await?;
        let done = change.run(&store, &settings).await;
        store.close().await;
        println!("{}", done?);
        Ok(ExitCode::SUCCESS)
    }
}

impl Add {
    async fn run(self, settings: Settings) -> Outcome {
        let add = self;
        let password = read_password()?;
        let hash = passwords::hash(&passwords::hasher(&settings.argon2)?, password.as_bytes(), &SystemEntropy)?;
        let mut attributes = Attributes::new();
        for (name, value) in add.attr {
            attributes.entry(name).or_default().push(value);
        }
        let realm = realm_path(&add.realm);
        let new = NewIdentity {
            realm: &realm,
            username: &add.username,
            password_hash: &hash,
            status: IdentityStatus::Active,
            attributes: &attributes,
        };
        let store = open_store(&settings).await?;
        let now = SystemClock.now().seconds();
        if add.admin && realm == "/" && !store.realms().list().await?.iter().any(|known| known.name == realm) {
            // Nobody else has a use for it, so it is made for the first administrator.
            store.realms().create(&realm, now).await?;
            keyring::generate(&store, Some((&realm, settings.realm(&realm))), now, &SystemEntropy).await?;
            println!("Made the root realm; a URL that names no realm means it from now on.");
        }
        let keys = Keyring::load(&store, &settings, &SealBudgets::few(settings.keys.max_seals)).await?;
        // A realm that is not there is the store's to refuse.
        if let Some(keys) = keys.realms.get(&realm) {
            fits(&settings.realm(&realm).session, keys, &new)?;
        }
        store.identities().create(new, now).await?;
        if add.admin {
            store.administrators().grant(&realm, &add.username, now).await?;
        }
        store.close().await;
        let what = if add.admin { " as an administrator" } else { "" };
        println!("Added {} to {realm}{what}.", add.username);
        Ok(ExitCode::SUCCESS)
    }
}

/// Whoever could never get a session had better not be added. The log position is the one part of a token that grows.
pub(super) fn fits(settings: &settings::Session, keys: &RealmKeys, new: &NewIdentity<'_>) -> Result<(), Failure> {
    if settings.server_side.always || settings.oversize_server_side {
        return Ok(()); // no cookie has to hold it
    }
    let subject = Subject { realm: new.realm, username: new.username, attributes: new.attributes, inherited: None };
    match sessions::mint(settings, keys, subject, u64::from(u32::MAX), SystemClock.now().seconds(), &SystemEntropy) {
        Err(error @ IssueError::TooLarge) => Err(Failure(format!("no session could be issued: {error}"))),
        // Anything else is not about this user.
        Ok(_) | Err(_) => Ok(()),
    }
}

pub(super) fn read_password() -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::new());
    let limit = u64::try_from(MAX_PASSWORD).unwrap_or(u64::MAX) + 3;
    std::io::stdin().take(limit).read_to_string(&mut text).map_err(|_| Failure("the password is not UTF-8".into()))?;
    let password = text.lines().next().unwrap_or_default();
    if password.is_empty() {
        return Err(Failure("the password on standard input is empty".into()));
    }
    if password.len() > MAX_PASSWORD {
        return Err(Failure(format!("the password has more than {MAX_PASSWORD} bytes")));
    }
    Ok(Zeroizing::new(password.to_owned()))
}
