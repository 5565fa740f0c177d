use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use countersign_core::denylist::{Entry, Fingerprint, Kind, Slot};
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::changes::Signal;
use super::request::Requests;
use super::row::{self, Row};
use super::{Appended, CHANNEL, Head, LOCK, NewEntry, RequestId, append, read, seq_in, seq_out};
use crate::StoreError;
use crate::db::{Arg, Conn, Db, Tx, bulk, sql};
use crate::store::Patience;

/// Most appends that wait; beyond, callers wait for a place and then get [`StoreError::Overloaded`].
pub(super) const QUEUE: usize = 1024;
/// Most appends in one commit.
pub(super) const BATCH: usize = 256;

/// Between two attempts on a server that is away.
const PAUSE: Duration = Duration::from_millis(50);

struct Job {
    new: NewEntry,
    request: RequestId,
    created_at: i64,
    done: oneshot::Sender<Result<Appended, StoreError>>,
}

/// The handle of the writer task. The task ends, after what is queued, when this is dropped or closed.
pub(crate) struct Writer {
    queue: mpsc::Sender<Job>,
    requests: Requests,
    patience: Duration,
    stop: Arc<Notify>,
    /// Its sender lives as long as the task.
    running: watch::Receiver<()>,
    failing: Failing,
}

type Failing = Arc<Mutex<Option<Instant>>>;

