use countersign_core::denylist::{Entry, Fingerprint, Kind};
use countersign_core::time::UnixSeconds;

use super::read::{LINE, LineRow, line_out};
use super::row::{self, Row};
use super::{Appended, CHANNEL, DenylistLog, LOCK, NewEntry, RequestId, checked, epoch, read, seq_in};
use crate::db::{sql, sql_of};
use crate::{StoreError, check};

impl DenylistLog<'_> {
    /// Takes back the line at `seq`, which was a mistake: what it ended lives again, unless something else ended it
    /// too. The undo is itself a line, since nothing else reaches the replicas; one that has not read it goes on
    /// refusing. To repeat it changes nothing. An undo is not undone, but what it revived can be ended anew.
    pub async fn undo(&self, seq: u64, reason: &str, actor: &str, now: UnixSeconds) -> Result<Appended, StoreError> {
        let created_at = check::time_in(now)?;
        let mut request = [0; 16];
        getrandom::fill(&mut request).map_err(|_| StoreError::NoEntropy)?;
        let mut tx = self.0.db().begin().await?;
        tx.lock(LOCK).await?;
        let row: Option<LineRow> =
            sql_of(format!("SELECT {LINE} FROM denylist WHERE seq = $1")).bind(seq_in(seq)?).optional(&mut tx).await?;
        let missing = || StoreError::NotFound { what: "denylist line", name: seq.to_string() };
        let line = line_out(row.ok_or_else(missing)?)?;
        if let Some(seq) = line.undone_by {
            return Ok(Appended { seq, already: true });
        }
        let Entry { kind, slot, fingerprint } = line.entry;
        let entry = match kind {
            Kind::Undo | Kind::UndoFamily => {
                return Err(StoreError::Invalid { what: "denylist line", rule: "must not be an undo" });
            }
            Kind::Installation if line.object == epoch::OBJECT => {
                let rule = "must not be the first of an epoch: what it ended besides is not known";
                return Err(StoreError::Invalid { what: "denylist line", rule });
            }
            Kind::Family => Entry { kind: Kind::UndoFamily, slot, fingerprint },
            Kind::User | Kind::Realm | Kind::Key | Kind::Installation => {
                Entry { kind: Kind::Undo, slot, fingerprint: Fingerprint(seq) }
            }
        };
        let new = NewEntry::new(entry, &line.realm, reason, actor).username(&line.username).object(&seq.to_string());
        checked(&new)?;
        let mut head = read::head(&mut tx).await?;
        head.seq += 1; // cannot overflow: it is below 2^63
        head.chain = head.chain.append(head.seq, &entry);
        let row = Row::new(&head, &new, RequestId(request), created_at)?;
        row::insert(&mut tx, &[row]).await?;
        sql("UPDATE denylist SET undone_by = $2 WHERE seq = $1")
            .bind(seq_in(seq)?)
            .bind(seq_in(head.seq)?)
            .run(&mut tx)
            .await?;
        tx.notify(CHANNEL).await?;
        tx.commit().await?;
        self.0.signal().raise(head.seq);
        Ok(Appended { seq: head.seq, already: false })
    }
}
