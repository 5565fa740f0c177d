use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use countersign_core::denylist::Epoch;
use countersign_store::{MasterKey, Store};

use super::{Failure, Outcome, environment, realm_path};
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
        for path in [&config, &master_key, &database] {
            if path.symlink_metadata().is_ok() {
                return Err(Failure(format!("{} exists already; nothing was changed", path.display())));
            }
        }
        let new: Vec<&Path> = self.dir.ancestors().take_while(|dir| !exists(dir)).collect();
        let made = self.make(&public_url, &config, &master_key, &database).await;
        if made.is_err() {
            // The deepest first. One that has something in it by now stays.
            for dir in new {
                let _ = std::fs::remove_dir(dir);
            }
        }
        made?;

        println!("Made {}, {} and {}.", config.display(), master_key.display(), database.display());
        println!(
            "Next: countersign --config {} user add --realm {} --username … --password-stdin",
            config.display(),
            self.realm
        );
        Ok(ExitCode::SUCCESS)
    }

    async fn make(&self, public_url: &str, config: &Path, master_key: &Path, database: &Path) -> Result<(), Failure> {
        std::fs::create_dir_all(&self.dir)
            .map_err(|error| Failure(format!("cannot make the directory {}: {error}", self.dir.display())))?;
        // Only one of two attempts at once gets past this; what comes after is its own.
        let master = MasterKey::generate()?;
        create(master_key, 0o600, &format!("{}\n", master.to_text().as_str()))?;
        let filled = self.fill(public_url, master, config, database).await;
        if filled.is_err() {
            // What is half made would only stand in the way of the next attempt.
            let beside = ["countersign.db-wal", "countersign.db-shm"].map(|name| self.dir.join(name));
            for path in [config, master_key, database].into_iter().chain(beside.iter().map(PathBuf::as_path)) {
                let _ = std::fs::remove_file(path);
            }
        }
        filled
    }

    async fn fill(&self, public_url: &str, master: MasterKey, config: &Path, database: &Path) -> Result<(), Failure> {
        let (now, entropy) = (SystemClock.now().seconds(), SystemEntropy);
        let store = Store::open(database, master).await?;
        store.installation().initialise(Epoch(random(&entropy)), now).await?;
        let realm = store.realms().create(&realm_path(&self.realm), now).await?.name;
        keyring::generate(&store, None, now, &entropy).await?;
        let text = template(&self.listen.to_string(), public_url);
        let settings = Settings::of_text(&text, environment())?;
        keyring::generate(&store, Some((&realm, settings.realm(&realm))), now, &entropy).await?;
        store.close().await;
        // Last: a directory with settings is a finished one.
        create(config, 0o644, &text)
    }
}

/// A relative path ends in the empty one, which is where we are.
fn exists(dir: &Path) -> bool {
    dir.as_os_str().is_empty() || dir.symlink_metadata().is_ok()
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
