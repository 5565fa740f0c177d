//! What this process counts, and its text for Prometheus (exposition format 0.0.4). Labels are words of this program,
//! never of a client.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use countersign_core::keys::KeyState;

use crate::app::App;

/// Upper ends of the buckets of commits, in seconds.
const BUCKETS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];

#[derive(Default)]
pub(crate) struct Metrics {
    pub(crate) logins: Counter,
    pub(crate) renewals: Counter,
    pub(crate) polls: Counter,
    commits: Histogram,
    commits_failed: Counter,
    refusals: Mutex<BTreeMap<&'static str, u64>>,
    /// What journeys measure, by realm and the key that an operator gave it.
    measured: Mutex<BTreeMap<(String, String), Measured>>,
}

/// Measurements of journeys: more keys than these are not begun.
const MAX_MEASURED: usize = 500;
/// Longest key.
const MAX_KEY: usize = 128;

#[derive(Clone, Copy, Default)]
struct Measured {
    /// Of a meter, or of a timer.
    counted: u64,
    timed: u64,
    took: Duration,
}

#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Default)]
struct Histogram {
    /// By the first bucket that holds it; the last is for what is beyond all.
    buckets: [AtomicU64; BUCKETS.len() + 1],
    micros: AtomicU64,
}

impl Histogram {
    fn observe(&self, took: Duration) {
        let at = BUCKETS.iter().position(|end| took.as_secs_f64() <= *end).unwrap_or(BUCKETS.len());
        if let Some(bucket) = self.buckets.get(at) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn write(&self, out: &mut String, name: &str) {
        let mut below = 0;
        let ends = BUCKETS.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        for (end, bucket) in ends.zip(&self.buckets) {
            below += bucket.load(Ordering::Relaxed);
            let _ = writeln!(out, "{name}_bucket{{le=\"{end}\"}} {below}");
        }
        let _ =
            writeln!(out, "{name}_sum {}", Duration::from_micros(self.micros.load(Ordering::Relaxed)).as_secs_f64());
        let _ = writeln!(out, "{name}_count {below}");
    }
}

impl Metrics {
    /// An entry of the denylist was acknowledged, or was not.
    pub(crate) fn committed(&self, fine: bool, took: Duration) {
        if fine {
            self.commits.observe(took);
        } else {
            self.commits_failed.count();
        }
    }

    /// A journey came by a meter or a timer.
    pub(crate) fn measured(&self, realm: &str, key: &str, took: Option<Duration>) {
        let mut all = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (realm.to_owned(), key.chars().take(MAX_KEY).collect());
        if all.len() >= MAX_MEASURED && !all.contains_key(&name) {
            return;
        }
        let one = all.entry(name).or_default();
        match took {
            None => one.counted += 1,
            Some(took) => {
                one.timed += 1;
                one.took = one.took.saturating_add(took);
            }
        }
    }