impl Writer {
    pub(crate) fn start(db: Arc<Db>, signal: Signal, patience: Patience) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let (alive, running) = watch::channel(());
        let stop = Arc::new(Notify::new());
        let failing = Failing::default();
        let task = Task { db, signal, patience, failing: Arc::clone(&failing), held: None };
        tokio::spawn(task.run(jobs, Arc::clone(&stop), alive));
        Self { queue, requests: Requests::default(), patience: patience.queue, stop, running, failing }
    }

    pub(super) async fn append(&self, new: NewEntry, created_at: i64) -> Result<Appended, StoreError> {
        // Every line has a request of its own: the writer itself repeats a commit of which it does not know the
        // outcome.
        let request = match new.request {
            Some(request) => request,
            None => self.requests.next()?,
        };
        let (done, outcome) = oneshot::channel();
        let job = Job { new, request, created_at, done };
        self.queue.send_timeout(job, self.patience).await.map_err(|error| match error {
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

    pub(super) fn is_running(&self) -> bool {
        self.running.has_changed().is_ok() && !self.queue.is_closed()
    }

    pub(super) fn works_again(&self) {
        *self.failing.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn failing_since(&self) -> Option<Instant> {
        *self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Outcomes = Vec<Result<Appended, StoreError>>;

struct Task {
    db: Arc<Db>,
    signal: Signal,
    patience: Patience,
    failing: Failing,
    /// Of a server: the connection, and where the log ended when it was last written to.
    held: Option<(Conn, Option<Head>)>,
}

impl Task {
    async fn run(mut self, mut jobs: mpsc::Receiver<Job>, stop: Arc<Notify>, alive: watch::Sender<()>) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                taken = jobs.recv_many(&mut batch, BATCH) => if taken == 0 { break },
                () = stop.notified() => {
                    jobs.close(); // what is queued is still received
                    continue;
                }
            }
            // Whoever waited for the last commit is about to ask for more: what comes now need not wait for this one.
            tokio::task::yield_now().await;
            while batch.len() < BATCH
                && let Ok(job) = jobs.try_recv()
            {
                batch.push(job);
            }
            let outcome = self.commit(&batch).await;
            if let Err(error) = &outcome {
                tracing::error!(entries = batch.len(), %error, "denylist entries were not written");
            }
            self.record(outcome.is_ok());
            answer(batch.drain(..), outcome);
        }
        drop(alive);
    }

    fn record(&self, fine: bool) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        *failing = if fine { None } else { Some(failing.unwrap_or_else(Instant::now)) };
    }

    /// A server may go away for a moment, and may do so between a commit and its answer. The batch is then repeated:
    /// what of it was committed is known by its requests and keeps its numbers.
    async fn commit(&mut self, batch: &[Job]) -> Result<Outcomes, StoreError> {
        let deadline = Instant::now() + self.patience.outage;
        loop {
            let error = match self.attempt(batch).await {
                Err(error) => error,
                done => return done,
            };
            let away = matches!(*self.db, Db::Postgres { .. }) && matches!(error, StoreError::Unavailable { .. });
            if !away || Instant::now() + PAUSE >= deadline {
                return Err(error);
            }
            self.record(false);
            tracing::warn!(%error, "the database is away; the denylist writer tries again");
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn attempt(&mut self, batch: &[Job]) -> Result<Outcomes, StoreError> {
        let (head, outcomes) = if let Db::Sqlite { .. } = *self.db {
            written(&mut self.db.log().await?, batch).await?
        } else {
            self.attempt_at_server(batch).await?
        };
        self.signal.raise(head.seq);
        Ok(outcomes)
    }

    async fn attempt_at_server(&mut self, batch: &[Job]) -> Result<(Head, Outcomes), StoreError> {
        // Taken out: what happens to the log in an attempt that fails is not known.
        let (mut conn, end) = match self.held.take() {
            Some(held) => held,
            None => match self.db.log().await {
                // The pool tried for as long as it may, and says no more than that.
                Err(StoreError::Busy) => {
                    return Err(StoreError::Unavailable { detail: "no connection could be had in time".into() });
                }
                conn => (conn?, None),
            },
        };
        // The network may swallow everything without a word; a local file does not.
        let limit = self.patience.lock.saturating_mul(2);
        let silent = StoreError::Unavailable { detail: "the server does not answer".into() };
        let work = async {
            match at_once(&mut conn, end, batch).await? {
                Some(done) => Ok(done),
                None => written(&mut conn, batch).await,
            }
        };
        match tokio::time::timeout(limit, work).await.unwrap_or(Err(silent)) {
            Ok((head, outcomes)) => {
                self.held = Some((conn, Some(head)));
                Ok((head, outcomes))
            }
            Err(error) => {
                if matches!(error, StoreError::Unavailable { .. }) {
                    conn.abandon();
                }
                Err(error)
            }
        }
    }
}

/// A waiter that went away is none of our concern; its entry stays.
fn answer(jobs: impl Iterator<Item = Job>, outcome: Result<Outcomes, StoreError>) {
    match outcome {
        Ok(outcomes) => {
            for (job, outcome) in jobs.zip(outcomes) {
                let _ = job.done.send(outcome);
            }
        }
        Err(error) => {
            for job in jobs {
                let _ = job.done.send(Err(error.clone()));
            }
        }
    }
}

/// All of the batch or none of it. The lock is taken before the head is read and held until the commit is visible.
async fn written(conn: &mut Conn, batch: &[Job]) -> Result<(Head, Outcomes), StoreError> {
    let mut tx = conn.begin().await?;
    tx.lock(LOCK).await?;
    let head = read::head(&mut tx).await?;
    let Numbered { head, rows, outcomes } = numbered(head, Known::of(&mut tx, batch).await?, batch)?;
    row::insert(&mut tx, &rows).await?;
    tx.notify(CHANNEL).await?;
    tx.commit().await?;
    Ok((head, outcomes))
}

/// Likewise in one round trip, where the log still ends at `end`; `None` where it does not.
async fn at_once(conn: &mut Conn, end: Option<Head>, batch: &[Job]) -> Result<Option<(Head, Outcomes)>, StoreError> {
    let (Conn::Postgres(conn), Some(end)) = (conn, end) else { return Ok(None) };
    let Numbered { head, rows, outcomes } = numbered(end, Known::default(), batch)?;
    let families = batch.iter().filter(|job| job.new.entry.kind == Kind::Family);
    let families = families.map(|job| job.new.entry.fingerprint.0.cast_signed()).collect();
    let done = append::append(conn, &end, &rows, families).await?;
    Ok(done.then_some((head, outcomes)))
}

/// A batch with its positions.
struct Numbered<'a> {
    /// The end of the log after it.
    head: Head,
    rows: Vec<Row<'a>>,
    outcomes: Outcomes,
}

fn numbered(mut head: Head, mut known: Known, batch: &[Job]) -> Result<Numbered<'_>, StoreError> {
    let mut rows = Vec::with_capacity(batch.len());
    let mut outcomes = Vec::with_capacity(batch.len());
    for Job { new, request, created_at, .. } in batch {
        if let Some(outcome) = known.find(&new.entry, *request) {
            outcomes.push(outcome);
            continue;
        }
        head.seq += 1; // cannot overflow: it is below 2^63
        head.chain = head.chain.append(head.seq, &new.entry);
        known.add(&new.entry, *request, head.seq);
        rows.push(Row::new(&head, new, *request, *created_at)?);
        outcomes.push(Ok(Appended { seq: head.seq, already: false }));
    }
    Ok(Numbered { head, rows, outcomes })
}

/// One line behind the head that was read in the same transaction.
pub(super) async fn append_in(
    tx: &mut Tx<'_>,
    mut head: Head,
    new: &NewEntry,
    created_at: i64,
) -> Result<Appended, StoreError> {
    head.seq += 1;
    head.chain = head.chain.append(head.seq, &new.entry);
    let mut request = [0; 16];
    getrandom::fill(&mut request).map_err(|_| StoreError::NoEntropy)?;
    row::insert(tx, &[Row::new(&head, new, RequestId(request), created_at)?]).await?;
    Ok(Appended { seq: head.seq, already: false })
}

/// Writes an entry as long as an entry is, and deletes it: the pages it was on go to the disk with the commit.
pub(super) async fn rehearse(tx: &mut Tx<'_>, mut head: Head) -> Result<(), StoreError> {
    head.seq += 1;
    let entry = Entry { kind: Kind::Family, slot: Slot(0), fingerprint: Fingerprint(0) };
    let long = "x".repeat(255);
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| StoreError::NoEntropy)?;
    let new = NewEntry {
        entry,
        realm: long.clone(),
        username: long.clone(),
        object: String::new(),
        reason: long,
        actor: "rehearsal".to_owned(),
        request: None,
    };
    row::insert_unaudited(tx, &[Row::new(&head, &new, RequestId(bytes), 0)?]).await?;
    sql("DELETE FROM denylist WHERE seq = $1").bind(seq_in(head.seq)?).run(tx).await.map(drop)
}

