//! Logouts that wait: `ack=barrier` is answered when no edge can accept any more what was ended, and with a receipt.
//!
//! Edges are anonymous to an origin, and other origins grant leases too. So the wait is the whole longest lease from
//! the commit on (core's rule): whatever was granted before the commit has run out then, whoever granted it, also an
//! origin that has started anew since. It is measured by the steady clock; the times in the receipt are those of the
//! wall clock.

use std::time::Duration;

use countersign_core::denylist::barrier::Barrier;
use countersign_core::encoding;
use countersign_core::time::{UnixMillis, UnixSeconds};
use countersign_core::token::Kind;
use countersign_core::token::mint::{self, MintError};
use serde_json::json;
use tokio::time::Instant;

use crate::app::App;

/// Longest time that an answer is held, and how long where the client does not say.
const MAX_WAIT: Duration = Duration::from_secs(120);
const DEFAULT_WAIT: Duration = Duration::from_secs(30);

/// Longer than the store takes from the request to the commit, with all its waiting and trying again; in milliseconds.
const COMMIT_MS: u64 = 60_000;

/// An entry that is on the disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Durable {
    pub(crate) seq: u64,
    pub(crate) at: UnixMillis,
    /// The same moment, or later, by the steady clock.
    pub(crate) since: Instant,
}

impl Durable {
    pub(crate) fn now(app: &App, seq: u64) -> Self {
        Self { seq, at: app.clock.now(), since: Instant::now() }
    }

    /// Of an entry that was asked for at `created`. When it was committed nobody wrote down; but not later than
    /// [`COMMIT_MS`] after that, or than now.
    pub(crate) fn earlier(app: &App, seq: u64, created: UnixSeconds) -> Self {
        let now = app.clock.now();
        let at = UnixMillis(created.0.saturating_mul(1000)).plus(COMMIT_MS).min(now);
        let ago = Duration::from_millis(now.since(at));
        let since = Instant::now();
        Self { seq, at, since: since.checked_sub(ago).unwrap_or(since) }
    }
}

/// How long an answer may be held: `max_wait` of the query, in milliseconds.
pub(crate) fn patience(max_wait: Option<&str>) -> Option<Duration> {
    match max_wait {
        None => Some(DEFAULT_WAIT),
        Some(text) => text.parse().ok().map(|ms| Duration::from_millis(ms).min(MAX_WAIT)),
    }
}

/// Waits until the barrier holds, or for `patience`; whether it holds.
async fn hold(since: Instant, barrier: Duration, patience: Duration) -> bool {
    tokio::time::sleep_until(since + barrier.min(patience)).await;
    barrier <= patience
}

/// Waits, and gives the receipt: signed by the key of the feed, in a type of its own. `true` when the barrier holds.
pub(crate) async fn receipt(app: &App, durable: Durable, patience: Duration) -> Result<(bool, String), MintError> {
    // Read after the commit: what is granted from now on covers the entry.
    let barrier = Duration::from_millis(Barrier::all_anonymous(app.longest_lease_ms()));
    // A held answer takes a connection; when half of them are held the client gets its receipt at once.
    let place = app.news.place();
    let patience = if place.is_some() { patience } else { Duration::ZERO };
    let holds = hold(durable.since, barrier, patience).await;
    if let Ok(head) = app.store.denylist().head().await {
        app.saw(&head);
    }
    let by = durable.at.plus(u64::try_from(barrier.as_millis()).unwrap_or(u64::MAX));
    let claims = json!({
        "epoch": encoding::encode(&app.epoch().0),
        "seq": durable.seq,
        "state": if holds { "effective" } else { "durable" },
        "durable_at": durable.at.0,
        "effective_by": by.0,
        "effective_at": holds.then(|| app.clock.now().max(by).0),
    });
    let signed = mint::mint(&claims, Kind::Receipt, &app.keys().feed.minting, &mut app.dice())?;
    Ok((holds, signed))
}

#[cfg(test)]
mod tests {
    use countersign_core::token::{self, Scratch};
    use serde_json::Value;

    use super::*;
    use crate::testing::{ALPHA, COOKIE, Origin};

    const LEASE: Duration = Duration::from_secs(10);

    fn barrier() -> Duration {
        Duration::from_millis(Barrier::all_anonymous(10_000))
    }

    /// An edge that is dead says nothing; its lease ends all the same.
    #[tokio::test(start_paused = true)]
    async fn r32_a_dead_edge_holds_the_answer_up_for_a_lease_and_no_longer() {
        let began = Instant::now();
        assert!(hold(began, barrier(), MAX_WAIT).await);
        assert!(began.elapsed() >= LEASE + LEASE / 1000, "{:?}", began.elapsed());
        assert!(began.elapsed() <= LEASE + LEASE / 50, "{:?}", began.elapsed());
    }

