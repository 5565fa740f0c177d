//! Steps of journeys per second at an origin process, their latency beside scripts that mean harm, and bytes of
//! `authId`, with the whole product on loopback.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};
use xtask::say;
use xtask::stack::{Artifacts, Stack, StackOptions};

use crate::load::{Connection, Load};
use crate::report::{Quartiles, figure};

const SUCCESS: &str = "70e691a5-1e33-4ac3-a356-e7b6d60d92e0";
/// For a change of journeys to be taken up.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is asked for while others are answered, each by so many clients at once.
const HOSTILE: [(&str, &str); 4] = [
    ("Endless", "for (;;);"),
    ("Bomb", "var all = []; for (;;) all.push(new Array(1000).fill(all.length));"),
    ("Deep", "(function deeper() { return [deeper()]; })();"),
    ("Backtracking", "/(a+)+$/.test('a'.repeat(60) + 'b');"),
];
const CLIENTS: usize = 2;
/// Requests of which the slowest hundredth counts.
const SAMPLES: usize = 600;
pub(crate) const SCRIPT: &str = "nodeState.putShared('n', 1); action.goTo('true');";

pub(crate) fn run(rounds: usize, each: Duration) -> Result<()> {
    let artifacts = Artifacts::from_env_or_build()?;
    for scheme in ["JWT", "CTS"] {
        say(format_args!("journeys: {scheme}"));
        let dir = tempfile::tempdir()?;
        let name = "COUNTERSIGN__JOURNEY__AUTHENTICATIONSESSIONSSTATEMANAGEMENT";
        let origin_env = vec![(name.to_owned(), scheme.to_owned())];
        let options = StackOptions { origin_env, ..StackOptions::new(dir.path().join("stack"), artifacts.clone()) };
        let mut stack = Stack::start(options)?;
        let file = dir.path().join("journeys.json");
        std::fs::write(&file, journeys().to_string())?;
        let import = stack.countersign().args(["journey", "import", "--realm", "alpha"]).arg(&file).output()?;
        if !import.status.success() {
            bail!("the journeys were not imported: {}", String::from_utf8_lossy(&import.stderr));
        }
        let address: SocketAddr = stack.origin_url().strip_prefix("http://").context("an URL")?.parse()?;
        let process = stack.origin().context("the origin runs")?.pid();
        await_journey(address)?;
        let scheme = scheme.to_lowercase();
        for (figure_name, journey) in [("login_page", "Login"), ("twenty_nodes", "Twenty"), ("script", "Scripted")] {
            let mut load = Load::new(address, vec![start(address, journey)], 200);
            let mut rates = Vec::new();
            for _ in 0..rounds {
                rates.push(load.run(each, process)?.per_second);
            }
            let rates = Quartiles::of(rates);
            let detail = json!({"quartiles": rates.to_json()});
            figure(&format!("journeys.{scheme}.{figure_name}"), rates.median, "steps/s", None, detail);
        }
        let step: Value = serde_json::from_slice(Connection::open(address)?.exchange(&start(address, "Login"))?.1)?;
        let bytes = step["authId"].as_str().context("a step has an authId")?.len();
        figure(&format!("journeys.{scheme}.auth_id"), f64::from(u32::try_from(bytes)?), "bytes", None, json!({}));
        if scheme == "jwt" {
            beside_hostile_scripts(address, rounds)?;
        }
    }
    Ok(())
}

/// The latency of a login page, with and without hostile scripts at the same origin, in turns.
fn beside_hostile_scripts(address: SocketAddr, rounds: usize) -> Result<()> {
    say("journeys: beside hostile scripts");
    let (mut ratios, mut alone, mut beside, mut ended) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for _ in 0..rounds {
        let quiet = percentile(address)?;
        let stop = AtomicBool::new(false);
        let busy = std::thread::scope(|scope| {
            let clients = HOSTILE.iter().cycle().take(CLIENTS * HOSTILE.len()).map(|(journey, _)| {
                let stop = &stop;
                scope.spawn(move || hostile(address, journey, stop))
            });
            let clients: Vec<_> = clients.collect();
            let measured = percentile(address);
            stop.store(true, Ordering::Relaxed);
            for client in clients {
                ended += client.join().map_err(|_| anyhow::anyhow!("a client panicked"))??;
            }
            measured
        })?;
        ratios.push(busy / quiet);
        alone.push(quiet * 1e6);
        beside.push(busy * 1e6);
    }
    let (ratios, alone, beside) = (Quartiles::of(ratios), Quartiles::of(alone), Quartiles::of(beside));
    let detail = json!({
        "quartiles": ratios.to_json(), "p99_us_alone": alone.median, "p99_us_beside": beside.median,
        "hostile_ended": ended, "clients": CLIENTS * HOSTILE.len(),
    });
    figure("journeys.latency_beside_hostile_scripts", ratios.median, "of the p99 without", None, detail);
    Ok(())
}

