use std::sync::Arc;
use std::time::Duration;

use countersign_core::denylist::Kind;
use sqlx::SqliteConnection;
use sqlx::SqlitePool;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::{Appended, NewEntry, read, seq_in, seq_out};
use crate::StoreError;

/// Most appends that wait; beyond, callers wait for a place and then get [`StoreError::Overloaded`].
pub(super) const QUEUE: usize = 1024;
/// Most appends in one commit.
pub(super) const BATCH: usize = 256;

struct Job {
    new: NewEntry,
    created_at: i64,
    done: oneshot::Sender<Result<Appended, StoreError>>,
}

/// The handle of the writer task. The task ends, after what is queued, when this is dropped or closed.
pub(crate) struct Writer {
    queue: mpsc::Sender<Job>,
    patience: Duration,
    stop: Arc<Notify>,
    /// Its sender lives as long as the task.
    running: watch::Receiver<()>,
}

impl Writer {
    pub(crate) fn start(pool: SqlitePool, patience: Duration) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let (alive, running) = watch::channel(());
        let stop = Arc::new(Notify::new());
        tokio::spawn(run(pool, jobs, Arc::clone(&stop), alive));
        Self { queue, patience, stop, running }
    }

    pub(super) async fn append(&self, new: NewEntry, created_at: i64) -> Result<Appended, StoreError> {
        let (done, outcome) = oneshot::channel();
        self.queue.send_timeout(Job { new, created_at, done }, self.patience).await.map_err(|error| match error {
            SendTimeoutError::Timeout(_) => StoreError::Overloaded,
            SendTimeoutError::Closed(_) => StoreError::Closed,
        })?;
        // The sender is dropped without a word only when the task died with its runtime: what became of it is unknown.
        outcome.await.unwrap_or(Err(StoreError::Closed))
    }

    pub(crate) async fn close(&self) {
        self.stop.notify_one();
        self.ended().await;
    }

    /// Completes when the task has ended; it does not keep the task alive.
    pub(super) fn ended(&self) -> impl Future<Output = ()> + use<> {
        let mut running = self.running.clone();
        async move {
            let _ = running.changed().await; // nothing is ever sent: this returns when the sender is dropped
        }
    }
}

async fn run(pool: SqlitePool, mut jobs: mpsc::Receiver<Job>, stop: Arc<Notify>, alive: watch::Sender<()>) {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            taken = jobs.recv_many(&mut batch, BATCH) => if taken == 0 { break },
            () = stop.notified() => {
                jobs.close(); // what is queued is still received
                continue;
            }
        }
        let outcome = commit(&pool, &batch).await;
        if let Err(error) = &outcome {
            tracing::error!(entries = batch.len(), %error, "denylist entries were not written");
        }
        answer(batch.drain(..), outcome);
    }
    drop(alive);
}

/// A waiter that went away is none of our concern; its entry stays.
fn answer(jobs: impl Iterator<Item = Job>, outcome: Result<Vec<Appended>, StoreError>) {
    match outcome {
        Ok(appended) => {
            for (job, appended) in jobs.zip(appended) {
                let _ = job.done.send(Ok(appended));
            }
        }
        Err(error) => {
            for job in jobs {
                let _ = job.done.send(Err(error.clone()));
            }
        }
    }
}

/// All of the batch or none of it. IMMEDIATE takes the write lock before the head is read, and waits for it within the
/// connection's `busy_timeout`; in WAL mode nothing after that can be refused as busy.
async fn commit(pool: &SqlitePool, batch: &[Job]) -> Result<Vec<Appended>, StoreError> {
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    let mut head = read::head(&mut tx).await?;
    let mut appended = Vec::with_capacity(batch.len());
    for Job { new, created_at, .. } in batch {
        if let Some(seq) = listed(&mut tx, new).await? {
            appended.push(Appended { seq, already: true });
            continue;
        }
        head.seq += 1; // cannot overflow: it is below 2^63
        head.chain = head.chain.append(head.seq, &new.entry);
        sqlx::query(
            "INSERT INTO denylist (seq, kind, slot, fingerprint, chain, realm, reason, actor, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(seq_in(head.seq)?)
        .bind(i64::from(new.entry.kind.code()))
        .bind(i64::from(new.entry.slot.0))
        .bind(new.entry.fingerprint.0.cast_signed())
        .bind(head.chain.0.as_slice())
        .bind(&new.realm)
        .bind(&new.reason)
        .bind(&new.actor)
        .bind(created_at)
        .execute(&mut *tx)
        .await?;
        appended.push(Appended { seq: head.seq, already: false });
    }
    tx.commit().await?;
    Ok(appended)
}

/// Where a family is listed already. A watermark is always new: it must lie above the tokens minted since the last.
async fn listed(conn: &mut SqliteConnection, new: &NewEntry) -> Result<Option<u64>, StoreError> {
    if new.entry.kind != Kind::Family {
        return Ok(None);
    }
    let seq: Option<i64> =
        sqlx::query_scalar("SELECT MIN(seq) FROM denylist WHERE kind = $1 AND fingerprint = $2 AND slot = $3")
            .bind(i64::from(Kind::Family.code()))
            .bind(new.entry.fingerprint.0.cast_signed())
            .bind(i64::from(new.entry.slot.0))
            .fetch_one(conn)
            .await?;
    seq.map(seq_out).transpose()
}
