//! The embedded database: one file, in WAL mode, every commit synced.

use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};

use super::{Db, Tx};
use crate::identities::fill_keys;
use crate::store::{Patience, check_master_key, migration_error, open_error};
use crate::{Location, MasterKey, StoreError};

pub(super) static MIGRATOR: Migrator = sqlx::migrate!("migrations/sqlite");

const READERS: u32 = 4;

/// Opens the file, and creates it (readable to its owner only) and brings its schema up to date when needed.
pub(crate) async fn open(
    path: &Path,
    at: &Location,
    master: &MasterKey,
    patience: Patience,
) -> Result<(Db, SqliteConnectOptions), StoreError> {
    // Absolute, since SQLite takes some names (":memory:", "") for databases that are not on a disk.
    let path = &std::path::absolute(path).map_err(|error| open_error(at, error))?;
    create_file(path).map_err(|error| open_error(at, error))?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        // In WAL mode, FULL is what makes a commit durable before it returns; `fullfsync` says so to macOS too.
        .synchronous(SqliteSynchronous::Full)
        .pragma("fullfsync", "ON")
        .foreign_keys(true)
        .busy_timeout(patience.lock);
    prepare(&options, master, at, patience).await?;

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
    let reading = options.clone().pragma("query_only", "ON");
    let readers = pool().max_connections(READERS).connect_lazy_with(reading.clone());
    let writer = pool().max_connections(1).connect_lazy_with(options);
    Ok((Db::Sqlite { readers, writer }, reading))
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
    at: &Location,
    patience: Patience,
) -> Result<(), StoreError> {
    let deadline = Instant::now() + patience.lock;
    let mut conn = loop {
        // The change to WAL needs the file alone and does not heed `busy_timeout`: two first starts collide here.
        match options.clone().journal_mode(SqliteJournalMode::Wal).connect().await.map_err(StoreError::from) {
            Ok(conn) => break conn,
            Err(StoreError::Busy) if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(StoreError::Unavailable { detail }) => return Err(open_error(at, detail)),
            Err(error) => return Err(error),
        }
    };
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut conn).await?;
    if mode != "wal" {
        return Err(open_error(at, "its file system does not support write-ahead logging"));
    }
    // The migrator takes no lock on SQLite; inside this transaction its own become savepoints, and racers queue up.
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
    // `run` is not `Send` for a borrowed connection; `run_direct` is sqlx's own way round that.
    MIGRATOR.run_direct(None, &mut *tx, false).await.map_err(|error| migration_error(at, &MIGRATOR, error))?;
    let mut tx = Tx::Sqlite(tx);
    check_master_key(&mut tx, master, at).await?;
    fill_keys(&mut tx).await?;
    tx.commit().await?;
    conn.close().await?;
    Ok(())
}
