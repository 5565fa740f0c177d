//! Lockout over whole logins: many of one user at once, some that nobody finishes, and what comes after the password.

use countersign_store::AuditFilter;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::tests::{answer, import, journey, start};
use crate::testing::{ALPHA, Answer, Origin, PASSWORD};

const LOCKOUT: &str = "[accountlockout]\nloginFailureLockoutMode = true\nloginFailureCount = 3\n\
                       loginFailureDuration = 300\nlockoutDuration = 1\n";
const MINUTE: u64 = 60;
const OUT: &[&str] = &["outcome"];
const DECISION: &[&str] = &["true", "false"];

/// Password, then a recovery code; who has a wrong one is asked again after a message if `again`, else refused.
fn second_factor(again: bool) -> Value {
    let mut journey = journey(
        "Two",
        json!({}),
        &[
            ("UsernameCollectorNode", json!({}), OUT),
            ("PasswordCollectorNode", json!({}), OUT),
            ("DataStoreDecisionNode", json!({}), DECISION),
            ("RecoveryCodeCollectorDecisionNode", json!({"recoveryCodeType": "OATH"}), DECISION),
            ("MessageNode", json!({}), DECISION),
        ],
    );
    let nodes = &mut journey["tree"]["nodes"];
    nodes["n3"]["connections"]["true"] = json!(super::tests::SUCCESS);
    nodes["n4"]["connections"]["true"] = json!("n3");
    if again {
        nodes["n3"]["connections"]["false"] = json!("n4");
    }
    journey
}

async fn two(more: &str, again: bool) -> Origin {
    let origin = Origin::with(&format!("{LOCKOUT}{more}")).await;
    import(&origin, &[second_factor(again)]).await;
    origin.app.store.recovery_codes().replace("/alpha", "demo", "OATH", &["abcdefghjk"]).await.unwrap();
    origin
}

/// The answer to name and password.
async fn begun(origin: &Origin, password: &str) -> Answer {
    let step = answer(origin, &start(origin, "Two").await, json!("demo")).await.json();
    answer(origin, &step, json!(password)).await
}

async fn lines(origin: &Origin, event: &str) -> usize {
    crate::audit_log::flush(&origin.app).await;
    let filter = AuditFilter { topic: Some("authentication"), ..Default::default() };
    let lines = origin.app.store.audit().find(filter, 1000).await.unwrap();
    lines.iter().filter(|line| line.event.event == event && line.event.username == "demo").count()
}

/// However many come at once, at two origins: right passwords are let in.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_right_logins_are_not_refused() {
    let origin = Origin::with(LOCKOUT).await;
    let second = origin.second().await;
    let origins = [&origin, &second];
    let headers = [("x-openam-username", "demo"), ("x-openam-password", PASSWORD)];
    let path = format!("{ALPHA}/authenticate");
    let mut tasks = JoinSet::new();
    for n in 0..24 {
        let (origin, path) = (origins[n % 2].from("127.0.0.1"), path.clone());
        tasks.spawn(async move { origin.post(&path, &headers, "{}").await.status });
    }
    assert_eq!(tasks.join_all().await, vec![200; 24]);
    assert_eq!(lines(&origin, "AM-LOGIN-REFUSED").await, 0);
}

#[tokio::test]
async fn logins_that_nobody_finishes_are_no_failures() {
    let origin = two("", false).await;
    for _ in 0..10 {
        assert_eq!(begun(&origin, PASSWORD).await.status, 200);
    }
    let step = begun(&origin, PASSWORD).await.json();
    assert_eq!(answer(&origin, &step, json!("abcdefghjk")).await.status, 200);
}

/// Of failures that came one after the other, and of so many at once.
#[tokio::test]
async fn what_comes_after_the_password_is_guessed_at_within_the_same_number() {
    let origin = two("", false).await;
    let mut steps = Vec::new();
    for _ in 0..8 {
        steps.push(begun(&origin, PASSWORD).await.json());
    }
    let mut tasks = JoinSet::new();
    for step in steps {
        let origin = origin.from("127.0.0.1");
        tasks.spawn(async move { answer(&origin, &step, json!("zzzzzzzzzz")).await.error() });
    }
    let all = tasks.join_all().await;
    let refused = |text: &str| all.iter().filter(|(status, message)| *status == 401 && message == text).count();
    assert_eq!((refused("Login failure"), refused("User Locked Out.")), (3, 5), "{all:?}");
    assert_eq!((lines(&origin, "AM-LOGIN-LOCKED").await, lines(&origin, "AM-LOGIN-REFUSED").await), (1, 5));
    // The lock lasts as long as the settings say, not as long as failures are counted.
    assert_eq!(begun(&origin, PASSWORD).await.status, 401);
    assert_eq!(lines(&origin, "AM-LOGIN-REFUSED").await, 6);
    origin.clock.advance(MINUTE);
    let step = begun(&origin, PASSWORD).await.json();
    assert_eq!(answer(&origin, &step, json!("abcdefghjk")).await.status, 200);
}

