//! A batch in one statement, hence in one round trip: what takes a dozen of them when each step is its own.
//!
//! It begins where this process saw the log end. It writes nothing, and the caller goes the long way, when that is not
//! the end any more: another process's lines have these numbers then, and a log that was pruned or began a new epoch
//! has another floor. So it does when a family of the batch is listed already, or a request was made before.

use sqlx::PgConnection;

use super::writer::Row;
use super::{CHANNEL, Head, LOCK, seq_in};
use crate::StoreError;
use crate::db::{Arg, lock_number};

/// The lock is taken before anything is written and held until the commit is visible, so that nobody who holds it reads
/// an end of the log that is about to change. The statement may have been waiting for it and sees what was before: the
/// numbers are a primary key, and the row of the floor is locked, which reads it anew.
///
/// Each family is looked for by a query of its own, which can be answered in one way alone, by the index. Of an array
/// or a join the planner, who may see an empty log, makes a reading of everything, and keeps that plan.
const STATEMENT: &str = "
    WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock($1)),
    base AS MATERIALIZED (
        SELECT floor.seq FROM denylist_floor AS floor, turn WHERE floor.id = 1 AND floor.seq = $2 FOR SHARE OF floor
    ),
    lines AS (
        INSERT INTO denylist (seq, kind, slot, fingerprint, chain, realm, username, object, reason, actor, created_at, request)
        SELECT line.* FROM base,
            UNNEST($3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bytea[], $8::text[], $9::text[],
                   $10::text[], $11::text[], $12::text[], $13::bigint[], $14::bytea[]) AS line
        WHERE NOT EXISTS (SELECT 1 FROM UNNEST($15::bigint[]) AS own (fingerprint)
                          WHERE (SELECT listed.seq FROM denylist AS listed WHERE listed.kind = 1
                                 AND listed.fingerprint = own.fingerprint AND listed.undone_by IS NULL LIMIT 1) > 0)
        RETURNING seq
    ),
    notes AS (
        INSERT INTO audit (at, topic, event, realm, username, actor, transaction_id, detail)
        SELECT note.* FROM (SELECT 1 FROM lines LIMIT 1) AS written,
            UNNEST($17::bigint[], $18::text[], $19::text[], $20::text[], $21::text[], $22::text[], $23::text[],
                   $24::text[]) AS note
    ),
    news AS MATERIALIZED (SELECT pg_notify($16, '') FROM lines LIMIT 1)
    SELECT (SELECT COUNT(*) FROM lines), (SELECT COUNT(*) FROM news)";

/// Rows column by column, those of each type in the order of the table.
struct Columns<const INTS: usize, const TEXTS: usize, const BYTES: usize> {
    ints: [Vec<i64>; INTS],
    texts: [Vec<String>; TEXTS],
    bytes: [Vec<Vec<u8>>; BYTES],
}

impl<const INTS: usize, const TEXTS: usize, const BYTES: usize> Columns<INTS, TEXTS, BYTES> {
    fn of(rows: impl Iterator<Item = Vec<Arg>>) -> Result<Self, StoreError> {
        let mut columns = Self {
            ints: std::array::from_fn(|_| Vec::new()),
            texts: std::array::from_fn(|_| Vec::new()),
            bytes: std::array::from_fn(|_| Vec::new()),
        };
        let odd = || StoreError::Internal { detail: "a row of the log has other columns".into() };
        for row in rows {
            let (mut ints, mut texts, mut bytes) =
                (columns.ints.iter_mut(), columns.texts.iter_mut(), columns.bytes.iter_mut());
            for arg in row {
                match arg {
                    Arg::Int(Some(value)) => ints.next().ok_or_else(odd)?.push(value),
                    Arg::Text(Some(value)) => texts.next().ok_or_else(odd)?.push(value),
                    Arg::Bytes(Some(value)) => bytes.next().ok_or_else(odd)?.push(value),
                    _ => return Err(odd()),
                }
            }
        }
        Ok(columns)
    }
}

/// Appends `rows`, the first of which comes after the end that `after` names. `families` are the fingerprints of those
/// that must not be listed yet. `false` when nothing was written, because the log is not as it was.
pub(super) async fn append(
    conn: &mut PgConnection,
    after: &Head,
    rows: Vec<Row>,
    families: Vec<i64>,
) -> Result<bool, StoreError> {
    let count = rows.len();
    let (log, audit): (Vec<_>, Vec<_>) = rows.into_iter().map(Row::into_parts).unzip();
    let log = Columns::<5, 5, 2>::of(log.into_iter())?;
    let audit = Columns::<1, 7, 0>::of(audit.into_iter())?;
    let [seq, kind, slot, fingerprint, created_at] = log.ints;
    let [chain, request] = log.bytes;
    let mut statement = sqlx::query_as(STATEMENT).bind(lock_number(LOCK)).bind(seq_in(after.floor_seq)?);
    for column in [seq, kind, slot, fingerprint] {
        statement = statement.bind(column);
    }
    statement = statement.bind(chain);
    for column in log.texts {
        statement = statement.bind(column);
    }
    statement = statement.bind(created_at).bind(request).bind(families).bind(CHANNEL);
    for column in audit.ints {
        statement = statement.bind(column);
    }
    for column in audit.texts {
        statement = statement.bind(column);
    }
    let done: Result<(i64, i64), sqlx::Error> = statement.fetch_one(conn).await;
    match done {
        Ok((written, _)) if usize::try_from(written) == Ok(count) => Ok(true),
        Ok((0, _)) => Ok(false),
        Ok(_) => Err(StoreError::corrupt("denylist", "a part of a batch was written")),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(false),
        Err(error) => Err(error.into()),
    }
}
