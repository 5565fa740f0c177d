use std::io::{BufRead, Read as _};

use countersign_core::encoding;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::check::examine;
use super::tables::{TABLES, Table, from_json};
use super::{FORMAT, PAGE};
use crate::db::{Arg, Tx, bulk, sql_of};
use crate::{Store, StoreError, denylist, store};

/// Longest line: the largest state of a journey, in base64url.
const MAX_LINE: u64 = 1024 * 1024;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Imported {
    pub rows: u64,
}

/// Reads lines, with their number for errors.
struct Lines<'a, R> {
    from: &'a mut R,
    number: u64,
    hash: Sha256,
}

impl<R: BufRead> Lines<'_, R> {
    fn bad(&self, detail: &'static str) -> StoreError {
        StoreError::BadCopy { line: self.number, detail }
    }

    /// The line, and the sum of those before it.
    fn next(&mut self) -> Result<(Value, [u8; 32]), StoreError> {
        self.number += 1;
        let mut line = Vec::new();
        let read = self.from.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
        read.map_err(|_| self.bad("cannot be read"))?;
        if line.is_empty() {
            return Err(self.bad("is missing: the copy is cut off"));
        }
        if line.last() != Some(&b'\n') {
            return Err(self.bad("is cut off, or too long"));
        }
        let before = self.hash.clone().finalize().into();
        self.hash.update(&line);
        let value = serde_json::from_slice(&line).map_err(|_| self.bad("is no JSON"))?;
        Ok((value, before))
    }
}

impl Store {
    /// Reads a copy into an empty database: all of it, or nothing when anything is wrong with it.
    pub async fn import(&self, from: &mut (impl BufRead + Send)) -> Result<Imported, StoreError> {
        let mut tx = self.db().begin().await?;
        tx.unhurried().await?;
        tx.lock(denylist::LOCK).await?;
        for table in &TABLES {
            let (filled,): (bool,) =
                sql_of(format!("SELECT EXISTS (SELECT 1 FROM {})", table.name)).one(&mut tx).await?;
            if filled {
                return Err(StoreError::NotEmpty { table: table.name });
            }
        }
        let mut lines = Lines { from, number: 0, hash: Sha256::new() };
        let (head, _) = lines.next()?;
        if head.get("countersign").and_then(Value::as_str) != Some("copy") {
            return Err(lines.bad("does not begin a copy of a Countersign database"));
        }
        if head.get("format").and_then(Value::as_u64) != Some(FORMAT) {
            return Err(lines.bad("names a format that this version does not know"));
        }
        let sealed = head.get("master_key_check").and_then(Value::as_str).unwrap_or_default();
        let mut bytes = Vec::new();
        if encoding::decode_into(sealed.as_bytes(), &mut bytes).is_err() || !store::opens(self.master(), &bytes) {
            return Err(lines.bad("was made under another master key"));
        }

        let mut rows = 0;
        let (mut line, mut sum) = lines.next()?;
        for table in &TABLES {
            let same =
                |columns: &Vec<Value>| columns.iter().map(Value::as_str).eq(table.columns.iter().copied().map(Some));
            let named = line.get("table").and_then(Value::as_str) == Some(table.name);
            if !named || !line.get("columns").and_then(Value::as_array).is_some_and(same) {
                return Err(
                    lines.bad("does not begin the table that is expected here; was it made by another version?")
                );
            }
            let mut page = Vec::with_capacity(PAGE);
            loop {
                (line, sum) = lines.next()?;
                let Some(values) = line.as_array() else { break };
                page.push(row(table, values).ok_or_else(|| lines.bad("is no row of its table"))?);
                rows += 1;
                if page.len() == PAGE {
                    insert(&mut tx, table, std::mem::take(&mut page), &lines).await?;
                }
            }
            insert(&mut tx, table, page, &lines).await?;
            if table.numbered && matches!(tx, Tx::Postgres(_)) {
                let (name, column) = (table.name, table.columns.first().copied().unwrap_or_default());
                sql_of(format!(
                    "SELECT setval(pg_get_serial_sequence('{name}', '{column}'), MAX({column})) FROM {name}
                     HAVING MAX({column}) IS NOT NULL"
                ))
                .run(&mut tx)
                .await?;
            }
        }
        if line.get("rows").and_then(Value::as_u64) != Some(rows) {
            return Err(lines.bad("says another number of rows than there are"));
        }
        if line.get("sha256").and_then(Value::as_str) != Some(&encoding::encode(&sum)) {
            return Err(lines.bad("says another checksum than that of the lines before it"));
        }
        if !lines.from.fill_buf().is_ok_and(<[u8]>::is_empty) {
            return Err(lines.bad("should be the last"));
        }
        let report = examine(self, &mut tx).await?;
        if !report.findings.is_empty() {
            tracing::error!(findings = ?report.findings, "the copy is of a database that is not in order");
            return Err(lines.bad("ends a copy of a database that is not in order"));
        }
        tx.commit().await?;
        Ok(Imported { rows })
    }
}

fn row(table: &Table, values: &[Value]) -> Option<Vec<Arg>> {
    if values.len() != table.types.len() {
        return None;
    }
    values.iter().zip(table.types).map(|(value, column)| from_json(value, *column)).collect()
}

async fn insert<R: BufRead>(
    tx: &mut Tx<'_>,
    table: &Table,
    page: Vec<Vec<Arg>>,
    lines: &Lines<'_, R>,
) -> Result<(), StoreError> {
    bulk::insert(tx, table.name, table.columns, page).await.map_err(|error| match error {
        // A constraint: two rows of one key, a realm that is not there.
        StoreError::Internal { detail } => {
            tracing::error!(table = table.name, detail, "the database refused rows of the copy");
            lines.bad("or one of those shortly before it contradicts another")
        }
        other => other,
    })
}
