//! Isolates and processes behind one hub, in real workerd: it relays the origin's word and what is left of its lease.

use std::time::{Duration, Instant};

use countersign_tests::{World, check, eventually, log_in, log_out, send};
use serde_json::{Value, json};
use xtask::edge_build::{self, BuildOptions};
use xtask::stack::DenylistProfile;

fn world(profile: DenylistProfile, isolates: usize) -> World {
    World::with(profile, |options| {
        options.hub_isolates = isolates;
        options.settings = json!({ "status": true });
    })
}

fn status(base: &str) -> Value {
    send("GET", &format!("{base}/.countersign/status"), &[], "").json()
}

fn edges(world: &World) -> Vec<String> {
    std::iter::once(world.stack.edge_url()).chain(world.stack.isolate_urls()).collect()
}

/// What the hub says of itself, to who has the feed credential.
fn hub(world: &World) -> Value {
    let bundle: Value = serde_json::from_str(&world.stack.bundle().unwrap()).unwrap();
    let authorization = format!("Bearer {}", bundle["feed_credential"].as_str().unwrap());
    let url = format!("http://{}/status", world.stack.hub_door().unwrap());
    assert_eq!(send("GET", &url, &[], "").status, 401, "the door is for the bearer of the credential");
    assert_eq!(send("GET", &url, &[("authorization", "Bearer x")], "").status, 401);
    send("GET", &url, &[("authorization", &authorization)], "").json()
}

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_else(|| panic!("no {name} in {value}"))
}

#[test]
fn isolates_behind_one_hub() {
    let world = world(DenylistProfile::Default, 3);
    let origin = world.stack.origin_url();
    let edges = edges(&world);
    assert_eq!(edges.len(), 3);
    let began = Instant::now();
    for round in 1..=5 {
        let (token, other) = (log_in(&origin), log_in(&origin));
        for edge in &edges {
            assert_eq!(check(edge, &token), 204, "{edge}: {}", status(edge));
        }
        assert_eq!(log_out(&origin, &token).status, 200);
        for edge in &edges {
            let took = eventually("refused", DenylistProfile::Default.bound(), || check(edge, &token) == 401);
            assert!(took <= Duration::from_secs(1), "{took:?} at {edge}");
            assert_eq!(check(edge, &other), 204);
            let status = status(edge);
            assert_eq!(status["source"], "hub", "{status}");
            assert_eq!((number(&status, "applied_seq"), number(&status, "head_seq")), (round, round), "{status}");
            assert!(number(&status, "lease_remaining_ms") <= 10_000, "{status}");
        }
    }
    let hub = hub(&world);
    // One held poll at a time, and one for each piece of news, however many ask.
    let most = 5 + 3 + began.elapsed().as_millis() / 1700;
    assert!(u128::from(number(&hub, "polls")) <= most, "{hub} in {:?}", began.elapsed());
    assert!(number(&hub, "segments") <= 5, "each segment is fetched once for all: {hub}");
    assert_eq!(number(&hub["kept"], "segments"), number(&hub, "segments"), "{hub}");
}

#[test]
fn processes_behind_one_hub_and_without_it() {
    let mut world = world(DenylistProfile::Default, 1);
    let edges: Vec<String> = (0..2).map(|_| world.stack.start_edge_at_the_door(&json!({})).unwrap()).collect();
    let origin = world.stack.origin_url();
    let ends_at_once = |source: &str| {
        let token = log_in(&origin);
        for edge in &edges {
            assert_eq!(check(edge, &token), 204, "{}", status(edge));
            assert_eq!(status(edge)["source"], source, "{}", status(edge));
        }
        assert_eq!(log_out(&origin, &token).status, 200);
        for edge in &edges {
            let took = eventually("refused", DenylistProfile::Default.bound(), || check(edge, &token) == 401);
            assert!(took <= Duration::from_secs(1), "{took:?} at {edge}, by way of the {source}");
        }
    };
    ends_at_once("hub");

    // The hub's process dies. Nobody is refused for it, and the origin is asked directly.
    let good = log_in(&origin);
    assert!(edges.iter().all(|edge| check(edge, &good) == 204));
    world.stack.stop_workerd();
    for edge in &edges {
        eventually("the origin is polled", DenylistProfile::Default.bound(), || {
            assert_eq!(check(edge, &good), 204, "{}", status(edge));
            status(edge)["source"] == "origin"
        });
    }
    ends_at_once("origin");

    world.stack.start_workerd().unwrap();
    for edge in &edges {
        eventually("the hub is asked again", Duration::from_secs(15), || {
            assert_eq!(check(edge, &good), 204, "{}", status(edge));
            status(edge)["source"] == "hub"
        });
    }
    ends_at_once("hub");
}

