//! `countersign denylist`: the log of what was ended, for those who must answer for it.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use countersign_core::denylist::{Epoch, Kind};
use countersign_core::encoding;
use countersign_core::time::{UnixMillis, UnixSeconds};
use countersign_store::Store;
use countersign_store::denylist::{Filter, Line};
use serde_json::json;

use super::keys::{actor, table};
use super::{Failure, Outcome, open_store, realm_path};
use crate::ambient::random;
use crate::endings;
use crate::settings::Settings;
use crate::{Clock as _, SystemClock, SystemEntropy};

/// Lines that are read at once.
const PAGE: u32 = 1000;

#[derive(Subcommand)]
pub(super) enum Denylist {
    /// The newest lines: what ended, who ended it, why and when.
    List {
        #[command(flatten)]
        which: Which,
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// All lines, newest first, each a line of JSON.
    Export {
        #[command(flatten)]
        which: Which,
    },
    /// Takes back a line that was a mistake: what it ended lives again, unless another line ends it too.
    Undo {
        /// Its number.
        seq: u64,
        #[arg(long)]
        reason: String,
    },
    /// Begins the log anew and ends all sessions: needed whenever its end may be lost, as after a restored backup.
    /// Running servers notice by themselves.
    NewEpoch {
        /// All sessions of all realms end.
        #[arg(long, required = true)]
        end_all_sessions: bool,
    },
}

#[derive(Args)]
pub(super) struct Which {
    #[arg(long)]
    realm: Option<String>,
    #[arg(long)]
    user: Option<String>,
    #[arg(long, value_enum)]
    kind: Option<Scope>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Scope {
    Session,
    User,
    Realm,
    Key,
    Everything,
}

const fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Family => "session",
        Kind::User => "user",
        Kind::Realm => "realm",
        Kind::Key => "key",
        Kind::Installation => "everything",
        Kind::UndoFamily | Kind::Undo => "undo",
    }
}

impl Which {
    fn filter<'a>(&'a self, realm: Option<&'a str>) -> Filter<'a> {
        let kind = self.kind.map(|kind| match kind {
            Scope::Session => Kind::Family,
            Scope::User => Kind::User,
            Scope::Realm => Kind::Realm,
            Scope::Key => Kind::Key,
            Scope::Everything => Kind::Installation,
        });
        Filter { realm, username: self.user.as_deref(), kind, ..Filter::default() }
    }
}

impl Denylist {
    pub(super) async fn run(self, settings: Settings) -> Outcome {
        let store = open_store(&settings).await?;
        let now = SystemClock.now().seconds();
        let outcome = match self {
            Self::List { which, limit } => list(&store, &which, limit).await,
            Self::Export { which } => export(&store, &which).await,
            Self::Undo { seq, reason } => undo(&store, seq, &reason, now).await,
            Self::NewEpoch { .. } => new_epoch(&store, &settings, SystemClock.now()).await,
        };
        store.close().await;
        outcome.map(|()| ExitCode::SUCCESS)
    }
}

fn at(time: UnixSeconds) -> String {
    let at = i64::try_from(time.0).ok().and_then(|at| jiff::Timestamp::from_second(at).ok());
    at.map_or_else(|| time.0.to_string(), |at| at.to_string())
}

async fn list(store: &Store, which: &Which, limit: u32) -> Result<(), Failure> {
    let realm = which.realm.as_deref().map(realm_path);
    let mut rows = vec![["LINE", "ENDS", "REALM", "USER", "OBJECT", "AT", "BY", "WHY", "UNDONE"].map(str::to_owned)];
    for line in store.denylist().find(which.filter(realm.as_deref()), limit).await? {
        let kind = name(line.entry.kind).to_owned();
        let undone = line.undone_by.map_or_else(String::new, |seq| format!("by {seq}"));
        let Line { seq, realm, username, object, created_at, actor, reason, .. } = line;
        rows.push([seq.to_string(), kind, realm, username, object, at(created_at), actor, reason, undone]);
    }
    table(&rows);
    Ok(())
}

async fn export(store: &Store, which: &Which) -> Result<(), Failure> {
    let realm = which.realm.as_deref().map(realm_path);
    let mut filter = which.filter(realm.as_deref());
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    loop {
        let page = store.denylist().find(filter, PAGE).await?;
        let Some(last) = page.last() else { break };
        filter.before = Some(last.seq);
        for line in &page {
            let line = json!({
                "seq": line.seq,
                "ends": name(line.entry.kind),
                "realm": line.realm,
                "username": line.username,
                "object": line.object,
                "until": at(line.entry.slot.end()),
                "at": at(line.created_at),
                "actor": line.actor,
                "reason": line.reason,
                "undone_by": line.undone_by,
            });
            writeln!(out, "{line}")?;
        }
    }
    Ok(out.flush()?)
}

async fn undo(store: &Store, seq: u64, reason: &str, now: UnixSeconds) -> Result<(), Failure> {
    let undone = store.denylist().undo(seq, reason, &actor(), now).await?;
    let already = if undone.already { ", already" } else { "" };
    println!("Line {seq} is taken back by line {}{already}.", undone.seq);
    Ok(())
}

async fn new_epoch(store: &Store, settings: &Settings, now: UnixMillis) -> Result<(), Failure> {
    let until = endings::latest_end(store, settings, now.seconds()).await?;
    let head = store.denylist().begin_epoch(Epoch(random(&SystemEntropy)), until, &actor(), now).await?;
    println!(
        "Epoch {} begins with line {}; all sessions made before it are over.",
        encoding::encode(&head.epoch.0),
        head.seq
    );
    Ok(())
}