    /// It counts from the commit, so whoever asks again after a restart waits no more than once, and never less than
    /// the leases that were granted before it.
    #[tokio::test(start_paused = true)]
    async fn r33_the_wait_counts_from_the_commit_whoever_granted_the_leases() {
        let commit = Instant::now();
        tokio::time::advance(LEASE / 2).await;
        assert!(hold(commit, barrier(), MAX_WAIT).await);
        assert!(commit.elapsed() >= LEASE && commit.elapsed() <= LEASE + LEASE / 50, "{:?}", commit.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn an_impatient_client_is_answered_before() {
        let began = Instant::now();
        assert!(!hold(began, barrier(), Duration::from_secs(1)).await);
        assert_eq!(began.elapsed().as_secs(), 1);
        assert_eq!((patience(None), patience(Some("x")), patience(Some("-1"))), (Some(DEFAULT_WAIT), None, None));
        assert_eq!(patience(Some("99999999999")), Some(MAX_WAIT));
    }

    fn opened(origin: &Origin, receipt: &str) -> Value {
        let keys = &origin.app.keys().feed.verifying;
        let verified = token::open::<Value>(receipt.as_bytes(), Kind::Receipt, keys, &mut Scratch::default());
        assert!(
            token::open::<Value>(receipt.as_bytes(), Kind::Heartbeat, keys, &mut Scratch::default()).is_err(),
            "a receipt is no heartbeat"
        );
        verified.unwrap().into_claims()
    }

    #[tokio::test]
    async fn the_receipt_says_what_holds_and_by_when() {
        let origin = Origin::with("[denylist]\npoll_ms = 50\nlease_ms = 100\n").await;
        let out = async |ack: &str, token: &str| {
            origin.post(&format!("{ALPHA}/sessions?_action=logout&{ack}"), &[(COOKIE, token)], "").await
        };
        let token = origin.log_in().await;
        assert_eq!(out("ack=never", &token).await.status, 400);
        assert_eq!(out("ack=barrier&max_wait=x", &token).await.status, 400);
        assert!(origin.is_valid(&token).await, "what is not understood ends nothing");

        let early = out("ack=barrier&max_wait=0", &token).await;
        assert_eq!((early.status, origin.is_valid(&token).await), (202, false));
        let receipt = opened(&origin, early.json()["receipt"].as_str().unwrap());
        let (durable, by) = (receipt["durable_at"].as_u64().unwrap(), receipt["effective_by"].as_u64().unwrap());
        assert_eq!((receipt["state"].as_str(), receipt["seq"].as_u64()), (Some("durable"), Some(1)));
        assert_eq!((by - durable, receipt["effective_at"].is_null()), (Barrier::all_anonymous(100), true));

        let token = origin.log_in().await;
        let began = std::time::Instant::now();
        let held = out("ack=barrier", &token).await;
        assert!(held.status == 200 && began.elapsed() >= Duration::from_millis(100), "{}", held.text());
        let receipt = opened(&origin, held.json()["receipt"].as_str().unwrap());
        assert_eq!((receipt["state"].as_str(), receipt["seq"].as_u64()), (Some("effective"), Some(2)));
        assert!(receipt["effective_at"].as_u64() >= receipt["effective_by"].as_u64());
        assert_eq!(held.json()["result"], "Successfully logged out");

        // Repeated, because the answer was lost: a receipt again, of the same line.
        for (ack, status, state) in [("ack=barrier&max_wait=0", 202, "durable"), ("ack=barrier", 200, "effective")] {
            let again = out(ack, &token).await;
            assert_eq!(again.status, status, "{}", again.text());
            let receipt = opened(&origin, again.json()["receipt"].as_str().unwrap());
            assert_eq!((receipt["state"].as_str(), receipt["seq"].as_u64()), (Some(state), Some(2)));
        }
        assert_eq!(origin.app.store.denylist().head().await.unwrap().seq, 2, "nothing is written for it");
        assert_eq!(out("", &token).await.status, 401, "without the barrier it is as in AM");
        origin.clock.advance(120);
        let began = std::time::Instant::now();
        let later = out("ack=barrier", &token).await;
        assert!(later.status == 200 && began.elapsed() < Duration::from_millis(100), "all leases of then are over");

        // After the lease was made shorter, edges still hold the longer one.
        let token = origin.log_in().await;
        let file = origin.dir().join("shorter.toml");
        let text = "[server]\npublic_url = \"http://localhost:8787\"\n[denylist]\npoll_ms = 50\nlease_ms = 200\n";
        std::fs::write(&file, text).unwrap();
        for _ in 0..2 {
            origin.app.take_settings(crate::Settings::load(&file, std::iter::empty()).unwrap()).await.unwrap();
            std::fs::write(&file, text.replace("200", "100")).unwrap();
        }
        let receipt = opened(&origin, out("ack=barrier&max_wait=0", &token).await.json()["receipt"].as_str().unwrap());
        let (durable, by) = (receipt["durable_at"].as_u64().unwrap(), receipt["effective_by"].as_u64().unwrap());
        assert_eq!(by - durable, Barrier::all_anonymous(200));
    }
}
