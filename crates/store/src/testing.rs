//! Where the tests keep their databases. Tests that say nothing else run on both.

use countersign_core::denylist::Epoch;
use countersign_core::time::UnixSeconds;
use countersign_test_postgres::{Database, shared_database};

use crate::db::sql_of;
use crate::store::Patience;
use crate::{Location, MasterKey, Store};

pub(crate) const EPOCH: Epoch = Epoch([9; 16]);
pub(crate) const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

pub(crate) fn master() -> MasterKey {
    MasterKey::from_bytes(&[7; 32])
}

/// A place for one database, empty at first and gone with this.
pub(crate) enum Site {
    Sqlite(tempfile::TempDir),
    Postgres(Database),
}

impl Site {
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    pub(crate) fn postgres() -> Self {
        Self::Postgres(shared_database().unwrap_or_else(|error| panic!("{error:#}")))
    }

    pub(crate) fn location(&self) -> Location {
        match self {
            Self::Sqlite(dir) => dir.path().join("store.db").as_path().into(),
            Self::Postgres(database) => Location::parse(&database.url()).unwrap(),
        }
    }

    /// One more store on the same database, as another process would have.
    pub(crate) async fn open(&self) -> Store {
        Store::open(self.location(), master()).await.unwrap()
    }

    pub(crate) async fn open_with(&self, patience: Patience) -> Store {
        Store::open_with(self.location(), master(), patience).await.unwrap()
    }

    /// The first store, with an installation and the realm `/alpha`.
    pub(crate) async fn store(&self) -> Store {
        let store = self.open().await;
        store.installation().initialise(EPOCH, NOW).await.unwrap();
        store.realms().create("/alpha", NOW).await.unwrap();
        store
    }
}

/// What only something else than this crate would do to a database.
pub(crate) async fn tamper(store: &Store, statement: &str) -> u64 {
    sql_of(statement.to_owned()).run(&mut store.db().write().await.unwrap()).await.unwrap()
}

/// Makes tests of functions that take a [`Site`]: one for each database. On one thread, where a task runs until it
/// waits, or on four.
macro_rules! on_both {
    (threads: $($name:ident),* $(,)?) => {
        mod sqlite_threads {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                super::$name($crate::testing::Site::sqlite()).await;
            })*
        }
        mod postgres_threads {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                super::$name($crate::testing::Site::postgres()).await;
            })*
        }
    };
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name($crate::testing::Site::sqlite()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name($crate::testing::Site::postgres()).await;
            })*
        }
    };
}

pub(crate) use on_both;
