//! `countersign canary`: ends a session of nobody every few seconds, and asks the edges with its cookie how soon they
//! refuse it.

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use clap::Args;
use countersign_store::{Attributes, CANARY, Store};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use url::Url;
use zeroize::Zeroizing;

use super::realm::RealmArg;
use super::{Failure, Outcome, open_store};
use crate::background::every;
use crate::canary::{Answer, Course, Tally, line};
use crate::keyring::Keyring;
use crate::seal_budgets::SealBudgets;
use crate::sessions::{self, Subject};
use crate::settings::Settings;
use crate::{Clock as _, SystemClock, SystemEntropy, server};

/// For one probe, and for the logout.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two probes of an edge that still accepts, and of one that has refused.
const PACE: Duration = Duration::from_millis(10);
const CALM: Duration = Duration::from_millis(250);
/// How long after the bound the last probes begin.
const AFTER: [Duration; 3] = [Duration::from_millis(20), Duration::from_millis(200), Duration::from_millis(600)];
/// Beyond what a round takes: the session is to end by itself, so that its entry goes soon.
const SPARE_SECONDS: u64 = 120;
const SCRAPERS: usize = 4;

#[derive(Args)]
pub(super) struct Canary {
    /// An edge, such as https://app.example.com; several may be named.
    #[arg(long = "edge", required = true, value_name = "URL")]
    edges: Vec<Url>,
    /// A path that the edges protect and that changes nothing.
    #[arg(long, default_value = "/.countersign/check")]
    path: String,
    /// The origin, where the session is logged out; `server.public_url` of the settings where it is not said.
    #[arg(long, value_name = "URL")]
    origin: Option<Url>,
    // The one that the edges are of.
    #[command(flatten)]
    realm: RealmArg,
    /// Seconds from the begin of one round to that of the next.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// Ends after so many rounds.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: Option<u64>,
    /// T, in milliseconds: `denylist.lease_ms` of the settings where it is not said.
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..))]
    bound: Option<u64>,
    /// Serves figures for Prometheus at /metrics.
    #[arg(long, value_name = "ADDRESS:PORT")]
    metrics: Option<std::net::SocketAddr>,
}

struct Round {
    origin: String,
    edges: Vec<(String, String)>,
    cookie: Zeroizing<String>,
    bound: Duration,
}

impl Canary {
    pub(super) async fn run(self, settings: Settings) -> Outcome {
        let store = open_store(&settings).await?;
        let outcome = self.watch(&store, &settings).await;
        store.close().await;
        outcome
    }

