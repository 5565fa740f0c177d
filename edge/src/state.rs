use std::cell::RefCell;

use countersign_core::gate::{Gate, SessionCache};
use countersign_core::keys::{Bundle, KeySet};
use countersign_core::replica::Replica;
use countersign_core::time::UnixMillis;
use countersign_core::token::Scratch;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::console_error;

use crate::settings::Settings;

/// All that an isolate remembers between requests.
pub(crate) struct Edge {
    pub(crate) settings: Settings,
    /// `Bearer …` for the denylist feed.
    pub(crate) feed_authorization: String,
    /// `iss` of the assertion.
    pub(crate) issuer: String,
    pub(crate) gate: Gate,
    pub(crate) feed_keys: KeySet,
    pub(crate) replica: Replica,
    pub(crate) scratch: Scratch,
    /// The last complaint of the refresh, so that an outage is logged once and not on every poll.
    pub(crate) complaint: Option<String>,
    /// When the last refresh failed.
    pub(crate) failed: Option<UnixMillis>,
}

thread_local! {
    static EDGE: RefCell<Option<Edge>> = const { RefCell::new(None) };
}

/// Runs `work` on the configured edge; `None` before [`configure`].
pub(crate) fn with<T>(work: impl FnOnce(&mut Edge) -> T) -> Option<T> {
    EDGE.with_borrow_mut(|edge| edge.as_mut().map(work))
}

/// Takes the bindings. Called by `entry.mjs` before the first decision of an isolate; empty when all is well, else one
/// line that names the mistake. The bundle comes without the assertion key: that one stays in WebCrypto.
#[wasm_bindgen]
pub fn configure(settings: &str, bundle: &str, feed_credential: &str, issuer: &str) -> String {
    match read(settings, bundle, feed_credential, issuer) {
        Ok(edge) => {
            EDGE.set(Some(edge));
            String::new()
        }
        Err(mistake) => {
            console_error!("countersign: {mistake}");
            mistake
        }
    }
}

fn read(settings: &str, bundle: &str, feed_credential: &str, issuer: &str) -> Result<Edge, String> {
    let settings = Settings::parse(settings)?;
    let keys = Bundle::parse(bundle).map_err(|error| format!("BUNDLE: {error}"))?;
    if keys.realm != settings.realm {
        return Err(format!("BUNDLE is for realm {:?}, SETTINGS for {:?}", keys.realm, settings.realm));
    }
    if feed_credential.is_empty() || !feed_credential.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("BUNDLE: no feed_credential".to_owned());
    }
    let cache = SessionCache::new(settings.cache_entries);
    Ok(Edge {
        gate: Gate::new(settings.policy()?, keys.session, keys.denylist, cache),
        settings,
        feed_authorization: format!("Bearer {feed_credential}"),
        issuer: issuer.to_owned(),
        feed_keys: keys.feed,
        replica: Replica::default(),
        scratch: Scratch::default(),
        complaint: None,
        failed: None,
    })
}
