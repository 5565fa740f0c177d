use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};

use crate::db::{Db, Tx, postgres, sql, sqlite};
use crate::denylist::{Changes, DenylistLog, Signal, Watch, Writer};
use crate::{
    Administrators, Agents, Answers, AttemptCounters, Audit, Counters, Devices, Identities, InstallationRow,
    JourneyDocuments, Journeys, Keys, Location, MasterKey, Once, Realms, RecoveryCodes, Sessions, Settings, StoreError,
    TermsOfUse, location,
};

const MASTER_KEY_CHECK: (&[&str], &[u8]) = (&["master key check"], b"countersign");

/// How long the store tries before it fails loudly.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    /// For a lock, which another process may hold, and for a connection.
    pub(crate) lock: Duration,
    /// For a place in the queue of the denylist writer.
    pub(crate) queue: Duration,
    /// For a server that is away: so long the denylist writer repeats a commit.
    pub(crate) outage: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { lock: Duration::from_secs(5), queue: Duration::from_secs(2), outage: Duration::from_secs(10) }
    }
}

/// The open database. Cloning is cheap; the denylist writer ends with the last clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    db: Arc<Db>,
    master: MasterKey,
    denylist: Writer,
    watch: Watch,
}

impl Store {
    /// Opens the database and brings its schema up to date when needed; a file that is not there is created, readable
    /// to its owner only. Processes may race here.
    pub async fn open(at: impl Into<Location>, master: MasterKey) -> Result<Self, StoreError> {
        Self::open_with(at, master, Patience::default()).await
    }

    pub(crate) async fn open_with(
        at: impl Into<Location>,
        master: MasterKey,
        patience: Patience,
    ) -> Result<Self, StoreError> {
        let at = at.into();
        let (db, watch) = match &at.0 {
            location::Kind::File(path) => {
                let (db, reading) = sqlite::open(path, &at, &master, patience).await?;
                let db = Arc::new(db);
                let watch = Watch::sqlite(Arc::clone(&db), reading);
                (db, watch)
            }
            location::Kind::Postgres(options) => {
                let db = Arc::new(postgres::open(options, &at, &master, patience).await?);
                let watch = Watch::postgres(Arc::clone(&db));
                (db, watch)
            }
        };
        let denylist = Writer::start(Arc::clone(&db), watch.signal(), patience);
        Ok(Self { inner: Arc::new(Inner { db, master, denylist, watch }) })
    }

    pub fn installation(&self) -> InstallationRow<'_> {
        InstallationRow(self)
    }

    pub fn realms(&self) -> Realms<'_> {
        Realms(self)
    }

    pub fn identities(&self) -> Identities<'_> {
        Identities(self)
    }

    pub fn administrators(&self) -> Administrators<'_> {
        Administrators(self)
    }

    pub fn agents(&self) -> Agents<'_> {
        Agents(self)
    }

    pub fn counters(&self) -> Counters<'_> {
        Counters(self)
    }

    pub fn answers(&self) -> Answers<'_> {
        Answers(self)
    }

    pub fn terms(&self) -> TermsOfUse<'_> {
        TermsOfUse(self)
    }

    pub fn recovery_codes(&self) -> RecoveryCodes<'_> {
        RecoveryCodes(self)
    }

    pub fn devices(&self) -> Devices<'_> {
        Devices(self)
    }

    pub fn keys(&self) -> Keys<'_> {
        Keys(self)
    }

    pub fn sessions(&self) -> Sessions<'_> {
        Sessions(self)
    }

    pub fn journeys(&self) -> Journeys<'_> {
        Journeys(self)
    }

    pub fn journey_documents(&self) -> JourneyDocuments<'_> {
        JourneyDocuments(self)
    }

    pub fn once(&self) -> Once<'_> {
        Once(self)
    }

    pub fn attempts(&self) -> AttemptCounters<'_> {
        AttemptCounters(self)
    }

    pub fn settings(&self) -> Settings<'_> {
        Settings(self)
    }

    pub fn audit(&self) -> Audit<'_> {
        Audit(self)
    }

    pub fn denylist(&self) -> DenylistLog<'_> {
        DenylistLog(self)
    }

    /// Wakes when the denylist log has grown, here or in another process. It may miss nothing for longer than a second
    /// and may wake for nothing: look at the head, then wait again.
    pub fn changes(&self) -> Changes {
        self.inner.watch.changes()
    }

    /// Takes no more work, finishes what was queued, and closes the database. All clones are closed with it.
    pub async fn close(&self) {
        self.inner.denylist.close().await;
        self.inner.watch.stop();
        self.inner.db.close().await;
    }

    pub(crate) fn db(&self) -> &Db {
        &self.inner.db
    }

    pub(crate) fn master(&self) -> &MasterKey {
        &self.inner.master
    }

    pub(crate) fn signal(&self) -> Signal {
        self.inner.watch.signal()
    }

    pub(crate) fn denylist_writer(&self) -> &Writer {
        &self.inner.denylist
    }
}