    async fn watch(&self, store: &Store, settings: &Settings) -> Outcome {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let realm = self.realm.of(store).await?;
        if store.identities().get(&realm, CANARY).await?.is_some() {
            return Err(Failure(format!("there is a user {CANARY} in {realm}; the canary must be nobody")));
        }
        if !self.path.starts_with('/') {
            return Err(Failure("the path must begin with /".into()));
        }
        let public = settings.public_url.origin();
        let origin = self.origin.as_ref().map_or(public, |url| url.origin().ascii_serialization());
        let logout = format!("{origin}/am/json/realms/root{}/sessions?_action=logout", url_path(&realm));
        let edges = self.edges.iter().map(|url| url.origin().ascii_serialization());
        let edges: Vec<_> = edges.map(|edge| (format!("{edge}{}", self.path), edge)).collect();
        let bound = Duration::from_millis(self.bound.unwrap_or(settings.denylist.lease_ms));
        let tally = Arc::new(Mutex::new(Tally::default()));
        if let Some(at) = self.metrics {
            serve(at, &tally, bound).await?;
        }
        let agent = agent()?;
        let mut ticks = every(Duration::from_secs(self.every));
        for round in 1..=self.rounds.unwrap_or(u64::MAX) {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
            }
            let cookie = mint(store, settings, &realm, bound).await?;
            let work = Round { origin: logout.clone(), edges: edges.clone(), cookie, bound };
            let asker = agent.clone();
            let courses = tokio::task::spawn_blocking(move || work.run(&asker)).await?;
            let at = jiff::Timestamp::now().to_string();
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            match courses {
                Ok(courses) => {
                    tally.round();
                    for ((_, edge), course) in edges.iter().zip(&courses) {
                        tally.note(edge, course, bound);
                        println!("{}", line(&at, round, edge, course, bound));
                    }
                }
                Err(error) => {
                    tally.failed();
                    println!("{}", serde_json::json!({"at": at, "round": round, "outcome": "failed", "error": error}));
                }
            }
            if tally.is_late() {
                return Err(Failure(format!("an edge accepted an ended session after {} ms", bound.as_millis())));
            }
        }
        if tally.lock().unwrap_or_else(PoisonError::into_inner).is_blind() {
            return Err(Failure("nothing was learnt of some edge: it refused no session that had ended".into()));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A realm's path in the URLs of the REST interface.
fn url_path(realm: &str) -> String {
    realm.split('/').filter(|part| !part.is_empty()).map(|part| format!("/realms/{part}")).collect()
}

/// A session of nobody: no such user can be made, and it is over soon.
async fn mint(store: &Store, settings: &Settings, realm: &str, bound: Duration) -> Result<Zeroizing<String>, Failure> {
    // Anew each time: keys change while this runs, and it seals few times with each reservation.
    let ring = Keyring::load(store, settings, &SealBudgets::few(settings.keys.max_seals)).await?;
    let keys = ring.realms.get(realm).ok_or_else(|| Failure(format!("realm {realm} has no keys")))?;
    let mut session = settings.realm(realm).session.clone();
    session.max_seconds = session.max_seconds.min(bound.as_secs() + SPARE_SECONDS);
    let subject = Subject { realm, username: CANARY, attributes: &Attributes::new(), inherited: None };
    let rvs = store.denylist().head().await?.seq;
    let issued = sessions::mint(&session, keys, subject, rvs, SystemClock.now().seconds(), &SystemEntropy)?;
    Ok(Zeroizing::new(format!("{}={}", session.cookie_name, issued.token)))
}

/// Connections are not kept: each probe may reach another isolate. Certificates are checked against the system's.
fn agent() -> Result<Agent, Failure> {
    let mut config = Agent::config_builder()
        .max_redirects(0)
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .max_idle_connections(0)
        .proxy(None);
    let native = rustls_native_certs::load_native_certs();
    let roots: Vec<_> = native.certs.iter().map(|root| Certificate::from_der(root.as_ref()).to_owned()).collect();
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    config = config.tls_config(tls);
    Ok(Agent::new_with_config(config.build()))
}

async fn serve(at: std::net::SocketAddr, tally: &Arc<Mutex<Tally>>, bound: Duration) -> Result<(), Failure> {
    let listener =
        TcpListener::bind(at).await.map_err(|error| Failure(format!("cannot listen on {at} for metrics: {error}")))?;
    let tally = Arc::clone(tally);
    let answer = async move || {
        let text = tally.lock().unwrap_or_else(PoisonError::into_inner).text(bound);
        ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
    };
    let router = Router::new().route("/metrics", get(answer));
    tokio::spawn(server::run(listener, router, SCRAPERS, std::future::pending(), Duration::ZERO));
    Ok(())
}

impl Round {
    /// Ends the session when all edges that can have seen it, and asks each of them until the bound is over.
    fn run(&self, agent: &Agent) -> Result<Vec<Course>, String> {
        std::thread::scope(|scope| {
            let warm: Vec<_> = self.edges.iter().map(|(url, _)| scope.spawn(|| self.warm(agent, url))).collect();
            let panicked = |_| "a probe panicked".to_owned();
            let seen: Vec<bool> =
                warm.into_iter().map(|edge| edge.join().map_err(panicked)).collect::<Result<_, _>>()?;
            let headers = [("accept-api-version", "resource=4.0"), ("cookie", self.cookie.as_str())];
            let mut request = agent.post(&self.origin);
            for (name, value) in headers {
                request = request.header(name, value);
            }
            let answer = request.send_empty().map_err(|error| format!("the logout: {error}"))?;
            if answer.status().as_u16() != 200 {
                return Err(format!("the logout was answered {}", answer.status().as_u16()));
            }
            let acknowledged = Instant::now();
            let edges = self.edges.iter().map(|(url, _)| url.as_str()).zip(seen);
            let asked: Vec<_> =
                edges.map(|(url, seen)| scope.spawn(move || self.probe_all(agent, url, seen, acknowledged))).collect();
            asked.into_iter().map(|course| course.join().map_err(panicked)).collect()
        })
    }

    fn ask(&self, agent: &Agent, url: &str) -> Answer {
        let answer = agent.get(url).header("cookie", self.cookie.as_str()).call();
        Answer::of(answer.ok().map(|answer| answer.status().as_u16()))
    }

    /// Until it accepts, so that a refusal means something; not longer than the bound.
    fn warm(&self, agent: &Agent, url: &str) -> bool {
        let began = Instant::now();
        loop {
            match self.ask(agent, url) {
                Answer::Accepted => return true,
                _ if began.elapsed() >= self.bound => return false,
                _ => std::thread::sleep(CALM),
            }
        }
    }

    fn probe_all(&self, agent: &Agent, url: &str, seen: bool, acknowledged: Instant) -> Course {
        let mut course = Course::new(seen);
        let probe = |course: &mut Course| {
            let began = acknowledged.elapsed();
            let answer = self.ask(agent, url);
            course.note(began, acknowledged.elapsed(), answer);
        };
        while acknowledged.elapsed() < self.bound {
            probe(&mut course);
            let pace = if course.has_refused() { CALM } else { PACE };
            std::thread::sleep(pace.min(self.bound.saturating_sub(acknowledged.elapsed())));
        }
        for after in AFTER {
            std::thread::sleep((self.bound + after).saturating_sub(acknowledged.elapsed()));
            probe(&mut course);
        }
        course
    }
}
