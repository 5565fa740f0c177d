//! `countersign keys`: the life of keys, by hand. A running server takes up what is done here within a second.

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use countersign_core::keys::{KeyState, Kid};
use countersign_core::time::UnixSeconds;
use countersign_store::{Change, KeyRows, Store, StoredKey};
use zeroize::Zeroizing;

use super::{Failure, Outcome, open_store, realm_path};
use crate::key_files;
use crate::key_plan::{self, Retirement, Step, Times, place_name, span};
use crate::key_purpose::{EDGE_DELIVERY, Purpose, purpose_of};
use crate::keyring::{self, Place};
use crate::settings::Settings;
use crate::{Clock as _, SystemClock, SystemEntropy};

#[derive(Subcommand)]
pub(super) enum Keys {
    /// All keys: what they are for, where they stand, what hangs on them.
    List {
        /// Retired and revoked ones too.
        #[arg(long)]
        all: bool,
    },
    /// Who changed which key when, newest first.
    History {
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Makes new keys. Each is published first, then used, and the old one kept until nothing hangs on it.
    Rotate(Rotate),
    /// Brings in a key that was made elsewhere, such as AM's signing secret.
    Import(Import),
    /// Ends a key.
    Retire(Retire),
}

#[derive(Args)]
pub(super) struct Rotate {
    /// Only keys of this realm.
    #[arg(long)]
    realm: Option<String>,
    /// Only keys of this purpose: journey-signing, journey-content, session-signing, session-content, feed-signing,
    /// assertion-signing; or, only when named: feed-credential, denylist, and edge-delivery, after which bundles are to
    /// be made anew.
    #[arg(long)]
    purpose: Option<String>,
    /// Does not wait until every edge has the new key. An edge that meets it fetches it first. (An application does so
    /// with a new assertion-signing key only if it asks for keys that it does not know.)
    #[arg(long)]
    now: bool,
    /// Says what would be done.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Args)]
pub(super) struct Import {
    #[arg(long)]
    realm: Option<String>,
    #[arg(long)]
    purpose: String,
    /// Such as HS256, EdDSA, A256GCM, A256KW+A256GCM.
    #[arg(long)]
    alg: String,
    /// The secret in base64; a private key also in PKCS#8, as PEM or DER. `-` for standard input. (Arguments would show
    /// it to others.)
    #[arg(long, value_name = "PATH")]
    file: std::path::PathBuf,
    /// Does not wait until every edge has the key.
    #[arg(long)]
    now: bool,
    #[arg(long)]
    dry_run: bool,
}

#[derive(Args)]
pub(super) struct Retire {
    kid: String,
    /// Also when live sessions hang on it: they end.
    #[arg(long)]
    force: bool,
    /// It may be in other hands. What it made is refused everywhere within the denylist's lease.
    #[arg(long)]
    revoke: bool,
    #[arg(long)]
    dry_run: bool,
}

impl Keys {
    pub(super) async fn run(self, settings: Settings) -> Outcome {
        let store = open_store(&settings).await?;
        let now = SystemClock.now().seconds();
        let outcome = match self {
            Self::List { all } => list(&store, now, all).await,
            Self::History { limit } => history(&store, limit).await,
            Self::Rotate(rotate) => rotate.run(&store, &settings, now).await,
            Self::Import(import) => import.run(&store, &settings, now).await,
            Self::Retire(retire) => retire.run(&store, now).await,
        };
        store.close().await;
        outcome.map(|()| ExitCode::SUCCESS)
    }
}

async fn list(store: &Store, now: UnixSeconds, all: bool) -> Result<(), Failure> {
    let live = store.keys().live_tokens(now).await?;
    let mut rows =
        vec![["KID", "REALM", "PURPOSE", "ALGORITHM", "STATE", "AGE", "NEXT", "SESSIONS", "SEALS"].map(str::to_owned)];
    for key in store.keys().list().await?.iter().filter(|key| all || key.state.verifies()) {
        let purpose = purpose_of(&key.purpose, &key.algorithm);
        let next = purpose.and_then(|of| key_plan::next(of, key.state, (key.activates_at, key.retires_at), now));
        let sessions = purpose.filter(|purpose| purpose.is_of_sessions());
        let sessions = sessions.map(|_| live.get(key.kid.as_str()).map_or(0, |live| live.tokens).to_string());
        let seals = purpose.filter(|purpose| purpose.is_content()).map(|_| key.seals.to_string());
        let dash = || "-".to_owned();
        rows.push([
            key.kid.to_string(),
            key.realm.clone().unwrap_or_else(dash),
            key.purpose.clone(),
            key.algorithm.clone(),
            key.state.name().to_owned(),
            span(now.0.saturating_sub(key.created_at.0)),
            next.unwrap_or_else(dash),
            sessions.unwrap_or_else(dash),
            seals.unwrap_or_else(dash),
        ]);
    }
    table(&rows);
    println!("SESSIONS: tokens made with the key that have not expired; logged-out ones are among them.");
    Ok(())
}

async fn history(store: &Store, limit: u32) -> Result<(), Failure> {
    let mut rows = vec![["AT", "KID", "STATE", "BY"].map(str::to_owned)];
    for event in store.keys().history(limit).await? {
        let at = i64::try_from(event.at.0).ok().and_then(|at| jiff::Timestamp::from_second(at).ok());
        rows.push([at.map_or_else(String::new, |at| at.to_string()), event.kid, event.state, event.actor]);
    }
    table(&rows);
    Ok(())
}

pub(super) fn table<const N: usize>(rows: &[[String; N]]) {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.len());
        }
    }
    for row in rows {
        let line: String = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}  ")).collect();
        println!("{}", line.trim_end());
    }
}

