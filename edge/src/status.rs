//! The edge's own routes that are not hot, by workers-rs.

use countersign_core::replica::State;
use worker::{Context, Env, Headers, Request, Response, Result, event};

use crate::{clock, state};

/// `GET /.countersign/status`: how current this isolate is, where the settings have `status`. All else below
/// `/.countersign/` is not there.
#[event(fetch)]
pub async fn fetch(request: Request, _env: Env, _context: Context) -> Result<Response> {
    let asked = request.path() == "/.countersign/status" && state::with(|edge| edge.settings.status) == Some(true);
    if !asked {
        return answer(404, "application/problem+json", &serde_json::json!({ "title": "Not Found", "status": 404 }));
    }
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
        Some(status) => answer(200, "application/json", &status),
        None => answer(503, "application/json", &serde_json::json!({ "state": "unconfigured" })),
    }
}

fn answer(status: u16, kind: &str, body: &serde_json::Value) -> Result<Response> {
    let headers = Headers::new();
    headers.set("content-type", kind)?;
    headers.set("cache-control", "no-store")?;
    Ok(Response::ok(body.to_string())?.with_status(status).with_headers(headers))
}
