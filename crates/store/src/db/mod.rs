//! One way to speak to two databases.
//!
//! Every statement of this crate is written once, with `$1` for its parameters, and runs on both. sqlx's own `Any`
//! driver would do the same but gives up the types of errors and SQLite's pragmas; an enum keeps both. What differs is
//! here and in the two modules below: how to open, how to begin a transaction, and how two writers keep out of each
//! other's way.

pub(crate) mod bulk;
pub(crate) mod postgres;
pub(crate) mod sqlite;
mod statement;
#[cfg(test)]
mod upgrade_tests;

use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, PgConnection, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool, Transaction};

use crate::StoreError;

pub(crate) use statement::{Arg, Row, sql, sql_of};

/// The pools of an open database.
pub(crate) enum Db {
    Sqlite {
        /// For reading only: a statement that writes fails here.
        readers: SqlitePool,
        /// The one connection that writes. SQLite has one writer at a time; to wait for it here is cheaper than in the
        /// file's lock, and in order.
        writer: SqlitePool,
    },
    Postgres {
        pool: PgPool,
        /// The denylist writer's own: a storm of other requests cannot keep a logout waiting for a connection.
        log: PgPool,
    },
}

/// A connection on which each statement is its own transaction.
pub(crate) enum Conn {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

/// A transaction; dropped without [`Tx::commit`] it is rolled back.
pub(crate) enum Tx<'c> {
    Sqlite(Transaction<'c, Sqlite>),
    Postgres(Transaction<'c, Postgres>),
}

/// Where a statement runs.
pub(crate) enum On<'a> {
    Sqlite(&'a mut SqliteConnection),
    Postgres(&'a mut PgConnection),
}

pub(crate) trait Place: Send {
    fn on(&mut self) -> On<'_>;
}

impl Place for Conn {
    fn on(&mut self) -> On<'_> {
        match self {
            Self::Sqlite(conn) => On::Sqlite(conn),
            Self::Postgres(conn) => On::Postgres(conn),
        }
    }
}

impl Place for Tx<'_> {
    fn on(&mut self) -> On<'_> {
        match self {
            Self::Sqlite(tx) => On::Sqlite(tx),
            Self::Postgres(tx) => On::Postgres(tx),
        }
    }
}

/// Takes SQLite's write lock before anything is read: what is read then holds until the commit.
const WRITE_SQLITE: &str = "BEGIN IMMEDIATE";
/// Each statement sees what was committed before it, hence after [`Tx::lock`] all that the last holder wrote; whatever
/// level the server has for a default.
const WRITE_POSTGRES: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
const SNAPSHOT_SQLITE: &str = "BEGIN DEFERRED";
const SNAPSHOT_POSTGRES: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

impl Db {
    /// For statements that read.
    pub(crate) async fn read(&self) -> Result<Conn, StoreError> {
        Ok(match self {
            Self::Sqlite { readers, .. } => Conn::Sqlite(readers.acquire().await?),
            Self::Postgres { pool, .. } => Conn::Postgres(pool.acquire().await?),
        })
    }

    /// For single statements that write.
    pub(crate) async fn write(&self) -> Result<Conn, StoreError> {
        Ok(match self {
            Self::Sqlite { writer, .. } => Conn::Sqlite(writer.acquire().await?),
            Self::Postgres { pool, .. } => Conn::Postgres(pool.acquire().await?),
        })
    }

    /// The connection of the denylist writer.
    pub(crate) async fn log(&self) -> Result<Conn, StoreError> {
        Ok(match self {
            Self::Sqlite { writer, .. } => Conn::Sqlite(writer.acquire().await?),
            Self::Postgres { log, .. } => Conn::Postgres(log.acquire().await?),
        })
    }

    /// A transaction that writes.
    pub(crate) async fn begin(&self) -> Result<Tx<'static>, StoreError> {
        Ok(match self {
            Self::Sqlite { writer, .. } => Tx::Sqlite(writer.begin_with(WRITE_SQLITE).await?),
            Self::Postgres { pool, .. } => Tx::Postgres(pool.begin_with(WRITE_POSTGRES).await?),
        })
    }

    /// A transaction that reads, all of it as of one moment.
    pub(crate) async fn snapshot(&self) -> Result<Tx<'static>, StoreError> {
        Ok(match self {
            Self::Sqlite { readers, .. } => Tx::Sqlite(readers.begin_with(SNAPSHOT_SQLITE).await?),
            Self::Postgres { pool, .. } => Tx::Postgres(pool.begin_with(SNAPSHOT_POSTGRES).await?),
        })
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite { readers, writer } => {
                readers.close().await;
                writer.close().await;
            }
            Self::Postgres { pool, log } => {
                pool.close().await;
                log.close().await;
            }
        }
    }
}

impl Conn {
    /// A transaction that writes, on this connection.
    pub(crate) async fn begin(&mut self) -> Result<Tx<'_>, StoreError> {
        Ok(match self {
            Self::Sqlite(conn) => Tx::Sqlite(conn.begin_with(WRITE_SQLITE).await?),
            Self::Postgres(conn) => Tx::Postgres(conn.begin_with(WRITE_POSTGRES).await?),
        })
    }

    /// Drops a connection to a server in a state that nobody knows, without a word to it: it may not answer. SQLite's
    /// goes back to its pool, which looks after it.
    pub(crate) fn abandon(self) {
        if let Self::Postgres(conn) = self {
            drop(conn.detach());
        }
    }
}

impl Tx<'_> {
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }

    /// Keeps out every other transaction that locks the same words, until this one ends. SQLite's write transactions
    /// keep each other out as it is.
    pub(crate) async fn lock(&mut self, words: &[&str]) -> Result<(), StoreError> {
        if matches!(self, Self::Sqlite(_)) {
            return Ok(());
        }
        sql("SELECT pg_advisory_xact_lock($1)").bind(lock_number(words)).run(self).await.map(drop)
    }

    /// For work on everything there is: no statement is stopped because it takes long, nor is the transaction when
    /// whoever reads its results does.
    pub(crate) async fn unhurried(&mut self) -> Result<(), StoreError> {
        if matches!(self, Self::Sqlite(_)) {
            return Ok(());
        }
        sql("SELECT set_config('statement_timeout', '0', true),
                    set_config('idle_in_transaction_session_timeout', '0', true)")
        .run(self)
        .await
        .map(drop)
    }

    /// Wakes whoever listens, when and if this is committed. SQLite has no such thing; it is polled.
    pub(crate) async fn notify(&mut self, channel: &str) -> Result<(), StoreError> {
        if matches!(self, Self::Sqlite(_)) {
            return Ok(());
        }
        sql("SELECT pg_notify($1, '')").bind(channel).run(self).await.map(drop)
    }
}

/// Two words that share a number wait for each other now and then, and nothing worse.
pub(crate) fn lock_number(words: &[&str]) -> i64 {
    use sha2::{Digest as _, Sha256};
    let mut hash = Sha256::new();
    hash.update(b"countersign store lock");
    for word in words {
        hash.update((word.len() as u64).to_be_bytes());
        hash.update(word.as_bytes());
    }
    let [a, b, c, d, e, f, g, h, ..]: [u8; 32] = hash.finalize().into();
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}