pub(crate) fn open_error(at: &Location, error: impl std::fmt::Display) -> StoreError {
    StoreError::Open { database: at.to_string(), detail: error.to_string() }
}

pub(crate) fn migration_error(at: &Location, migrator: &Migrator, error: MigrateError) -> StoreError {
    let database = at.to_string();
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
        MigrateError::VersionMissing(version) => {
            let newest = migrator.iter().map(|migration| migration.version).max();
            if newest.is_some_and(|newest| version > newest) {
                StoreError::NewerSchema { database, version }
            } else {
                StoreError::ForeignSchema { database, version }
            }
        }
        MigrateError::VersionMismatch(version) | MigrateError::Dirty(version) => {
            StoreError::ForeignSchema { database, version }
        }
        other => StoreError::Internal { detail: other.to_string() },
    }
}

pub(crate) async fn check_master_key(tx: &mut Tx<'_>, master: &MasterKey, at: &Location) -> Result<(), StoreError> {
    let (context, known) = MASTER_KEY_CHECK;
    let sealed: Option<(Vec<u8>,)> = sql("SELECT sealed FROM master_key_check WHERE id = 1").optional(tx).await?;
    let Some((sealed,)) = sealed else {
        let sealed = master.seal(context, known)?;
        sql("INSERT INTO master_key_check (id, sealed) VALUES (1, $1)").bind(sealed).run(tx).await?;
        return Ok(());
    };
    if opens(master, &sealed) { Ok(()) } else { Err(StoreError::WrongMasterKey { database: at.to_string() }) }
}

