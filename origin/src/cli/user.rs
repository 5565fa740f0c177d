use std::io::Read as _;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use countersign_store::{Attributes, IdentityStatus, NewIdentity, normal_name};
use zeroize::Zeroizing;

use super::keys::table;
use super::realm::RealmArg;
use super::user_change::{Change, Passwd, Whom};
use super::user_import::Import;
use super::{Failure, Outcome, audited, open_store};
use crate::explain::timestamp;
use crate::journey::services::{is_own, password_refusal};
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
    /// Lists the users of a realm by name.
    List(List),
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
pub(super) struct List {
    #[command(flatten)]
    realm: RealmArg,
    /// Begins behind this name: the last one of the page before.
    #[arg(long, value_name = "USERNAME")]
    after: Option<String>,
    /// At most 1,000.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// JSON, one object in each line.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Add {
    #[command(flatten)]
    realm: RealmArg,
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
            Self::List(list) => return list.run(settings).await,
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

impl List {
    async fn run(self, settings: Settings) -> Outcome {
        let store = open_store(&settings).await?;
        let realm = self.realm.of(&store).await?;
        let mut users = store.identities().list(&realm, self.after.as_deref(), self.limit.saturating_add(1)).await?;
        let more = users.len() > self.limit as usize;
        users.truncate(self.limit as usize);
        let mut rows = vec![["USERNAME", "STATUS", "ADMIN", "MAIL", "CREATED"].map(str::to_owned)];
        for user in &users {
            let admin = store.administrators().is_granted(&realm, &user.username).await?;
            let (status, created) = (user.status.text(), timestamp(user.created_at));
            if self.json {
                let attributes: Attributes =
                    user.attributes.clone().into_iter().filter(|(name, _)| is_own(name)).collect();
                println!(
                    "{}",
                    serde_json::json!({
                        "username": user.username, "realm": realm, "status": status, "administrator": admin,
                        "createdAt": created, "attributes": attributes,
                    })
                );
                continue;
            }
            let mail = user.attributes.get("mail").and_then(|values| values.first());
            // It may have been typed by anybody, and must not steer a terminal.
            let mail: String = mail.map_or("-", String::as_str).chars().filter(|letter| !letter.is_control()).collect();
            let admin = if admin { "yes" } else { "-" };
            rows.push([user.username.clone(), status.to_owned(), admin.to_owned(), mail, created]);
        }
        store.close().await;
        if !self.json {
            table(&rows);
        }
        if let Some(last) = users.last().filter(|_| more) {
            eprintln!("countersign: there are more; the next begin with --after {:?}", last.username);
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Add {
    async fn run(self, settings: Settings) -> Outcome {
        let add = self;
        let password = read_password()?;
        let mut attributes = Attributes::new();
        for (name, value) in add.attr {
            attributes.entry(name).or_default().push(value);
        }
        let username = normal_name(&add.username);
        let store = open_store(&settings).await?;
        let now = SystemClock.now().seconds();
        let realm = match add.realm.named() {
            Some(root) if root == "/" && add.admin => root,
            _ => add.realm.of(&store).await?,
        };
        accepted(&settings, &realm, &username, &password)?;
        let hash = passwords::hash(&passwords::hasher(&settings.argon2)?, password.as_bytes(), &SystemEntropy)?;
        let new = NewIdentity {
            realm: &realm,
            username: &username,
            password_hash: &hash,
            status: IdentityStatus::Active,
            attributes: &attributes,
        };
        if add.admin && realm == "/" && !store.realms().list().await?.iter().any(|known| known.name == realm) {
            // Nobody else has a use for it, so it is made for the first administrator.
            store.realms().create(&realm, now).await?;
            keyring::generate(&store, Some((&realm, settings.realm(&realm))), now, &SystemEntropy).await?;
            audited(&store, &realm, "", serde_json::json!({"object": "realm", "operation": "add"})).await?;
            println!("Made the root realm; a URL that names no realm means it from now on.");
        }
        let keys = Keyring::load(&store, &settings, &SealBudgets::few(settings.keys.max_seals)).await?;
        // Of a realm without keys nobody has a session.
        if let Some(keys) = keys.realms.get(&realm) {
            fits(&settings.realm(&realm).session, keys, &new)?;
        }
        store.identities().create(new, now).await?;
        if add.admin {
            store.administrators().grant(&realm, &username, now).await?;
        }
        let detail = serde_json::json!({"object": "user", "operation": "add", "administrator": add.admin});
        audited(&store, &realm, &username, detail).await?;
        store.close().await;
        let what = if add.admin { " as an administrator" } else { "" };
        println!("Added {username} to {realm}{what}.");
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

/// One rule for all who set a password: an operator's is typed at the login page like any other.
pub(super) fn accepted(settings: &Settings, realm: &str, username: &str, password: &str) -> Result<(), Failure> {
    match password_refusal(password, username, &settings.realm(realm).passwords) {
        Some(why) => Err(Failure(format!("{why} ([passwords] in the settings)"))),
        None => Ok(()),
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
