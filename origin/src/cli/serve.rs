use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::{Failure, Outcome, environment, open_store};
use crate::app::App;
use crate::reload::Stamp;
use crate::settings::{LogFormat, Settings};
use crate::{
    SystemClock, SystemEntropy, audit_log, http, journey, key_files, key_upkeep, prune, reload, router, server,
    snapshots,
};

/// Connections to the metrics at the same time.
const SCRAPERS: usize = 16;

pub(super) async fn run(settings: Settings, config: PathBuf, seen: Option<Stamp>) -> Outcome {
    start_log(&settings)?;
    key_files::check(&settings)?;
    // Before anything that takes time, so that an early signal is not lost.
    let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (listen, grace, max_connections) = (settings.listen, settings.shutdown_grace, settings.max_connections);
    let store = open_store(&settings).await?;
    let listener =
        TcpListener::bind(listen).await.map_err(|error| Failure(format!("cannot listen on {listen}: {error}")))?;
    let listen = listener.local_addr()?; // port 0 is the system's choice
    let public_url = settings.public_url.origin();
    let metrics_listener = match settings.metrics_listen {
        Some(at) => Some(
            TcpListener::bind(at)
                .await
                .map_err(|error| Failure(format!("cannot listen on {at} for metrics: {error}")))?,
        ),
        None => None,
    };
    let app = App::new(settings, store.clone(), Box::new(SystemClock), Box::new(SystemEntropy)).await?;
    let pruning = tokio::spawn(prune::run(Arc::clone(&app)));
    let upkeep = tokio::spawn(key_upkeep::run(Arc::clone(&app)));
    let auditing = tokio::spawn(audit_log::run(Arc::clone(&app)));
    let journeys = tokio::spawn(journey::library::run(Arc::clone(&app)));
    let snapshots = tokio::spawn(snapshots::run(Arc::clone(&app)));
    let reloading = tokio::spawn(reload::run(Arc::clone(&app), config, seen, environment().collect()));
    let scraped = metrics_listener.map(|listener| {
        if let Ok(metrics) = listener.local_addr() {
            tracing::info!(%metrics, "metrics");
        }
        let router = http::metrics(Arc::clone(&app));
        tokio::spawn(server::run(listener, router, SCRAPERS, std::future::pending(), Duration::ZERO))
    });
    let keys = app.keys();
    tracing::info!(%listen, %public_url, realms = keys.realms.len(), keys = keys.len(), "listening");

    let stop = async {
        either(terminate, interrupt).await;
        app.news.close(); // polls that are held would be waited for
    };
    server::run(listener, router(Arc::clone(&app)), max_connections, stop, grace).await;
    if let Some(scraped) = scraped {
        scraped.abort();
    }
    pruning.abort();
    upkeep.abort();
    reloading.abort();
    auditing.abort();
    audit_log::flush(&app).await;
    if tokio::time::timeout(grace, app.outbox.settled()).await.is_err() {
        tracing::warn!("mails were still on their way at the end of the grace time");
    }
    journeys.abort();
    snapshots.abort();
    if let Err(error) = key_upkeep::flush(&app).await {
        tracing::warn!(%error, "the last second's count of sessions was not written");
    }
    store.close().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

async fn either(mut one: Signal, mut other: Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}

/// To stderr, one line each.
fn start_log(settings: &Settings) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&settings.log_filter)
        .map_err(|error| Failure(format!("setting log.filter is not a filter: {error}")))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match settings.log_format {
        LogFormat::Text => log.with_ansi(false).init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}
