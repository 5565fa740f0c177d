//! The edge's own routes that are not hot, by workers-rs.

use countersign_core::replica::State;
use worker::{Context, Env, Headers, Request, Response, Result, event};

use crate::state::Source;
use crate::{clock, metrics, refuse, state};

/// `GET /.countersign/status` and `/.countersign/metrics`, where the settings have `status`: how current this isolate
/// is. All else below `/.countersign/` is not there.
#[event(fetch)]
pub async fn fetch(request: Request, _env: Env, _context: Context) -> Result<Response> {
    let told = state::with(|edge| edge.settings.status) == Some(true);
    if told && request.path() == "/.countersign/metrics" {
        let text = state::with(|edge| metrics::text(edge)).unwrap_or_default();
        return respond(200, "text/plain; version=0.0.4; charset=utf-8", text);
    }
    if !told || request.path() != "/.countersign/status" {
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
            "head_seq": replica.head(),
            "source": edge.source.map(|source| match source {
                Source::Hub => "hub",
                Source::Origin => "origin",
            }),
            "lease_remaining_ms": replica.lease_until().map_or(0, |until| until.since(now)),
            "denylist_entries": replica.list().len(),
            "memory_bytes": core::arch::wasm32::memory_size(0) * 65536,
            // From the origin's commit to this isolate; what the network took on the way is not in it.
            "visible": { "count": edge.visible.count, "last_ms": edge.visible.last_ms, "max_ms": edge.visible.max_ms },
            "refusals": refuse::refusals(),
            "cache": { "hits": edge.gate.cache().hits(), "misses": edge.gate.cache().misses() },
            "references": edge.gate.answers(),
            "keys_left_out": edge.left_out.iter().map(|(kid, error)| format!("{kid}: {error}")).collect::<Vec<_>>(),
            "last_refresh_error": edge.complaint,
        })
    });
    match status {
        Some(status) => answer(200, "application/json", &status),
        None => answer(503, "application/json", &serde_json::json!({ "state": "unconfigured" })),
    }
}

fn answer(status: u16, kind: &str, body: &serde_json::Value) -> Result<Response> {
    respond(status, kind, body.to_string())
}

fn respond(status: u16, kind: &str, body: String) -> Result<Response> {
    let headers = Headers::new();
    headers.set("content-type", kind)?;
    headers.set("cache-control", "no-store")?;
    Ok(Response::ok(body)?.with_status(status).with_headers(headers))
}
