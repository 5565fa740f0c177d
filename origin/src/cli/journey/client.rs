//! A client of the REST interface, for one walk.

use std::time::Duration;

use serde_json::Value;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::super::Failure;

const PATIENCE: Duration = Duration::from_secs(60);
const MAX_ANSWER: u64 = 4 * 1024 * 1024;

pub(super) struct Client {
    agent: ureq::Agent,
    /// Up to and with `/json`.
    base: String,
}

impl Client {
    pub(super) fn new(url: &str) -> Result<Self, Failure> {
        let url = url.trim_end_matches('/');
        let mut config =
            ureq::Agent::config_builder().max_redirects(0).http_status_as_error(false).timeout_global(Some(PATIENCE));
        if url.starts_with("https:") {
            config = config.tls_config(tls()?);
        }
        Ok(Self { agent: ureq::Agent::new_with_config(config.build()), base: format!("{url}/json") })
    }

    pub(super) fn get(&self, path: &str) -> Result<(u16, Value), Failure> {
        self.send("GET", path, &[], String::new())
    }

    pub(super) fn post(&self, path: &str, headers: &[(&str, &str)], body: String) -> Result<(u16, Value), Failure> {
        self.send("POST", path, headers, body)
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: String) -> Result<(u16, Value), Failure> {
        let url = format!("{}/{path}", self.base);
        let mut request = ureq::http::Request::builder().method(method).uri(&url);
        for (name, value) in headers.iter().chain(&[("content-type", "application/json")]) {
            request = request.header(*name, *value);
        }
        let cannot = |error: &dyn std::fmt::Display| Failure(format!("{url}: {error}"));
        let sent = match method {
            "GET" => self.agent.run(request.body(()).map_err(|error| cannot(&error))?),
            _ => self.agent.run(request.body(body).map_err(|error| cannot(&error))?),
        };
        let mut response = sent.map_err(|error| cannot(&error))?;
        let status = response.status().as_u16();
        let text = response.body_mut().with_config().limit(MAX_ANSWER).read_to_string();
        let text = text.map_err(|error| cannot(&error))?;
        let value = serde_json::from_str(&text).map_err(|_| cannot(&format!("{status}, and no JSON")))?;
        Ok((status, value))
    }
}

/// Who the machine trusts.
fn tls() -> Result<TlsConfig, Failure> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        return Err(Failure("this machine has no certificates of authorities, so no https".into()));
    }
    let roots: Vec<Certificate<'static>> =
        found.certs.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&roots))
        .unversioned_rustls_crypto_provider(rustls::crypto::ring::default_provider().into())
        .build())
}
