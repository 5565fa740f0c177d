//! A small application as it stands behind the Countersign edge. It has no login of its own: it shows who the edge says
//! is there, checks the signed assertion the way every application should, and answers in the ways that a proxy in
//! between can get wrong (streams, echoes, WebSockets).

mod assertion;
mod jwks;
mod page;
mod transport;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{any, get, post};
use clap::Parser;
use std::net::SocketAddr;
use std::sync::Arc;

#[derive(Parser)]
#[command(name = "demo-app", about = "An application to put behind the Countersign edge")]
struct Args {
    /// Address to listen on; port 0 takes a free one, and the address is printed.
    #[arg(long)]
    listen: SocketAddr,
    /// Where the keys that assertions are signed with are published.
    #[arg(long)]
    jwks_url: String,
    /// The `aud` of the assertions made for this application.
    #[arg(long)]
    audience: String,
}

struct App {
    audience: String,
    keys: jwks::JwksCache,
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let args = Args::parse();
    let listener = tokio::net::TcpListener::bind(args.listen).await?;
    println!("demo-app listening on http://{}", listener.local_addr()?);
    axum::serve(listener, router(args.jwks_url, args.audience)).await
}

fn router(jwks_url: String, audience: String) -> Router {
    let app = Arc::new(App { audience, keys: jwks::JwksCache::new(jwks_url) });
    Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/public/", get(page::public))
        .route("/public/demo.css", get(|| async { asset("text/css; charset=utf-8", include_str!("assets/demo.css")) }))
        .route("/public/demo.js", get(|| async { asset("text/javascript", include_str!("assets/demo.js")) }))
        .route("/public/mark.svg", get(|| async { asset("image/svg+xml", include_str!("assets/mark.svg")) }))
        .route("/echo", post(transport::echo))
        .route("/stream", get(transport::stream))
        .route("/ws", any(transport::websocket))
        .fallback(get(page::show))
        .layer(middleware::from_fn(security_headers))
        .with_state(app)
}

fn asset(content_type: &'static str, body: &'static str) -> ([(header::HeaderName, &'static str); 2], &'static str) {
    ([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "public, max-age=60")], body)
}

async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let set = |name, value| (name, HeaderValue::from_static(value));
    headers.extend([
        set(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; form-action 'self'; \
             frame-ancestors 'none'; base-uri 'none'",
        ),
        set(header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Not `no-referrer`: under that, browsers send `Origin: null` with the log-out form.
        set(header::REFERRER_POLICY, "same-origin"),
    ]);
    // What names a person must not be kept by anything in between.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
