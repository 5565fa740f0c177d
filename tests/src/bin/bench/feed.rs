//! What stands behind the edge here: a denylist feed with nothing on it, and an application that answers two words.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::Query;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use countersign_core::denylist::{Chain, Epoch};
use countersign_core::encoding::decode_array;
use countersign_core::keys::{KeysDigest, MintingKeys};
use countersign_core::replica::{Heartbeat, Nonce};
use countersign_core::time::UnixMillis;
use countersign_core::token::mint::mint;
use countersign_core::token::{Envelope, Kind};

use crate::tokens;

/// The edges here never need other keys than they begin with.
pub(crate) const KEYS: KeysDigest = KeysDigest([0; 16]);

pub(crate) struct Feed {
    pub(crate) addr: SocketAddr,
}

impl Feed {
    /// Serves on a thread of its own until the process ends.
    pub(crate) fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port for the feed")?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let app = Router::new().route("/countersign/v1/denylist/heartbeat", get(answer)).fallback(application);
        std::thread::spawn(move || {
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                axum::serve(listener, app).await
            })
        });
        Ok(Self { addr })
    }
}

#[derive(serde::Deserialize)]
struct Poll {
    nonce: String,
}

async fn answer(Query(poll): Query<Poll>) -> Result<String, StatusCode> {
    let nonce = decode_array(poll.nonce.as_bytes()).map_err(|_| StatusCode::BAD_REQUEST)?;
    heartbeat(Nonce(nonce), now()).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

/// The authority's word that the log is empty. Polls come at the default pace; the lease is long, because a loop holds
/// up the answer to a poll, and its lapse is not what is measured.
pub(crate) fn heartbeat(nonce: Nonce, time: UnixMillis) -> Result<String> {
    let epoch = Epoch([7; 16]);
    let chain = Chain::genesis(epoch);
    let heartbeat = Heartbeat {
        epoch,
        head: 0,
        chain,
        floor: 0,
        floor_chain: chain,
        nonce,
        time,
        lease_ms: 600_000,
        poll_ms: 2000,
        keys: KEYS,
        snapshot: None,
    };
    let keys = MintingKeys::new(Envelope::Sign, Some(tokens::feed_key()?), None)?;
    Ok(mint(&heartbeat, Kind::Heartbeat, &keys, &mut |_: &mut [u8]| {})?)
}

pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or_default())
}

/// Tells who the edge says is asking, so that a check can see that requests arrive with an identity.
async fn application(headers: HeaderMap) -> String {
    let user = headers.get("remote-user").and_then(|user| user.to_str().ok()).unwrap_or("nobody");
    let proof = if headers.contains_key("x-countersign-assertion") { "signed" } else { "unsigned" };
    format!("{user} {proof}")
}
