use crate::db::{On, Place, sql, sql_of};
use crate::denylist::{chain_out, entry_out, head, seq_out};
use crate::{Store, StoreError};

const PAGE: i64 = 4096;

/// What an examination found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Lines of the denylist log.
    pub lines: u64,
    pub keys: u64,
    /// What is not in order; empty when all is well.
    pub findings: Vec<String>,
}

/// Rows that should not be there.
const ORPHANS: [(&str, &str); 5] = [
    (
        "identities of a realm that is not there",
        "identities AS t WHERE NOT EXISTS (SELECT 1 FROM realms WHERE name = t.realm)",
    ),
    (
        "keys of a realm that is not there",
        "keys AS t WHERE realm IS NOT NULL AND NOT EXISTS (SELECT 1 FROM realms WHERE name = t.realm)",
    ),
    (
        "settings of a realm that is not there",
        "settings AS t WHERE realm <> '' AND NOT EXISTS (SELECT 1 FROM realms WHERE name = t.realm)",
    ),
    ("keys without a line of history", "keys AS t WHERE NOT EXISTS (SELECT 1 FROM key_history WHERE kid = t.kid)"),
    (
        "denylist lines undone by a line that is no undo of theirs",
        "denylist AS t WHERE undone_by IS NOT NULL AND NOT EXISTS
         (SELECT 1 FROM denylist AS u WHERE u.seq = t.undone_by AND u.seq > t.seq AND u.kind IN (6, 7))",
    ),
];

impl Store {
    /// Whether the database is in order, as of one moment: the file itself, the log's numbers and chain, that every key
    /// and every device opens, and that what refers to something refers to something. It reads everything.
    pub async fn check(&self) -> Result<Report, StoreError> {
        let mut tx = self.db().snapshot().await?;
        tx.unhurried().await?;
        examine(self, &mut tx).await
    }
}

pub(super) async fn examine(store: &Store, place: &mut impl Place) -> Result<Report, StoreError> {
    let mut report = Report::default();
    if matches!(place.on(), On::Sqlite(_)) {
        let rows: Vec<(String,)> = sql("PRAGMA integrity_check").all(place).await?;
        report.findings.extend(rows.into_iter().map(|(text,)| text).filter(|text| text != "ok"));
    } else {
        let (fsync,): (String,) = sql("SELECT current_setting('fsync')").one(place).await?;
        if fsync != "on" {
            report.findings.push("the server runs with fsync off".to_owned());
        }
    }
    log(place, &mut report).await?;
    let (keys, findings) = store.keys().findings(place).await?;
    report.keys = keys;
    report.findings.extend(findings);
    report.findings.extend(store.devices().findings(place).await?);
    report.findings.extend(store.journey_documents().findings(place).await?);
    for (what, condition) in ORPHANS {
        let (count,): (i64,) = sql_of(format!("SELECT COUNT(*) FROM {condition}")).one(place).await?;
        if count > 0 {
            report.findings.push(format!("{count} {what}"));
        }
    }
    Ok(report)
}

/// Every number from the floor on, and every chain value as the entries make it.
async fn log(place: &mut impl Place, report: &mut Report) -> Result<(), StoreError> {
    let head = match head(place).await {
        Ok(head) => head,
        Err(error @ (StoreError::NotInitialised | StoreError::Corrupt { .. })) => {
            report.findings.push(error.to_string());
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let (mut seq, mut chain) = (head.floor_seq, head.floor_chain);
    loop {
        type Row = (i64, i64, i64, i64, Vec<u8>);
        let rows: Vec<Row> =
            sql("SELECT seq, kind, slot, fingerprint, chain FROM denylist WHERE seq > $1 ORDER BY seq LIMIT $2")
                .bind(i64::try_from(seq).unwrap_or(i64::MAX))
                .bind(PAGE)
                .all(place)
                .await?;
        if rows.is_empty() {
            return Ok(());
        }
        for (number, kind, slot, fingerprint, stored) in rows {
            let line = seq_out(number)
                .and_then(|number| Ok((number, entry_out(kind, slot, fingerprint)?, chain_out(&stored)?)));
            let Ok((number, entry, stored)) = line else {
                report.findings.push(format!("denylist line {number} means nothing"));
                return Ok(());
            };
            if number != seq + 1 {
                report.findings.push(format!("denylist lines {} to {} are missing", seq + 1, number - 1));
                return Ok(());
            }
            chain = chain.append(number, &entry);
            if chain != stored {
                report.findings.push(format!("denylist line {number} was altered: the chain does not lead to it"));
                return Ok(());
            }
            (seq, report.lines) = (number, report.lines + 1);
        }
    }
}
