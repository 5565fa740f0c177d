//! The command line. Errors are one line on stderr and exit code 1; usage errors are clap's, with 2.

/// In place of the one that panics when nobody reads on: `countersign keys list | head` is no mistake.
macro_rules! println {
    ($($text:tt)*) => { $crate::cli::print_line(format_args!($($text)*)) };
}

mod agent;
mod audit;
mod canary;
mod db;
mod denylist;
mod doctor;
mod edge;
mod init;
mod journey;
mod keys;
mod realm;
mod serve;
mod session;
mod sessions_end;
mod user;
mod user_change;
mod user_import;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::NonEmptyStringValueParser;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use countersign_store::{AuditEvent, MasterKey, Store};
use zeroize::Zeroizing;

use crate::reload::Stamp;
use crate::settings::Settings;
use crate::{Clock as _, SystemClock};

#[derive(Parser)]
#[command(name = "countersign", version, about = "Client-side sessions that can be ended: the origin server")]
struct Cli {
    /// Settings file.
    #[arg(long, global = true, env = "COUNTERSIGN_CONFIG", default_value = "countersign.toml", value_name = "FILE")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Creates settings, master key and database of a new installation.
    Init(init::Init),
    /// Runs the server.
    Serve,
    /// Checks settings, keys and database, and says what is wrong.
    Doctor,
    /// Manages realms.
    #[command(subcommand)]
    Realm(realm::Realm),
    /// Manages users.
    #[command(subcommand)]
    User(user::User),
    /// Manages agents: programs that log in.
    #[command(subcommand)]
    Agent(agent::Agent),
    /// Looks into sessions, and ends them.
    #[command(subcommand, visible_alias = "sessions")]
    Session(session::Session),
    /// Brings, exports, examines and tries journeys.
    #[command(subcommand)]
    Journey(journey::Journey),
    /// Shows, rotates, imports and ends keys.
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Shows the log of what was ended, and mends it.
    #[command(subcommand)]
    Denylist(denylist::Denylist),
    /// Shows who changed what.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Checks the database, copies it, and moves it to another one.
    #[command(subcommand)]
    Db(db::Db),
    /// Ends a synthetic session every few seconds and measures how soon edges refuse it; fails when one is too late.
    Canary(canary::Canary),
    /// What an edge needs.
    #[command(subcommand)]
    Edge(edge::Edge),
}

/// What went wrong, in one line for the operator.
struct Failure(String);

impl<E: std::fmt::Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

type Outcome = Result<ExitCode, Failure>;

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let cli = Cli::from_arg_matches(&filled(Cli::command()).get_matches()).unwrap_or_else(|error| error.exit());
    let outcome = match cli.command {
        Command::Init(init) => block_on(init.run()),
        Command::Serve => {
            let seen = Stamp::of(&cli.config);
            settings(&cli.config).and_then(|settings| block_on(serve::run(settings, cli.config, seen)))
        }
        Command::Doctor => block_on(doctor::run(&cli.config)),
        Command::Realm(realm) => settings(&cli.config).and_then(|settings| block_on(realm.run(settings))),
        Command::User(user) => settings(&cli.config).and_then(|settings| block_on(user.run(settings))),
        Command::Agent(agent) => settings(&cli.config).and_then(|settings| block_on(agent.run(settings))),
        Command::Session(session) => block_on(session.run(&cli.config)),
        Command::Journey(journey) => block_on(journey.run(&cli.config)),
        Command::Keys(keys) => settings(&cli.config).and_then(|settings| block_on(keys.run(settings))),
        Command::Denylist(log) => settings(&cli.config).and_then(|settings| block_on(log.run(settings))),
        Command::Audit(audit) => settings(&cli.config).and_then(|settings| block_on(audit.run(settings))),
        Command::Db(db) => settings(&cli.config).and_then(|settings| block_on(db.run(settings))),
        Command::Canary(canary) => settings(&cli.config).and_then(|settings| block_on(canary.run(settings))),
        Command::Edge(edge) => settings(&cli.config).and_then(|settings| block_on(edge.run(settings))),
    };
    outcome.unwrap_or_else(|Failure(what)| {
        eprintln!("countersign: {what}");
        ExitCode::FAILURE
    })
}

