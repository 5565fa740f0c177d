//! `countersign journey`: the journeys of a realm, brought, looked at, tried and taken away. A running server takes up
//! what is done here within a second.

mod answers;
mod client;
mod files;
mod import;
mod report;
mod terminal;
mod walk;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;
use countersign_journey::host::Realm;
use countersign_journey::validate::{Surroundings, Verdict, validate, validate_in};
use countersign_journey::{Library, Script, Variables, graph};
use countersign_script::{Generation, Limits, Sandbox};
use countersign_store::Store;
use serde_json::json;

use super::init::private_file;
use super::keys::{actor, table};
use super::realm::RealmArg;
use super::{Failure, Outcome, open_store, settings};
use crate::journey::DEFAULT_TREE;
use crate::journey::library::{Editor, RealmJourneys};
use crate::journey::services::realm_of as realm_of_settings;
use crate::settings::Settings;
use crate::{Clock as _, SystemClock};

/// The command did what it was asked, and the answer is not the good one: a journey does not run as a whole, or a login
/// failed.
const NOT_ALL_WELL: u8 = 3;

#[derive(Subcommand)]
pub(in super::super) enum Journey {
    /// Brings exported journeys: files of frodo, of the admin console or of amtree.sh, and folders of
    /// fr-config-manager, Amster and file-based configuration. All of them or, when something is wrong, none. Exit code
    /// 3 says that not all of them run.
    Import(import::Import),
    /// Writes journeys with their nodes, scripts and mail templates, as frodo does; without names all.
    Export {
        names: Vec<String>,
        #[command(flatten)]
        realm: RealmArg,
        /// A new file, readable to its owner only: there may be secrets in nodes. Else standard output.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Lists the realm's journeys, and says which of them run.
    List {
        #[command(flatten)]
        realm: RealmArg,
    },
    /// Says whether journeys run, and if not, at which node and why. Exit code 3 says that not all of them do.
    Validate {
        /// Files or folders, which are looked at by themselves; or names of the realm's journeys. Without any, all the
        /// realm's.
        #[arg(value_name = "PATH|NAME")]
        what: Vec<String>,
        #[command(flatten)]
        realm: RealmArg,
    },
    /// Walks a journey in the terminal, against a running server. Exit code 3 says that it ended in failure.
    Run(walk::Run),
    /// Draws a journey, as SVG.
    Graph {
        /// One of the realm's journeys, or a file with one.
        #[arg(value_name = "NAME|PATH")]
        what: String,
        /// For Graphviz instead.
        #[arg(long)]
        dot: bool,
        #[command(flatten)]
        realm: RealmArg,
    },
    /// Takes journeys away, with their nodes and with the scripts and mail templates that no other journey uses.
    Delete {
        #[arg(required = true)]
        names: Vec<String>,
        #[command(flatten)]
        realm: RealmArg,
    },
    /// Sets (or, without a name, shows) the journey of logins that name none: AM's `orgConfig`.
    Default {
        name: Option<String>,
        #[command(flatten)]
        realm: RealmArg,
    },
}

impl Journey {
    pub(in super::super) async fn run(self, config: &Path) -> Outcome {
        match self {
            Self::Validate { what, realm } if !what.is_empty() && what.iter().all(|what| Path::new(what).exists()) => {
                let paths: Vec<PathBuf> = what.into_iter().map(PathBuf::from).collect();
                let mut library = Library::new();
                library.add(&files::read(&paths)?, &Variables::default());
                let names: Vec<String> = library.journeys().map(|journey| journey.name.clone()).collect();
                // As in a realm where one is named; else files are looked at by themselves.
                let around = match realm.named() {
                    Some(named) => Around::of(&settings(config)?, &named)?,
                    None => Around { realm: None, mail: false, http: false, sandbox: sandbox()? },
                };
                Ok(around.seen(|seen| judged(&library, &names, seen)))
            }
            Self::Graph { what, dot, .. } if Path::new(&what).exists() => {
                let mut library = Library::new();
                library.add(&files::read(&[PathBuf::from(&what)])?, &Variables::default());
                let mut journeys = library.journeys();
                match (journeys.next(), journeys.next()) {
                    (Some(journey), None) => draw(journey, dot),
                    _ => Err(Failure(format!("{what} has not one journey; import it, and name one"))),
                }
            }
            Self::Run(run) => run.run(config).await,
            other => {
                let settings = settings(config)?;
                let store = open_store(&settings).await?;
                let outcome = other.on(&store, &settings).await;
                store.close().await;
                outcome
            }
        }
    }

