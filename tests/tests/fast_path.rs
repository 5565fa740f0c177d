//! An acknowledged logout reaches an edge that has nothing to do within a fraction of a second: polls are held at the
//! origin until there is news. The bound `T` does not hang on it; what a person notices does.

use std::thread::sleep;
use std::time::{Duration, Instant};

use countersign_tests::{World, eventually, log_in, log_out, send};
use serde_json::json;
use xtask::stack::DenylistProfile;

/// From the acknowledgement to the first refusal, with the origin that `logout` ends the session at. Nothing passes the
/// edge in between but the questions themselves.
fn visible(world: &World, logout: &str, rounds: usize) -> Vec<Duration> {
    let origin = world.stack.origin_url();
    let mut times: Vec<Duration> = (0..rounds)
        .map(|_| {
            let token = log_in(&origin);
            assert_eq!(world.check(&token), 204);
            // The edge is idle, and waits for the origin's word.
            sleep(Duration::from_millis(40));
            assert_eq!(log_out(logout, &token).status, 200);
            eventually("refused", DenylistProfile::Default.bound(), || world.check(&token) == 401)
        })
        .collect();
    times.sort();
    times
}

#[test]
fn a_logout_is_visible_at_once() {
    let mut world = World::with(DenylistProfile::Default, |options| options.settings = json!({ "status": true }));
    let times = visible(&world, &world.stack.origin_url(), 20);
    let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
    assert!(median <= Duration::from_millis(150) && worst <= Duration::from_secs(1), "{times:?}");
    let status = send("GET", &world.edge("/.countersign/status"), &[], "").json();
    assert_eq!((&status["source"], &status["state"]), (&json!("origin"), &json!("fresh")), "{status}");
    assert_eq!(status["applied_seq"], status["head_seq"], "{status}");
    assert!(status["visible"]["count"].as_u64().unwrap() >= 15, "{status}");
    assert!(status["visible"]["max_ms"].as_u64().unwrap() <= 1000, "{status}");
    assert!(status["refusals"]["ended"].as_u64().unwrap() >= 20, "{status}");

    // Another process on the same database, of which the one that holds the poll hears nothing.
    let second = world.stack.start_second_origin().unwrap();
    let times = visible(&world, &second, 10);
    let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
    assert!(median <= Duration::from_millis(300) && worst <= Duration::from_secs(1), "{times:?}");

    // A poll that is held does not hold up the origin's end.
    let began = Instant::now();
    assert_eq!(world.check(&log_in(&world.stack.origin_url())), 204);
    assert!(world.stack.terminate_origin().unwrap().success());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

/// With the longest lease: an isolate whose last request is so long ago that nothing watches for it any more.
#[test]
fn an_isolate_that_slept_looks_before_it_lets_through() {
    let world = World::new(DenylistProfile::Relaxed);
    let origin = world.stack.origin_url();
    let (ended, good) = (log_in(&origin), log_in(&origin));
    assert_eq!((world.check(&ended), world.check(&good)), (204, 204));
    // The watch of a request ends 28 s after it.
    sleep(Duration::from_secs(30));
    log_out(&origin, &ended);
    assert_eq!(world.check(&ended), 401, "the first request after half a minute, within the lease of one");
    assert_eq!(world.check(&good), 204);
}
