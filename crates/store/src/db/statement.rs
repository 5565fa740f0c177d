//! A statement with its parameters, before it is known which database it is for.

use sqlx::SqlStr;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, FromRow, SqlSafeStr as _};

use super::{On, Place};
use crate::StoreError;

/// The value of a parameter, in the types that both databases have.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Arg {
    Int(Option<i64>),
    Bool(bool),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

macro_rules! arg_from {
    ($($type:ty => $variant:ident($make:expr);)*) => {
        $(impl From<$type> for Arg {
            fn from(value: $type) -> Self {
                Self::$variant($make(value))
            }
        })*
    };
}

arg_from! {
    i64 => Int(Some);
    Option<i64> => Int(|value| value);
    bool => Bool(|value| value);
    String => Text(Some);
    &str => Text(|value: &str| Some(value.to_owned()));
    &String => Text(|value: &String| Some(value.clone()));
    Option<&str> => Text(|value: Option<&str>| value.map(str::to_owned));
    Option<String> => Text(|value| value);
    Vec<u8> => Bytes(Some);
    &[u8] => Bytes(|value: &[u8]| Some(value.to_vec()));
    Option<Vec<u8>> => Bytes(|value| value);
}

impl<const N: usize> From<&[u8; N]> for Arg {
    fn from(value: &[u8; N]) -> Self {
        Self::Bytes(Some(value.to_vec()))
    }
}

/// What both databases' rows can be read as: tuples of integers, booleans, text and bytes.
pub(crate) trait Row: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

impl<T> Row for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

pub(crate) struct Sql {
    text: SqlStr,
    args: Vec<Arg>,
}

pub(crate) fn sql(text: &'static str) -> Sql {
    Sql { text: text.into_sql_str(), args: Vec::new() }
}

/// For text that is put together from constants of this crate, such as a row of placeholders; never from a value.
pub(crate) fn sql_of(text: String) -> Sql {
    Sql { text: AssertSqlSafe(text).into_sql_str(), args: Vec::new() }
}

/// Runs `$then` with the query as the connection's database takes it.
macro_rules! on {
    ($self:ident, $place:ident, $make:expr, $query:ident, $conn:ident => $then:expr) => {
        match $place.on() {
            On::Sqlite($conn) => {
                let mut $query = $make;
                for arg in $self.args {
                    $query = match arg {
                        Arg::Int(value) => $query.bind(value),
                        Arg::Bool(value) => $query.bind(value),
                        Arg::Text(value) => $query.bind(value),
                        Arg::Bytes(value) => $query.bind(value),
                    };
                }
                $then
            }
            On::Postgres($conn) => {
                let mut $query = $make;
                for arg in $self.args {
                    $query = match arg {
                        Arg::Int(value) => $query.bind(value),
                        Arg::Bool(value) => $query.bind(value),
                        Arg::Text(value) => $query.bind(value),
                        Arg::Bytes(value) => $query.bind(value),
                    };
                }
                $then
            }
        }
    };
}

impl Sql {
    pub(crate) fn bind(mut self, value: impl Into<Arg>) -> Self {
        self.args.push(value.into());
        self
    }

    pub(crate) fn bind_all(mut self, values: impl IntoIterator<Item = Arg>) -> Self {
        self.args.extend(values);
        self
    }

    /// How many rows it changed, with the database's own error: for inserts, whose errors mean something.
    pub(crate) async fn try_run(self, place: &mut impl Place) -> Result<u64, sqlx::Error> {
        on!(self, place, sqlx::query(self.text), query, conn => {
            query.execute(conn).await.map(|done| done.rows_affected())
        })
    }

    /// How many rows it changed.
    pub(crate) async fn run(self, place: &mut impl Place) -> Result<u64, StoreError> {
        Ok(self.try_run(place).await?)
    }

    pub(crate) async fn all<T: Row>(self, place: &mut impl Place) -> Result<Vec<T>, StoreError> {
        Ok(on!(self, place, sqlx::query_as(self.text), query, conn => query.fetch_all(conn).await?))
    }

    pub(crate) async fn optional<T: Row>(self, place: &mut impl Place) -> Result<Option<T>, StoreError> {
        Ok(on!(self, place, sqlx::query_as(self.text), query, conn => query.fetch_optional(conn).await?))
    }

    pub(crate) async fn one<T: Row>(self, place: &mut impl Place) -> Result<T, StoreError> {
        Ok(on!(self, place, sqlx::query_as(self.text), query, conn => query.fetch_one(conn).await?))
    }
}
