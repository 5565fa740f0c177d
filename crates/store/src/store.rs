use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use crate::denylist::{DenylistLog, Writer};
use crate::{Administrators, Identities, InstallationRow, Keys, MasterKey, Realms, StoreError};

static MIGRATOR: Migrator = sqlx::migrate!("migrations/sqlite");

const READERS: u32 = 4;
const MASTER_KEY_CHECK: (&[&str], &[u8]) = (&["master key check"], b"countersign");

/// How long the store tries before it fails loudly.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    /// For the write lock, which another process may hold.
    pub(crate) lock: Duration,
    /// For a place in the queue of the denylist writer.
    pub(crate) queue: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { lock: Duration::from_secs(5), queue: Duration::from_secs(2) }
    }
}

/// The open database. Cloning is cheap; the denylist writer ends with the last clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    /// For reading only: a statement that writes fails here.
    readers: SqlitePool,
    /// The one connection that writes. SQLite has one writer at a time; to wait for it here is cheaper than in the
    /// file's lock, and in order.
    writer: SqlitePool,
    master: MasterKey,
    denylist: Writer,
}

impl Store {
    /// Opens the database, and creates it (readable to its owner only) and brings its schema up to date when needed.
    /// Processes may race here.
    pub async fn open(path: &Path, master: MasterKey) -> Result<Self, StoreError> {
        Self::open_with(path, master, Patience::default()).await
    }

    pub(crate) async fn open_with(path: &Path, master: MasterKey, patience: Patience) -> Result<Self, StoreError> {
        // Absolute, since SQLite takes some names (":memory:", "") for databases that are not on a disk.
        let path = &std::path::absolute(path).map_err(|error| open_error(path, error))?;
        create_file(path).map_err(|error| open_error(path, error))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            // In WAL mode, FULL is what makes a commit durable before it returns; `fullfsync` says so to macOS too.
            .synchronous(SqliteSynchronous::Full)
            .pragma("fullfsync", "ON")
            .foreign_keys(true)
            .busy_timeout(patience.lock);
        prepare(&options, &master, path, patience).await?;

        let pool = || {
            SqlitePoolOptions::new().acquire_timeout(patience.lock).test_before_acquire(false).after_release(
                // SQLite rolls back by itself when the disk is full; sqlx then counts a transaction that is no more,
                // and every later one on the connection would fail. The ping waits for a rollback that is under way.
                |conn, _| {
                    Box::pin(async move {
                        conn.ping().await?;
                        Ok(!conn.is_in_transaction())
                    })
                },
            )
        };
        let readers = pool().max_connections(READERS).connect_lazy_with(options.clone().pragma("query_only", "ON"));
        let writer = pool().max_connections(1).connect_lazy_with(options);
        let denylist = Writer::start(writer.clone(), patience.queue);
        Ok(Self { inner: Arc::new(Inner { readers, writer, master, denylist }) })
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

    pub fn administrators(&self) -> Administrators<'_> {
        Administrators(self)
    }

    pub fn keys(&self) -> Keys<'_> {
        Keys(self)
    }

    pub fn denylist(&self) -> DenylistLog<'_> {
        DenylistLog(self)
    }

    /// Takes no more work, finishes what was queued, and closes the file. All clones are closed with it.
    pub async fn close(&self) {
        self.inner.denylist.close().await;
        self.inner.readers.close().await;
        self.inner.writer.close().await;
    }

    pub(crate) fn readers(&self) -> &SqlitePool {
        &self.inner.readers
    }

    pub(crate) fn writer(&self) -> &SqlitePool {
        &self.inner.writer
    }

    pub(crate) fn master(&self) -> &MasterKey {
        &self.inner.master
    }

    pub(crate) fn denylist_writer(&self) -> &Writer {
        &self.inner.denylist
    }
}

fn open_error(path: &Path, error: impl std::fmt::Display) -> StoreError {
    StoreError::Open { path: path.to_owned(), detail: error.to_string() }
}

/// SQLite would create the file itself, but with the process's umask; its journals take after this file.
fn create_file(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(file) => {
            file.sync_all()?;
            // The name must survive a power cut as well as the content.
            #[cfg(unix)]
            if let Some(directory) = path.parent() {
                std::fs::File::open(directory)?.sync_all()?;
            }
            Ok(())
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            warn_if_shared(path);
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn warn_if_shared(path: &Path) {
    #[cfg(unix)]
    if let Ok(metadata) = std::fs::metadata(path)
        && std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0
    {
        tracing::warn!(path = %path.display(), "other users of this machine have access to the database; it should have mode 0600");
    }
    #[cfg(not(unix))]
    let _ = path;
}

/// Puts the file into WAL mode, migrates it and checks the master key.
async fn prepare(
    options: &SqliteConnectOptions,
    master: &MasterKey,
    path: &Path,
    patience: Patience,
) -> Result<(), StoreError> {
    let deadline = Instant::now() + patience.lock;
    let mut conn = loop {
        // The change to WAL needs the file alone and does not heed `busy_timeout`: two first starts collide here.
        match options.clone().journal_mode(SqliteJournalMode::Wal).connect().await.map_err(StoreError::from) {
            Ok(conn) => break conn,
            Err(StoreError::Busy) if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(StoreError::Unavailable { detail }) => return Err(open_error(path, detail)),
            Err(error) => return Err(error),
        }
    };
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut conn).await?;
    if mode != "wal" {
        return Err(open_error(path, "its file system does not support write-ahead logging"));
    }
    // The migrator takes no lock on SQLite; inside this transaction its own become savepoints, and racers queue up.
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
    // `run` is not `Send` for a borrowed connection; `run_direct` is sqlx's own way round that.
    MIGRATOR.run_direct(None, &mut *tx, false).await.map_err(|error| migration_error(path, error))?;
    check_master_key(&mut tx, master, path).await?;
    tx.commit().await?;
    conn.close().await?;
    Ok(())
}

fn migration_error(path: &Path, error: MigrateError) -> StoreError {
    let path = PathBuf::from(path);
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
        MigrateError::VersionMissing(version) => {
            let newest = MIGRATOR.iter().map(|migration| migration.version).max();
            if newest.is_some_and(|newest| version > newest) {
                StoreError::NewerSchema { path, version }
            } else {
                StoreError::ForeignSchema { path, version }
            }
        }
        MigrateError::VersionMismatch(version) | MigrateError::Dirty(version) => {
            StoreError::ForeignSchema { path, version }
        }
        other => StoreError::Internal { detail: other.to_string() },
    }
}

async fn check_master_key(conn: &mut SqliteConnection, master: &MasterKey, path: &Path) -> Result<(), StoreError> {
    let (context, known) = MASTER_KEY_CHECK;
    let sealed: Option<Vec<u8>> =
        sqlx::query_scalar("SELECT sealed FROM master_key_check WHERE id = 1").fetch_optional(&mut *conn).await?;
    let Some(sealed) = sealed else {
        let sealed = master.seal(context, known)?;
        sqlx::query("INSERT INTO master_key_check (id, sealed) VALUES (1, $1)").bind(sealed).execute(conn).await?;
        return Ok(());
    };
    match master.open(context, &sealed) {
        Ok(opened) if opened.as_slice() == known => Ok(()),
        _ => Err(StoreError::WrongMasterKey { path: path.to_owned() }),
    }
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
