use std::path::{Path, PathBuf};

use sqlx::postgres::PgConnectOptions;

use crate::StoreError;

/// Where a database is. `Display` and `Debug` leave out the password.
#[derive(Clone)]
pub struct Location(pub(crate) Kind);

#[derive(Clone)]
pub(crate) enum Kind {
    File(PathBuf),
    Postgres(Box<PgConnectOptions>),
}

impl Location {
    /// Reads `postgres://user:password@host:port/database` (also `postgresql://`; what is left out comes from libpq's
    /// environment variables, and the password from its password file), or the path of a file.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            // sqlx's error may quote a piece of the text, and any piece may be the password.
            let rule = "must be postgres://user:password@host:port/database with special characters percent-encoded";
            let options = text.parse().map_err(|_| StoreError::Invalid { what: "database URL", rule })?;
            return Ok(Self::postgres(options));
        }
        if text.split_once("://").is_some() {
            let rule = "must begin with postgres://, or be the path of a file";
            return Err(StoreError::Invalid { what: "database URL", rule });
        }
        if text.is_empty() {
            return Err(StoreError::Invalid { what: "database", rule: "must not be empty" });
        }
        Ok(Self(Kind::File(text.into())))
    }

    pub(crate) fn postgres(options: PgConnectOptions) -> Self {
        Self(Kind::Postgres(Box::new(options)))
    }

    /// The file, when it is one.
    pub fn file(&self) -> Option<&Path> {
        match &self.0 {
            Kind::File(path) => Some(path),
            Kind::Postgres(_) => None,
        }
    }
}

impl From<&Path> for Location {
    fn from(path: &Path) -> Self {
        Self(Kind::File(path.to_owned()))
    }
}

impl From<&PathBuf> for Location {
    fn from(path: &PathBuf) -> Self {
        Self::from(path.as_path())
    }
}

impl From<&Self> for Location {
    fn from(location: &Self) -> Self {
        location.clone()
    }
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Kind::File(path) => path.display().fmt(f),
            Kind::Postgres(options) => {
                let (user, database) = (options.get_username(), options.get_database());
                match options.get_socket() {
                    Some(socket) => write!(f, "postgres://{user}@{}:{}", socket.display(), options.get_port())?,
                    None => write!(f, "postgres://{user}@{}:{}", options.get_host(), options.get_port())?,
                }
                write!(f, "/{}", database.unwrap_or(user))
            }
        }
    }
}

impl std::fmt::Debug for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Location({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let url = "postgres://anna:s3cr3t@db.example.com:6432/countersign?sslmode=verify-full";
        let location = Location::parse(url).unwrap();
        assert_eq!(location.to_string(), "postgres://anna@db.example.com:6432/countersign");
        assert_eq!(format!("{location:?}"), "Location(postgres://anna@db.example.com:6432/countersign)");
        for bad in ["postgres://anna:s3cr3t@host:port/x", "postgres://an na:s3cr3t@[::/x", "mysql://a:s3cr3t@b/c"] {
            let error = Location::parse(bad).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{error:?}");
        }
    }

    #[test]
    fn anything_else_is_a_file() {
        assert_eq!(Location::parse("state/countersign.db").unwrap().file(), Some(Path::new("state/countersign.db")));
        assert!(Location::parse("").is_err());
    }
}
