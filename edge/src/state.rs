use std::cell::RefCell;

use countersign_core::encoding::encode;
use countersign_core::gate::{Gate, SessionCache, percent_encode};
use countersign_core::keys::{Bundle, Delivery, DeliveryKey, KeyError, KeySet, Kid, Verifiers};
use countersign_core::replica::Replica;
use countersign_core::time::UnixMillis;
use countersign_core::token::Scratch;
use js_sys::Function;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::{console_error, console_log, console_warn};

use crate::settings::Settings;

/// Where the last refresh came from.
#[derive(Clone, Copy)]
pub(crate) enum Source {
    Hub,
    Origin,
}

/// How long it took from the origin's commit to this isolate, in milliseconds: once for each refresh that brought
/// entries.
#[derive(Default)]
pub(crate) struct Visible {
    pub(crate) count: u64,
    pub(crate) last_ms: u64,
    pub(crate) max_ms: u64,
}

impl Visible {
    pub(crate) fn note(&mut self, millis: u64) {
        self.count += 1;
        self.last_ms = millis;
        self.max_ms = self.max_ms.max(millis);
    }
}

/// All that an isolate remembers between requests.
pub(crate) struct Edge {
    pub(crate) settings: Settings,
    /// `Bearer …` for the denylist feed.
    pub(crate) feed_authorization: String,
    /// `iss` of the assertion.
    pub(crate) issuer: String,
    pub(crate) gate: Gate,
    pub(crate) feed_keys: KeySet,
    /// The keys of sessions that this build cannot use, each with the reason.
    pub(crate) left_out: Vec<(Kid, KeyError)>,
    /// What later key sets are sealed under, and the path that gives them; `None` with a bundle that has no delivery
    /// key.
    delivery: Option<(KeySet, String)>,
    host: Function,
    pub(crate) replica: Replica,
    pub(crate) scratch: Scratch,
    /// The last complaint of the refresh, so that an outage is logged once and not on every poll.
    pub(crate) complaint: Option<String>,
    /// When the last refresh failed.
    pub(crate) failed: Option<UnixMillis>,
    /// When the hub last failed.
    pub(crate) hub_failed: Option<UnixMillis>,
    pub(crate) source: Option<Source>,
    pub(crate) visible: Visible,
}

thread_local! {
    static EDGE: RefCell<Option<Edge>> = const { RefCell::new(None) };
}

/// Runs `work` on the configured edge; `None` before [`configure`].
pub(crate) fn with<T>(work: impl FnOnce(&mut Edge) -> T) -> Option<T> {
    EDGE.with_borrow_mut(|edge| edge.as_mut().map(work))
}

/// Takes the bindings. Called by `entry.mjs` before the first decision of an isolate; empty when all is well, else one
/// line that names the mistake. The bundle comes without the assertion key: that one stays in WebCrypto. So does the
/// next one: `host` gets what came for it with a delivery, sealed as it is, and beside it the delivery's digest and
/// credential.
#[wasm_bindgen]
pub fn configure(
    settings: &str,
    bundle: &str,
    feed_credential: &str,
    issuer: &str,
    delivery: &str,
    host: Function,
) -> String {
    match read(settings, bundle, feed_credential, issuer, delivery, host) {
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

impl Edge {
    /// Where the key set in force is fetched.
    pub(crate) fn keys_path(&self) -> Result<String, String> {
        match &self.delivery {
            Some((_, path)) => Ok(path.clone()),
            None => Err("the keys changed, and BUNDLE has no delivery key; make a new bundle".to_owned()),
        }
    }

    /// Takes a key set that was fetched, and gives the host its part. Denylist and lease stay; what was verified with
    /// the old keys is forgotten.
    pub(crate) fn take_keys(
        &mut self,
        bytes: &[u8],
        nonce: &str,
        for_host: Option<&str>,
        now: UnixMillis,
    ) -> Result<(), String> {
        let (open_with, _) = self.delivery.as_ref().ok_or("BUNDLE has no delivery key")?;
        let (digest, keys, credential) =
            Delivery::open(bytes, open_with, &self.settings.realm, nonce, Verifiers::Host, &mut self.scratch)
                .map_err(|error| error.to_string())?;
        self.gate.replace_keys(keys.session);
        self.gate.replace_denylist_key(keys.denylist);
        self.feed_keys = keys.feed;
        self.left_out = keys.left_out;
        complain_of(&self.left_out);
        if let Some(credential) = credential {
            self.feed_authorization = format!("Bearer {credential}");
        }
        let (named, authorization) = (encode(&digest.0), self.feed_authorization.as_str());
        let told = self.host.call3(&JsValue::NULL, &for_host.into(), &named.into(), &authorization.into());
        told.map_err(|_| "the host did not take its part of the keys".to_owned())?;
        console_log!("countersign: took a new key set");
        self.replica.keys(digest, now).map_err(|error| error.to_string())
    }
}

/// Once for each key set: its sessions are answered with 503, and nobody else would say why.
fn complain_of(left_out: &[(Kid, KeyError)]) {
    for (kid, error) in left_out {
        console_warn!(
            "countersign: the key {kid} is left out, and its sessions are told to try later: {error}; build the edge with \
             --features all-formats, or give the realm another format"
        );
    }
}

fn read(
    settings: &str,
    bundle: &str,
    feed_credential: &str,
    issuer: &str,
    delivery: &str,
    host: Function,
) -> Result<Edge, String> {
    let settings = Settings::parse(settings)?;
    let keys = Bundle::parse(bundle, Verifiers::Host).map_err(|error| format!("BUNDLE: {error}"))?;
    if keys.realm != settings.realm {
        return Err(format!("BUNDLE is for realm {:?}, SETTINGS for {:?}", keys.realm, settings.realm));
    }
    if !Delivery::is_credential(feed_credential) {
        return Err("BUNDLE: no feed_credential".to_owned());
    }
    let delivery: Option<DeliveryKey> =
        serde_json::from_str(delivery).map_err(|error| format!("BUNDLE: delivery: {error}"))?;
    let replica = Replica::new(delivery.as_ref().map(|delivery| delivery.keys));
    let delivery = match delivery {
        Some(delivery) => {
            let realm = percent_encode(&settings.realm);
            let path = format!("/countersign/v1/edge-keys?bundle={}&realm={realm}", delivery.id);
            Some((delivery.key_set().map_err(|error| format!("BUNDLE: {error}"))?, path))
        }
        None => None,
    };
    let cache = SessionCache::new(settings.cache_entries);
    complain_of(&keys.left_out);
    Ok(Edge {
        gate: Gate::new(settings.policy()?, keys.session, keys.denylist, cache),
        settings,
        feed_authorization: format!("Bearer {feed_credential}"),
        issuer: issuer.to_owned(),
        feed_keys: keys.feed,
        left_out: keys.left_out,
        delivery,
        host,
        replica,
        scratch: Scratch::default(),
        complaint: None,
        failed: None,
        hub_failed: None,
        source: None,
        visible: Visible::default(),
    })
}