impl Rotate {
    async fn run(self, store: &Store, settings: &Settings, now: UnixSeconds) -> Result<(), Failure> {
        let KeyRows { generation, keys } = store.keys().rows().await?;
        let realm = self.realm.as_deref().map(realm_path);
        let mut places = keyring::rotatable(&keys, settings);
        let named = |place: &Place| self.purpose.as_deref() == Some(place.0.name);
        places.extend(keyring::BY_NAME.into_iter().filter(named));
        places.retain(|(purpose, of)| {
            self.purpose.as_deref().is_none_or(|name| name == purpose.name) && (realm.is_none() || *of == realm)
        });
        if places.is_empty() {
            let mut all = keyring::rotatable(&keys, settings);
            all.extend(keyring::BY_NAME);
            let known: Vec<_> = all.iter().map(place_name).collect();
            return Err(Failure(format!("no such key is in use; in use are: {}", known.join(", "))));
        }
        let (mut steps, mut impossible) = (Vec::new(), Vec::new());
        for place in &places {
            match key_plan::rotate(&keys, place, self.now, (now, Times::of(settings)), &SystemEntropy) {
                Ok(more) => steps.extend(more),
                Err(error) => impossible.push(error),
            }
        }
        match impossible.first() {
            Some(error) if steps.is_empty() => return Err(Failure(error.to_string())),
            _ => impossible.iter().for_each(|error| eprintln!("countersign: left alone: {error}")),
        }
        carry_out(store, (&keys, generation), &steps, self.dry_run, now).await?;
        if places.iter().any(|(purpose, _)| *purpose == EDGE_DELIVERY) {
            println!(
                "Make every edge a new bundle (`countersign edge bundle`). `countersign keys retire` of the old key then \
                 withdraws the bundles of before."
            );
        }
        Ok(())
    }
}

impl Import {
    async fn run(self, store: &Store, settings: &Settings, now: UnixSeconds) -> Result<(), Failure> {
        let KeyRows { generation, keys } = store.keys().rows().await?;
        let place = self.place(&keyring::rotatable(&keys, settings))?;
        let secret = self.secret(place.0)?;
        let moment = (now, Times::of(settings));
        let steps = key_plan::import(&keys, &place, secret, self.now, moment, &SystemEntropy)
            .map_err(|error| Failure(error.to_string()))?;
        carry_out(store, (&keys, generation), &steps, self.dry_run, now).await
    }

    /// Where the key goes. The realm may be left out when only one has such a purpose.
    fn place(&self, places: &[Place]) -> Result<Place, Failure> {
        let (purpose, alg) = (&self.purpose, &self.alg);
        let realm = self.realm.as_deref().map(realm_path);
        let mut fit = places.iter().filter(|(of, at)| {
            of.name == purpose && of.algorithm.name() == alg.as_str() && (realm.is_none() || *at == realm)
        });
        match (fit.next(), fit.next()) {
            (Some(place), None) => return Ok(place.clone()),
            (Some(_), Some(_)) => return Err(Failure("there are several realms; name one with --realm".into())),
            (None, _) => {}
        }
        let there = || places.iter().filter(|(of, at)| of.name == purpose && (realm.is_none() || *at == realm));
        if there().next().is_some() {
            let algorithms: BTreeSet<_> = there().map(|(of, _)| of.algorithm.name()).collect();
            let algorithms: Vec<_> = algorithms.into_iter().collect();
            return Err(Failure(format!(
                "no {purpose} {alg} key is in use there; --alg can be: {} (what is in use is for the settings to say)",
                algorithms.join(", ")
            )));
        }
        let known: Vec<_> = places.iter().map(place_name).collect();
        Err(Failure(format!("no {purpose} key is in use there; in use are: {}", known.join(", "))))
    }

