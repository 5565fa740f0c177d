/// Whose fault an error is, and so who must act.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Whoever runs the installation: path, permissions, disk, master key, versions.
    Operator,
    /// Whoever called: the request cannot be done as it stands, or must come again later.
    Caller,
    /// This program, or a database that something else wrote to.
    Us,
}

/// Why the store could not do something. It is `Clone` because everyone who waits for one commit gets its error.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StoreError {
    // The operator's fault.
    /// The file cannot be created or opened, or is no SQLite database; the server cannot be reached or refuses us.
    Open { database: String, detail: String },
    /// The database was sealed with another master key.
    WrongMasterKey { database: String },
    /// The text is not a master key.
    BadMasterKey,
    /// The database was written by a newer version of this program.
    NewerSchema { database: String, version: i64 },
    /// The database was made by a build whose migrations differ from ours.
    ForeignSchema { database: String, version: i64 },
    /// No space for the write.
    DiskFull,
    /// Another process held the write lock, or our own work every connection, for longer than we wait.
    Busy,
    /// The storage fails: I/O error, read-only, out of memory, a server that is away. What was under way may or may not
    /// have been done.
    Unavailable { detail: String },
    /// A copy cannot be written to where it should go.
    CopyOutput { detail: String },
    /// The operating system has no randomness to give.
    NoEntropy,
    /// There is no installation in this database yet.
    NotInitialised,

    // The caller's fault.
    /// There is an installation with another epoch already.
    AlreadyInitialised,
    /// Something of that name exists.
    Conflict { what: &'static str, name: String },
    /// Nothing of that name exists.
    NotFound { what: &'static str, name: String },
    /// A value breaks a rule.
    Invalid { what: &'static str, rule: &'static str },
    /// A value is longer than the store keeps.
    TooLarge { what: &'static str, max: usize },
    /// It was decided on a state that has changed since; nothing was written.
    Outdated { what: &'static str },
    /// The user has as many sessions as the quota allows, and may not have one more.
    QuotaExhausted,
    /// There is something in the database already; a copy is read into an empty one only.
    NotEmpty { table: &'static str },
    /// A copy cannot be read in, for the reason given; nothing was written.
    BadCopy { line: u64, detail: &'static str },
    /// The queue of the denylist writer stayed full; nothing was written.
    Overloaded,
    /// The store was closed. An append that gets this may or may not be in the log.
    Closed,

    // Our fault.
    /// A row does not mean anything: it was damaged, or moved from where it belongs.
    Corrupt { table: &'static str, detail: String },
    /// The database refused a statement of ours.
    Internal { detail: String },
}

impl StoreError {
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Open { .. }
            | Self::WrongMasterKey { .. }
            | Self::BadMasterKey
            | Self::NewerSchema { .. }
            | Self::ForeignSchema { .. }
            | Self::DiskFull
            | Self::Busy
            | Self::Unavailable { .. }
            | Self::CopyOutput { .. }
            | Self::NoEntropy
            | Self::NotInitialised => Fault::Operator,
            Self::AlreadyInitialised
            | Self::Conflict { .. }
            | Self::NotFound { .. }
            | Self::Invalid { .. }
            | Self::TooLarge { .. }
            | Self::Outdated { .. }
            | Self::QuotaExhausted
            | Self::NotEmpty { .. }
            | Self::BadCopy { .. }
            | Self::Overloaded
            | Self::Closed => Fault::Caller,
            Self::Corrupt { .. } | Self::Internal { .. } => Fault::Us,
        }
    }

    pub(crate) fn corrupt(table: &'static str, detail: impl Into<String>) -> Self {
        Self::Corrupt { table, detail: detail.into() }
    }

    /// The error of an insert: a taken key is a conflict, a realm that is not there is not found.
    pub(crate) fn of_insert(error: sqlx::Error, what: &'static str, name: &str, realm: Option<&str>) -> Self {
        match &error {
            sqlx::Error::Database(db) if db.is_unique_violation() => Self::Conflict { what, name: name.to_owned() },
            sqlx::Error::Database(db) if db.is_foreign_key_violation() => {
                Self::NotFound { what: "realm", name: realm.unwrap_or_default().to_owned() }
            }
            _ => error.into(),
        }
    }
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Open { database, detail } => write!(f, "cannot open the database {database}: {detail}"),
            Self::WrongMasterKey { database } => {
                write!(f, "the master key is not the one that the database {database} was sealed with")
            }
            Self::BadMasterKey => f.write_str("a master key is 32 bytes in base64url without padding (43 characters)"),
            Self::NewerSchema { database, version } => write!(
                f,
                "the database {database} has schema version {version}, which is newer than this program; upgrade the program"
            ),
            Self::ForeignSchema { database, version } => write!(
                f,
                "schema version {version} of the database {database} differs from this program's; it was made by another build"
            ),
            Self::DiskFull => f.write_str("the database cannot grow: the disk or its quota is full"),
            Self::Busy => f.write_str("the database stayed busy, or locked by another process, for too long"),
            Self::Unavailable { detail } => write!(f, "the database cannot be read or written: {detail}"),
            Self::CopyOutput { detail } => write!(f, "the copy cannot be written: {detail}"),
            Self::NoEntropy => f.write_str("the operating system gave no random bytes"),
            Self::NotInitialised => f.write_str("the database holds no installation yet"),
            Self::AlreadyInitialised => f.write_str("the database already holds an installation"),
            Self::Conflict { what, name } => write!(f, "{what} {name:?} already exists"),
            Self::NotFound { what, name } => write!(f, "{what} {name:?} does not exist"),
            Self::Invalid { what, rule } => write!(f, "{what} {rule}"),
            Self::TooLarge { what, max } => write!(f, "{what} is larger than {max} bytes"),
            Self::Outdated { what } => write!(f, "the {what} changed in the meantime; try again"),
            Self::QuotaExhausted => f.write_str("the user has as many sessions as are allowed"),
            Self::NotEmpty { table } => write!(f, "the database is not empty: there is something in the table {table}"),
            Self::BadCopy { line, detail } => write!(f, "line {line} of the copy: {detail}"),
            Self::Overloaded => f.write_str("the denylist writer has more to do than it can queue; try again"),
            Self::Closed => f.write_str("the store is closed"),
            Self::Corrupt { table, detail } => write!(f, "a row of table {table} is damaged: {detail}"),
            Self::Internal { detail } => write!(f, "the database refused a statement: {detail}"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let detail = error.to_string();
        match &error {
            sqlx::Error::PoolClosed => Self::Closed,
            sqlx::Error::PoolTimedOut => Self::Busy,
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
                Self::Unavailable { detail }
            }
            sqlx::Error::ColumnDecode { .. } => Self::Corrupt { table: "of the query", detail },
            sqlx::Error::Database(db) => {
                let code = db.code().unwrap_or_default();
                if db.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() {
                    Self::of_postgres(&code, detail)
                } else {
                    Self::of_sqlite(&code, detail)
                }
            }
            _ => Self::Internal { detail },
        }
    }
}

impl StoreError {
    /// The low byte is the primary code: <https://www.sqlite.org/rescode.html>
    fn of_sqlite(code: &str, detail: String) -> Self {
        match code.parse::<u32>().ok().map(|code| code & 0xff) {
            Some(5 | 6) => Self::Busy, // BUSY, LOCKED
            Some(13) => Self::DiskFull,
            Some(7 | 8 | 10 | 11 | 14 | 26) => Self::Unavailable { detail }, // NOMEM, READONLY, IOERR, CORRUPT, CANTOPEN, NOTADB
            _ => Self::Internal { detail },
        }
    }

    /// The first two characters are the class: <https://www.postgresql.org/docs/current/errcodes-appendix.html>
    fn of_postgres(code: &str, detail: String) -> Self {
        match code {
            "53100" => Self::DiskFull,
            // Lock and statement timeouts, serialisation, deadlock.
            "55P03" | "57014" | "40001" | "40P01" => Self::Busy,
            // A standby or a server set to read only; a server that goes down or comes up; our transaction that stood
            // still for too long.
            "25006" | "57P01" | "57P02" | "57P03" | "57P05" | "25P03" => Self::Unavailable { detail },
            // Connection, authentication, resources, I/O, damage.
            _ if ["08", "28", "53", "58", "XX"].iter().any(|class| code.starts_with(class)) => {
                Self::Unavailable { detail }
            }
            _ => Self::Internal { detail },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_one_line_and_name_the_remedy() {
        let newer = StoreError::NewerSchema { database: "/var/lib/x.db".into(), version: 7 };
        assert_eq!(
            newer.to_string(),
            "the database /var/lib/x.db has schema version 7, which is newer than this program; upgrade the program"
        );
        let conflict = StoreError::Conflict { what: "identity", name: "a\nb".into() };
        assert_eq!(conflict.to_string(), r#"identity "a\nb" already exists"#);
        assert_eq!(conflict.fault(), Fault::Caller);
    }
}
