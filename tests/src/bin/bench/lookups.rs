//! Nanoseconds of a lookup in the denylist, in the worker's own module inside workerd.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use xtask::edge_build::{self, BuildOptions};
use xtask::ports::Port;
use xtask::say;
use xtask::workerd::{Service, Workerd, WorkerdOptions};
use xtask::workspace_root;
use xtask::wrangler::{Config, ModuleKind};

use crate::load::Connection;
use crate::report::{Goal, Quartiles, figure};
use crate::tokens;
use crate::verification::Stopwatch;
use countersign_core::keys::SigningAlg;

/// Of 8,192 lookups.
const PIECES: u32 = 256;
const REPEATS: usize = 11;

pub(crate) fn run() -> Result<()> {
    say("lookups in the worker");
    let build = edge_build::build(&BuildOptions::variant(&["measure"])?)?;
    let dir = tempfile::tempdir()?;
    let [edge, port] = [Port::free()?, Port::free()?];
    let mut modules = vec![(ModuleKind::EsModule, workspace_root().join("tests/bench/lookups.mjs"))];
    modules.extend(Config::load()?.modules.into_iter().map(|(name, kind)| (kind, build.dist.join(name))));
    let lookups = Service {
        name: "lookups".to_owned(),
        listen: port.addr(),
        modules,
        json: BTreeMap::new(),
        text: BTreeMap::new(),
    };
    let nobody = format!("http://{}", edge.addr());
    let workerd = Workerd::start(&WorkerdOptions {
        dir: dir.path().join("workerd"),
        dist: build.dist.clone(),
        listen: edge.addr(),
        settings: tokens::settings(&nobody, &nobody, 0),
        bundle: tokens::bundle_binding(SigningAlg::EdDsa)?,
        hub: Default::default(),
        services: vec![lookups],
        log: dir.path().join("workerd.log"),
    })?;
    let mut worker = Worker { addr: port.addr(), connection: Connection::open(port.addr())?, process: workerd.pid() };
    for (name, entries, slots) in [("100k", 100_000, 8), ("1m", 1_000_000, 8), ("1m_day", 1_000_000, 96)] {
        let listed = worker.ask(&format!("/fill?entries={entries}&slots={slots}"))?;
        let listed = listed["entries"].as_u64().context("no count")?;
        ensure!(listed >= entries, "the list has {listed} entries");
        for of in ["listed", "unlisted"] {
            let mut samples = Vec::new();
            for repeat in 0..=REPEATS {
                let with = worker.seconds(of, slots, true)?;
                let without = worker.seconds(of, slots, false)?;
                if repeat > 0 {
                    samples.push((with - without) * 1e9 / f64::from(PIECES * 8192));
                }
            }
            let quartiles = Quartiles::of(samples);
            let detail = json!({ "entries": listed, "slots": slots, "quartiles": quartiles.to_json() });
            let name = format!("worker.denylist.{name}.lookup.{of}");
            figure(&name, quartiles.median, "ns", Some(Goal::AtMost(100.0)), detail);
        }
    }
    Ok(())
}

struct Worker {
    addr: SocketAddr,
    connection: Connection,
    process: u32,
}

impl Worker {
    fn ask(&mut self, target: &str) -> Result<Value> {
        let request = format!("GET {target} HTTP/1.1\r\nHost: {}\r\n\r\n", self.addr);
        let (status, body) = self.connection.exchange(request.as_bytes())?;
        ensure!(status == 200, "the worker answers {status}");
        serde_json::from_slice(body).context("the worker gave no JSON")
    }

    /// CPU time of the lookups, or of all but them.
    fn seconds(&mut self, of: &str, slots: u32, look: bool) -> Result<f64> {
        let look_too = if look { "&look" } else { "" };
        let watch = Stopwatch::start(self.process);
        let answer = self.ask(&format!("/lookups?of={of}&slots={slots}&pieces={PIECES}{look_too}"))?;
        let seconds = watch.seconds();
        let expected = if look && of == "unlisted" { Some(0) } else { answer["lookups"].as_u64() };
        ensure!(answer["found"].as_u64() == expected, "the set is not what was put in: {answer}");
        Ok(seconds)
    }
}