    fn secret(&self, purpose: Purpose) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let shown = self.file.display();
        let content = if self.file.as_os_str() == "-" {
            key_files::whole(std::io::stdin()).map_err(|what| Failure(format!("cannot read {shown}: {what}")))?
        } else {
            key_files::content(&self.file).map_err(Failure)?
        };
        key_files::read(purpose, &content).map_err(|what| Failure(format!("{shown}: {what}")))
    }
}

impl Retire {
    async fn run(self, store: &Store, now: UnixSeconds) -> Result<(), Failure> {
        let KeyRows { generation, keys } = store.keys().rows().await?;
        let live = store.keys().live_tokens(now).await?;
        let how = match (self.revoke, self.force) {
            (true, _) => Retirement::Revoked,
            (_, true) => Retirement::Forced,
            _ => Retirement::Kind,
        };
        let steps = key_plan::retire(&keys, &self.kid, how, &live, now, &SystemEntropy)
            .map_err(|error| Failure(error.to_string()))?;
        if keys.iter().any(|key| key.kid.as_str() == self.kid && key.purpose == EDGE_DELIVERY.name) {
            eprintln!("countersign: bundles of its time get no keys any more; their edges need new ones");
        }
        let purpose = keys.iter().find(|key| key.kid.as_str() == self.kid);
        let purpose = purpose.and_then(|key| purpose_of(&key.purpose, &key.algorithm));
        match (live.get(&self.kid), purpose) {
            (Some(live), _) => eprintln!("countersign: up to {} live sessions end with {}", live.tokens, self.kid),
            (None, Some(purpose)) => {
                let none = key_plan::sessions_on(&self.kid, purpose, &live, now);
                none.into_iter().for_each(|none| eprintln!("countersign: {none}"));
            }
            (None, None) => {}
        }
        // What ends with it was said.
        carry_out(store, (&[], generation), &steps, self.dry_run, now).await
    }
}

async fn carry_out(
    store: &Store,
    (keys, generation): (&[StoredKey], u64),
    steps: &[Step],
    dry_run: bool,
    now: UnixSeconds,
) -> Result<(), Failure> {
    let (live, mut told) = (store.keys().live_tokens(now).await?, BTreeSet::new());
    if !dry_run {
        let changes: Vec<Change<'_>> = steps.iter().map(Step::change).collect();
        store.keys().change(&changes, Some(generation), &actor(), now).await?;
    }
    for step in steps {
        println!("{}", step.text(now));
        let sessions = outgoing(keys, step).filter(|(kid, _)| told.insert(*kid)).and_then(|(kid, purpose)| {
            Some(format!("{kid}  {}", key_plan::sessions_on(kid.as_str(), purpose, &live, now)?))
        });
        sessions.into_iter().for_each(|sessions| println!("{sessions}"));
    }
    if dry_run {
        let makes = steps.iter().any(|step| matches!(step, Step::Add { .. }));
        println!("Nothing was changed.{}", if makes { " (New keys will have other identifiers.)" } else { "" });
    }
    Ok(())
}

/// Of a step that puts a key out of use, or another one beside it: the key, when sessions may hang on it.
fn outgoing<'a>(keys: &'a [StoredKey], step: &'a Step) -> Option<(&'a Kid, Purpose)> {
    match step {
        Step::Add { place, .. } => {
            keys.iter().find(|key| key_plan::is_active_at(key, place)).map(|active| (&active.kid, place.0))
        }
        Step::Move { kid, purpose, to: KeyState::VerifyOnly, .. } => Some((kid, *purpose)),
        Step::Move { .. } => None,
    }
}

/// Who sits at the terminal, as far as the environment says.
pub(super) fn actor() -> String {
    let name = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    let name: String = name.unwrap_or_default().chars().filter(|c| !c.is_control()).take(64).collect();
    if name.is_empty() { "command line".to_owned() } else { format!("command line, {name}") }
}
