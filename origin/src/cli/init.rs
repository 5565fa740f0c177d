use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use countersign_core::denylist::Epoch;
use countersign_store::{MasterKey, Store};

use super::{Failure, MASTER_KEY, Outcome, environment, master_key_of_environment, realm_path};
use crate::ambient::random;
use crate::keyring;
use crate::settings::{PublicUrl, Settings, template};
use crate::{Clock as _, SystemClock, SystemEntropy};

#[derive(Args)]
pub(super) struct Init {
    /// Directory for settings, master key and database; made if missing.
    #[arg(long, default_value = ".", value_name = "DIR")]
    dir: PathBuf,
    /// The first realm.
    #[arg(long, default_value = "alpha")]
    realm: String,
    /// What browsers will use: scheme, host and port (the edge's, when an edge is in front).
    #[arg(long, value_name = "URL")]
    public_url: String,
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    listen: SocketAddr,
    /// PostgreSQL instead of a file: a file with the database's URL. (COUNTERSIGN__DATABASE__URL does it as well.)
    #[arg(long, value_name = "FILE")]
    database_url_file: Option<PathBuf>,
}

impl Init {
    pub(super) async fn run(self) -> Outcome {
        let public_url =
            PublicUrl::parse(&self.public_url).map_err(|rule| Failure(format!("--public-url {rule}")))?.origin();
        let [config, master_key, database] =
            ["countersign.toml", "master.key", "countersign.db"].map(|name| self.dir.join(name));
        if self.realm.bytes().all(|byte| byte == b'/') {
            return Err(Failure("--realm must have a name, such as alpha".into()));
        }
        let given = master_key_of_environment()?;
        absent([&config, &master_key, &database])?;
        let new: Vec<&Path> = self.dir.ancestors().take_while(|dir| !exists(dir)).collect();
        let text = self.settings_text(&public_url)?;
        // Before anything is made: with PostgreSQL, what is half made cannot be taken away again.
        let settings = Settings::of_text(&text, &self.dir, environment())?;
        countersign_store::check_realm_name(&realm_path(&self.realm))?;
        let from_environment = given.is_some();
        let made = self.make(&text, &settings, given, [&config, &master_key, &database]).await;
        if made.is_err() {
            // The deepest first. One that has something in it by now stays.
            for dir in new {
                let _ = std::fs::remove_dir(dir);
            }
        }
        made?;

        if from_environment {
            println!(
                "Made {} and {}, whose secrets are sealed under {MASTER_KEY}.",
                config.display(),
                settings.database
            );
        } else {
            println!("Made {}, {} and {}.", config.display(), master_key.display(), settings.database);
        }
        println!(
            "Next: countersign --config {} user add --realm {} --username … --password-stdin",
            config.display(),
            self.realm
        );
        Ok(ExitCode::SUCCESS)
    }

    fn settings_text(&self, public_url: &str) -> Result<String, Failure> {
        let url_file = self.database_url_file.as_deref().map(std::path::absolute).transpose()?;
        let url_file = url_file.map(|file| file.to_str().map(str::to_owned).ok_or("--database-url-file is not UTF-8"));
        Ok(template(&self.listen.to_string(), public_url, url_file.transpose()?.as_deref()))
    }

    async fn make(
        &self,
        text: &str,
        settings: &Settings,
        given: Option<MasterKey>,
        [config, master_key, database]: [&Path; 3],
    ) -> Result<(), Failure> {
        std::fs::create_dir_all(&self.dir)
            .map_err(|error| Failure(format!("cannot make the directory {}: {error}", self.dir.display())))?;
        // Only one of two attempts at once gets past this; what comes after is its own.
        let lock = self.dir.join("countersign.init");
        create(&lock, 0o600, "")?;
        let made = match absent([config, master_key, database]) {
            Ok(()) => self.make_alone(text, settings, given, [config, master_key, database]).await,
            Err(error) => Err(error),
        };
        let _ = std::fs::remove_file(&lock);
        made
    }

    async fn make_alone(
        &self,
        text: &str,
        settings: &Settings,
        given: Option<MasterKey>,
        [config, master_key, database]: [&Path; 3],
    ) -> Result<(), Failure> {
        let master = match given {
            Some(master) => master,
            None => {
                let master = MasterKey::generate()?;
                create(master_key, 0o600, &format!("{}\n", master.to_text().as_str()))?;
                master
            }
        };
        let filled = self.fill(text, settings, master, config).await;
        if filled.is_err() {
            // What is half made would only stand in the way of the next attempt.
            let beside = ["countersign.db-wal", "countersign.db-shm"].map(|name| self.dir.join(name));
            for path in [config, master_key, database].into_iter().chain(beside.iter().map(PathBuf::as_path)) {
                let _ = std::fs::remove_file(path);
            }
        }
        filled
    }

    async fn fill(&self, text: &str, settings: &Settings, master: MasterKey, config: &Path) -> Result<(), Failure> {
        let (now, entropy) = (SystemClock.now().seconds(), SystemEntropy);
        let store = Store::open(&settings.database, master).await?;
        store.installation().initialise(Epoch(random(&entropy)), now).await?;
        let realm = store.realms().create(&realm_path(&self.realm), now).await?.name;
        keyring::generate(&store, None, now, &entropy).await?;
        keyring::generate(&store, Some((&realm, settings.realm(&realm))), now, &entropy).await?;
        store.close().await;
        // Last: a directory with settings is a finished one.
        create(config, 0o644, text)
    }
}

fn absent(paths: [&Path; 3]) -> Result<(), Failure> {
    match paths.into_iter().find(|path| path.symlink_metadata().is_ok()) {
        Some(path) => Err(Failure(format!("{} exists already; nothing was changed", path.display()))),
        None => Ok(()),
    }
}

/// A relative path ends in the empty one, which is where we are.
fn exists(dir: &Path) -> bool {
    dir.as_os_str().is_empty() || dir.symlink_metadata().is_ok()
}

/// A new file for its owner alone. Never writes over anything.
pub(super) fn private_file(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Never writes over anything.
fn create(path: &Path, mode: u32, content: &str) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let written = options.open(path).and_then(|mut file| {
        file.write_all(content.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| Failure(format!("cannot write {}: {error}", path.display())))
}
