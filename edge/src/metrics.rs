//! `GET /.countersign/metrics`: what the status has, for Prometheus (exposition format 0.0.4). It is of the isolate
//! that answers; there may be many, and a scraper does not choose.

use std::fmt::Write as _;

use countersign_core::replica::State;

use crate::state::Edge;
use crate::{clock, refuse};

pub(crate) fn text(edge: &Edge) -> String {
    let (now, replica) = (clock::now(), &edge.replica);
    let lease = replica.lease_until().map_or(0, |until| until.since(now));
    let mut out = String::with_capacity(2048);
    #[allow(clippy::cast_precision_loss, reason = "for people, and below 2^53")]
    for (name, kind, help, value) in [
        ("countersign_edge_lease_seconds", "gauge", "What is left of the lease.", lease as f64 / 1000.0),
        (
            "countersign_edge_applied",
            "gauge",
            "Position of the log up to which entries were applied.",
            replica.applied() as f64,
        ),
        (
            "countersign_edge_head",
            "gauge",
            "Position of the log's last entry, as far as is known.",
            replica.head() as f64,
        ),
        ("countersign_edge_entries", "gauge", "Entries in force.", replica.list().len() as f64),
        (
            "countersign_edge_memory_bytes",
            "gauge",
            "Memory of the module.",
            core::arch::wasm32::memory_size(0) as f64 * 65536.0,
        ),
        (
            "countersign_edge_visible_total",
            "counter",
            "Refreshes that brought entries whose way here was measured.",
            edge.visible.count as f64,
        ),
        (
            "countersign_edge_visible_last_seconds",
            "gauge",
            "From the origin's commit to here, the last one.",
            edge.visible.last_ms as f64 / 1000.0,
        ),
        (
            "countersign_edge_visible_max_seconds",
            "gauge",
            "From the origin's commit to here, the longest.",
            edge.visible.max_ms as f64 / 1000.0,
        ),
        (
            "countersign_edge_cache_hits_total",
            "counter",
            "Tokens that had been verified before.",
            edge.gate.cache().hits() as f64,
        ),
        ("countersign_edge_cache_misses_total", "counter", "Tokens that had not.", edge.gate.cache().misses() as f64),
    ] {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
    }
    let name = "countersign_edge_state";
    let _ = writeln!(out, "# HELP {name} The state of the copy of the denylist.\n# TYPE {name} gauge");
    let here = replica.state(now);
    for (state, word) in
        [(State::Cold, "cold"), (State::Fresh, "fresh"), (State::Stale, "stale"), (State::Fenced, "fenced")]
    {
        let _ = writeln!(out, "{name}{{state=\"{word}\"}} {}", u8::from(here == state));
    }
    let name = "countersign_edge_refusals_total";
    let _ = writeln!(out, "# HELP {name} Requests refused.\n# TYPE {name} counter");
    for (reason, count) in refuse::refusals() {
        let _ = writeln!(out, "{name}{{reason=\"{reason}\"}} {count}");
    }
    out
}
