//! What the tests share: an HTTP client that keeps nothing and follows nothing, and the whole product in a temporary
//! directory.

use std::time::{Duration, Instant};

use serde_json::Value;
use xtask::stack::{Artifacts, COOKIE_NAME, DEMO_PASSWORD, DEMO_USER, DenylistProfile, REALM, Stack, StackOptions};

/// An answer, read whole (at most 16 MiB).
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    /// The first header of the name; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }
}

/// Sends one request; redirects are answers, and so is every status.
pub fn send(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    try_send(method, url, headers, body).unwrap_or_else(|error| panic!("{method} {url}: {error}"))
}

pub fn try_send(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Result<Answer, String> {
    let agent = ureq::Agent::new_with_config(
        ureq::Agent::config_builder()
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(30)))
            .allow_non_standard_methods(true)
            .proxy(None)
            .build(),
    );
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body.to_owned()).map_err(|error| error.to_string())?;
    let response = if body.is_empty() {
        let (parts, _) = request.into_parts();
        agent.run(ureq::http::Request::from_parts(parts, ()))
    } else {
        agent.run(request)
    };
    let mut response = response.map_err(|error| error.to_string())?;
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(16 << 20).read_to_string().map_err(|error| error.to_string())?;
    Ok(Answer { status, headers, body })
}

/// Asks again until `holds`, for at most `limit`; gives the time it took. For what another process does in its own
/// time.
pub fn eventually(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
    start.elapsed()
}

/// The whole product, in a directory that goes when this does.
pub struct World {
    pub stack: Stack,
    _dir: tempfile::TempDir,
}

impl World {
    pub fn new(profile: DenylistProfile) -> Self {
        Self::with(profile, |_| {})
    }

    pub fn with(profile: DenylistProfile, adjust: impl FnOnce(&mut StackOptions)) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let artifacts = Artifacts::from_env_or_build().expect("the programs build");
        let mut options = StackOptions { profile, ..StackOptions::new(dir.path().join("stack"), artifacts) };
        adjust(&mut options);
        Self { stack: Stack::start(options).expect("the product starts"), _dir: dir }
    }

    /// The URL of a path at the edge.
    pub fn edge(&self, path: &str) -> String {
        format!("{}{path}", self.stack.edge_url())
    }

    /// Logs the demo user in by REST, through the edge; gives the session's token.
    pub fn log_in(&self) -> String {
        log_in(&self.stack.edge_url())
    }

    /// A page of the application, as JSON, with this token.
    pub fn page(&self, token: &str) -> Answer {
        let cookie = cookie(token);
        send("GET", &self.edge("/?format=json"), &[("accept", "application/json"), ("cookie", &cookie)], "")
    }

    pub fn check(&self, token: &str) -> u16 {
        check(&self.stack.edge_url(), token)
    }

    pub fn log_out(&self, token: &str) -> Answer {
        log_out(&self.stack.edge_url(), token)
    }
}

pub fn cookie(token: &str) -> String {
    format!("{COOKIE_NAME}={token}")
}

pub fn json_path(operation: &str) -> String {
    format!("/am/json/realms/root/realms/{REALM}/{operation}")
}

pub fn log_in(base: &str) -> String {
    let answer = send(
        "POST",
        &format!("{base}{}", json_path("authenticate")),
        &[
            ("accept-api-version", "resource=2.0, protocol=1.0"),
            ("content-type", "application/json"),
            ("x-openam-username", DEMO_USER),
            ("x-openam-password", DEMO_PASSWORD),
        ],
        "{}",
    );
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["tokenId"].as_str().expect("a tokenId").to_owned()
}

pub fn log_out(base: &str, token: &str) -> Answer {
    let headers = [("accept-api-version", "resource=3.1"), ("cookie", &cookie(token))];
    send("POST", &format!("{base}{}", json_path("sessions?_action=logout")), &headers, "")
}

pub fn check(base: &str, token: &str) -> u16 {
    send("GET", &format!("{base}/.countersign/check"), &[("cookie", &cookie(token))], "").status
}