/// Runs one journey again and again; how often it came to its error.
fn hostile(address: SocketAddr, journey: &str, stop: &AtomicBool) -> Result<u32> {
    let mut connection = Connection::open(address)?;
    let mut ended = 0;
    while !stop.load(Ordering::Relaxed) {
        match connection.exchange(&start(address, journey))?.0 {
            401 => ended += 1,
            503 => std::thread::sleep(Duration::from_millis(20)),
            other => bail!("{journey} was answered {other}"),
        }
    }
    Ok(ended)
}

/// Seconds that all but a hundredth of the answers take.
fn percentile(address: SocketAddr) -> Result<f64> {
    let mut connection = Connection::open(address)?;
    let request = start(address, "Login");
    let mut times = Vec::with_capacity(SAMPLES);
    for _ in 0..SAMPLES {
        let begun = Instant::now();
        if connection.exchange(&request)?.0 != 200 {
            bail!("a login page was refused");
        }
        times.push(begun.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    times.get(SAMPLES * 99 / 100).copied().context("there are samples")
}

fn start(address: SocketAddr, journey: &str) -> Vec<u8> {
    format!(
        "POST /am/json/realms/root/realms/alpha/authenticate?service={journey} HTTP/1.1\r\nHost: {address}\r\n\
         Accept-API-Version: protocol=1.0,resource=2.1\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

fn await_journey(address: SocketAddr) -> Result<()> {
    let began = Instant::now();
    while Connection::open(address)?.exchange(&start(address, "Scripted"))?.0 != 200 {
        if began.elapsed() > PATIENCE {
            bail!("the imported journeys do not run");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Journeys that end without a session, so that a request is a whole one.
fn journeys() -> Value {
    let level = |_| ("ModifyAuthLevelNode", json!({"authLevelIncrement": 1}), "outcome");
    let mut twenty = journey("Twenty", (0..20).map(level).collect());
    twenty["scripts"] = json!({});
    let mut trees = json!({"Twenty": twenty});
    for (name, source) in [("Scripted", SCRIPT)].iter().chain(&HOSTILE) {
        let node = ("ScriptedDecisionNode", json!({"script": name, "outcomes": ["true"]}), "true");
        trees[name] = journey(name, vec![node]);
        trees[name]["scripts"] = json!({*name: {
            "_id": name, "name": name, "language": "JAVASCRIPT", "evaluatorVersion": "2.0",
            "context": "AUTHENTICATION_TREE_DECISION_NODE", "script": source,
        }});
    }
    json!({ "trees": trees })
}

fn journey(name: &str, nodes: Vec<(&str, Value, &str)>) -> Value {
    let id = |place: usize| format!("{name}-{place}");
    let (mut associations, mut configurations) = (Map::new(), Map::new());
    let last = nodes.len().saturating_sub(1);
    for (place, (node_type, mut config, outcome)) in nodes.into_iter().enumerate() {
        let next = if place == last { SUCCESS.to_owned() } else { id(place + 1) };
        let connections = json!({ outcome: next });
        let association = json!({"nodeType": node_type, "displayName": node_type, "connections": connections});
        associations.insert(id(place), association);
        config["_id"] = id(place).into();
        config["_type"] = json!({"_id": node_type, "name": node_type, "collection": true});
        configurations.insert(id(place), config);
    }
    let tree = json!({"_id": name, "entryNodeId": id(0), "noSession": true, "nodes": associations});
    json!({"tree": tree, "nodes": configurations, "innerNodes": {}, "emailTemplates": {}})
}
