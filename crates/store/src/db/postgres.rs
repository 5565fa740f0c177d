//! The shared database: several origins on one PostgreSQL (13 or newer).
//!
//! Connections must be to the primary, direct or through a pooler in session mode: settings are made per session, and
//! LISTEN belongs to one.

use std::time::{Duration, Instant};

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, PgPool};

use super::{Db, Tx};
use crate::identities::fill_keys;
use crate::store::{Patience, check_master_key, migration_error, open_error};
use crate::{Location, MasterKey, StoreError};

pub(super) static MIGRATOR: Migrator = sqlx::migrate!("migrations/postgres");

const CONNECTIONS: u32 = 10;
/// One writes; the second is for when the first was given up and the server has not noticed yet.
const LOG_CONNECTIONS: u32 = 2;
/// How the writer's few statements are to be run, which all find what they want by an index. They may be planned when
/// the log is empty and to read all of it the cheapest way, and such a plan is kept while it grows.
const LOG_PLANS: [(&str, &str); 2] = [("enable_seqscan", "off"), ("jit", "off")];
/// A transaction that stands still for this long is one whose client is gone: it must not keep a lock.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(10);
const STATEMENT: Duration = Duration::from_secs(60);

pub(crate) async fn open(
    options: &PgConnectOptions,
    at: &Location,
    master: &MasterKey,
    patience: Patience,
) -> Result<Db, StoreError> {
    let millis = |duration: Duration| duration.as_millis().to_string();
    let options = options.clone().application_name("countersign").disable_statement_logging().options([
        // Of statements that are a transaction by themselves; the others say it.
        ("default_transaction_isolation", "read committed".to_owned()),
        ("lock_timeout", millis(patience.lock)),
        ("idle_in_transaction_session_timeout", millis(IDLE_IN_TRANSACTION)),
        ("statement_timeout", millis(STATEMENT)),
    ]);
    prepare(&options, at, master).await?;
    let pool = |connections, options| {
        PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(patience.lock)
            .after_connect(|conn, _| Box::pin(settle(conn)))
            .connect_lazy_with(options)
    };
    let log = pool(LOG_CONNECTIONS, options.clone().options(LOG_PLANS));
    Ok(Db::Postgres { pool: pool(CONNECTIONS, options), log })
}

/// An acknowledgement means that the entry is on a disk, whatever the server has for a default; a stronger setting
/// (`remote_apply`) stays. A standby is refused: it may be behind, and what it says of the head would be a lie.
async fn settle(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    let (standby,): (bool,) = sqlx::query_as(
        "SELECT pg_is_in_recovery(), CASE WHEN current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')
                THEN set_config('synchronous_commit', 'on', false) END",
    )
    .fetch_one(conn)
    .await?;
    if standby { Err(sqlx::Error::Io(std::io::Error::other("the server is a standby"))) } else { Ok(()) }
}

/// So long a start waits for its turn to migrate, and for whoever reads a table that is to be changed.
const MIGRATION: Duration = Duration::from_secs(60);
/// And at one go: everybody who comes to the table meanwhile stands behind it. A logout of an origin in service has
/// [`Patience::lock`].
const MIGRATION_LOCK: Duration = Duration::from_millis(500);

/// Migrates the database and checks the master key. The migrator holds an advisory lock: racers queue up.
async fn prepare(options: &PgConnectOptions, at: &Location, master: &MasterKey) -> Result<(), StoreError> {
    // The first racer's work and a server that is busy may take longer than a lock in service.
    let patient = options.clone().options([("lock_timeout", "60000"), ("statement_timeout", "0")]);
    let connected = tokio::time::timeout(Duration::from_secs(30), patient.connect()).await;
    let connected = connected.map_err(|_| open_error(at, "no answer within 30 s"))?;
    let mut conn = connected.map_err(|error| match StoreError::from(error) {
        StoreError::Unavailable { detail } | StoreError::Internal { detail } => open_error(at, detail),
        other => open_error(at, other),
    })?;
    settle(&mut conn).await.map_err(|error| open_error(at, error))?;
    let (version, encoding, fsync): (i32, String, String) = sqlx::query_as(
        "SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), current_setting('fsync')",
    )
    .fetch_one(&mut conn)
    .await?;
    if version < 130_000 {
        return Err(open_error(at, "PostgreSQL 13 or newer is needed"));
    }
    if encoding != "UTF8" {
        return Err(open_error(at, "the database must have the encoding UTF8"));
    }
    if fsync != "on" {
        tracing::warn!(database = %at, "the server runs with fsync off: a power cut there brings ended sessions back");
    }
    migrate(&mut conn, at).await?;
    let mut tx = Tx::Postgres(conn.begin().await?);
    tx.lock(&["master key check"]).await?;
    check_master_key(&mut tx, master, at).await?;
    fill_keys(&mut tx).await?;
    tx.commit().await?;
    conn.close().await?;
    Ok(())
}

async fn migrate(conn: &mut PgConnection, at: &Location) -> Result<(), StoreError> {
    let lock_timeout = "SELECT set_config('lock_timeout', $1, false)";
    let before: (String,) = sqlx::query_as("SELECT current_setting('lock_timeout')").fetch_one(&mut *conn).await?;
    sqlx::query(lock_timeout).bind(MIGRATION_LOCK.as_millis().to_string()).execute(&mut *conn).await?;
    let deadline = Instant::now() + MIGRATION;
    loop {
        // Each migration is a transaction, and those that are done are not done again.
        let done = MIGRATOR.run_direct(None, conn, false).await.map_err(|error| migration_error(at, &MIGRATOR, error));
        match done {
            Err(StoreError::Busy) if Instant::now() < deadline => tokio::time::sleep(MIGRATION_LOCK).await,
            done => break done?,
        }
    }
    sqlx::query(lock_timeout).bind(before.0).execute(conn).await?;
    Ok(())
}

/// A pool of one for listening, apart from those that [`Db::close`] waits for.
pub(crate) fn listening(pool: &PgPool) -> PgPool {
    let options = (*pool.connect_options()).clone();
    PgPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(5)).connect_lazy_with(options)
}
