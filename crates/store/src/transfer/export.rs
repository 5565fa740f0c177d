use std::io::Write;

use countersign_core::encoding;
use countersign_core::time::UnixSeconds;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::tables::{TABLES, Table, Values, to_json};
use super::{FORMAT, PAGE};
use crate::db::{Tx, sql, sql_of};
use crate::{Store, StoreError};

/// Writes lines and sums them up.
struct Lines<'a, W> {
    out: &'a mut W,
    hash: Sha256,
    rows: u64,
}

impl<W: Write> Lines<'_, W> {
    fn put(&mut self, line: &Value) -> Result<(), StoreError> {
        let text = format!("{line}\n");
        self.hash.update(text.as_bytes());
        self.out.write_all(text.as_bytes()).map_err(cannot_write)
    }
}

fn cannot_write(error: std::io::Error) -> StoreError {
    StoreError::CopyOutput { detail: error.to_string() }
}

impl Store {
    /// Writes everything in the database as of one moment; the server may go on working. Gives the number of rows.
    ///
    /// `out` is written to from the calling task; give it a buffer.
    pub async fn export(&self, out: &mut (impl Write + Send), now: UnixSeconds) -> Result<u64, StoreError> {
        let mut tx = self.db().snapshot().await?;
        tx.unhurried().await?;
        let (sealed,): (Vec<u8>,) = sql("SELECT sealed FROM master_key_check WHERE id = 1").one(&mut tx).await?;
        let mut lines = Lines { out, hash: Sha256::new(), rows: 0 };
        lines.put(&json!({
            "countersign": "copy",
            "format": FORMAT,
            "made_at": now.0,
            "master_key_check": encoding::encode(&sealed),
        }))?;
        for table in &TABLES {
            export_table(&mut tx, table, &mut lines).await?;
        }
        let sum: [u8; 32] = lines.hash.finalize_reset().into();
        let end = json!({"rows": lines.rows, "sha256": encoding::encode(&sum)});
        lines.put(&end)?;
        lines.out.flush().map_err(cannot_write)?;
        Ok(lines.rows)
    }
}

async fn export_table<W: Write>(tx: &mut Tx<'_>, table: &Table, lines: &mut Lines<'_, W>) -> Result<(), StoreError> {
    lines.put(&json!({"table": table.name, "columns": table.columns}))?;
    let key = table.columns.get(..table.key).unwrap_or_default().join(", ");
    let (columns, name) = (table.columns.join(", "), table.name);
    let after: Vec<String> = (1..=table.key).map(|number| format!("${number}")).collect();
    let first = format!("SELECT {columns} FROM {name} ORDER BY {key} LIMIT {PAGE}");
    let next =
        format!("SELECT {columns} FROM {name} WHERE ({key}) > ({}) ORDER BY {key} LIMIT {PAGE}", after.join(", "));
    let mut cursor = None;
    loop {
        let statement = match cursor.take() {
            None => sql_of(first.clone()),
            Some(key) => sql_of(next.clone()).bind_all(key),
        };
        let rows: Vec<Values> = statement.all(tx).await?;
        for Values(values) in &rows {
            let line: Option<Vec<Value>> =
                values.iter().zip(table.types).map(|(value, column)| to_json(value, *column)).collect();
            let line =
                line.ok_or_else(|| StoreError::corrupt(table.name, "a value is of another type than its column"))?;
            lines.put(&Value::Array(line))?;
            lines.rows += 1;
        }
        match rows.into_iter().nth(PAGE - 1) {
            Some(Values(last)) => cursor = Some(last.into_iter().take(table.key).collect::<Vec<_>>()),
            None => return Ok(()),
        }
    }
}
