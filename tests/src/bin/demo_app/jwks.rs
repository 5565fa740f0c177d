//! The published keys, kept by key id.

use crate::assertion::AssertionError;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::VerifyingKey;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

/// A stream of made-up key ids must not become a stream of requests to the origin.
const REFETCH_EVERY: Duration = Duration::from_secs(10);
/// A key that is no longer published stops being accepted after this long, without any unknown key id to say so.
const MAX_AGE: Duration = Duration::from_secs(300);
const FETCH_TIMEOUT: Duration = Duration::from_secs(2);
const MAX_BYTES: u64 = 64 * 1024;
const MAX_KEYS: usize = 32;

type Keys = HashMap<String, VerifyingKey>;

pub(crate) struct JwksCache {
    url: String,
    agent: ureq::Agent,
    known: RwLock<Known>,
    /// Held while fetching, so that many requests with an unknown key id cause one fetch; holds when the last one began
    /// and, if it failed, why.
    fetching: tokio::sync::Mutex<Option<(Instant, Result<(), String>)>>,
}

#[derive(Default)]
struct Known {
    keys: Keys,
    fetched: Option<Instant>,
}

impl Known {
    fn is_fresh(&self) -> bool {
        self.fetched.is_some_and(|at| at.elapsed() < MAX_AGE)
    }
}

impl JwksCache {
    pub(crate) fn new(url: String) -> Self {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(FETCH_TIMEOUT))
            // Keys come from exactly the address the operator named: no redirect and no proxy of the environment.
            .max_redirects(0)
            .proxy(None)
            .build()
            .new_agent();
        Self { url, agent, known: RwLock::default(), fetching: tokio::sync::Mutex::default() }
    }

    pub(crate) async fn key(&self, kid: &str) -> Result<VerifyingKey, AssertionError> {
        if let (Some(key), true) = self.look_up(kid) {
            return Ok(key);
        }
        let refetched = self.refetch().await;
        // An origin that is down must not take the application with it: keys already known stay good meanwhile.
        match (self.look_up(kid).0, refetched) {
            (Some(key), _) => Ok(key),
            (None, Ok(())) => Err(AssertionError::UnknownKey),
            (None, Err(why)) => Err(AssertionError::KeysUnavailable(why)),
        }
    }

    fn look_up(&self, kid: &str) -> (Option<VerifyingKey>, bool) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        (known.keys.get(kid).copied(), known.is_fresh())
    }

    async fn refetch(&self) -> Result<(), String> {
        let mut last = self.fetching.lock().await;
        if let Some((at, result)) = last.as_ref()
            && at.elapsed() < REFETCH_EVERY
        {
            return result.clone();
        }
        let began = Instant::now();
        let (agent, url) = (self.agent.clone(), self.url.clone());
        let result = match tokio::task::spawn_blocking(move || fetch(&agent, &url)).await {
            Ok(Ok(keys)) => {
                let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
                *known = Known { keys, fetched: Some(began) };
                Ok(())
            }
            Ok(Err(why)) => Err(why),
            Err(why) => Err(why.to_string()),
        };
        *last = Some((began, result.clone()));
        result
    }
}

fn fetch(agent: &ureq::Agent, url: &str) -> Result<Keys, String> {
    let mut response = agent.get(url).call().map_err(|why| why.to_string())?;
    if response.status() != 200 {
        return Err(format!("status {}", response.status().as_u16()));
    }
    let body = response.body_mut().with_config().limit(MAX_BYTES).read_to_vec().map_err(|why| why.to_string())?;
    parse(&body)
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: String,
    x: String,
    kid: String,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
}

/// The Ed25519 signature keys of a JWK set (RFC 8037); keys of other kinds are passed over (RFC 7517 §5).
fn parse(body: &[u8]) -> Result<Keys, String> {
    let set: Jwks = serde_json::from_slice(body).map_err(|why| format!("not a JWK set: {why}"))?;
    if set.keys.len() > MAX_KEYS {
        return Err(format!("more than {MAX_KEYS} keys"));
    }
    Ok(set.keys.into_iter().filter_map(|key| usable(serde_json::from_value(key).ok()?)).collect())
}

fn usable(jwk: Jwk) -> Option<(String, VerifyingKey)> {
    let fits = jwk.kty == "OKP"
        && jwk.crv == "Ed25519"
        && jwk.alg.is_none_or(|alg| alg == "EdDSA")
        && jwk.usage.is_none_or(|usage| usage == "sig");
    let bytes = URL_SAFE_NO_PAD.decode(jwk.x).ok()?.try_into().ok()?;
    let key = VerifyingKey::from_bytes(&bytes).ok()?;
    (fits && !key.is_weak()).then_some((jwk.kid, key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::SigningKey;
    use serde_json::{Value, json};
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn jwk(kid: &str) -> Value {
        let key = SigningKey::from_bytes(&[7; 32]).verifying_key();
        json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "alg": "EdDSA", "use": "sig", "x": URL_SAFE_NO_PAD.encode(key)})
    }

    fn kids(set: &Value) -> Vec<String> {
        parse(set.to_string().as_bytes()).unwrap().into_keys().collect()
    }

    #[test]
    fn keys_of_other_kinds_are_passed_over() {
        let mut encryption = jwk("enc");
        encryption["use"] = json!("enc");
        let mut weak = jwk("weak");
        weak["x"] = json!(URL_SAFE_NO_PAD.encode([0; 32]));
        let rsa = json!({"kty": "RSA", "kid": "rsa", "n": "AQAB", "e": "AQAB"});
        assert_eq!(kids(&json!({"keys": [rsa, encryption, weak, jwk("good")]})), ["good"]);
        assert!(parse(b"[]").is_err());
        assert!(parse(json!({"keys": vec![jwk("k"); MAX_KEYS + 1]}).to_string().as_bytes()).is_err());
    }

    /// Answers every request with the same set of keys and counts the requests.
    fn serve(set: &Value) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
        let body = set.to_string();
        let count = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&count);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 4096]).unwrap();
                counter.fetch_add(1, Ordering::SeqCst);
                let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
                stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
            }
        });
        (url, count)
    }

    #[tokio::test]
    async fn unknown_key_ids_do_not_become_requests() {
        let (url, count) = serve(&json!({"keys": [jwk("k1")]}));
        let cache = JwksCache::new(url);
        assert!(cache.key("k1").await.is_ok());
        for kid in ["k2", "k3", "k4"] {
            assert_eq!(cache.key(kid).await.unwrap_err(), AssertionError::UnknownKey);
        }
        assert!(cache.key("k1").await.is_ok());
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn an_origin_that_does_not_answer_is_named_as_the_cause() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
        drop(listener);
        let cache = JwksCache::new(url);
        assert_eq!(cache.key("k1").await.unwrap_err().code(), "keys_unavailable");
    }
}
