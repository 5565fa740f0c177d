//! Keeps the key ring current while the server runs: counts, budgets, what is due, what is scheduled, and the changes
//! that commands and other origins made. All origins of a database agree, because the times are in the database.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_core::keys::{Kid, MintingKeys};
use countersign_core::time::UnixSeconds;
use countersign_store::{Change, StoreError};

use crate::app::App;
use crate::key_files;
use crate::key_plan::{self, Step};
use crate::keyring::KeyringError;

const EVERY: Duration = Duration::from_secs(1);

/// Expiry times are counted to the quarter of an hour, as the store does.
const SLOT: u64 = 15 * 60;

/// Session tokens made since the last tick. A crash loses at most a second of them: keys are retired by time first, and
/// by this count second.
#[derive(Default)]
pub(crate) struct Issued(Mutex<BTreeMap<(Kid, u64), u64>>);

impl Issued {
    /// Counts a session token made with these keys.
    pub(crate) fn count(&self, keys: &MintingKeys, expires: UnixSeconds) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for kid in keys.kids() {
            *counts.entry((kid.clone(), expires.0 / SLOT)).or_default() += 1;
        }
    }

    fn take(&self) -> Vec<(Kid, UnixSeconds, u64)> {
        let counts = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        counts.into_iter().map(|((kid, slot), tokens)| (kid, UnixSeconds(slot * SLOT), tokens)).collect()
    }

    fn put_back(&self, taken: Vec<(Kid, UnixSeconds, u64)>) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (kid, expires, tokens) in taken {
            *counts.entry((kid, expires.0 / SLOT)).or_default() += tokens;
        }
    }
}

/// Writes what was counted, in one commit for all the logins since the last one.
pub(crate) async fn flush(app: &App) -> Result<(), StoreError> {
    let taken = app.issued.take();
    if taken.is_empty() {
        return Ok(());
    }
    let written = app.store.keys().count_tokens(&taken).await;
    if written.is_err() {
        app.issued.put_back(taken);
    }
    written
}

pub(crate) async fn once(app: &App) -> Result<(), KeyringError> {
    flush(app).await?;
    app.budgets.top_up(&app.store, app.keys().content_kids().iter()).await?;
    let now = app.clock.now().seconds();
    let store = app.store.keys();
    // Another origin may be doing the same; the one that comes second finds nothing left to do on the next tick.
    let rows = store.rows().await?;
    let live = store.live_tokens(now).await?;
    let settings = app.settings();
    let times = app.times();
    let mut steps = key_plan::due(&rows.keys, &live, now, times);
    let mut trouble = None;
    if steps.is_empty() {
        (steps, trouble) = key_files::steps(&rows.keys, &settings, (now, times), &*app.entropy);
    }
    if steps.is_empty() {
        steps = key_plan::switched(&rows.keys, &settings, (now, times), &*app.entropy);
    }
    if steps.is_empty() {
        steps = key_plan::scheduled(&rows.keys, &settings, (now, times), &*app.entropy);
    }
    if !steps.is_empty() {
        let changes: Vec<Change<'_>> = steps.iter().map(Step::change).collect();
        match store.change(&changes, Some(rows.generation), "schedule", now).await {
            Ok(_) => steps.iter().for_each(|step| tracing::info!(change = step.text(now), "keys")),
            Err(StoreError::Outdated { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    app.keys_current().await?;
    trouble.map_or(Ok(()), |what| Err(KeyringError::File(what)))
}

/// Forgets the counts of what has expired.
pub(crate) async fn prune(app: &App) {
    if let Err(error) = app.store.keys().prune_tokens(app.clock.now().seconds()).await {
        tracing::warn!(%error, "the counts of expired tokens were not pruned");
    }
}

pub(crate) async fn run(app: Arc<App>) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut complaint = None;
    loop {
        ticks.tick().await;
        match once(&app).await {
            Ok(()) => complaint = None,
            // Once, not every second. What was loaded stays in use; edges get no lease on keys that cannot be read.
            Err(error) if complaint.as_ref() != Some(&error) => {
                tracing::error!(%error, "the key ring cannot be kept current");
                complaint = Some(error);
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
#[path = "key_upkeep_tests.rs"]
mod tests;