    async fn on(self, store: &Store, settings: &Settings) -> Outcome {
        let arg = match &self {
            Self::Import(import) => &import.realm,
            Self::Export { realm, .. }
            | Self::List { realm }
            | Self::Validate { realm, .. }
            | Self::Graph { realm, .. }
            | Self::Delete { realm, .. }
            | Self::Default { realm, .. } => realm,
            Self::Run(_) => return Err(Failure("the server walks journeys".into())),
        };
        let (realm, actor) = (arg.of(store).await?, actor());
        let editor = Editor { store, realm: &realm, actor: &actor, now: SystemClock.now().seconds() };
        let journeys = editor.journeys().await?;
        let around = Around::of(settings, &realm)?;
        match self {
            Self::Import(import) => import.run(&editor, &around).await,
            Self::Export { names, out, .. } => export(&journeys, &names, out.as_deref()),
            Self::List { .. } => {
                around.seen(|seen| list(&journeys, seen));
                Ok(ExitCode::SUCCESS)
            }
            Self::Validate { what, .. } => {
                for name in &what {
                    known(&journeys, name)?;
                }
                let all = journeys.library.journeys().map(|journey| journey.name.clone());
                let names = if what.is_empty() { all.collect() } else { what };
                Ok(around.seen(|seen| judged(&journeys.library, &names, seen)))
            }
            Self::Graph { what, dot, .. } => draw(known(&journeys, &what)?, dot),
            Self::Delete { names, .. } => delete(&editor, &names).await,
            Self::Default { name: None, .. } => {
                println!("{}", report::line(&journeys.default));
                Ok(ExitCode::SUCCESS)
            }
            Self::Default { name: Some(name), .. } => set_default(&editor, &journeys, &name).await,
            Self::Run(_) => Ok(ExitCode::SUCCESS),
        }
    }
}

fn known<'a>(journeys: &'a RealmJourneys, name: &str) -> Result<&'a Arc<countersign_journey::Journey>, Failure> {
    journeys.library.journey(name).ok_or_else(|| {
        let names: Vec<&str> = journeys.library.journeys().map(|journey| journey.name.as_str()).collect();
        Failure(format!("there is no journey {name:?}; there are: {}", report::line(&names.join(", "))))
    })
}

/// What there is for journeys: of a realm by its settings, and what compiles scripts.
struct Around {
    realm: Option<Realm>,
    mail: bool,
    http: bool,
    sandbox: Sandbox,
}

impl Around {
    fn of(settings: &Settings, realm: &str) -> Result<Self, Failure> {
        Ok(Self {
            realm: Some(realm_of_settings(settings, realm)),
            mail: settings.mail.is_some(),
            http: !settings.scripts.http_allow.is_empty(),
            sandbox: sandbox()?,
        })
    }

