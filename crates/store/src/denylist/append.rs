//! A batch in one statement, hence in one round trip: what takes a dozen of them when each step is its own.
//!
//! It begins where this process saw the log end. It writes nothing, and the caller goes the long way, when that is not
//! the end any more: another process's lines have these numbers then, a log that was pruned or began a new epoch has
//! another floor, and one whose last commits are lost has another line there, or none. So it does when a family of the
//! batch is listed already, or a request was made before.

use sqlx::PgConnection;

use super::audit::Note;
use super::row::Row;
use super::{CHANNEL, Head, LOCK, NewEntry, seq_in};
use crate::StoreError;
use crate::db::lock_number;

/// The lock is taken before anything is written and held until the commit is visible, so that nobody who holds it reads
/// an end of the log that is about to change. The statement may have been waiting for it and sees what was before: the
/// numbers are a primary key, and the row of the floor is locked, which reads it anew.
///
/// Each family is looked for by a query of its own, which can be answered in one way alone, by the index. Of an array
/// or a join the planner, who may see an empty log, makes a reading of everything, and keeps that plan.
const STATEMENT: &str = "
    WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock($1)),
    base AS MATERIALIZED (
        SELECT FROM denylist_floor AS floor, turn WHERE floor.id = 1 AND floor.seq = $2
            AND ($21 = $2 OR EXISTS (SELECT FROM denylist AS tail WHERE tail.seq = $21 AND tail.chain = $22))
            AND NOT EXISTS (SELECT 1 FROM UNNEST($4::bigint[]) AS own (fingerprint)
                            WHERE (SELECT listed.seq FROM denylist AS listed WHERE listed.kind = 1
                                   AND listed.fingerprint = own.fingerprint AND listed.undone_by IS NULL LIMIT 1) > 0)
        FOR SHARE OF floor
    ),
    news AS MATERIALIZED (SELECT pg_notify($3, '') FROM base),
    notes AS (
        INSERT INTO audit (at, topic, event, realm, username, actor, transaction_id, detail)
        SELECT UNNEST($15::bigint[]), UNNEST($17::text[]), UNNEST($18::text[]), UNNEST($10::text[]),
            UNNEST($11::text[]), UNNEST($14::text[]), UNNEST($19::text[]), UNNEST($20::text[])
        FROM news
    )
    INSERT INTO denylist (seq, kind, slot, fingerprint, chain, realm, username, object, reason, actor, created_at, request)
    SELECT UNNEST($5::bigint[]), UNNEST($6::bigint[]), UNNEST($7::bigint[]), UNNEST($8::bigint[]), UNNEST($9::bytea[]),
        UNNEST($10::text[]), UNNEST($11::text[]), UNNEST($12::text[]), UNNEST($13::text[]), UNNEST($14::text[]),
        UNNEST($15::bigint[]), UNNEST($16::bytea[])
    FROM news";

/// Appends `rows`, the first of which comes after the end that `after` names. `families` are the fingerprints of those
/// that must not be listed yet. `false` when nothing was written, because the log is not as it was.
pub(super) async fn append(
    conn: &mut PgConnection,
    after: &Head,
    rows: &[Row<'_>],
    families: Vec<i64>,
) -> Result<bool, StoreError> {
    let notes = rows.iter().map(Note::of).collect::<Result<Vec<_>, _>>()?;
    let done = sqlx::query(STATEMENT)
        .bind(lock_number(LOCK))
        .bind(seq_in(after.floor_seq)?)
        .bind(CHANNEL)
        .bind(families)
        .bind(column(rows, |row| row.seq))
        .bind(column(rows, Row::kind))
        .bind(column(rows, Row::slot))
        .bind(column(rows, Row::fingerprint))
        .bind(column(rows, |row| row.chain.0.as_slice()))
        .bind(texts(rows, |new| &new.realm))
        .bind(texts(rows, |new| &new.username))
        .bind(texts(rows, |new| &new.object))
        .bind(texts(rows, |new| &new.reason))
        .bind(texts(rows, |new| &new.actor))
        .bind(column(rows, |row| row.created_at))
        .bind(column(rows, |row| row.request.0.as_slice()))
        .bind(column(&notes, |note| note.topic))
        .bind(column(&notes, |note| note.event))
        .bind(column(&notes, |note| note.transaction.as_str()))
        .bind(column(&notes, |note| note.detail.as_str()))
        .bind(seq_in(after.seq)?)
        .bind(after.chain.0.as_slice())
        .execute(conn)
        .await;
    match done.map(|done| usize::try_from(done.rows_affected())) {
        Ok(Ok(written)) if written == rows.len() => Ok(true),
        Ok(Ok(0)) => Ok(false),
        Ok(_) => Err(StoreError::corrupt("denylist", "a part of a batch was written")),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn column<'a, R, T>(rows: &'a [R], value: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

fn texts<'a>(rows: &'a [Row<'_>], text: impl Fn(&'a NewEntry) -> &'a String) -> Vec<&'a str> {
    column(rows, |row| text(row.new).as_str())
}
