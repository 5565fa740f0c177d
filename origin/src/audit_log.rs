//! Lines for the audit that wait to be written, many in one commit: nobody who logs in waits for them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_store::AuditEvent;

use crate::app::App;
use crate::background::every;

const EVERY: Duration = Duration::from_secs(1);
/// Lines that may wait; beyond, they are lost, which the log says.
const MAX_WAITING: usize = 20_000;
/// Lines in one commit.
const BATCH: usize = 500;

#[derive(Default)]
pub(crate) struct AuditLog {
    waiting: Mutex<Vec<AuditEvent>>,
}

impl AuditLog {
    pub(crate) fn add(&self, events: Vec<AuditEvent>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let room = MAX_WAITING.saturating_sub(waiting.len());
        let lost = events.len().saturating_sub(room);
        waiting.extend(events.into_iter().take(room));
        drop(waiting);
        if lost > 0 {
            tracing::error!(lost, "lines of the audit were lost: the database takes none");
        }
    }

    fn take(&self) -> Vec<AuditEvent> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Writes what waits.
pub(crate) async fn flush(app: &App) {
    let mut waiting = app.audit_log.take().into_iter();
    loop {
        let batch: Vec<AuditEvent> = waiting.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            return;
        }
        if let Err(error) = app.store.audit().append(&batch).await {
            tracing::error!(%error, "the audit was not written");
            // A line that breaks a rule would break it again; all else is tried once more.
            if error.fault() != countersign_store::Fault::Caller {
                app.audit_log.add(batch.into_iter().chain(waiting).collect());
                return;
            }
        }
    }
}

pub(crate) async fn run(app: Arc<App>) {
    let mut ticks = every(EVERY);
    loop {
        ticks.tick().await;
        flush(&app).await;
    }
}