    fn seen<T>(&self, look: impl FnOnce(Surroundings<'_>) -> T) -> T {
        let check = |script: &Script| {
            let generation = if script.next_generation { Generation::Next } else { Generation::Legacy };
            let (name, source) = (script.name.as_str().into(), script.source.as_str().into());
            let script = countersign_script::Script { name, generation, source };
            self.sandbox.check(&script).map_err(|error| error.to_string())
        };
        look(Surroundings { realm: self.realm.as_ref(), mail: self.mail, http: self.http, scripts: Some(&check) })
    }
}

/// It only compiles here.
fn sandbox() -> Result<Sandbox, Failure> {
    Sandbox::new(Limits::default(), 1, 1).map_err(|error| Failure(format!("the sandbox for scripts: {error}")))
}

fn judged(library: &Library, names: &[String], around: Surroundings<'_>) -> ExitCode {
    let journeys = names.iter().filter_map(|name| library.journey(name));
    let reports: Vec<_> = journeys.map(|journey| validate_in(library, journey, around)).collect();
    reports.iter().for_each(|report| report::print(report, true));
    report::exit_code(reports.iter().map(|report| report.verdict))
}

fn export(journeys: &RealmJourneys, names: &[String], out: Option<&Path>) -> Outcome {
    if let Some(missing) = names.iter().find(|name| !journeys.documents.has(name)) {
        return Err(Failure(format!("there is no journey {missing:?} in the database")));
    }
    let mut export = journeys.documents.export(names);
    let selected: Vec<&String> = export.journeys.keys().collect();
    export.meta = Some(json!({
        "exportTool": "countersign",
        "exportToolVersion": env!("CARGO_PKG_VERSION"),
        "treesSelectedForExport": selected,
    }));
    let count = export.journeys.len();
    let text = serde_json::to_string_pretty(&export.to_value())?;
    match out {
        None => println!("{text}"),
        Some(path) => {
            let written = private_file(path).and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            });
            written.map_err(|error| Failure(format!("cannot write {}: {error}", path.display())))?;
            eprintln!("countersign: {count} journeys are in {}", path.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(journeys: &RealmJourneys, around: Surroundings<'_>) {
    let mut rows = vec![["JOURNEY", "VERDICT", "NODES", "ENTRY", "CHANGED", "BY"].map(str::to_owned)];
    for journey in journeys.library.journeys() {
        let name = &journey.name;
        let entry = match (journey.enabled, journey.inner_only) {
            _ if *name == journeys.default => "default",
            (false, _) => "disabled",
            (_, true) => "inner only",
            _ => "by name",
        };
        let (at, by) = match journeys.documents.changed(name) {
            Some((at, by)) => {
                (i64::try_from(*at).ok().and_then(|at| jiff::Timestamp::from_second(at).ok()), by.as_str())
            }
            None => (None, "built in"),
        };
        rows.push([
            report::line(name),
            report::verdict(validate_in(&journeys.library, journey, around).verdict).to_owned(),
            journey.nodes.values().map(|node| node.with_children().count()).sum::<usize>().to_string(),
            entry.to_owned(),
            at.map_or_else(|| "-".to_owned(), |at| at.to_string()),
            report::line(by),
        ]);
    }
    table(&rows);
}

fn draw(journey: &countersign_journey::Journey, dot: bool) -> Outcome {
    let drawn = if dot { graph::dot(journey) } else { graph::svg(journey) };
    println!("{}", drawn.trim_end());
    Ok(ExitCode::SUCCESS)
}

async fn delete(editor: &Editor<'_>, names: &[String]) -> Outcome {
    let callers = editor
        .change(|journeys: &RealmJourneys| {
            for name in names {
                if !journeys.documents.has(name) {
                    return Err(Failure(format!("there is no journey {name:?} in the database")));
                }
                if journeys.default == *name {
                    let why = if *name == DEFAULT_TREE { BUILT_IN_NEXT } else { DEFAULT };
                    return Err(Failure(format!("{name:?} {why}")));
                }
            }
            let calls = |journey: &countersign_journey::Journey| {
                let mut nodes = journey.nodes.values();
                nodes.any(|node| node.inner_tree().is_some_and(|inner| names.iter().any(|name| name == inner)))
            };
            let callers =
                journeys.library.journeys().filter(|journey| !names.contains(&journey.name) && calls(journey));
            let callers: Vec<String> = callers.map(|journey| journey.name.clone()).collect();
            Ok((journeys.documents.removal(names), callers))
        })
        .await?;
    names.iter().for_each(|name| println!("Deleted {}.", report::line(name)));
    if !callers.is_empty() {
        eprintln!("countersign: still called by {}", report::line(&callers.join(", ")));
    }
    Ok(ExitCode::SUCCESS)
}

const DEFAULT: &str = "is the default of the realm; choose another one first: countersign journey default";
/// Whoever asks for a second factor in it must not lose that by a deletion.
const BUILT_IN_NEXT: &str = "is the default of the realm, and the built-in one, which asks for a password alone, would take \
                             its place; choose another one first, or, if that is wanted, for as long as this takes: \
                             countersign journey default";

async fn set_default(editor: &Editor<'_>, journeys: &RealmJourneys, name: &str) -> Outcome {
    let journey = known(journeys, name)?;
    let chosen = journeys.documents.has(name);
    if !journey.enabled || (journey.inner_only && chosen) {
        return Err(Failure(format!("{name:?} cannot be started: it is disabled, or for other journeys only")));
    }
    let report = validate(&journeys.library, journey);
    if report.verdict == Verdict::Refused {
        report::print(&report, false);
        return Err(Failure(format!("{name:?} cannot be started")));
    }
    editor.set_default(name).await?;
    println!("Logins of {} take {} now.", editor.realm, report::line(name));
    if report.verdict == Verdict::Partial {
        report::print(&report, false);
    }
    Ok(ExitCode::SUCCESS)
}
