//! Many rows in few statements. A statement takes one of a few numbers of rows, so that each stays prepared.

use super::{Arg, Place, Row, sql_of};
use crate::StoreError;

const SIZES: [usize; 4] = [64, 16, 4, 1];

/// Inserts rows of as many values as there are columns.
pub(crate) async fn insert(
    place: &mut impl Place,
    table: &'static str,
    columns: &[&'static str],
    rows: Vec<Vec<Arg>>,
) -> Result<(), StoreError> {
    let mut rows = rows.into_iter();
    while let Some(size) = SIZES.into_iter().find(|size| *size <= rows.len()) {
        let values: Vec<String> = (0..size).map(|row| placeholders(row * columns.len(), columns.len())).collect();
        sql_of(format!("INSERT INTO {table} ({}) VALUES {}", columns.join(", "), values.join(", ")))
            .bind_all(rows.by_ref().take(size).flatten())
            .run(place)
            .await?;
    }
    Ok(())
}

/// The rows that `select`, which ends with `IN`, finds for any of the values.
pub(crate) async fn among<T: Row>(
    place: &mut impl Place,
    select: &'static str,
    values: Vec<Arg>,
) -> Result<Vec<T>, StoreError> {
    let mut values = values.into_iter();
    let mut found = Vec::new();
    while let Some(size) = SIZES.into_iter().find(|size| *size <= values.len()) {
        let statement = sql_of(format!("{select} {}", placeholders(0, size)));
        found.extend(statement.bind_all(values.by_ref().take(size)).all::<T>(place).await?);
    }
    Ok(found)
}

/// `($4, $5, $6)` for three parameters after the first three.
fn placeholders(after: usize, count: usize) -> String {
    let numbers: Vec<String> = (after + 1..=after + count).map(|number| format!("${number}")).collect();
    format!("({})", numbers.join(", "))
}
