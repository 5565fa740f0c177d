use countersign_core::denylist::segment::MAX_ENTRIES;
use countersign_core::denylist::{Entry, Fingerprint, Kind, Slot};
use sqlx::SqliteConnection;

use super::{DenylistLog, Head, Line, Lookup, chain_out, entry_out, seq_in, seq_out};
use crate::installation::epoch_from;
use crate::{StoreError, check};

impl DenylistLog<'_> {
    /// The head as of now: it includes every append that was acknowledged before the call, in any process.
    pub async fn head(&self) -> Result<Head, StoreError> {
        head(&mut *self.0.readers().acquire().await?).await
    }

    /// The entries `from + 1 ..`, up to `limit` and never more than a segment holds. `None` when some of them were
    /// pruned: the reader must begin anew at the floor.
    pub async fn entries(&self, from: u64, limit: usize) -> Result<Option<Vec<Entry>>, StoreError> {
        type Row = (i64, Option<i64>, Option<i64>, Option<i64>, Option<i64>);
        let limit = i64::try_from(limit.min(MAX_ENTRIES)).unwrap_or(0);
        // One statement, hence one snapshot: a prune cannot come between the floor and the entries.
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT f.seq, d.seq, d.kind, d.slot, d.fingerprint
             FROM denylist_floor AS f LEFT JOIN denylist AS d ON d.seq > $1
             WHERE f.id = 1 ORDER BY d.seq LIMIT $2",
        )
        .bind(seq_in(from)?)
        .bind(limit.max(1)) // the floor is needed even when no entry is
        .fetch_all(self.0.readers())
        .await?;
        let (floor, ..) = rows.first().ok_or(StoreError::NotInitialised)?;
        if from < seq_out(*floor)? {
            return Ok(None);
        }
        let mut entries = Vec::with_capacity(rows.len());
        for (expected, row) in (from + 1..).zip(rows).take(usize::try_from(limit).unwrap_or(0)) {
            let (_, Some(seq), Some(kind), Some(slot), Some(fingerprint)) = row else { break };
            if seq_out(seq)? != expected {
                return Err(StoreError::corrupt("denylist", format!("entry {expected} is missing")));
            }
            entries.push(entry_out(kind, slot, fingerprint)?);
        }
        Ok(Some(entries))
    }

    /// For the origin's own checks: whether the family is ended, and the user's watermark.
    pub async fn lookup(&self, slot: Slot, family: Fingerprint, user: Fingerprint) -> Result<Lookup, StoreError> {
        let (family_ended, watermark): (bool, Option<i64>) = sqlx::query_as(
            "SELECT EXISTS (SELECT 1 FROM denylist WHERE kind = $1 AND fingerprint = $2 AND slot = $3),
                    (SELECT MAX(seq) FROM denylist WHERE kind = $4 AND fingerprint = $5)",
        )
        .bind(i64::from(Kind::Family.code()))
        .bind(family.0.cast_signed())
        .bind(i64::from(slot.0))
        .bind(i64::from(Kind::User.code()))
        .bind(user.0.cast_signed())
        .fetch_one(self.0.readers())
        .await?;
        Ok(Lookup { family_ended, user_watermark: watermark.map(seq_out).transpose()? })
    }

    /// The newest `limit` (at most 1,000) lines, newest first.
    pub async fn list(&self, limit: u32) -> Result<Vec<Line>, StoreError> {
        type Row = (i64, i64, i64, i64, String, String, String, i64);
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT seq, kind, slot, fingerprint, realm, reason, actor, created_at
             FROM denylist ORDER BY seq DESC LIMIT $1",
        )
        .bind(check::listed(limit))
        .fetch_all(self.0.readers())
        .await?;
        rows.into_iter()
            .map(|(seq, kind, slot, fingerprint, realm, reason, actor, created_at)| {
                let entry = entry_out(kind, slot, fingerprint)?;
                let created_at = check::time_out("denylist", created_at)?;
                Ok(Line { seq: seq_out(seq)?, entry, realm, reason, actor, created_at })
            })
            .collect()
    }
}

/// An empty log ends where it begins: at the floor.
pub(super) async fn head(conn: &mut SqliteConnection) -> Result<Head, StoreError> {
    type Row = (Vec<u8>, i64, Vec<u8>, Option<i64>, Option<Vec<u8>>);
    let row: Option<Row> = sqlx::query_as(
        "SELECT i.epoch, f.seq, f.chain, d.seq, d.chain
         FROM installation AS i JOIN denylist_floor AS f ON f.id = 1
         LEFT JOIN denylist AS d ON d.seq = (SELECT MAX(seq) FROM denylist)
         WHERE i.id = 1",
    )
    .fetch_optional(conn)
    .await?;
    let (epoch, floor_seq, floor_chain, seq, chain) = row.ok_or(StoreError::NotInitialised)?;
    let (floor_seq, floor_chain) = (seq_out(floor_seq)?, chain_out(&floor_chain)?);
    let (seq, chain) = match (seq, chain) {
        (Some(seq), Some(chain)) => (seq_out(seq)?, chain_out(&chain)?),
        _ => (floor_seq, floor_chain),
    };
    if seq < floor_seq {
        return Err(StoreError::corrupt("denylist", "the log ends before its floor"));
    }
    Ok(Head { epoch: epoch_from(&epoch)?, seq, chain, floor_seq, floor_chain })
}
