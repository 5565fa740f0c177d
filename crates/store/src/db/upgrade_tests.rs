//! A database that an older program made, and this one takes up.

use countersign_core::denylist::{Chain, Entry, Fingerprint, Kind, Slot};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use super::{Arg, On, Place, sql, sql_of};
use crate::denylist::{Appended, Filter, NewEntry};
use crate::location::Kind as At;
use crate::testing::{EPOCH, NOW, Site, on_both};
use crate::{AuditFilter, Store};

/// Whoever reads a table for long keeps a migration waiting, but nobody behind it: a server in service goes on.
#[tokio::test]
async fn a_migration_that_waits_for_a_reader_keeps_nobody_waiting() {
    let site = Site::postgres();
    made_before(&site).await;
    let At::Postgres(options) = site.location().0 else { unreachable!() };
    let mut backup = options.connect().await.unwrap();
    for statement in ["BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT FROM denylist"] {
        sqlx::query(statement).execute(&mut backup).await.unwrap();
    }
    let mut starting = std::pin::pin!(site.open());
    let mut in_service = options.options([("lock_timeout", "2000")]).connect().await.unwrap();
    let service = async {
        // Until it has been seen to wait twice: it gave up, and took its place again.
        let (mut waits, mut waited) = (0, false);
        while waits < 2 {
            sqlx::query("UPDATE denylist SET reason = reason WHERE seq = 1").execute(&mut in_service).await.unwrap();
            let (waiting,): (bool,) = sqlx::query_as(
                "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'denylist'::regclass)",
            )
            .fetch_one(&mut in_service)
            .await
            .unwrap();
            waits += u32::from(waiting && !waited);
            waited = waiting;
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = &mut starting => panic!("it started over a reader"),
        () = service => {}
    }
    backup.close().await.unwrap();
    let store = starting.await;
    assert_eq!(indexes(&site, &store).await, ["audit_age", "denylist_fingerprint", "denylist_request"]);
}

on_both!(what_was_logged_before_the_indexes_went_is_listed_and_pruned);

struct Connected<T>(T);

impl Place for Connected<sqlx::SqliteConnection> {
    fn on(&mut self) -> On<'_> {
        On::Sqlite(&mut self.0)
    }
}

impl Place for Connected<sqlx::PgConnection> {
    fn on(&mut self) -> On<'_> {
        On::Postgres(&mut self.0)
    }
}

/// The last schema in which each line of the log and of the audit was in an index for listings.
const BEFORE: i64 = 14;

/// Two lines of the log, of two realms, and a line of the audit for each.
async fn fill(place: &mut impl Place) {
    let mut chain = Chain::genesis(EPOCH);
    let rows: [(&str, Vec<Arg>); 2] = [
        (
            "INSERT INTO installation (id, epoch, created_at) VALUES (1, $1, $2)",
            vec![(&EPOCH.0).into(), 1_800_000_000.into()],
        ),
        ("INSERT INTO denylist_floor (id, seq, chain) VALUES (1, 0, $1)", vec![(&chain.0).into()]),
    ];
    for (statement, values) in rows {
        sql(statement).bind_all(values).run(place).await.unwrap();
    }
    for (seq, realm, username) in [(1u8, "/alpha", "anna"), (2, "/beta", "ben")] {
        let at = 1_800_000_000 + i64::from(seq);
        let entry = Entry { kind: Kind::Family, slot: Slot(5), fingerprint: Fingerprint(seq.into()) };
        chain = chain.append(seq.into(), &entry);
        sql("INSERT INTO denylist (seq, kind, slot, fingerprint, chain, realm, username, object, reason, actor, created_at,
                                   request)
             VALUES ($1, 1, 5, $1, $2, $3, $4, '', 'logout', $4, $5, $6)")
        .bind(i64::from(seq))
        .bind(&chain.0)
        .bind(realm)
        .bind(username)
        .bind(at)
        .bind(&[seq; 16])
        .run(place)
        .await
        .unwrap();
        sql("INSERT INTO audit (at, topic, event, realm, username, actor, transaction_id, detail)
             VALUES ($1, 'activity', 'AM-SESSION-LOGGED_OUT', $2, $3, $3, '', '{}')")
        .bind(at)
        .bind(realm)
        .bind(username)
        .run(place)
        .await
        .unwrap();
    }
}

async fn made_before(site: &Site) {
    match site.location().0 {
        At::File(path) => {
            let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
            let mut conn = options.connect().await.unwrap();
            super::sqlite::MIGRATOR.run_to(BEFORE, &mut conn).await.unwrap();
            let mut conn = Connected(conn);
            fill(&mut conn).await;
            conn.0.close().await.unwrap();
        }
        At::Postgres(options) => {
            let mut conn = options.connect().await.unwrap();
            super::postgres::MIGRATOR.run_to(BEFORE, &mut conn).await.unwrap();
            let mut conn = Connected(conn);
            fill(&mut conn).await;
            conn.0.close().await.unwrap();
        }
    }
}

async fn indexes(site: &Site, store: &Store) -> Vec<String> {
    let (table, name, of) = match site {
        Site::Sqlite(_) => ("sqlite_master WHERE type = 'index' AND", "name", "tbl_name"),
        Site::Postgres(_) => ("pg_indexes WHERE", "indexname::text", "tablename"),
    };
    let text = format!("SELECT {name} FROM {table} {of} IN ('denylist', 'audit') ORDER BY 1");
    let rows: Vec<(String,)> = sql_of(text).all(&mut store.db().read().await.unwrap()).await.unwrap();
    rows.into_iter().map(|(name,)| name).filter(|name| !name.contains("pkey") && !name.contains("auto")).collect()
}

async fn what_was_logged_before_the_indexes_went_is_listed_and_pruned(site: Site) {
    made_before(&site).await;
    // Two that start at once.
    let (store, other) = tokio::join!(site.open(), site.open());
    assert_eq!(indexes(&site, &store).await, ["audit_age", "denylist_fingerprint", "denylist_request"]);

    let entry = Entry { kind: Kind::Family, slot: Slot(5), fingerprint: Fingerprint(3) };
    let new = NewEntry::new(entry, "/alpha", "logout", "anna").username("anna");
    for store in [&store, &other] {
        let appended = store.denylist().append(new.clone(), NOW.plus(3)).await;
        assert_eq!(appended.map(|appended| appended.seq), Ok(3), "the second is a repetition");
    }
    let again = NewEntry { entry: Entry { fingerprint: Fingerprint(1), ..entry }, ..new };
    assert_eq!(store.denylist().append(again, NOW).await, Ok(Appended { seq: 1, already: true }));
    assert_eq!(store.check().await.unwrap().findings, Vec::<String>::new());

    let filter = Filter { realm: Some("/alpha"), username: Some("anna"), ..Filter::default() };
    let lines = other.denylist().find(filter, 10).await.unwrap();
    assert_eq!(lines.iter().map(|line| line.seq).collect::<Vec<_>>(), [3, 1]);
    let audit = other.audit();
    let listed = async |realm: &'static str| {
        let filter = AuditFilter { realm: Some(realm), ..AuditFilter::default() };
        audit.find(filter, 10).await.unwrap().iter().map(|line| line.event.at.0 - NOW.0).collect::<Vec<_>>()
    };
    assert_eq!((listed("/alpha").await, listed("/beta").await), (vec![3, 1], vec![2]));
    assert_eq!(audit.prune(10, NOW.plus(3)).await, Ok(2));
    assert_eq!((listed("/alpha").await, listed("/beta").await), (vec![3], vec![]));
}