    /// A presented token was refused.
    pub(crate) fn refused(&self, reason: &'static str) {
        *self.refusals.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() += 1;
    }
}

/// What is known by counting, and what the database and the key ring say now.
pub(crate) async fn text(app: &App) -> String {
    let mut out = String::with_capacity(4096);
    let metrics = &app.metrics;
    let log = app.store.denylist();
    let head = log.head().await.ok();
    let up = u64::from(head.is_some() && log.is_running() && log.failing_since().is_none());
    metric(&mut out, "countersign_denylist_up", "gauge", "Whether the denylist log takes entries, as far as is known.");
    sample(&mut out, "countersign_denylist_up", "", up);
    if let Some(head) = head {
        metric(&mut out, "countersign_denylist_head", "gauge", "Position of the log's last entry.");
        sample(&mut out, "countersign_denylist_head", "", head.seq);
        metric(&mut out, "countersign_denylist_entries", "gauge", "Entries in the log that were not pruned.");
        sample(&mut out, "countersign_denylist_entries", "", head.seq.saturating_sub(head.floor_seq));
    }
    if let Some(made) = head.and_then(|head| app.snapshots.newest(&head)) {
        metric(&mut out, "countersign_denylist_snapshot_seq", "gauge", "Position of the newest snapshot.");
        sample(&mut out, "countersign_denylist_snapshot_seq", "", made.named.seq);
        metric(&mut out, "countersign_denylist_snapshot_entries", "gauge", "Entries of the newest snapshot.");
        sample(&mut out, "countersign_denylist_snapshot_entries", "", made.entries);
        metric(&mut out, "countersign_denylist_snapshot_bytes", "gauge", "Length of the newest snapshot.");
        sample(&mut out, "countersign_denylist_snapshot_bytes", "", made.named.size);
    }
    metric(&mut out, "countersign_denylist_lease_seconds", "gauge", "The longest lease that an edge may hold.");
    let lease = Duration::from_millis(app.longest_lease_ms()).as_secs_f64();
    sample(&mut out, "countersign_denylist_lease_seconds", "", lease);

    let commits = "countersign_denylist_commit_seconds";
    metric(&mut out, commits, "histogram", "From a request to end sessions to its entry on the disk.");
    metrics.commits.write(&mut out, commits);
    metric(&mut out, "countersign_denylist_commit_failures_total", "counter", "Ends that were not acknowledged.");
    sample(&mut out, "countersign_denylist_commit_failures_total", "", metrics.commits_failed.value());

    metric(&mut out, "countersign_feed_polls_total", "counter", "Polls of edges and hubs.");
    sample(&mut out, "countersign_feed_polls_total", "", metrics.polls.value());
    metric(&mut out, "countersign_feed_waiting", "gauge", "Requests that are held: polls, and barriers.");
    sample(&mut out, "countersign_feed_waiting", "", app.news.waiting());

    metric(&mut out, "countersign_sessions_issued_total", "counter", "Session tokens made.");
    sample(&mut out, "countersign_sessions_issued_total", "{by=\"login\"}", metrics.logins.value());
    sample(&mut out, "countersign_sessions_issued_total", "{by=\"renewal\"}", metrics.renewals.value());
    metric(
        &mut out,
        "countersign_sessions_refused_total",
        "counter",
        "Presented session tokens that did not hold here.",
    );
    let refusals = metrics.refusals.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for (reason, count) in refusals {
        sample(&mut out, "countersign_sessions_refused_total", &format!("{{reason=\"{reason}\"}}"), count);
    }

    journeys(&mut out, metrics);

    if let Ok(keys) = app.store.keys().list().await {
        metric(&mut out, "countersign_keys", "gauge", "Keys by state.");
        for state in KeyState::ALL {
            let count = keys.iter().filter(|key| key.state == state).count() as u64;
            sample(&mut out, "countersign_keys", &format!("{{state=\"{}\"}}", state.name()), count);
        }
    }
    metric(&mut out, "countersign_build_info", "gauge", "The version of this program.");
    sample(&mut out, "countersign_build_info", concat!("{version=\"", env!("CARGO_PKG_VERSION"), "\"}"), 1);
    out
}

fn journeys(out: &mut String, metrics: &Metrics) {
    let measured = metrics.measured.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let labels = |(realm, key): &(String, String)| {
        // A key is whatever an operator wrote into a node.
        let plain = |text: &str| -> String {
            text.chars()
                .map(|letter| if letter.is_control() || "\\\"".contains(letter) { '_' } else { letter })
                .collect()
        };
        format!("{{realm=\"{}\",key=\"{}\"}}", plain(realm), plain(key))
    };
    let (meters, timers) = ("countersign_journey_meter_total", "countersign_journey_timer_seconds");
    if measured.values().any(|one| one.counted > 0) {
        metric(out, meters, "counter", "How often journeys came by a Meter node.");
    }
    for (name, one) in measured.iter().filter(|(_, one)| one.counted > 0) {
        sample(out, meters, &labels(name), one.counted);
    }
    if measured.values().any(|one| one.timed > 0) {
        metric(out, timers, "summary", "From Timer Start to Timer Stop nodes.");
    }
    for (name, one) in measured.iter().filter(|(_, one)| one.timed > 0) {
        sample(out, &format!("{timers}_sum"), &labels(name), one.took.as_secs_f64());
        sample(out, &format!("{timers}_count"), &labels(name), one.timed);
    }
}

pub(crate) fn metric(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// `labels` come with their braces, or are empty.
pub(crate) fn sample(out: &mut String, name: &str, labels: &str, value: impl Display) {
    let _ = writeln!(out, "{name}{labels} {value}");
}

#[cfg(test)]
mod tests {
    use crate::testing::Origin;

    #[tokio::test]
    async fn what_journeys_measure_is_written() {
        let origin = Origin::new().await;
        let metrics = &origin.app.metrics;
        metrics.measured("/alpha", "a \"key\"\n", None);
        metrics.measured("/alpha", "login", Some(std::time::Duration::from_millis(1500)));
        (0..1000).for_each(|n| metrics.measured("/alpha", &format!("flood {n}"), None));
        let text = super::text(&origin.app).await;
        for expected in [
            "countersign_journey_meter_total{realm=\"/alpha\",key=\"a _key__\"} 1\n",
            "countersign_journey_timer_seconds_sum{realm=\"/alpha\",key=\"login\"} 1.5\n",
            "countersign_journey_timer_seconds_count{realm=\"/alpha\",key=\"login\"} 1\n",
        ] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
        assert!(text.matches("flood").count() < 500);
    }

    #[tokio::test]
    async fn what_happens_is_counted() {
        let origin = Origin::new().await;
        let token = origin.log_in().await;
        origin.log_out(&token).await;
        assert!(!origin.is_valid(&token).await);
        assert!(!origin.is_valid("x").await);
        let text = super::text(&origin.app).await;
        for expected in [
            "countersign_denylist_up 1\n",
            "countersign_denylist_head 1\n",
            "countersign_denylist_entries 1\n",
            "countersign_denylist_lease_seconds 10\n",
            "countersign_denylist_commit_seconds_count 1\n",
            "countersign_denylist_commit_seconds_bucket{le=\"+Inf\"} 1\n",
            "countersign_denylist_commit_failures_total 0\n",
            "countersign_sessions_issued_total{by=\"login\"} 1\n",
            "countersign_sessions_refused_total{reason=\"ended\"} 1\n",
            "countersign_sessions_refused_total{reason=\"foreign\"} 1\n",
            "countersign_keys{state=\"revoked\"} 0\n",
        ] {
            assert!(text.contains(expected), "{expected} is not in:\n{text}");
        }
        // A name is declared once, before its values.
        let mut declared = std::collections::BTreeSet::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                assert!(declared.insert(rest.split(' ').next().unwrap().to_owned()), "{line}");
            } else if !line.starts_with('#') {
                let name = line.split(['{', ' ']).next().unwrap();
                let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
                assert!(declared.contains(name) || base.is_some_and(|base| declared.contains(base)), "{line}");
            }
        }

        assert_eq!(origin.get("/metrics").await.status, 404, "the public listener does not have it");
        origin.app.store.close().await;
        assert!(super::text(&origin.app).await.contains("countersign_denylist_up 0\n"));
    }
}
