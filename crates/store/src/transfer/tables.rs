use countersign_core::encoding;
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row as _, TypeInfo as _, ValueRef as _};

use crate::db::Arg;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Type {
    Int,
    Bool,
    Text,
    Bytes,
}

pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [&'static str],
    pub(super) types: &'static [Type],
    /// How many of the first columns are the primary key.
    pub(super) key: usize,
    /// PostgreSQL has a sequence for the first column.
    pub(super) numbered: bool,
}

macro_rules! table {
    ($name:literal, $key:literal, $numbered:literal: $($column:literal $type:ident),*) => {
        Table {
            name: $name,
            columns: &[$($column),*],
            types: &[$(Type::$type),*],
            key: $key,
            numbered: $numbered,
        }
    };
}

/// Everything but what belongs to the database itself; those that others refer to come first.
pub(super) const TABLES: [Table; 26] = [
    table!("installation", 1, false: "id" Int, "epoch" Bytes, "created_at" Int),
    table!("realms", 1, false: "name" Text, "active" Bool, "created_at" Int),
    table!("settings", 1, false: "realm" Text, "document" Text, "version" Int, "changed_at" Int, "actor" Text),
    table!("identities", 2, false: "realm" Text, "username" Text, "password_hash" Text, "status" Text,
        "attributes" Text, "created_at" Int, "name_key" Text),
    table!("administrators", 2, false: "realm" Text, "username" Text, "granted_at" Int),
    table!("identity_index", 4, false: "realm" Text, "attribute" Text, "value" Text, "username" Text,
        "since" Int),
    table!("identity_counters", 3, false: "realm" Text, "username" Text, "name" Text, "value" Int),
    table!("identity_passwords", 2, false: "realm" Text, "username" Text, "changed_at" Int, "reset" Bool),
    table!("password_history", 3, false: "realm" Text, "username" Text, "number" Int, "password_hash" Text),
    table!("identity_answers", 4, false: "realm" Text, "username" Text, "attribute" Text, "number" Int,
        "custom" Bool, "question" Text, "answer_hash" Text),
    table!("accepted_terms", 2, false: "realm" Text, "username" Text, "version" Text, "accepted_at" Text),
    table!("recovery_codes", 4, false: "realm" Text, "username" Text, "kind" Text, "code_hash" Bytes),
    table!("devices", 4, false: "realm" Text, "username" Text, "kind" Text, "id" Text, "credential" Bytes,
        "profile" Bytes, "version" Int, "created_at" Int),
    table!("agents", 2, false: "realm" Text, "name" Text, "password_hash" Text, "active" Bool, "created_at" Int),
    table!("keys", 1, false: "kid" Text, "realm" Text, "purpose" Text, "algorithm" Text, "state" Text,
        "created_at" Int, "secret" Bytes, "activates_at" Int, "retires_at" Int, "seals" Int),
    table!("key_history", 1, true: "id" Int, "kid" Text, "at" Int, "state" Text, "actor" Text),
    table!("key_tokens", 2, false: "kid" Text, "slot" Int, "tokens" Int),
    table!("denylist_floor", 1, false: "id" Int, "seq" Int, "chain" Bytes),
    table!("denylist", 1, false: "seq" Int, "kind" Int, "slot" Int, "fingerprint" Int, "chain" Bytes, "realm" Text,
        "reason" Text, "actor" Text, "created_at" Int, "username" Text, "object" Text, "request" Bytes,
        "undone_by" Int),
    table!("sessions", 1, false: "token_hash" Bytes, "sid" Bytes, "realm" Text, "username" Text, "auth_level" Int,
        "amr" Text, "properties" Text, "rvs" Int, "created_at" Int, "last_used" Int, "max_idle" Int, "ends_at" Int,
        "expires_at" Int),
    table!("journey_documents", 4, false: "realm" Text, "kind" Text, "journey" Text, "id" Text, "document" Bytes,
        "changed_at" Int, "actor" Text),
    table!("journey_generations", 1, false: "realm" Text, "generation" Int),
    table!("journeys", 1, false: "id_hash" Bytes, "realm" Text, "state" Bytes, "version" Int, "expires_at" Int),
    table!("once", 1, false: "use_hash" Bytes, "expires_at" Int),
    table!("attempts", 3, false: "realm" Text, "username" Text, "counter" Text, "failures" Int, "lockouts" Int,
        "last_at" Int, "locked_until" Int),
    table!("audit", 1, true: "id" Int, "at" Int, "topic" Text, "event" Text, "realm" Text, "username" Text,
        "actor" Text, "transaction_id" Text, "detail" Text),
];

/// A row of any table.
pub(super) struct Values(pub(super) Vec<Arg>);

macro_rules! values_from {
    ($row:ident, $bool:literal, $int:literal, $bytes:literal) => {
        impl<'r> FromRow<'r, $row> for Values {
            fn from_row(row: &'r $row) -> Result<Self, sqlx::Error> {
                let value = |at| {
                    let raw = row.try_get_raw(at)?;
                    if raw.is_null() {
                        return Ok(Arg::Int(None)); // the table's own type is put in its place later
                    }
                    Ok(match raw.type_info().name() {
                        $bool => Arg::Bool(row.try_get(at)?),
                        $int => Arg::Int(row.try_get(at)?),
                        $bytes => Arg::Bytes(row.try_get(at)?),
                        _ => Arg::Text(row.try_get(at)?),
                    })
                };
                (0..row.len()).map(value).collect::<Result<_, sqlx::Error>>().map(Self)
            }
        }
    };
}

values_from!(SqliteRow, "BOOLEAN", "INTEGER", "BLOB");
values_from!(PgRow, "BOOL", "INT8", "BYTEA");

/// `None` when the value is not of the column's type.
pub(super) fn to_json(value: &Arg, column: Type) -> Option<Value> {
    Some(match (value, column) {
        (Arg::Int(None) | Arg::Text(None) | Arg::Bytes(None), _) => Value::Null,
        (Arg::Int(Some(number)), Type::Int) => (*number).into(),
        (Arg::Int(Some(number)), Type::Bool) => (*number != 0).into(),
        (Arg::Bool(truth), Type::Bool) => (*truth).into(),
        (Arg::Text(Some(text)), Type::Text) => text.as_str().into(),
        (Arg::Bytes(Some(bytes)), Type::Bytes) => encoding::encode(bytes).into(),
        _ => return None,
    })
}

/// `None` when the value is not of the column's type.
pub(super) fn from_json(value: &Value, column: Type) -> Option<Arg> {
    Some(match (value, column) {
        (Value::Null, Type::Int) => Arg::Int(None),
        (Value::Null, Type::Text) => Arg::Text(None),
        (Value::Null, Type::Bytes) => Arg::Bytes(None),
        (Value::Number(number), Type::Int) => Arg::Int(Some(number.as_i64()?)),
        (Value::Bool(truth), Type::Bool) => Arg::Bool(*truth),
        (Value::String(text), Type::Text) => Arg::Text(Some(text.clone())),
        (Value::String(text), Type::Bytes) => {
            let mut bytes = Vec::new();
            encoding::decode_into(text.as_bytes(), &mut bytes).ok()?;
            Arg::Bytes(Some(bytes))
        }
        _ => return None,
    })
}
