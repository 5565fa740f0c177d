use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::realm::RealmArg;
use super::user::fits;
use super::{Failure, Outcome, audited, open_store};
use crate::keyring::Keyring;
use crate::passwords;
use crate::seal_budgets::SealBudgets;
use crate::settings::Settings;
use crate::user_import::{self, Format, Target};
use crate::{Clock as _, SystemClock, SystemEntropy};

#[derive(Args)]
pub(super) struct Import {
    /// One user per line or entry. Passwords may be hashes that another system made: argon2id, bcrypt, scrypt, PBKDF2,
    /// {SSHA}, {SSHA256}, {SSHA512}; they are made argon2id when their user logs in.
    file: PathBuf,
    #[command(flatten)]
    realm: RealmArg,
    /// By the file's name (.csv, .jsonl, .ldif) unless it is said.
    #[arg(long)]
    format: Option<Named>,
    /// Say what would be refused, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Take the others when some are refused. Otherwise nobody is taken.
    #[arg(long)]
    skip_refused: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Named {
    Csv,
    Jsonl,
    Ldif,
}

impl Import {
    fn format(&self) -> Result<Format, Failure> {
        let by_name = match self.file.extension().and_then(|name| name.to_str()) {
            Some("csv") => Some(Format::Csv),
            Some("jsonl" | "ndjson") => Some(Format::JsonLines),
            Some("ldif") => Some(Format::Ldif),
            _ => None,
        };
        let named = self.format.map(|named| match named {
            Named::Csv => Format::Csv,
            Named::Jsonl => Format::JsonLines,
            Named::Ldif => Format::Ldif,
        });
        named.or(by_name).ok_or_else(|| Failure("say the file's --format: csv, jsonl or ldif".to_owned()))
    }

    fn open(&self) -> Result<BufReader<File>, Failure> {
        let cannot = |error| Failure(format!("cannot read {}: {error}", self.file.display()));
        File::open(&self.file).map(BufReader::new).map_err(cannot)
    }

    pub(super) async fn run(self, settings: Settings) -> Outcome {
        let format = self.format()?;
        let store = open_store(&settings).await?;
        let realm = self.realm.of(&store).await?;
        let ring = Keyring::load(&store, &settings, &SealBudgets::few(settings.keys.max_seals)).await?;
        let keys = ring.realms.get(&realm).ok_or_else(|| Failure(format!("the realm {realm} has no keys")))?;
        let session = &settings.realm(&realm).session;
        let argon2 = passwords::hasher(&settings.argon2)?;
        let target = Target {
            store: &store,
            realm: &realm,
            argon2: &argon2,
            entropy: &SystemEntropy,
            now: SystemClock.now().seconds(),
            policy: &settings.realm(&realm).passwords,
            fits: &|new| fits(session, keys, new).map_err(|Failure(why)| why),
        };
        let file = self.file.display();
        let mut tell = |line: u64, why: &str| eprintln!("{file}:{line}: refused: {why}");
        let wrong = |why: String| Failure(format!("{file}: {why}"));
        let mut records = user_import::records(format, self.open()?).map_err(wrong)?;
        let found = user_import::examine(&mut *records, &target, &mut tell).await.map_err(wrong)?;
        if self.dry_run {
            println!("{} users could be imported into {realm}, {} are refused.", found.taken, found.refused);
            return Ok(if found.refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        if found.refused > 0 && !self.skip_refused {
            let what =
                format!("{} are refused, so nobody was imported; --skip-refused takes the others", found.refused);
            return Err(Failure(what));
        }
        // They were told already; what is new now was made by somebody else meanwhile.
        let mut records = user_import::records(format, self.open()?).map_err(wrong)?;
        let mut again = |line: u64, why: &str| tracing::debug!(line, why, "refused");
        let done = user_import::import(&mut *records, &target, &mut again).await.map_err(wrong)?;
        let detail = serde_json::json!({
            "object": "users", "operation": "import", "imported": done.taken, "refused": done.refused,
        });
        audited(&store, &realm, "", detail).await?;
        store.close().await;
        println!("Imported {} users into {realm}; {} were refused.", done.taken, done.refused);
        Ok(ExitCode::SUCCESS)
    }
}
