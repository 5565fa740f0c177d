//! The denylist with real origins and real edges: what comes from elsewhere than the one process that holds an edge's
//! poll.

use std::io::Write as _;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use countersign_core::denylist::{Entry, Fingerprint, Kind, Slot};
use countersign_core::encoding;
use countersign_core::time::UnixSeconds;
use countersign_store::denylist::NewEntry;
use countersign_store::{MasterKey, Store};
use countersign_test_postgres::shared_database;
use countersign_tests::{World, check, eventually, log_in, log_out, send};
use serde_json::{Value, json};
use xtask::stack::DenylistProfile;

const PROFILE: DenylistProfile = DenylistProfile::Strict;

fn status(base: &str) -> Value {
    send("GET", &format!("{base}/.countersign/status"), &[], "").json()
}

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_else(|| panic!("no {name} in {value}"))
}

fn world(isolates: usize) -> World {
    World::with(PROFILE, |options| {
        options.hub_isolates = isolates;
        options.settings = json!({ "status": true });
    })
}

fn command(world: &World, args: &[&str]) -> Output {
    world.stack.countersign().args(args).output().expect("the program runs")
}

fn does(world: &World, args: &[&str]) -> String {
    let output = command(world, args);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{args:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// Two origins on one PostgreSQL: an edge refuses what was ended at the origin that it does not ask.
#[test]
fn the_log_reaches_edges_of_another_origin_on_postgresql() {
    let database = shared_database().unwrap_or_else(|error| panic!("{error:#}"));
    let mut world = World::with(DenylistProfile::Default, |options| {
        options.settings = json!({ "status": true });
        options.origin_env.push(("COUNTERSIGN__DATABASE__URL".to_owned(), database.url()));
    });
    let origins = [world.stack.origin_url(), world.stack.start_second_origin().unwrap()];
    let settings = json!({ "status": true, "origin": origins[1] });
    let edges = [world.stack.edge_url(), world.stack.start_extra_edge(None, &settings).unwrap()];
    let good = log_in(&origins[0]);
    for round in 0..6 {
        let (here, there) = (round % 2, 1 - round % 2);
        let token = log_in(&origins[here]);
        for edge in &edges {
            assert_eq!((check(edge, &token), check(edge, &good)), (204, 204), "{}", status(edge));
        }
        assert_eq!(log_out(&origins[there], &token).status, 200);
        let began = Instant::now();
        for edge in &edges {
            eventually("refused", DenylistProfile::Default.bound(), || check(edge, &token) == 401);
            assert_eq!(check(edge, &good), 204);
        }
        // Far below the bound, with the load of other tests: the notification reaches the held poll.
        assert!(began.elapsed() <= Duration::from_secs(3), "{:?} after the logout", began.elapsed());
    }
}

/// What Prometheus reads of an edge: in its form, and the same as the status has.
#[test]
fn an_edge_tells_prometheus_what_its_status_says() {
    let mut world = world(0);
    let (edge, origin) = (world.stack.edge_url(), world.stack.origin_url());
    let (ended, good) = (log_in(&origin), log_in(&origin));
    assert_eq!((check(&edge, &ended), check(&edge, &good)), (204, 204));
    assert_eq!(log_out(&origin, &ended).status, 200);
    eventually("refused", PROFILE.bound(), || check(&edge, &ended) == 401);
    assert_eq!(check(&edge, &good), 204);
    let answer = send("GET", &format!("{edge}/.countersign/metrics"), &[], "");
    let status = status(&edge);
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"));
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");

    let mut figures = std::collections::BTreeMap::new();
    let mut told = Vec::new();
    for line in answer.body.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "HELP", name, help] => told.push((name, help.len(), "")),
            ["#", "TYPE", name, kind] => {
                let last = told.last_mut().filter(|told| told.0 == name && told.1 > 0).expect("help comes first");
                last.2 = kind;
            }
            [name, value] => {
                let (family, ..) = *told.last().expect("a type comes first");
                assert_eq!(name.split('{').next(), Some(family), "{line}");
                let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
                assert!(value.is_finite() && value >= 0.0 && figures.insert(name, value).is_none(), "{line}");
            }
            _ => panic!("{line}"),
        }
    }
    assert!(told.iter().all(|(name, _, kind)| match *kind {
        "counter" => name.ends_with("_total"),
        kind => kind == "gauge" && !name.ends_with("_total"),
    }));
    let figure = |name: &str| figures[format!("countersign_edge_{name}").as_str()];
    let same = |name: &str, value: &Value| assert_eq!(Some(figure(name)), value.as_f64(), "{name}");
    assert_eq!((figure("applied"), figure("head"), figure("entries")), (1.0, 1.0, 1.0));
    same("applied", &status["applied_seq"]);
    same("memory_bytes", &status["memory_bytes"]);
    same("visible_total", &status["visible"]["count"]);
    same("cache_hits_total", &status["cache"]["hits"]);
    same("cache_misses_total", &status["cache"]["misses"]);
    assert!(figure("lease_seconds") > 0.0 && figure("lease_seconds") <= PROFILE.bound().as_secs_f64());
    for state in ["cold", "fresh", "stale", "fenced"] {
        let is = f64::from(u8::from(status["state"] == state));
        assert_eq!(figure(&format!("state{{state=\"{state}\"}}")), is, "{status}");
    }
    let refusals = status["refusals"].as_object().unwrap();
    assert!(!refusals.is_empty(), "{status}");
    for (reason, count) in refusals {
        same(&format!("refusals_total{{reason=\"{reason}\"}}"), count);
    }
    // It is for who is told the status.
    let silent = world.stack.start_extra_edge(None, &json!({ "status": false })).unwrap();
    assert_eq!(send("GET", &format!("{silent}/.countersign/metrics"), &[], "").status, 404);
}