/// Arguments that name something: empty ones come of shell variables that are not set, and would mean the root realm,
/// or nobody.
const NAMES: [&str; 7] = ["realm", "user", "username", "name", "reason", "kid", "sid"];

fn filled(command: clap::Command) -> clap::Command {
    let named = |arg: clap::Arg| match NAMES.contains(&arg.get_id().as_str()) {
        true => arg.value_parser(NonEmptyStringValueParser::new()),
        false => arg,
    };
    // `init` says itself what it wants.
    command.mut_args(named).mut_subcommands(|below| if below.get_name() == "init" { below } else { filled(below) })
}

fn block_on(run: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(run);
    // Password checks that nobody waits for any more end by themselves; the process does not wait for them.
    runtime.shutdown_background();
    outcome
}

fn settings(path: &std::path::Path) -> Result<Settings, Failure> {
    Ok(Settings::load(path, environment())?)
}

/// A reader that has gone ends the command, as SIGPIPE would.
fn print_line(text: std::fmt::Arguments<'_>) {
    use std::io::Write as _;
    if let Err(error) = writeln!(std::io::stdout(), "{text}") {
        if error.kind() != std::io::ErrorKind::BrokenPipe {
            eprintln!("countersign: what was to be said could not be written: {error}");
        }
        std::process::exit(1);
    }
}

/// Variables that are not Unicode cannot be ours.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// The database of an installation.
async fn open_store(settings: &Settings) -> Result<Store, Failure> {
    if settings.database.file().is_some_and(|file| !file.exists()) {
        return Err(Failure(format!("there is no database {}; run `countersign init`", settings.database)));
    }
    open_store_at(settings).await
}

/// Also one that is not there yet.
async fn open_store_at(settings: &Settings) -> Result<Store, Failure> {
    let master = match master_key_of_environment()? {
        Some(master) => master,
        None => {
            let path = &settings.master_key_file;
            let cannot = |error| Failure(format!("cannot read {}: {error}", path.display()));
            let text = Zeroizing::new(std::fs::read_to_string(path).map_err(cannot)?);
            MasterKey::from_text(&text).map_err(|error| Failure(format!("{}: {error}", path.display())))?
        }
    };
    Ok(Store::open(&settings.database, master).await?)
}

/// A line of the audit about what a command has changed.
async fn audited(store: &Store, realm: &str, username: &str, detail: serde_json::Value) -> Result<(), Failure> {
    let event = AuditEvent::config_change(SystemClock.now().seconds(), realm, &keys::actor(), detail);
    let event = AuditEvent { username: username.to_owned(), ..event };
    let written = store.audit().append(&[event]).await;
    written.map_err(|error| Failure(format!("it is done, but the audit does not say so: {error}")))
}

/// The variable that has the master key itself, where secrets come in the environment and not in files. It goes before
/// the file.
const MASTER_KEY: &str = "COUNTERSIGN_MASTER_KEY";

fn master_key_of_environment() -> Result<Option<MasterKey>, Failure> {
    let Some(text) = std::env::var_os(MASTER_KEY) else { return Ok(None) };
    let text = Zeroizing::new(text.into_string().unwrap_or_default());
    MasterKey::from_text(&text).map(Some).map_err(|error| Failure(format!("{MASTER_KEY}: {error}")))
}

/// `alpha` and `/alpha` are the same realm; `root` and `/` too.
fn realm_path(name: &str) -> String {
    match name.trim_matches('/') {
        "root" => "/".to_owned(),
        name => format!("/{name}"),
    }
}
