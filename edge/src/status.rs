//! The routes that are not hot, by workers-rs.

use countersign_core::replica::State;
use worker::{Context, Env, Request, Response, Result, event};

use crate::{clock, state};

/// `GET /.countersign/status`: how current this isolate is. Only where the settings have `status`.
#[event(fetch)]
pub async fn fetch(_request: Request, _env: Env, _context: Context) -> Result<Response> {
    let status = state::with(|edge| {
        let now = clock::now();
        let replica = &edge.replica;
        serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "realm": edge.settings.realm,
            "state": match replica.state(now) {
                State::Cold => "cold",
                State::Fresh => "fresh",
                State::Stale => "stale",
                State::Fenced => "fenced",
            },
            "applied_seq": replica.applied(),
            "lease_remaining_ms": replica.lease_until().map_or(0, |until| until.since(now)),
            "denylist_entries": replica.list().len(),
            "cache": { "hits": edge.gate.cache().hits(), "misses": edge.gate.cache().misses() },
            "last_refresh_error": edge.complaint,
        })
    });
    match status {
        Some(status) => Ok(Response::from_json(&status)?.with_headers({
            let headers = worker::Headers::new();
            headers.set("content-type", "application/json")?;
            headers.set("cache-control", "no-store")?;
            headers
        })),
        None => Response::error("not configured", 503),
    }
}