/// Neither origin nor edge is started anew: the sessions of before are over, and everything goes on.
#[test]
fn r10_r11_a_new_epoch_needs_no_restart() {
    let mut world = world(2);
    let second = world.stack.start_second_origin().unwrap();
    let origin = world.stack.origin_url();
    let edges: Vec<String> = std::iter::once(world.stack.edge_url()).chain(world.stack.isolate_urls()).collect();
    let (ended, before) = (log_in(&origin), log_in(&origin));
    assert_eq!(log_out(&origin, &ended).status, 200);
    for edge in &edges {
        eventually("it works", PROFILE.bound(), || check(edge, &before) == 204 && check(edge, &ended) == 401);
    }
    does(&world, &["denylist", "new-epoch", "--end-all-sessions"]);
    for edge in &edges {
        eventually("all sessions are over", PROFILE.bound(), || check(edge, &before) == 401);
        assert_eq!(check(edge, &ended), 401);
    }
    for origin in [&origin, &second] {
        let (token, other) = (log_in(origin), log_in(origin));
        for edge in &edges {
            eventually("a new session is taken", PROFILE.bound(), || check(edge, &token) == 204);
        }
        assert_eq!(log_out(origin, &token).status, 200);
        for edge in &edges {
            eventually("and ended", PROFILE.bound(), || check(edge, &token) == 401);
            assert_eq!(check(edge, &other), 204, "{}", status(edge));
        }
    }
}

/// The database is put back to what it was before a logout, and nobody says so: edges take no more sessions until a new
/// epoch begins, and then not the one that had ended.
#[test]
fn r09_a_log_that_went_back_fences_edges_until_a_new_epoch() {
    let mut world = world(0);
    let (ended, good) = (world.log_in(), world.log_in());
    assert!(world.stack.terminate_origin().unwrap().success());
    let file = world.stack.dir().join("countersign.db");
    let backup = std::fs::read(&file).unwrap();
    world.stack.start_origin().unwrap();
    assert_eq!((world.check(&ended), world.check(&good)), (204, 204));
    assert_eq!(world.log_out(&ended).status, 200);
    eventually("refused", PROFILE.bound(), || world.check(&ended) == 401);
    assert_eq!(world.check(&good), 204);

    world.stack.kill_origin();
    for more in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(world.stack.dir().join(format!("countersign.db{more}")));
    }
    std::fs::write(&file, backup).unwrap();
    world.stack.start_origin().unwrap();
    let edge = world.stack.edge_url();
    eventually("fenced", Duration::from_secs(10), || {
        assert_ne!(world.check(&ended), 204);
        world.check(&good) == 503 && status(&edge)["state"] == "fenced"
    });
    does(&world, &["denylist", "new-epoch", "--end-all-sessions"]);
    eventually("the new epoch is taken", Duration::from_secs(10), || {
        status(&edge)["state"] != "fenced" && world.check(&good) == 401
    });
    assert_eq!(world.check(&ended), 401);
    let new = world.log_in();
    eventually("and sessions in it", PROFILE.bound(), || world.check(&new) == 204);
}

/// So many entries that a cold edge takes the snapshot: through the hub, which fetches it once, and without one.
#[test]
fn r36_r24_cold_edges_begin_with_the_snapshot() {
    const ENTRIES: u64 = 20_000;
    let mut world = world(3);
    let origin = world.stack.origin_url();
    let good = log_in(&origin);
    world.stack.stop_workerd();
    fill(&world, ENTRIES);
    let token = log_in(&origin);
    assert_eq!(log_out(&origin, &token).status, 200);
    let bundle: Value = serde_json::from_str(&world.stack.bundle().unwrap()).unwrap();
    let authorization = format!("Bearer {}", bundle["feed_credential"].as_str().unwrap());
    let heartbeat =
        format!("{origin}/countersign/v1/denylist/heartbeat?snapshot=1&nonce={}", encoding::encode(&[1; 16]));
    eventually("a snapshot is named", Duration::from_secs(15), || {
        let answer = send("GET", &heartbeat, &[("authorization", &authorization)], "").body;
        let payload = encoding::decode(answer.split('.').nth(1).unwrap().as_bytes()).unwrap();
        String::from_utf8(payload).unwrap().contains("\"snapshot\"")
    });
    world.stack.start_workerd().unwrap();
    let edges: Vec<String> = std::iter::once(world.stack.edge_url()).chain(world.stack.isolate_urls()).collect();
    let began = Instant::now();
    for edge in &edges {
        eventually("fresh", Duration::from_secs(10), || check(edge, &good) == 204);
        assert_eq!(check(edge, &token), 401);
        let status = status(edge);
        assert_eq!(number(&status, "denylist_entries"), ENTRIES + 1, "{status}");
    }
    println!("{ENTRIES} entries at three isolates within {:?}", began.elapsed());
    let url = format!("http://{}/status", world.stack.hub_door().unwrap());
    let hub = send("GET", &url, &[("authorization", &authorization)], "").json();
    assert_eq!(number(&hub, "snapshots"), 1, "{hub}");
    assert!(number(&hub, "segments") <= 3, "what came after it: {hub}");

    let settings = json!({ "status": true });
    let alone = world.stack.start_extra_edge(None, &settings).unwrap();
    eventually("fresh", Duration::from_secs(10), || check(&alone, &good) == 204);
    let status = status(&alone);
    assert_eq!((&status["source"], number(&status, "denylist_entries")), (&json!("origin"), ENTRIES + 1), "{status}");
}

