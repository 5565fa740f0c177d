//! Keeps the key ring current while the server runs: counts, budgets, what is due, what is scheduled, and the changes
//! that commands and other origins made. All origins of a database agree, because the times are in the database.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_core::keys::{KeyState, Kid, MintingKeys};
use countersign_core::time::UnixSeconds;
use countersign_store::denylist::Filter;
use countersign_store::{Change, Store, StoreError, StoredKey};

use crate::app::App;
use crate::background::{Complaint, every};
use crate::key_files;
use crate::key_plan::{self, Hanging, Step};
use crate::key_purpose::DENYLIST;
use crate::keyring::{KeyringError, Place};
use crate::settings::SettingsError;

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

pub(crate) async fn once(app: &Arc<App>) -> Result<(), KeyringError> {
    flush(app).await?;
    app.budgets.top_up(&app.store, app.keys().content_kids().iter()).await?;
    let now = app.clock.now().seconds();
    let store = app.store.keys();
    // Another origin may be doing the same; the one that comes second finds nothing left to do on the next tick.
    let rows = store.rows().await?;
    let hanging = hanging(&app.store, &rows.keys, now).await?;
    let (planner, generation) = (Arc::clone(app), rows.generation);
    // A new RSA key takes a second, and files are read.
    let planned = tokio::task::spawn_blocking(move || plan(&planner, &rows.keys, &hanging, now)).await;
    let (steps, wrong) = planned.map_err(|_| KeyringError::Planning)?;
    if !steps.is_empty() {
        let changes: Vec<Change<'_>> = steps.iter().map(Step::change).collect();
        match store.change(&changes, Some(generation), "schedule", now).await {
            Ok(_) => steps.iter().for_each(|step| tracing::info!(change = step.text(now), "keys")),
            Err(StoreError::Outdated { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    app.keys_current().await?;
    wrong.first().map_or(Ok(()), |(_, error)| Err(KeyringError::File(error.to_string())))
}

/// The first of these that there is something of: what is due, what the files say, what the settings say, what an earlier
/// version left, the schedule. And which files do not hold their key.
fn plan(
    app: &App,
    keys: &[StoredKey],
    hanging: &Hanging,
    now: UnixSeconds,
) -> (Vec<Step>, Vec<(Place, SettingsError)>) {
    let settings = app.settings();
    let moment = (now, app.times());
    let mut steps = key_plan::due(keys, hanging, now, moment.1);
    let mut wrong = Vec::new();
    if steps.is_empty() {
        (steps, wrong) = key_files::steps(keys, &settings, moment, &*app.entropy);
    }
    if steps.is_empty() {
        let waiting: Vec<&Place> = wrong.iter().map(|(place, _)| place).collect();
        steps = key_plan::switched(keys, &settings, &waiting, moment, &*app.entropy);
    }
    if steps.is_empty() {
        steps = key_plan::apart(keys, moment, &*app.entropy);
    }
    if steps.is_empty() {
        steps = key_plan::scheduled(keys, &settings, moment, &*app.entropy);
    }
    (steps, wrong)
}

async fn hanging(store: &Store, keys: &[StoredKey], now: UnixSeconds) -> Result<Hanging, StoreError> {
    let tokens = store.keys().live_tokens(now).await?;
    let asked = |key: &StoredKey| {
        key.purpose == DENYLIST.name && key.state == KeyState::VerifyOnly && key.retires_at.is_some_and(|at| at <= now)
    };
    let mut oldest_entry = None;
    if keys.iter().any(asked) {
        let log = store.denylist();
        let first = log.head().await?.floor_seq.saturating_add(1);
        let filter = Filter { before: Some(first.saturating_add(1)), ..Filter::default() };
        oldest_entry = log.find(filter, 1).await?.first().map(|line| line.created_at);
    }
    Ok(Hanging { tokens, oldest_entry })
}

/// Forgets the counts of what has expired.
pub(crate) async fn prune(app: &App) {
    if let Err(error) = app.store.keys().prune_tokens(app.clock.now().seconds()).await {
        tracing::warn!(%error, "the counts of expired tokens were not pruned");
    }
}

pub(crate) async fn run(app: Arc<App>) {
    if let Some((kid, realms)) = app.keys().shared_assertion_key() {
        tracing::warn!(
            %kid, realms = realms.join(", "),
            "edges of these realms sign assertions with one key; within a day each has its own, and applications must \
             verify with their realm's JWKS by then (`countersign doctor` has the addresses)"
        );
    }
    let (mut ticks, mut complaint) = (every(EVERY), Complaint::default());
    loop {
        ticks.tick().await;
        // What was loaded stays in use; edges get no lease on keys that cannot be read.
        match complaint.news(once(&app).await) {
            None => {}
            Some(error @ KeyringError::File(_)) => {
                tracing::error!(%error, "a key file is not taken; the keys stay as they are")
            }
            Some(error) => tracing::error!(%error, "the key ring cannot be kept current"),
        }
    }
}

#[cfg(test)]
#[path = "key_upkeep_tests.rs"]
mod tests;
