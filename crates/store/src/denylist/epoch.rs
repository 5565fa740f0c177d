use countersign_core::denylist::{Chain, Entry, Epoch, Fingerprint, Kind, Slot, restart_at};
use countersign_core::time::{UnixMillis, UnixSeconds};

use super::row::{self, Row};
use super::{CHANNEL, DenylistLog, Head, LOCK, NewEntry, RequestId, checked, read, seq_in};
use crate::db::sql;
use crate::{StoreError, check};

/// What tells the watermark of an epoch from any other.
pub(super) const OBJECT: &str = "epoch";

impl DenylistLog<'_> {
    /// Begins a new epoch: needed whenever the end of the log may be lost, hence after a backup was restored, or after
    /// a failover to a server that may have been behind. `until` is the latest time at which a session made so far
    /// ends.
    ///
    /// Which logouts were lost nobody knows, so all sessions end: the first line of the epoch is a watermark of the
    /// whole installation, and server-side sessions and journeys go. It stands above every position that was ever used
    /// ([`restart_at`]). The lines of the old epoch say nothing that the
    /// watermark does not; they go. To repeat it with the same epoch changes nothing.
    ///
    /// What else a backup brings back is not for the log: keys that were revoked since, passwords, disabled users; and
    /// for as long as a client-side journey lasts, one that was completed can be completed again.
    pub async fn begin_epoch(
        &self,
        epoch: Epoch,
        until: UnixSeconds,
        actor: &str,
        now: UnixMillis,
    ) -> Result<Head, StoreError> {
        let created_at = check::time_in(now.seconds())?;
        let entry = Entry { kind: Kind::Installation, slot: Slot::of(until), fingerprint: Fingerprint(0) };
        let new = NewEntry::new(entry, "", "the end of the log may be lost", actor).object(OBJECT);
        checked(&new)?;
        let mut tx = self.0.db().begin().await?;
        tx.unhurried().await?;
        tx.lock(LOCK).await?;
        let old = read::head(&mut tx).await?;
        if old.epoch == epoch {
            return Ok(old);
        }
        let floor_seq = restart_at(old.seq, now);
        let floor_chain = Chain::genesis(epoch);
        let seq = floor_seq.saturating_add(1);
        let head = Head { epoch, seq, chain: floor_chain.append(seq, &entry), floor_seq, floor_chain };
        for emptied in ["DELETE FROM denylist", "DELETE FROM sessions", "DELETE FROM journeys"] {
            sql(emptied).run(&mut tx).await?;
        }
        sql("UPDATE denylist_floor SET seq = $1, chain = $2 WHERE id = 1")
            .bind(seq_in(floor_seq)?)
            .bind(&floor_chain.0)
            .run(&mut tx)
            .await?;
        sql("UPDATE installation SET epoch = $1 WHERE id = 1").bind(&epoch.0).run(&mut tx).await?;
        let row = Row::new(&head, &new, RequestId(epoch.0), created_at)?;
        row::insert(&mut tx, &[row]).await?;
        tx.notify(CHANNEL).await?;
        tx.commit().await?;
        self.0.signal().raise(head.seq);
        Ok(head)
    }
}
