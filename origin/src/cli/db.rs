//! `countersign db`: the database as a whole.

use std::io::{BufReader, BufWriter, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use countersign_store::Store;

use super::init::private_file;
use super::{Failure, Outcome, open_store, open_store_at};
use crate::settings::Settings;
use crate::{Clock as _, SystemClock};

#[derive(Subcommand)]
pub(super) enum Db {
    /// Brings the schema up to date. (Every other command does so too; this one does nothing else.)
    Migrate,
    /// Reads everything, and says what is not in order; exit code 1 when something is not.
    Check,
    /// Writes everything into a copy. Logouts after it are not in it: stop the servers to move an installation.
    Export {
        /// A new file, readable to its owner only; `-` for standard output. Keys in it stay sealed.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Reads a copy into the database that the settings name, which must be empty; from a file into PostgreSQL, say.
    /// The master key is the same as before.
    Import {
        /// `-` for standard input.
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
}

impl Db {
    pub(super) async fn run(self, settings: Settings) -> Outcome {
        let store = match self {
            // The place may have nothing yet.
            Self::Migrate | Self::Import { .. } => open_store_at(&settings).await?,
            Self::Check | Self::Export { .. } => open_store(&settings).await?,
        };
        let outcome = self.on(&store, &settings).await;
        store.close().await;
        outcome
    }

    async fn on(self, store: &Store, settings: &Settings) -> Outcome {
        match self {
            Self::Migrate => println!("The schema of {} is current.", settings.database),
            Self::Check => {
                let report = store.check().await?;
                for finding in &report.findings {
                    println!("fail  {finding}");
                }
                let (lines, keys) = (report.lines, report.keys);
                if !report.findings.is_empty() {
                    return Ok(ExitCode::FAILURE);
                }
                println!("ok    {}: {lines} lines of the denylist log, {keys} keys", settings.database);
            }
            Self::Export { out } => {
                let now = SystemClock.now().seconds();
                let rows = if out.as_os_str() == "-" {
                    store.export(&mut BufWriter::new(std::io::stdout()), now).await?
                } else {
                    let cannot = |error| Failure(format!("cannot write {}: {error}", out.display()));
                    let mut file = BufWriter::new(private_file(&out).map_err(cannot)?);
                    let written = store.export(&mut file, now).await;
                    let synced = file.flush().and_then(|()| file.get_ref().sync_all());
                    if written.is_err() || synced.is_err() {
                        let _ = std::fs::remove_file(&out); // half a copy is none
                    }
                    synced.map_err(cannot)?;
                    written?
                };
                eprintln!("countersign: {rows} rows; logouts from now on are not in the copy");
            }
            Self::Import { file } => {
                let imported = if file.as_os_str() == "-" {
                    store.import(&mut BufReader::new(std::io::stdin())).await?
                } else {
                    let opened = std::fs::File::open(&file);
                    let opened = opened.map_err(|error| Failure(format!("cannot read {}: {error}", file.display())))?;
                    store.import(&mut BufReader::new(opened)).await?
                };
                println!("{} rows are in {} now.", imported.rows, settings.database);
                println!(
                    "If a server went on working after the copy was made: countersign denylist new-epoch \
                     --end-all-sessions"
                );
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
