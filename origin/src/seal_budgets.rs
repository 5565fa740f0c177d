//! How often each content key may still seal. Reserved in the store ahead of use, so that a crash never under-counts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use countersign_core::keys::{Kid, SealBudget};
use countersign_store::{Store, StoreError};

pub(crate) struct SealBudgets {
    block: u64,
    limit: u64,
    by_kid: Mutex<BTreeMap<Kid, Arc<SealBudget>>>,
}

impl SealBudgets {
    /// Four times 2^16 at once: it is topped up at half every second, and a restart costs 2^14 of them to spend the
    /// key.
    const BLOCK: u64 = 4 << 16;

    /// For a server. `limit` is for each key, over its whole life.
    pub(crate) fn new(limit: u64) -> Self {
        // A small limit is reserved in small steps, so that there is some left to rotate with.
        Self::with_block(Self::BLOCK.min(limit.div_ceil(16)), limit)
    }

    /// For a command that seals nothing.
    pub(crate) fn none() -> Self {
        Self::with_block(0, 0)
    }

    /// For a command that seals a few times.
    pub(crate) fn few(limit: u64) -> Self {
        Self::with_block(8, limit)
    }

    fn with_block(block: u64, limit: u64) -> Self {
        Self { block, limit, by_kid: Mutex::default() }
    }

    pub(crate) fn of(&self, kid: &Kid) -> Arc<SealBudget> {
        let mut by_kid = self.by_kid.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(by_kid.entry(kid.clone()).or_default())
    }

    /// Reserves for each of the keys that has less than half a block left.
    pub(crate) async fn top_up(&self, store: &Store, kids: impl Iterator<Item = &Kid>) -> Result<(), StoreError> {
        if self.block == 0 {
            return Ok(());
        }
        for kid in kids {
            let budget = self.of(kid);
            if budget.left() <= self.block / 2 {
                budget.add(store.keys().reserve_seals(kid, self.block, self.limit).await?);
            }
        }
        Ok(())
    }
}