/// R01 through a hub: the isolates stop when the hub's lease ends, whenever they asked for it.
#[test]
fn without_an_origin_isolates_stop_with_the_lease_of_the_hub() {
    let mut world = world(DenylistProfile::Strict, 3);
    let edges = edges(&world);
    let token = log_in(&world.stack.origin_url());
    for edge in &edges {
        assert_eq!(check(edge, &token), 204);
    }
    world.stack.kill_origin();
    let start = Instant::now();
    let mut accepted = Duration::ZERO;
    eventually("all are stale", Duration::from_secs(10), || {
        let mut stale = 0;
        for edge in &edges {
            let asked = start.elapsed();
            match check(edge, &token) {
                204 => accepted = asked,
                503 => stale += 1,
                other => panic!("{other} at {edge}"),
            }
        }
        stale == edges.len()
    });
    assert!(accepted <= DenylistProfile::Strict.bound(), "accepted after {accepted:?} without an origin");
    world.stack.start_origin().unwrap();
    for edge in &edges {
        eventually("recovered", Duration::from_secs(5), || check(edge, &token) == 204);
    }
}

/// R15 for a hub: what is on its disk is no lease.
#[test]
fn a_hub_that_starts_from_its_disk_has_no_lease() {
    let mut world = world(DenylistProfile::Strict, 2);
    let origin = world.stack.origin_url();
    let (ended, good) = (log_in(&origin), log_in(&origin));
    for edge in edges(&world) {
        assert_eq!((check(&edge, &ended), check(&edge, &good)), (204, 204));
    }
    assert_eq!(log_out(&origin, &ended).status, 200);
    for edge in edges(&world) {
        eventually("refused", Duration::from_secs(2), || check(&edge, &ended) == 401);
    }
    world.stack.stop_workerd();
    world.stack.kill_origin();
    world.stack.start_workerd().unwrap();
    for edge in edges(&world) {
        assert_eq!((check(&edge, &ended), check(&edge, &good)), (503, 503), "nothing is known here yet");
    }
    let kept = hub(&world);
    assert_eq!((number(&kept["kept"], "segments"), number(&kept, "lease_remaining_ms")), (1, 0), "{kept}");
    world.stack.start_origin().unwrap();
    for edge in edges(&world) {
        eventually("recovered", Duration::from_secs(5), || check(&edge, &good) == 204);
        assert_eq!(check(&edge, &ended), 401);
    }
    assert_eq!(number(&hub(&world), "segments"), 0, "the log came from the disk");
}

/// A hub that was evicted, or whose process died, polls again without anybody asking, so that the next to ask finds it
/// at work; and stops when nobody has asked for a while. What it knows of askers is on its disk, by the alarm.
#[test]
fn the_alarm_takes_polling_up_again_and_lets_it_go() {
    let mut world = world(DenylistProfile::Strict, 1);
    let token = log_in(&world.stack.origin_url());
    assert_eq!(check(&edges(&world)[0], &token), 204);
    let ask = || check(&edges(&world)[0], &token) == 204;
    eventually("the alarm has written down who asked", Duration::from_secs(25), || {
        assert!(ask());
        number(&hub(&world), "alarms") > 0
    });
    world.stack.stop_workerd();
    world.stack.start_workerd().unwrap();
    // Nobody asks: the door passes on what the hub says of itself, and that is no question.
    eventually("it polls", Duration::from_secs(25), || {
        let hub = hub(&world);
        hub["polling"] == true && number(&hub, "alarms") > 0 && number(&hub, "lease_remaining_ms") > 0
    });
    // Half a minute after the last question, and what the alarm takes to see it.
    eventually("it stops", Duration::from_secs(60), || hub(&world)["polling"] == false);
    let (alarms, polls) = (number(&hub(&world), "alarms"), number(&hub(&world), "polls"));
    let edges = edges(&world);
    assert_eq!((check(&edges[0], &token), number(&hub(&world), "polls") > polls), (204, true), "it begins anew");
    assert!(number(&hub(&world), "alarms") >= alarms);
}

