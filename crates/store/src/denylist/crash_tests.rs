//! What was acknowledged is there, whatever dies: the process that acknowledged it, or the server.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use countersign_core::denylist::{Entry, Fingerprint, Kind, Slot};
use countersign_test_postgres::Cluster;
use tokio::task::JoinSet;

use super::NewEntry;
use crate::store::Patience;
use crate::testing::{NOW, Site, master, on_both};
use crate::{Location, Store};

on_both!(threads: r13_a_killed_process_loses_nothing_it_acknowledged);

/// Names the database to [`storm`].
const ENV: &str = "COUNTERSIGN_TEST_STORM";
const TASKS: u64 = 32;

/// A watermark: unlike a family it is not known again when it comes twice, so a repeated commit would show.
fn mark(fingerprint: u64) -> NewEntry {
    let entry = Entry { kind: Kind::User, slot: Slot(5), fingerprint: Fingerprint(fingerprint) };
    NewEntry::new(entry, "/alpha", "logout", "demo")
}

/// Every acknowledged entry stands where it was said to; none stands there twice; the chain holds.
async fn assert_all_there(store: &Store, acknowledged: &[(u64, u64)]) {
    let report = store.check().await.unwrap();
    assert_eq!(report.findings, Vec::<String>::new());
    let (mut entries, mut from) = (Vec::new(), 0);
    loop {
        let page = store.denylist().entries(from, usize::MAX).await.unwrap().unwrap();
        if page.is_empty() {
            break;
        }
        from += page.len() as u64;
        entries.extend(page);
    }
    for (fingerprint, seq) in acknowledged {
        let found = entries.get(usize::try_from(*seq).unwrap() - 1).map(|entry| entry.fingerprint.0);
        assert_eq!(found, Some(*fingerprint), "position {seq}");
    }
    let distinct: HashSet<_> = entries.iter().map(|entry| entry.fingerprint).collect();
    assert_eq!(distinct.len(), entries.len(), "nothing stands there twice");
}

/// Not a test of its own: the process that is killed. It appends without end and says what was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "started by the test that kills it"]
async fn storm() {
    let Ok(url) = std::env::var(ENV) else { return };
    let store = Store::open(Location::parse(&url).unwrap(), master()).await.unwrap();
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let store = store.clone();
        tasks.spawn(async move {
            for n in 0.. {
                let fingerprint = (u64::from(std::process::id()) << 40) | (task << 32) | n;
                let appended = store.denylist().append(mark(fingerprint), NOW).await.unwrap();
                // One write: a line is there whole or not at all.
                std::io::stdout().lock().write_all(format!("ack {fingerprint} {}\n", appended.seq).as_bytes()).unwrap();
            }
        });
    }
    tasks.join_all().await;
}

async fn r13_a_killed_process_loses_nothing_it_acknowledged(site: Site) {
    let store = site.store().await;
    let mut acknowledged = Vec::new();
    for _ in 0..3 {
        let at = match &site {
            Site::Sqlite(dir) => dir.path().join("store.db").display().to_string(),
            Site::Postgres(database) => database.url(),
        };
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "denylist::crash_tests::storm", "--ignored", "--nocapture"])
            .env(ENV, at)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut seen = 0;
        for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
            // The test runner's own words may stand before the first.
            let Some((_, ack)) = line.split_once("ack ") else { continue };
            let Some((fingerprint, seq)) = ack.split_once(' ') else { continue };
            acknowledged.push((fingerprint.parse::<u64>().unwrap(), seq.parse::<u64>().unwrap()));
            seen += 1;
            if seen == 500 {
                child.kill().unwrap(); // SIGKILL; what it had said before is still read
            }
        }
        child.wait().unwrap();
        assert!(seen >= 500, "the storm was killed in its middle, not before");
        assert_all_there(&store, &acknowledged).await;
    }
}

/// `pg_ctl restart -m immediate`, three times, under load from two origins.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_crashes_under_load_loses_nothing_acknowledged() {
    let cluster = Cluster::start().unwrap_or_else(|error| panic!("{error:#}"));
    let site = Site::Postgres(cluster.database().unwrap());
    drop(site.store().await);
    let patience = Patience { outage: Duration::from_secs(60), queue: Duration::from_secs(60), ..Patience::default() };
    let stores = [site.open_with(patience).await, site.open_with(patience).await];
    let mut changes = stores[0].changes();
    let mut tasks = JoinSet::new();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    for task in 0..TASKS {
        let (store, stopped) = (stores[usize::try_from(task).unwrap() % 2].clone(), stopped.clone());
        tasks.spawn(async move {
            let mut acknowledged = Vec::new();
            for n in 0.. {
                if *stopped.borrow() {
                    break;
                }
                let fingerprint = (task << 32) | n;
                let appended = store.denylist().append(mark(fingerprint), NOW).await.unwrap();
                acknowledged.push((fingerprint, appended.seq));
            }
            acknowledged
        });
    }
    for _ in 0..3 {
        let before = stores[1].denylist().head().await.unwrap().seq;
        while stores[1].denylist().head().await.unwrap().seq < before + 200 {
            assert!(changes.changed().await);
        }
        tokio::task::block_in_place(|| cluster.restart_immediately().unwrap());
        // Readers may have to try again; the writers do so by themselves.
        while stores[1].denylist().head().await.is_err() {
            tokio::task::yield_now().await;
        }
    }
    stop.send(true).unwrap();
    let acknowledged = tasks.join_all().await.concat();
    assert!(acknowledged.len() >= 600);
    assert_all_there(&stores[0], &acknowledged).await;
    drop((stores, site));
}

/// While the server is away logouts wait, the health says so, and what waited is written when it is back; what waits
/// too long fails loudly.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_outage_is_waited_for_and_told() {
    let cluster = Cluster::start().unwrap_or_else(|error| panic!("{error:#}"));
    let site = Site::Postgres(cluster.database().unwrap());
    let store = site.store().await;
    let impatient = Patience { outage: Duration::from_millis(300), ..Patience::default() };
    let impatient = site.open_with(impatient).await;
    store.denylist().append(mark(1), NOW).await.unwrap();
    tokio::task::block_in_place(|| cluster.crash().unwrap());

    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.denylist().append(mark(2), NOW).await }
    });
    let refused = impatient.denylist().append(mark(3), NOW).await.unwrap_err();
    assert_eq!(refused.fault(), crate::Fault::Operator, "{refused:?}");
    assert!(impatient.denylist().failing_since().is_some() && impatient.denylist().is_running());
    while store.denylist().failing_since().is_none() {
        tokio::task::yield_now().await;
    }
    tokio::task::block_in_place(|| cluster.resume().unwrap());
    assert_eq!(waiting.await.unwrap().map(|appended| appended.seq), Ok(2));
    assert_eq!(store.denylist().failing_since(), None);
    assert_all_there(&store, &[(1, 1), (2, 2)]).await;
    drop((store, impatient, site));
}