/// Past the origin, straight into its database: each with the others in one commit.
fn fill(world: &World, entries: u64) {
    let text = std::fs::read_to_string(world.stack.dir().join("master.key")).unwrap();
    let file = world.stack.dir().join("countersign.db");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let slot = Slot::of(UnixSeconds(now + 3600));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = Store::open(&file, MasterKey::from_text(&text).unwrap()).await.unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..entries {
            let fingerprint = Fingerprint(number.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ number.rotate_left(31));
            let new = NewEntry::new(Entry { kind: Kind::Family, slot, fingerprint }, "/alpha", "test", "test");
            let store = store.clone();
            tasks.spawn(async move { store.denylist().append(new, UnixSeconds(now)).await.map(drop) });
            if tasks.len() >= 800 {
                tasks.join_next().await.unwrap().unwrap().unwrap();
            }
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap().unwrap();
        }
        store.close().await;
    });
}

/// The canary is nobody, learns how soon edges refuse, and fails where one is too late.
#[test]
fn the_canary_measures_the_edges_and_fails_where_one_is_too_late() {
    let mut world = world(0);
    let second = world.stack.start_extra_edge(None, &json!({ "status": true })).unwrap();
    let (origin, first) = (world.stack.origin_url(), world.stack.edge_url());
    let base = ["canary", "--origin", &origin, "--every", "1", "--rounds", "2"];
    let run = |more: &[&str]| command(&world, &[&base[..], more].concat());
    let lines = |output: &Output| -> Vec<Value> {
        String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let fine = run(&["--edge", &first, "--edge", &second]);
    let told = lines(&fine);
    assert!(fine.status.success(), "{told:?} {}", String::from_utf8_lossy(&fine.stderr));
    assert_eq!(told.len(), 4, "{told:?}");
    for line in &told {
        assert_eq!((&line["outcome"], &line["bound_ms"]), (&json!("refused"), &json!(2000)), "{line}");
        assert!(number(line, "refused_ms") <= 2000 && number(line, "probes") >= 5, "{line}");
    }
    // A path that is open to everybody is one that accepts after the bound.
    let open = run(&["--edge", &first, "--path", "/public/", "--bound", "1"]);
    assert_eq!(open.status.code(), Some(1), "{:?}", lines(&open));
    assert_eq!(lines(&open)[0]["outcome"], "late", "{:?}", lines(&open));
    // An edge that cannot be asked shows nothing, which is no success.
    let nobody = run(&["--edge", "http://localhost:1", "--bound", "300"]);
    assert_eq!((nobody.status.code(), &lines(&nobody)[0]["outcome"]), (Some(1), &json!("unavailable")));
    // Nobody can be it.
    let mut add = world.stack.countersign();
    add.args(["user", "add", "--realm", "alpha", "--username", "countersign-canary", "--password-stdin"]);
    add.stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut adding = add.spawn().unwrap();
    adding.stdin.take().unwrap().write_all(b"Ch4ng31t-never\n").unwrap();
    let added = adding.wait_with_output().unwrap();
    let why = String::from_utf8_lossy(&added.stderr).into_owned();
    assert_eq!((added.status.code(), why.contains("reserved")), (Some(1), true), "{why}");
    let log = does(&world, &["denylist", "list", "--user", "countersign-canary"]);
    assert!(log.contains("logout"), "{log}");
}

/// What the operator ended holds everywhere when the command returns.
#[test]
fn sessions_end_waits_until_no_edge_accepts() {
    let world = world(0);
    let token = world.log_in();
    assert_eq!(world.check(&token), 204);
    let began = Instant::now();
    let told = does(&world, &["sessions", "end", "--user", "demo", "--reason", "test", "--wait"]);
    assert!(began.elapsed() >= PROFILE.bound() && told.contains("No edge accepts"), "{told}");
    assert_eq!(world.check(&token), 401);
}
