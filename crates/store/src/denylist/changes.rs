//! The signal that the log has grown. It only wakes: who is woken reads the log, which alone is the truth.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgListener;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::{CHANNEL, seq_out};
use crate::StoreError;
use crate::db::{Db, postgres, sql};

/// How often a file is asked whether another process wrote to it: a few microseconds without reading a page.
const SQLITE_POLL: Duration = Duration::from_millis(100);
/// How often a server is asked even though it notifies: notifications are lost with the connection they come on.
const POSTGRES_POLL: Duration = Duration::from_secs(1);

/// Tells those who wait how far the log reaches, as far as this process knows.
#[derive(Clone)]
pub(crate) struct Signal(Arc<watch::Sender<u64>>);

impl Signal {
    pub(crate) fn raise(&self, seq: u64) {
        self.0.send_if_modified(|known| {
            let higher = seq > *known;
            *known = seq.max(*known);
            higher
        });
    }

    fn wanted(&self) -> bool {
        self.0.receiver_count() > 0
    }
}

/// Waits for the log to grow.
#[derive(Clone)]
pub struct Changes(watch::Receiver<u64>);

impl Changes {
    /// Completes when the log has grown since the last time, or since this was made; at once if it has already. `false`
    /// when the store is gone and nothing will ever come.
    pub async fn changed(&mut self) -> bool {
        self.0.changed().await.is_ok()
    }
}

/// Looks out for what other processes write.
pub(crate) struct Watch {
    signal: Signal,
    tasks: Vec<JoinHandle<()>>,
}

impl Watch {
    pub(crate) fn sqlite(db: Arc<Db>, options: SqliteConnectOptions) -> Self {
        let signal = Signal(Arc::new(watch::Sender::new(0)));
        let task = tokio::spawn(poll_file(db, options, signal.clone()));
        Self { signal, tasks: vec![task] }
    }

    pub(crate) fn postgres(db: Arc<Db>) -> Self {
        let signal = Signal(Arc::new(watch::Sender::new(0)));
        let heard = Arc::new(Notify::new());
        let listener = tokio::spawn(listen(Arc::clone(&db), Arc::clone(&heard)));
        let poller = tokio::spawn(poll_server(db, heard, signal.clone()));
        Self { signal, tasks: vec![listener, poller] }
    }

    pub(crate) fn signal(&self) -> Signal {
        self.signal.clone()
    }

    pub(crate) fn changes(&self) -> Changes {
        Changes(self.signal.0.subscribe())
    }

    pub(crate) fn stop(&self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn look(db: &Db, signal: &Signal) -> Result<(), StoreError> {
    let (seq,): (Option<i64>,) = sql("SELECT MAX(seq) FROM denylist").one(&mut db.read().await?).await?;
    if let Some(seq) = seq {
        signal.raise(seq_out(seq)?);
    }
    Ok(())
}

async fn poll_file(db: Arc<Db>, options: SqliteConnectOptions, signal: Signal) {
    let mut ticks = tokio::time::interval(SQLITE_POLL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // The version is one connection's view: it tells whether another connection wrote since this one last looked.
    let mut conn: Option<SqliteConnection> = None;
    let mut seen = None;
    loop {
        ticks.tick().await;
        if !signal.wanted() {
            continue;
        }
        if conn.is_none() {
            seen = None;
            conn = options.connect().await.ok();
        }
        let Some(open) = &mut conn else { continue };
        match sqlx::query_scalar::<_, i64>("PRAGMA data_version").fetch_one(&mut *open).await {
            Ok(version) if seen != Some(version) => {
                if look(&db, &signal).await.is_ok() {
                    seen = Some(version);
                }
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot ask the database for changes");
                if let Some(broken) = conn.take() {
                    let _ = broken.close_hard().await;
                }
            }
        }
    }
}

async fn listen(db: Arc<Db>, heard: Arc<Notify>) {
    let Db::Postgres { pool, .. } = &*db else { return };
    let pool = postgres::listening(pool);
    loop {
        if let Err(error) = heed(&pool, &heard).await {
            tracing::debug!(%error, "not listening for changes of the database; polling meanwhile");
        }
        tokio::time::sleep(POSTGRES_POLL).await;
    }
}

async fn heed(pool: &sqlx::PgPool, heard: &Notify) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    loop {
        // Also without a notification, which says that the connection was lost and made anew: some may have been
        // missed.
        listener.try_recv().await?;
        heard.notify_one();
    }
}

async fn poll_server(db: Arc<Db>, heard: Arc<Notify>, signal: Signal) {
    loop {
        let _ = tokio::time::timeout(POSTGRES_POLL, heard.notified()).await;
        if signal.wanted()
            && let Err(error) = look(&db, &signal).await
        {
            tracing::debug!(%error, "cannot ask the database for changes");
            tokio::time::sleep(POSTGRES_POLL).await;
        }
    }
}
