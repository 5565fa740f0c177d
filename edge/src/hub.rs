//! The hub's part of the relay, for `hub.mjs`: what it knows of the denylist's head, and what is left of its lease.

use countersign_core::denylist::Epoch;
use countersign_core::encoding::{decode_array, encode};
use countersign_core::keys::KeysDigest;
use countersign_core::replica::{Known, Nonce, Relay};
use countersign_core::time::UnixMillis;
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::clock;

/// Lives in the memory of one Durable Object.
#[wasm_bindgen]
#[derive(Default)]
pub struct HubRelay(Relay);

#[wasm_bindgen]
impl HubRelay {
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a poll; gives the query to send with it. `held` asks for it to be held where something is known already.
    pub fn poll(&mut self, held: bool) -> Result<String, JsError> {
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce)?;
        self.0.poll(Nonce(nonce), clock::now());
        let mut query = format!("snapshot=1&nonce={}", encode(&nonce));
        if let (true, Some(known), Some(wait)) = (held, self.0.knows(), self.0.pace()) {
            let (epoch, keys) = (encode(&known.epoch.0), encode(&known.keys.0));
            query.push_str(&format!("&wait={wait}&epoch={epoch}&head={}&keys={keys}", known.head));
        }
        Ok(query)
    }

    /// Takes the answer.
    pub fn heartbeat(&mut self, bytes: &[u8]) -> Result<(), JsError> {
        Ok(self.0.heartbeat(bytes, clock::now())?)
    }

    /// How much of the lease was left when a question arrived, in milliseconds; nothing when it is over.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a time")]
    pub fn left(&mut self, arrived: f64) -> Option<f64> {
        self.0.answer(UnixMillis(arrived as u64), clock::now()).map(|(_, left)| left as f64)
    }

    /// The heartbeat that goes with it.
    pub fn bytes(&mut self) -> Option<Vec<u8>> {
        let now = clock::now();
        self.0.answer(now, now).map(|(bytes, _)| bytes.to_vec())
    }

    /// Whether an asker that knows this should hear of it. One whose words are none is told at once.
    pub fn has_news(&self, epoch: &str, head: &str, keys: &str) -> bool {
        let known = || {
            let epoch = Epoch(decode_array(epoch.as_bytes()).ok()?);
            Some(Known { epoch, head: head.parse().ok()?, keys: KeysDigest(decode_array(keys.as_bytes()).ok()?) })
        };
        known().is_none_or(|known| self.0.has_news(&known))
    }

    /// The snapshot that goes with it, by its hash: the one worth keeping. Empty when there is none.
    pub fn snapshot(&self) -> String {
        self.0.snapshot().map(|named| encode(&named.digest.0)).unwrap_or_default()
    }

    /// How long the next poll is held for, in milliseconds.
    #[allow(clippy::cast_precision_loss, reason = "some seconds")]
    pub fn pace(&self) -> f64 {
        self.0.pace().unwrap_or_default() as f64
    }

    /// Where the log ends.
    #[allow(clippy::cast_precision_loss, reason = "below 2^53")]
    pub fn head(&self) -> Option<f64> {
        self.0.knows().map(|known| known.head as f64)
    }

    /// The log's epoch, for what is kept of it.
    pub fn epoch(&self) -> String {
        self.0.floor().map(|(epoch, _)| encode(&epoch.0)).unwrap_or_default()
    }

    /// Segments that end here or earlier have expired.
    #[allow(clippy::cast_precision_loss, reason = "below 2^53")]
    pub fn floor(&self) -> f64 {
        self.0.floor().map_or(0.0, |(_, floor)| floor as f64)
    }
}
