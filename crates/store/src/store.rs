use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};

use crate::db::{Db, Tx, postgres, sql, sqlite};
use crate::denylist::{Changes, DenylistLog, Signal, Watch, Writer};
use crate::{Identities, InstallationRow, Keys, Location, MasterKey, Realms, StoreError, location};

const MASTER_KEY_CHECK: (&[&str], &[u8]) = (&["master key check"], b"countersign");

/// How long the store tries before it fails loudly.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    /// For a lock, which another process may hold, and for a connection.
    pub(crate) lock: Duration,
    /// For a place in the queue of the denylist writer.
    pub(crate) queue: Duration,
    /// For a server that is away: so long the denylist writer repeats a commit.
    pub(crate) outage: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { lock: Duration::from_secs(5), queue: Duration::from_secs(2), outage: Duration::from_secs(10) }
    }
}

/// The open database. Cloning is cheap; the denylist writer ends with the last clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    db: Arc<Db>,
    master: MasterKey,
    denylist: Writer,
    watch: Watch,
}

impl Store {
    /// Opens the database and brings its schema up to date when needed; a file that is not there is created, readable to
    /// its owner only. Processes may race here.
    pub async fn open(at: impl Into<Location>, master: MasterKey) -> Result<Self, StoreError> {
        Self::open_with(at, master, Patience::default()).await
    }

    pub(crate) async fn open_with(
        at: impl Into<Location>,
        master: MasterKey,
        patience: Patience,
    ) -> Result<Self, StoreError> {
        let at = at.into();
        let (db, watch) = match &at.0 {
            location::Kind::File(path) => {
                let (db, reading) = sqlite::open(path, &at, &master, patience).await?;
                let db = Arc::new(db);
                let watch = Watch::sqlite(Arc::clone(&db), reading);
                (db, watch)
            }
            location::Kind::Postgres(options) => {
                let db = Arc::new(postgres::open(options, &at, &master, patience).await?);
                let watch = Watch::postgres(Arc::clone(&db));
                (db, watch)
            }
        };
        let denylist = Writer::start(Arc::clone(&db), watch.signal(), patience);
        Ok(Self { inner: Arc::new(Inner { db, master, denylist, watch }) })
    }

    pub fn installation(&self) -> InstallationRow<'_> {
        InstallationRow(self)
    }

    pub fn realms(&self) -> Realms<'_> {
        Realms(self)
    }

    pub fn identities(&self) -> Identities<'_> {
        Identities(self)
    }

    pub fn keys(&self) -> Keys<'_> {
        Keys(self)
    }

    pub fn denylist(&self) -> DenylistLog<'_> {
        DenylistLog(self)
    }

    /// Wakes when the denylist log has grown, here or in another process. It may miss nothing for longer than a second
    /// and may wake for nothing: look at the head, then wait again.
    pub fn changes(&self) -> Changes {
        self.inner.watch.changes()
    }

    /// Takes no more work, finishes what was queued, and closes the database. All clones are closed with it.
    pub async fn close(&self) {
        self.inner.denylist.close().await;
        self.inner.watch.stop();
        self.inner.db.close().await;
    }

    pub(crate) fn db(&self) -> &Db {
        &self.inner.db
    }

    pub(crate) fn master(&self) -> &MasterKey {
        &self.inner.master
    }

    pub(crate) fn signal(&self) -> Signal {
        self.inner.watch.signal()
    }

    pub(crate) fn denylist_writer(&self) -> &Writer {
        &self.inner.denylist
    }
}

pub(crate) fn open_error(at: &Location, error: impl std::fmt::Display) -> StoreError {
    StoreError::Open { database: at.to_string(), detail: error.to_string() }
}

pub(crate) fn migration_error(at: &Location, migrator: &Migrator, error: MigrateError) -> StoreError {
    let database = at.to_string();
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
        MigrateError::VersionMissing(version) => {
            let newest = migrator.iter().map(|migration| migration.version).max();
            if newest.is_some_and(|newest| version > newest) {
                StoreError::NewerSchema { database, version }
            } else {
                StoreError::ForeignSchema { database, version }
            }
        }
        MigrateError::VersionMismatch(version) | MigrateError::Dirty(version) => {
            StoreError::ForeignSchema { database, version }
        }
        other => StoreError::Internal { detail: other.to_string() },
    }
}