/// A login that is given up after a wrong code has failed; so has one where nobody can tell.
#[tokio::test]
async fn to_give_up_after_a_guess_hides_none() {
    let origin = two("", true).await;
    for _ in 0..3 {
        let step = begun(&origin, PASSWORD).await.json();
        let message = answer(&origin, &step, json!("zzzzzzzzzz")).await;
        assert_eq!(message.status, 200, "{}", message.text());
    }
    assert_eq!(lines(&origin, "AM-LOGIN-LOCKED").await, 1);
    assert_eq!(begun(&origin, PASSWORD).await.status, 401);
}

/// Typed after the password and followed by a question: a script may have looked at it. The login itself goes on.
#[tokio::test]
async fn answers_of_unknown_worth_count_once_in_each_login() {
    let origin = Origin::with(LOCKOUT).await;
    let open = journey(
        "Two",
        json!({}),
        &[
            ("UsernameCollectorNode", json!({}), OUT),
            ("PasswordCollectorNode", json!({}), OUT),
            ("DataStoreDecisionNode", json!({}), DECISION),
            ("UsernameCollectorNode", json!({}), OUT),
            ("UsernameCollectorNode", json!({}), OUT),
            ("UsernameCollectorNode", json!({}), OUT),
            ("UsernameCollectorNode", json!({}), OUT),
        ],
    );
    import(&origin, &[open]).await;
    let mut last = Vec::new();
    for _ in 0..3 {
        let mut step = begun(&origin, PASSWORD).await.json();
        for _ in 0..3 {
            step = answer(&origin, &step, json!("demo")).await.json();
        }
        last.push(step);
    }
    assert_eq!(lines(&origin, "AM-LOGIN-LOCKED").await, 0);
    // One of them ends well, and nothing of the others counts any more.
    assert_eq!(answer(&origin, &last[0], json!("demo")).await.status, 200);
    for _ in 0..3 {
        let step = begun(&origin, PASSWORD).await.json();
        assert_eq!(answer(&origin, &step, json!("demo")).await.status, 200);
    }
    // Three were left open: the next one is refused, with a lock of the length that the settings say, and a line.
    assert_eq!(begun(&origin, PASSWORD).await.status, 401);
    assert_eq!((lines(&origin, "AM-LOGIN-LOCKED").await, lines(&origin, "AM-LOGIN-REFUSED").await), (1, 1));
    origin.clock.advance(MINUTE);
    assert_eq!(begun(&origin, PASSWORD).await.status, 200);
}

/// Where a lock would last until somebody takes it away, one for answers of unknown worth lasts as long as they count.
#[tokio::test]
async fn a_lock_without_an_end_is_for_failures_that_are_certain() {
    let origin = Origin::with(&LOCKOUT.replace("lockoutDuration = 1", "lockoutDuration = 0")).await;
    let now = origin.app.clock.now().seconds();
    for _ in 0..3 {
        let name = super::services::LOCKOUT;
        origin.app.store.attempts().fail("/alpha", "demo", name, 300 * MINUTE, now).await.unwrap();
    }
    let headers = [("x-openam-username", "demo"), ("x-openam-password", PASSWORD)];
    assert_eq!(origin.post(&format!("{ALPHA}/authenticate"), &headers, "{}").await.status, 401);
    assert_eq!((lines(&origin, "AM-LOGIN-LOCKED").await, lines(&origin, "AM-LOGIN-REFUSED").await), (1, 1));
    origin.clock.advance(300 * MINUTE);
    origin.log_in().await;
}

/// What another process has left behind keeps nobody waiting for long.
#[tokio::test]
async fn attempts_under_way_that_were_lost_lapse() {
    let origin = Origin::with(LOCKOUT).await;
    let rules = countersign_store::Rules { failures: 3, window: 300, lapse: 30 };
    for _ in 0..3 {
        let now = origin.app.clock.now().seconds();
        let held = origin.app.store.attempts().reserve("/alpha", "demo", super::services::LOCKOUT, rules, now).await;
        assert!(held.unwrap().is_some());
    }
    let headers = [("x-openam-username", "demo"), ("x-openam-password", PASSWORD)];
    let answer = origin.post(&format!("{ALPHA}/authenticate"), &headers, "{}").await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, "1"), "{}", answer.text());
    origin.clock.advance(MINUTE);
    origin.log_in().await;
}
