use countersign_core::denylist::segment::MAX_ENTRIES;
use countersign_core::denylist::{Chain, Entry, Fingerprint, Kind};
use countersign_core::time::UnixSeconds;

use super::{DenylistLog, Head, Line, Lookup, Probe, RequestId, chain_out, entry_out, seq_in, seq_out};
use crate::db::{Place, sql, sql_of};
use crate::installation::epoch_from;
use crate::{StoreError, check};

/// Which lines of the log to list; what is left out is not asked about.
#[derive(Clone, Copy, Default, Debug)]
pub struct Filter<'a> {
    pub realm: Option<&'a str>,
    pub username: Option<&'a str>,
    pub kind: Option<Kind>,
    /// Not older than this.
    pub since: Option<UnixSeconds>,
    /// Only positions below this one: the cursor, which is the last position of the page before.
    pub before: Option<u64>,
}

impl DenylistLog<'_> {
    /// The head as of now: it includes every append that was acknowledged before the call, in any process.
    pub async fn head(&self) -> Result<Head, StoreError> {
        head(&mut self.0.db().read().await?).await
    }

    /// The entries `from + 1 ..`, up to `limit` and never more than a segment holds. `None` when some of them were
    /// pruned: the reader must begin anew at the floor.
    pub async fn entries(&self, from: u64, limit: usize) -> Result<Option<Vec<Entry>>, StoreError> {
        let limit = i64::try_from(limit.min(MAX_ENTRIES)).unwrap_or(0);
        let mut conn = self.0.db().read().await?;
        // One statement, hence one snapshot: a prune cannot come between the floor and the entries.
        let rows: Vec<(Option<i64>, i64, i64, i64, i64)> =
            sql("SELECT (SELECT seq FROM denylist_floor WHERE id = 1) AS floor, seq, kind, slot, fingerprint
             FROM denylist WHERE seq > $1 ORDER BY seq LIMIT $2")
            .bind(seq_in(from)?)
            .bind(limit)
            .all(&mut conn)
            .await?;
        let floor = match rows.first() {
            Some((floor, ..)) => *floor,
            // A prune in between can only raise the floor, and then "begin anew" is true by now.
            None => {
                let row: Option<(i64,)> =
                    sql("SELECT seq FROM denylist_floor WHERE id = 1").optional(&mut conn).await?;
                row.map(|(floor,)| floor)
            }
        };
        if from < seq_out(floor.ok_or(StoreError::NotInitialised)?)? {
            return Ok(None);
        }
        let mut entries = Vec::with_capacity(rows.len());
        for (expected, (_, seq, kind, slot, fingerprint)) in (from + 1..).zip(rows) {
            if seq_out(seq)? != expected {
                return Err(StoreError::corrupt("denylist", format!("entry {expected} is missing")));
            }
            entries.push(entry_out(kind, slot, fingerprint)?);
        }
        Ok(Some(entries))
    }

    /// The chain value up to a position that the log still has, or at its floor; `None` elsewhere.
    pub async fn chain(&self, seq: u64) -> Result<Option<Chain>, StoreError> {
        let row: Option<(Vec<u8>,)> = sql("SELECT chain FROM denylist WHERE seq = $1
             UNION ALL SELECT chain FROM denylist_floor WHERE id = 1 AND seq = $1")
        .bind(seq_in(seq)?)
        .optional(&mut self.0.db().read().await?)
        .await?;
        row.map(|(chain,)| chain_out(&chain)).transpose()
    }

    /// The first line that ends a session whose token was made at `rvs`, and when it was written; `None` while none
    /// does.
    pub async fn ending(&self, probe: &Probe, rvs: u64) -> Result<Option<(u64, UnixSeconds)>, StoreError> {
        let kind = |kind: Kind| i64::from(kind.code());
        let [one, other] = probe.keys.map(|key| key.map(|Fingerprint(bits)| bits.cast_signed()));
        let row: Option<(i64, i64)> = sql("SELECT seq, created_at FROM denylist WHERE undone_by IS NULL AND (
                 kind = $1 AND fingerprint = $2 AND slot = $3 OR kind = $4 AND fingerprint IN ($5, $6)
                 OR seq > $7 AND (kind = $8 AND fingerprint = $9 OR kind = $10 AND fingerprint = $11
                     OR kind = $12 AND fingerprint = 0))
             ORDER BY seq LIMIT 1")
        .bind(kind(Kind::Family))
        .bind(probe.family.0.cast_signed())
        .bind(i64::from(probe.slot.0))
        .bind(kind(Kind::Key))
        .bind(one)
        .bind(other)
        .bind(seq_in(rvs)?)
        .bind(kind(Kind::User))
        .bind(probe.user.0.cast_signed())
        .bind(kind(Kind::Realm))
        .bind(probe.realm.0.cast_signed())
        .bind(kind(Kind::Installation))
        .optional(&mut self.0.db().read().await?)
        .await?;
        row.map(|(seq, at)| Ok((seq_out(seq)?, check::time_out("denylist", at)?))).transpose()
    }

    /// The line that a request made, and when it was written; `None` where there is none, or it was taken back.
    pub async fn made_by(&self, request: RequestId) -> Result<Option<(u64, UnixSeconds)>, StoreError> {
        let row: Option<(i64, i64)> =
            sql("SELECT seq, created_at FROM denylist WHERE request = $1 AND undone_by IS NULL")
                .bind(&request.0)
                .optional(&mut self.0.db().read().await?)
                .await?;
        row.map(|(seq, at)| Ok((seq_out(seq)?, check::time_out("denylist", at)?))).transpose()
    }

    /// For the origin's own checks: what the log says of a session.
    pub async fn lookup(&self, probe: &Probe) -> Result<Lookup, StoreError> {
        type Row = (bool, bool, Option<i64>, Option<i64>, Option<i64>);
        let kind = |kind: Kind| i64::from(kind.code());
        let [one, other] = probe.keys.map(|key| key.map(|Fingerprint(bits)| bits.cast_signed()));
        let (family_ended, key_ended, user, realm, all): Row = sql("SELECT EXISTS (SELECT 1 FROM denylist
                            WHERE kind = $1 AND fingerprint = $2 AND slot = $3 AND undone_by IS NULL),
                    EXISTS (SELECT 1 FROM denylist WHERE kind = $4 AND fingerprint IN ($5, $11) AND undone_by IS NULL),
                    (SELECT MAX(seq) FROM denylist WHERE kind = $6 AND fingerprint = $7 AND undone_by IS NULL),
                    (SELECT MAX(seq) FROM denylist WHERE kind = $8 AND fingerprint = $9 AND undone_by IS NULL),
                    (SELECT MAX(seq) FROM denylist WHERE kind = $10 AND fingerprint = 0 AND undone_by IS NULL)")
        .bind(kind(Kind::Family))
        .bind(probe.family.0.cast_signed())
        .bind(i64::from(probe.slot.0))
        .bind(kind(Kind::Key))
        .bind(one)
        .bind(kind(Kind::User))
        .bind(probe.user.0.cast_signed())
        .bind(kind(Kind::Realm))
        .bind(probe.realm.0.cast_signed())
        .bind(kind(Kind::Installation))
        .bind(other)
        .one(&mut self.0.db().read().await?)
        .await?;
        let user_watermark = user.map(seq_out).transpose()?;
        let realm_watermark = realm.max(all).map(seq_out).transpose()?;
        Ok(Lookup { family_ended, key_ended, user_watermark, realm_watermark })
    }

    /// The newest `limit` (at most 1,000) lines, newest first.
    pub async fn list(&self, limit: u32) -> Result<Vec<Line>, StoreError> {
        self.find(Filter::default(), limit).await
    }

    /// The newest `limit` (at most 1,000) lines that the filter lets through, newest first. For all of them, go on with
    /// the last position as the cursor until a page is empty.
    pub async fn find(&self, filter: Filter<'_>, limit: u32) -> Result<Vec<Line>, StoreError> {
        // Only what is asked for is in the statement, so that either database can use the index that fits.
        let mut conditions = vec!["seq < $1"];
        let mut args = vec![filter.before.map_or(Ok(i64::MAX), seq_in)?.into()];
        if let Some(realm) = filter.realm {
            conditions.push("realm = $");
            args.push(realm.into());
        }
        if let Some(username) = filter.username {
            conditions.push("username = $");
            args.push(username.into());
        }
        if let Some(kind) = filter.kind {
            // Most lines are of families: their index, which ends in no position, would have all of them sorted.
            conditions.push(if kind == Kind::Family { "+kind = $" } else { "kind = $" });
            args.push(i64::from(kind.code()).into());
        }
        if let Some(since) = filter.since {
            conditions.push("created_at >= $");
            args.push(check::time_in(since)?.into());
        }
        let mut text = format!("SELECT {LINE} FROM denylist WHERE ");
        for (number, condition) in (1..).zip(&conditions) {
            match condition.strip_suffix('$') {
                Some(open) => text.push_str(&format!(" AND {open}${number}")),
                None => text.push_str(condition),
            }
        }
        text.push_str(&format!(" ORDER BY seq DESC LIMIT ${}", conditions.len() + 1));
        let rows: Vec<LineRow> =
            sql_of(text).bind_all(args).bind(check::listed(limit)).all(&mut self.0.db().read().await?).await?;
        rows.into_iter().map(line_out).collect()
    }
}

pub(super) const LINE: &str =
    "seq, kind, slot, fingerprint, realm, username, object, reason, actor, created_at, undone_by";
pub(super) type LineRow = (i64, i64, i64, i64, String, String, String, String, String, i64, Option<i64>);

pub(super) fn line_out(row: LineRow) -> Result<Line, StoreError> {
    let (seq, kind, slot, fingerprint, realm, username, object, reason, actor, created_at, undone_by) = row;
    let entry = entry_out(kind, slot, fingerprint)?;
    let created_at = check::time_out("denylist", created_at)?;
    let undone_by = undone_by.map(seq_out).transpose()?;
    Ok(Line { seq: seq_out(seq)?, entry, realm, username, object, reason, actor, created_at, undone_by })
}

/// An empty log ends where it begins: at the floor.
pub(crate) async fn head(place: &mut impl Place) -> Result<Head, StoreError> {
    type Row = (Vec<u8>, i64, Vec<u8>, Option<i64>, Option<Vec<u8>>);
    let row: Option<Row> = sql("SELECT i.epoch, f.seq, f.chain, d.seq, d.chain
         FROM installation AS i JOIN denylist_floor AS f ON f.id = 1
         LEFT JOIN denylist AS d ON d.seq = (SELECT MAX(seq) FROM denylist)
         WHERE i.id = 1")
    .optional(place)
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