/// R24: isolates that are cold, or expire, all at once become one poll of the hub.
#[test]
fn r24_a_herd_becomes_one_poll() {
    let mut world = world(DenylistProfile::Strict, 8);
    let edges = edges(&world);
    let token = log_in(&world.stack.origin_url());
    let all_at_once = || {
        std::thread::scope(|scope| {
            let asking: Vec<_> = edges.iter().map(|edge| scope.spawn(|| check(edge, &token))).collect();
            asking.into_iter().map(|asked| asked.join().unwrap()).collect::<Vec<u16>>()
        })
    };
    let began = Instant::now();
    assert_eq!(all_at_once(), [204; 8]);
    let polls = number(&hub(&world), "polls");
    let most = 2 + began.elapsed().as_millis() / 400;
    assert!(u128::from(polls) <= most, "{polls} polls in {:?}", began.elapsed());

    world.stack.kill_origin();
    eventually("all are stale", Duration::from_secs(10), || all_at_once() == [503; 8]);
    world.stack.start_origin().unwrap();
    let (began, before) = (Instant::now(), number(&hub(&world), "polls"));
    eventually("all recover", Duration::from_secs(5), || all_at_once() == [204; 8]);
    let polls = number(&hub(&world), "polls") - before;
    let most = 3 + began.elapsed().as_millis() / 250;
    assert!(u128::from(polls) <= most, "{polls} polls in {:?}", began.elapsed());
}

/// A hub that cannot work (here: it has no origin of its own to speak to) costs nobody anything but time.
#[test]
fn a_hub_that_never_answers_is_gone_around() {
    let mut world = World::new(DenylistProfile::Default);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let token = world.log_in();
    let door = silent.local_addr().unwrap();
    let base = world.stack.start_edge_at(door, &json!({ "status": true })).unwrap();
    let began = Instant::now();
    assert_eq!(check(&base, &token), 204, "{}", status(&base));
    assert!(began.elapsed() < Duration::from_millis(2500), "{:?}", began.elapsed());
    assert_eq!(status(&base)["source"], "origin");
    assert_eq!(status(&base)["state"], "fresh");
}

/// The hub shares its isolate, and the module's instance, with an edge: a panic there takes what the hub knew with it.
#[test]
fn a_panic_beside_the_hub_costs_its_lease_and_nothing_else() {
    let faulty = edge_build::build(&BuildOptions::for_tests().unwrap()).expect("the variant builds");
    let world = World::with(DenylistProfile::Default, |options| {
        options.hub_isolates = 2;
        options.settings = json!({ "status": true });
        options.artifacts.edge_dist = faulty.dist;
    });
    let origin = world.stack.origin_url();
    let edges = edges(&world);
    for _ in 0..3 {
        let token = log_in(&origin);
        assert_eq!(send("GET", &world.edge("/.countersign/panic"), &[], "").status, 500);
        for edge in &edges {
            assert_eq!(check(edge, &token), 204, "{}", status(edge));
        }
        log_out(&origin, &token);
        for edge in &edges {
            let took = eventually("refused", DenylistProfile::Default.bound(), || check(edge, &token) == 401);
            assert!(took <= Duration::from_secs(2), "{took:?} at {edge}");
        }
    }
    eventually("the hub is back", Duration::from_secs(20), || {
        let token = log_in(&origin);
        edges.iter().all(|edge| check(edge, &token) == 204 && status(edge)["source"] == "hub")
    });
}
