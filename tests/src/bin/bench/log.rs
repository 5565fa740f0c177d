//! Acknowledged logouts per second: each is on the disk before it counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use countersign_core::denylist::{Entry, Epoch, Fingerprint, Kind, Slot};
use countersign_core::time::UnixSeconds;
use countersign_store::denylist::NewEntry;
use countersign_store::{Location, MasterKey, Store};
use countersign_test_postgres::Cluster;
use serde_json::json;
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgPool, Row as _};
use xtask::say;

use crate::report::{Goal, Quartiles, figure};

/// Logouts under way at once.
const CONCURRENT: [u64; 2] = [16, 128];
const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

pub(crate) fn run(rounds: usize, each: Duration) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        sqlite(rounds, each).await?;
        if countersign_test_postgres::find().is_some() {
            postgres(rounds, each).await?;
        } else {
            say(countersign_test_postgres::MISSING);
        }
        Ok(())
    })
}

async fn sqlite(rounds: usize, each: Duration) -> Result<()> {
    say("log: SQLite");
    let dir = tempfile::tempdir()?;
    let store = opened(dir.path().join("store.db").as_path().into()).await?;
    for concurrent in CONCURRENT {
        let mut rates = Vec::new();
        for _ in 0..rounds {
            rates.push(logouts(&store, concurrent, each).await?);
        }
        let rates = Quartiles::of(rates);
        let goal = (concurrent == 128).then_some(Goal::AtLeast(2000.0));
        let detail = json!({"concurrent": concurrent, "quartiles": rates.to_json()});
        figure(&format!("log.sqlite.{concurrent}"), rates.median, "logouts/s", goal, detail);
    }
    store.close().await;
    Ok(())
}

/// Beside what a table without a log would do: the same bytes, a commit for each row, as many connections as there are
/// logouts under way.
async fn postgres(rounds: usize, each: Duration) -> Result<()> {
    say("log: PostgreSQL");
    let cluster = Cluster::start()?;
    let database = cluster.database()?;
    let store = opened(Location::parse(&database.url())?).await?;
    for concurrent in CONCURRENT {
        let connections = u32::try_from(concurrent)?;
        // The loop shall cost what its statement costs, and no ping before it.
        let pool =
            PgPoolOptions::new().min_connections(connections).max_connections(connections).test_before_acquire(false);
        let pool = pool.connect(&database.url()).await?;
        sqlx::query("CREATE TABLE IF NOT EXISTS single (id BIGINT PRIMARY KEY, chain BYTEA, detail TEXT)")
            .execute(&pool)
            .await?;
        let (mut rates, mut singles, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            let rate = logouts(&store, concurrent, each).await?;
            let single = single_rows(&pool, concurrent, each).await?;
            rates.push(rate);
            singles.push(single);
            ratios.push(rate / single);
        }
        let (rates, singles, ratios) = (Quartiles::of(rates), Quartiles::of(singles), Quartiles::of(ratios));
        let detail = json!({"concurrent": concurrent, "quartiles": rates.to_json(), "single_rows": singles.median});
        figure(&format!("log.postgres.{concurrent}"), rates.median, "logouts/s", None, detail);
        let detail = json!({"concurrent": concurrent, "quartiles": ratios.to_json()});
        let goal = Some(Goal::AtLeast(1.0));
        figure(&format!("log.postgres.{concurrent}.beside_single_rows"), ratios.median, "ratio", goal, detail);
        pool.close().await;
    }
    store.close().await;
    Ok(())
}

async fn opened(at: Location) -> Result<Store> {
    let store = Store::open(at, MasterKey::generate()?).await?;
    store.installation().initialise(Epoch([1; 16]), NOW).await?;
    Ok(store)
}

async fn logouts(store: &Store, concurrent: u64, each: Duration) -> Result<f64> {
    let store = store.clone();
    repeat(concurrent, each, move |fingerprint| {
        let store = store.clone();
        async move {
            let entry = Entry { kind: Kind::Family, slot: Slot(2_000_000), fingerprint: Fingerprint(fingerprint) };
            let new =
                NewEntry::new(entry, "/alpha", "logout", "demo").username("demo").object("AAAAAAAAAAAAAAAAAAAAAA");
            store.denylist().append(new, NOW).await?;
            Ok(())
        }
    })
    .await
}

async fn single_rows(pool: &PgPool, concurrent: u64, each: Duration) -> Result<f64> {
    let pool = pool.clone();
    repeat(concurrent, each, move |id| {
        let pool = pool.clone();
        async move {
            sqlx::query("INSERT INTO single (id, chain, detail) VALUES ($1, $2, $3) RETURNING id")
                .bind(id.cast_signed())
                .bind([7u8; 32].as_slice())
                .bind("/alpha logout demo demo AAAAAAAAAAAAAAAAAAAAAA")
                .fetch_one(&pool)
                .await?
                .try_get::<i64, _>(0)
                .context("no id")
                .map(drop)
        }
    })
    .await
}

/// How often per second `one` is done by that many at once, each time with another number.
async fn repeat<F, O>(concurrent: u64, each: Duration, one: F) -> Result<f64>
where
    F: Fn(u64) -> O + Clone + Send + 'static,
    O: Future<Output = Result<()>> + Send + 'static,
{
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let over = Arc::new(AtomicBool::new(false));
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..concurrent {
        let (one, over) = (one.clone(), Arc::clone(&over));
        tasks.spawn(async move {
            let mut done = 0u32;
            while !over.load(Ordering::Relaxed) {
                // Spread over the range, as fingerprints are.
                one(NUMBER.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15)).await?;
                done += 1;
            }
            Ok::<_, anyhow::Error>(done)
        });
    }
    tokio::time::sleep(each).await;
    over.store(true, Ordering::Relaxed);
    let mut done = 0;
    while let Some(count) = tasks.join_next().await {
        done += count??;
    }
    Ok(f64::from(done) / start.elapsed().as_secs_f64())
}