/// Whether the value of the table `master_key_check` was sealed under this key.
pub(crate) fn opens(master: &MasterKey, sealed: &[u8]) -> bool {
    let (context, known) = MASTER_KEY_CHECK;
    master.open(context, sealed).is_ok_and(|opened| opened.as_slice() == known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Site, master, on_both, tamper};

    on_both!(a_wrong_master_key_is_named_at_open, a_newer_or_foreign_schema_is_refused, a_closed_store_says_so);

    on_both!(threads: first_starts_may_race);

    #[tokio::test]
    async fn pragmas_are_what_durability_needs() {
        let site = Site::sqlite();
        let store = site.store().await;
        let Db::Sqlite { readers, writer } = store.db() else { panic!("not a file") };
        for pool in [readers, writer] {
            let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(pool).await.unwrap();
            let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(pool).await.unwrap();
            let foreign_keys: i64 = sqlx::query_scalar("PRAGMA foreign_keys").fetch_one(pool).await.unwrap();
            assert_eq!((mode.as_str(), synchronous, foreign_keys), ("wal", 2, 1));
        }
        assert!(sqlx::query("DELETE FROM realms").execute(readers).await.is_err(), "readers cannot write");
    }

    /// Whatever the server or the role has for a default; a stronger setting stays.
    #[tokio::test]
    async fn postgres_sessions_wait_for_the_disk() {
        let site = Site::postgres();
        let store = site.store().await;
        for (default, in_force) in [("off", "on"), ("local", "on"), ("remote_apply", "remote_apply")] {
            tamper(
                &store,
                &format!("ALTER ROLE CURRENT_USER IN DATABASE {} SET synchronous_commit = {default}", {
                    let (name,): (String,) = sql("SELECT current_database()::text")
                        .one(&mut store.db().read().await.unwrap())
                        .await
                        .unwrap();
                    name
                }),
            )
            .await;
            let fresh = site.open().await;
            for mut conn in [fresh.db().log().await.unwrap(), fresh.db().write().await.unwrap()] {
                let (setting,): (String,) =
                    sql("SELECT current_setting('synchronous_commit')").one(&mut conn).await.unwrap();
                assert_eq!(setting, in_force, "{default}");
            }
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn the_files_are_for_their_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let site = Site::sqlite();
        let _store = site.store().await;
        let Site::Sqlite(dir) = &site else { panic!("not a file") };
        let files: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(Result::unwrap).collect();
        assert!(files.len() >= 2, "the database and its log");
        for file in files {
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
        }
    }

    async fn a_wrong_master_key_is_named_at_open(site: Site) {
        let store = site.store().await;
        store.close().await;
        let error = Store::open(site.location(), MasterKey::from_bytes(&[8; 32])).await.err().unwrap();
        assert_eq!(error, StoreError::WrongMasterKey { database: site.location().to_string() });
        assert!(Store::open(site.location(), master()).await.is_ok(), "the right key still opens it");
    }

    #[tokio::test]
    async fn what_cannot_be_opened_is_the_operators_fault() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("no/such/dir.db");
        assert!(matches!(Store::open(&missing, master()).await.err(), Some(StoreError::Open { .. })));
        let text = dir.path().join("text.db");
        std::fs::write(&text, "this is not a database. ".repeat(100)).unwrap();
        assert!(matches!(Store::open(&text, master()).await.err(), Some(StoreError::Open { .. })));
        assert!(matches!(Store::open(dir.path(), master()).await.err(), Some(StoreError::Open { .. })));
    }

    /// Nobody listens there, and the password is in no text about it.
    #[tokio::test]
    async fn a_server_that_cannot_be_reached_is_the_operators_fault() {
        let at = Location::parse("postgres://anna:s3cr3t@127.0.0.1:1/countersign").unwrap();
        let error = Store::open(&at, master()).await.err().unwrap();
        assert!(matches!(&error, StoreError::Open { .. }), "{error:?}");
        assert!(error.to_string().starts_with("cannot open the database postgres://anna@127.0.0.1:1/countersign: "));
        assert!(!format!("{error:?}").contains("s3cr3t"));
    }

    async fn a_newer_or_foreign_schema_is_refused(site: Site) {
        let store = site.store().await;
        let open = async || Store::open(site.location(), master()).await.err();
        let database = site.location().to_string();
        let statement = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                         VALUES (999, 'later', TRUE, '', 0)";
        let blob = matches!(site, Site::Sqlite(_)).then(|| statement.replace("''", "x''"));
        tamper(&store, blob.as_deref().unwrap_or(statement)).await;
        assert_eq!(open().await, Some(StoreError::NewerSchema { database: database.clone(), version: 999 }));
        tamper(&store, "DELETE FROM _sqlx_migrations WHERE version = 999").await;
        let blob = if matches!(site, Site::Sqlite(_)) { "x''" } else { "''" };
        tamper(&store, &format!("UPDATE _sqlx_migrations SET checksum = {blob}")).await;
        assert_eq!(open().await, Some(StoreError::ForeignSchema { database, version: 1 }));
    }

    async fn first_starts_may_race(site: Site) {
        let racers: Vec<_> = (0..8)
            .map(|_| {
                let at = site.location();
                tokio::spawn(async move { Store::open(at, master()).await.map(drop) })
            })
            .collect();
        for racer in racers {
            assert_eq!(racer.await.unwrap(), Ok(()));
        }
    }

    async fn a_closed_store_says_so(site: Site) {
        let store = site.store().await;
        let (clone, mut changes) = (store.clone(), store.changes());
        store.close().await;
        store.close().await;
        assert_eq!(clone.realms().list().await.err(), Some(StoreError::Closed));
        assert_eq!(clone.denylist().head().await.err(), Some(StoreError::Closed));
        assert!(!clone.denylist().is_running());
        drop((store, clone));
        assert!(!changes.changed().await);
    }
}