pub(crate) async fn check_master_key(tx: &mut Tx<'_>, master: &MasterKey, at: &Location) -> Result<(), StoreError> {
    let (context, known) = MASTER_KEY_CHECK;
    let sealed: Option<(Vec<u8>,)> = sql("SELECT sealed FROM master_key_check WHERE id = 1").optional(tx).await?;
    let Some((sealed,)) = sealed else {
        let sealed = master.seal(context, known)?;
        sql("INSERT INTO master_key_check (id, sealed) VALUES (1, $1)").bind(sealed).run(tx).await?;
        return Ok(());
    };
    if opens(master, &sealed) { Ok(()) } else { Err(StoreError::WrongMasterKey { database: at.to_string() }) }
}

/// Whether the value of the table `master_key_check` was sealed under this key.
pub(crate) fn opens(master: &MasterKey, sealed: &[u8]) -> bool {
    let (context, known) = MASTER_KEY_CHECK;
    master.open(context, sealed).is_ok_and(|opened| opened.as_slice() == known)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use countersign_core::denylist::Epoch;
    use countersign_core::time::UnixSeconds;

    pub(crate) const EPOCH: Epoch = Epoch([9; 16]);
    pub(crate) const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

    pub(crate) fn master() -> MasterKey {
        MasterKey::from_bytes(&[7; 32])
    }

    /// A store in a directory of its own, with an installation and the realm `/alpha`.
    pub(crate) async fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store.db"), master()).await.unwrap();
        store.installation().initialise(EPOCH, NOW).await.unwrap();
        store.realms().create("/alpha", NOW).await.unwrap();
        (dir, store)
    }

    #[tokio::test]
    async fn pragmas_are_what_durability_needs() {
        let (_dir, store) = store().await;
        for pool in [store.readers(), store.writer()] {
            let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(pool).await.unwrap();
            let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(pool).await.unwrap();
            let foreign_keys: i64 = sqlx::query_scalar("PRAGMA foreign_keys").fetch_one(pool).await.unwrap();
            assert_eq!((mode.as_str(), synchronous, foreign_keys), ("wal", 2, 1));
        }
        assert!(sqlx::query("DELETE FROM realms").execute(store.readers()).await.is_err(), "readers cannot write");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn the_files_are_for_their_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let (dir, _store) = store().await;
        let files: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(Result::unwrap).collect();
        assert!(files.len() >= 2, "the database and its log");
        for file in files {
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
        }
    }

    #[tokio::test]
    async fn a_wrong_master_key_is_named_at_open() {
        let (dir, store) = store().await;
        store.close().await;
        let path = dir.path().join("store.db");
        let error = Store::open(&path, MasterKey::from_bytes(&[8; 32])).await.err().unwrap();
        assert_eq!(error, StoreError::WrongMasterKey { path: path.clone() });
        assert!(Store::open(&path, master()).await.is_ok(), "the right key still opens it");
    }

    #[tokio::test]
    async fn what_cannot_be_opened_is_the_operators_fault() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("no/such/dir.db");
        assert!(matches!(Store::open(&missing, master()).await.err(), Some(StoreError::Open { .. })));
        let text = dir.path().join("text.db");
        std::fs::write(&text, "this is not a database. ".repeat(100)).unwrap();
        assert!(matches!(Store::open(&text, master()).await.err(), Some(StoreError::Open { .. })));
        assert!(matches!(Store::open(dir.path(), master()).await.err(), Some(StoreError::Open { .. })));
    }

    #[tokio::test]
    async fn a_newer_or_foreign_schema_is_refused() {
        let (dir, store) = store().await;
        let path = dir.path().join("store.db");
        sqlx::query(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (999, 'later', TRUE, x'00', 0)",
        )
        .execute(store.writer())
        .await
        .unwrap();
        let newer = Store::open(&path, master()).await.err();
        assert_eq!(newer, Some(StoreError::NewerSchema { path: path.clone(), version: 999 }));
        sqlx::query("DELETE FROM _sqlx_migrations WHERE version = 999").execute(store.writer()).await.unwrap();
        sqlx::query("UPDATE _sqlx_migrations SET checksum = x'00'").execute(store.writer()).await.unwrap();
        let foreign = Store::open(&path, master()).await.err();
        assert_eq!(foreign, Some(StoreError::ForeignSchema { path, version: 1 }));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn first_starts_may_race() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.db");
        let racers: Vec<_> = (0..8)
            .map(|_| {
                let path = path.clone();
                tokio::spawn(async move { Store::open(&path, master()).await.map(drop) })
            })
            .collect();
        for racer in racers {
            assert_eq!(racer.await.unwrap(), Ok(()));
        }
    }

    #[tokio::test]
    async fn a_closed_store_says_so() {
        let (_dir, store) = store().await;
        let clone = store.clone();
        store.close().await;
        store.close().await;
        assert_eq!(clone.realms().list().await.err(), Some(StoreError::Closed));
        assert_eq!(clone.denylist().head().await.err(), Some(StoreError::Closed));
    }
}
