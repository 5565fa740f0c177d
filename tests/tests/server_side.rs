//! Server-side sessions in real workerd: the edge asks the origin about references, and believes it for a lease.

use std::time::{Duration, Instant};

use countersign_tests::{World, cookie, eventually, log_out, send};
use xtask::stack::DenylistProfile;

fn world(profile: DenylistProfile) -> World {
    World::with(profile, |options| {
        let off = ("COUNTERSIGN__SESSION__STATELESSSESSIONSENABLED".to_owned(), "false".to_owned());
        options.origin_env.push(off);
    })
}

#[test]
fn a_reference_passes_with_the_same_identity_until_it_is_logged_out() {
    let world = world(DenylistProfile::Default);
    let token = world.log_in();
    assert!(token.starts_with("ref-") && token.len() == 47, "{token}");
    let first = world.page(&token);
    assert_eq!(first.status, 200, "{first:?}");
    let seen = first.json();
    assert_eq!((&seen["user"], &seen["assertion"]["verified"]), (&"demo".into(), &true.into()), "{seen}");
    assert_eq!(seen["assertion"]["claims"]["realm"], "/alpha");
    assert_eq!(seen["headers"]["remote-email"], "demo@example.com");
    assert!(!seen.to_string().contains(&token), "the reference is not passed on");
    // The answer is kept: nothing but the edge's own decision stands before the page.
    let timing = world.page(&token).header("server-timing").to_owned();
    assert!(timing.contains("origin;desc=\"0 calls\""), "{timing}");
    assert_eq!(world.check(&token), 204);

    // One that is none is refused, not tried again later.
    let made_up = format!("ref-{}", "A".repeat(43));
    assert_eq!(world.check(&made_up), 401);
    let refused = send("GET", &world.edge("/"), &[("cookie", &cookie(&made_up))], "");
    assert_eq!((refused.status, refused.json()["code"].as_str()), (401, Some("invalid_session")));

    let out = world.log_out(&token);
    assert_eq!(out.status, 200, "{out:?}");
    eventually("the copied reference is refused", DenylistProfile::Default.bound(), || world.check(&token) == 401);
    assert_eq!(world.check(&world.log_in()), 204, "a new login is another session");
}

#[test]
fn requests_at_once_ask_once_each_and_all_pass() {
    let world = world(DenylistProfile::Default);
    let token = world.log_in();
    std::thread::scope(|scope| {
        let checks: Vec<_> = (0..16).map(|_| scope.spawn(|| world.check(&token))).collect();
        for check in checks {
            assert_eq!(check.join().unwrap(), 204);
        }
    });
}

#[test]
fn r25_without_the_origin_a_reference_is_to_be_tried_later_and_is_kept() {
    let mut world = world(DenylistProfile::Strict);
    let token = world.log_in();
    assert_eq!(world.check(&token), 204);
    world.stack.kill_origin();
    let limit = DenylistProfile::Strict.bound() + Duration::from_secs(3);
    eventually("the answer runs out", limit, || world.check(&token) == 503);
    let later = send("GET", &world.edge("/"), &[("cookie", &cookie(&token))], "");
    assert_eq!((later.status, later.header("set-cookie")), (503, ""), "{later:?}");
    assert!(!later.header("retry-after").is_empty());
    // One that was never seen here is not known to be none.
    let unseen = format!("ref-{}", "A".repeat(43));
    let start = Instant::now();
    assert_eq!(world.check(&unseen), 503);
    assert!(start.elapsed() < Duration::from_secs(4));
    world.stack.start_origin().unwrap();
    eventually("the session is still good", Duration::from_secs(15), || world.check(&token) == 204);
}

#[test]
fn a_session_logged_out_elsewhere_is_refused_here() {
    let world = world(DenylistProfile::Strict);
    let token = world.log_in();
    assert_eq!(world.check(&token), 204);
    assert_eq!(log_out(&world.stack.origin_url(), &token).status, 200);
    eventually("refused", DenylistProfile::Strict.bound(), || world.check(&token) == 401);
}
