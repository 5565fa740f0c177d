use countersign_core::denylist::Slot;
use countersign_core::time::UnixSeconds;

use super::{DenylistLog, LOCK, read, seq_in, seq_out};
use crate::StoreError;
use crate::db::sql;

/// Most entries that one transaction deletes: appends wait for no more than that.
pub(super) const CHUNK: u64 = 4096;

impl DenylistLog<'_> {
    /// Deletes the longest prefix of the log all of whose slots ended by `horizon`, moves the floor with it, and
    /// returns how many entries went. An entry that still counts keeps all that follow it: the chain has no holes.
    ///
    /// The caller's horizon lies a clock skew and a lease in the past.
    pub async fn prune(&self, horizon: UnixSeconds) -> Result<u64, StoreError> {
        let mut pruned = 0;
        loop {
            let deleted = self.prune_chunk(horizon, CHUNK).await?;
            pruned += deleted;
            if deleted < CHUNK {
                return Ok(pruned);
            }
        }
    }

    /// One transaction's worth. The floor is true after each, so a crash between two is harmless.
    pub(super) async fn prune_chunk(&self, horizon: UnixSeconds, chunk: u64) -> Result<u64, StoreError> {
        let mut tx = self.0.db().begin().await?;
        tx.lock(LOCK).await?;
        let head = read::head(&mut tx).await?;
        let last = head.floor_seq.saturating_add(chunk).min(head.seq);
        let kept: Option<(i64,)> = sql("SELECT seq FROM denylist WHERE seq <= $1 AND slot >= $2 ORDER BY seq LIMIT 1")
            .bind(seq_in(last)?)
            .bind(first_open_slot(horizon))
            .optional(&mut tx)
            .await?;
        let floor = match kept {
            Some((seq,)) => seq_out(seq)?.saturating_sub(1),
            None => last,
        };
        if floor <= head.floor_seq {
            return Ok(0);
        }
        let moved = sql("UPDATE denylist_floor
             SET seq = $1, chain = (SELECT chain FROM denylist WHERE seq = $1) WHERE id = 1")
        .bind(seq_in(floor)?)
        .run(&mut tx)
        .await?;
        let deleted = sql("DELETE FROM denylist WHERE seq <= $1").bind(seq_in(floor)?).run(&mut tx).await?;
        if moved != 1 || deleted != floor - head.floor_seq {
            return Err(StoreError::corrupt("denylist", "the log has a gap"));
        }
        tx.commit().await?;
        Ok(floor - head.floor_seq)
    }
}

/// The first slot that had not ended by `horizon`: the rule of `Denylist::drop_before`, for a comparison in SQL.
fn first_open_slot(horizon: UnixSeconds) -> i64 {
    i64::try_from(horizon.0 / Slot::SECONDS).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_is_that_of_the_set_in_memory() {
        for horizon in [0, 1, 899, 900, 901, 1799, 1800, 1_800_000_000, u64::MAX].map(UnixSeconds) {
            for slot in [0, 1, 2, 1_999_999, 2_000_000, u32::MAX].map(Slot) {
                let kept = slot.end() > horizon;
                assert_eq!(i64::from(slot.0) >= first_open_slot(horizon), kept, "{slot:?} at {horizon:?}");
            }
        }
    }
}