/// What of a batch stands in the log already. A watermark is always new, unless it is the same request: it must lie
/// above the tokens minted since the last.
#[derive(Default)]
struct Known {
    requests: HashMap<RequestId, (u64, Entry)>,
    families: HashMap<(Slot, Fingerprint), u64>,
}

impl Known {
    async fn of(tx: &mut Tx<'_>, batch: &[Job]) -> Result<Self, StoreError> {
        let mut known = Self::default();
        let requests = batch.iter().map(|job| Arg::from(&job.request.0)).collect();
        let rows: Vec<(Vec<u8>, i64, i64, i64, i64)> =
            bulk::among(tx, "SELECT request, seq, kind, slot, fingerprint FROM denylist WHERE request IN", requests)
                .await?;
        for (request, seq, kind, slot, fingerprint) in rows {
            let request = request.try_into().map_err(|_| StoreError::corrupt("denylist", "a request has 16 bytes"))?;
            let entry = super::entry_out(kind, slot, fingerprint)?;
            known.requests.insert(RequestId(request), (seq_out(seq)?, entry));
        }
        let families = batch.iter().filter(|job| job.new.entry.kind == Kind::Family);
        let families = families.map(|job| job.new.entry.fingerprint.0.cast_signed().into()).collect();
        let rows: Vec<(i64, i64, i64, i64)> = bulk::among(
            tx,
            "SELECT seq, kind, slot, fingerprint FROM denylist WHERE kind = 1 AND undone_by IS NULL AND fingerprint IN",
            families,
        )
        .await?;
        for (seq, kind, slot, fingerprint) in rows {
            let entry = super::entry_out(kind, slot, fingerprint)?;
            known.families.insert((entry.slot, entry.fingerprint), seq_out(seq)?);
        }
        Ok(known)
    }

    fn find(&self, entry: &Entry, request: RequestId) -> Option<Result<Appended, StoreError>> {
        if let Some((seq, same)) = self.requests.get(&request) {
            let name = format!("of log position {seq}");
            return Some(if same == entry {
                Ok(Appended { seq: *seq, already: true })
            } else {
                Err(StoreError::Conflict { what: "request", name })
            });
        }
        let seq =
            (entry.kind == Kind::Family).then(|| self.families.get(&(entry.slot, entry.fingerprint))).flatten()?;
        Some(Ok(Appended { seq: *seq, already: true }))
    }

    fn add(&mut self, entry: &Entry, request: RequestId, seq: u64) {
        self.requests.insert(request, (seq, *entry));
        if entry.kind == Kind::Family {
            self.families.insert((entry.slot, entry.fingerprint), seq);
        }
    }
}
