//! The product's promise, from the outside: log in, pass the edge without a call to the origin, log out, be refused.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::dev;
use crate::say;
use crate::stack::{COOKIE_NAME, DEMO_PASSWORD, DEMO_USER, DenylistProfile, REALM, Stack, StackOptions};

const POLL: Duration = Duration::from_millis(20);
/// After the published bound the run goes on for a while, to report by how much it was missed.
const GRACE: Duration = Duration::from_secs(5);
/// Longest body that is read.
const MAX_BODY: u64 = 1 << 20;

pub fn run(profile: DenylistProfile) -> Result<ExitCode> {
    let dir = crate::cargo::target_dir()?.join(format!("smoke-{}", std::process::id()));
    let mut steps = Vec::new();
    let end = walk(&dir, profile, &mut steps);
    let ok = end.is_ok() && steps.iter().all(|step| step["ok"] == true);
    let mut report = json!({
        "ok": ok,
        "profile": profile.name(),
        "t_bound_ms": millis(profile.bound()),
        "logout_to_refusal_ms": end.as_ref().ok().copied().map(millis),
        "steps": steps,
    });
    if let Err(error) = &end {
        report["error"] = Value::from(format!("{error:#}"));
    }
    println!("{report}");
    match end {
        Ok(refusal) => say(format_args!("every step held; logout to refusal: {} ms", millis(refusal))),
        Err(error) => {
            say(format_args!("failed: {error:#}"));
            if dir.exists() {
                say(format_args!("the logs are in {}", dir.join("log").display()));
            }
        }
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Starts a stack of its own, walks through it, and leaves its directory behind only when something failed.
fn walk(dir: &Path, profile: DenylistProfile, steps: &mut Vec<Value>) -> Result<Duration> {
    let artifacts = dev::build()?;
    let _ = fs::remove_dir_all(dir);
    say("starting the origin, the demo application and the edge");
    let stack = Stack::start(StackOptions { profile, ..StackOptions::new(dir, artifacts) })?;
    let mut smoke = Smoke { agent: agent(), base: stack.edge_url(), steps };
    let refusal = smoke.walk(profile.bound())?;
    drop(stack);
    let _ = fs::remove_dir_all(dir);
    Ok(refusal)
}

struct Smoke<'a> {
    agent: ureq::Agent,
    base: String,
    steps: &'a mut Vec<Value>,
}

struct Answer {
    status: u16,
    headers: ureq::http::HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Smoke<'_> {
    /// Gives the time from the acknowledged logout to the first refusal.
    fn walk(&mut self, bound: Duration) -> Result<Duration> {
        const PAGE: &[(&str, &str)] = &[("Accept", "text/html"), ("Sec-Fetch-Mode", "navigate")];
        let am = format!("/am/json/realms/root/realms/{REALM}");

        self.step("page without a cookie leads to the login", 302, "GET", "/", PAGE, |answer| {
            answer.header("location").contains("/am/UI/Login")
        })?;

        let login = [
            ("Accept-API-Version", "resource=2.0, protocol=1.0"),
            ("X-OpenAM-Username", DEMO_USER),
            ("X-OpenAM-Password", DEMO_PASSWORD),
        ];
        let path = format!("{am}/authenticate");
        let answer = self.step("login", 200, "POST", &path, &login, |answer| answer.body.contains("\"tokenId\""))?;
        let token: Value = serde_json::from_str(&answer.body).context("the login gave no JSON")?;
        let token = token["tokenId"].as_str().context("the login gave no tokenId")?;
        let cookie = format!("{COOKIE_NAME}={token}");

        let mut page = PAGE.to_vec();
        page.push(("Cookie", &cookie));
        self.step("page shows the user", 200, "GET", "/", &page, |answer| answer.body.contains(DEMO_USER))?;
        // Once more: the edge has its denylist now, so nothing but its own decision stands before the page.
        self.step("page without a call to the origin", 200, "GET", "/", &page, |answer| {
            answer.header("server-timing").contains("origin;desc=\"0 calls\"")
        })?;
        let check = [("Cookie", cookie.as_str())];
        self.step("check holds", 204, "GET", "/.countersign/check", &check, |_| true)?;

        let logout = [
            ("Accept-API-Version", "resource=3.1, protocol=1.0"),
            ("X-Requested-With", "XMLHttpRequest"),
            ("Cookie", cookie.as_str()),
        ];
        let path = format!("{am}/sessions?_action=logout");
        self.step("logout", 200, "POST", &path, &logout, |_| true)?;
        let refusal = self.wait_for_refusal(&check, bound)?;
        // A refusal that comes and goes is none.
        for _ in 0..5 {
            let answer = self.ask("GET", "/.countersign/check", &check)?;
            if answer.status != 401 {
                bail!("after the refusal the edge answered {} to the same cookie", answer.status);
            }
        }
        self.step("page with the ended session leads to the login", 302, "GET", "/", &page, |_| true)?;
        Ok(refusal)
    }

    fn wait_for_refusal(&mut self, check: &[(&str, &str)], bound: Duration) -> Result<Duration> {
        let acknowledged = Instant::now();
        loop {
            let answer = self.ask("GET", "/.countersign/check", check)?;
            let elapsed = acknowledged.elapsed();
            if answer.status == 401 || elapsed > bound + GRACE {
                let held = answer.status == 401 && elapsed <= bound;
                self.record("copied cookie is refused", answer.status, elapsed, held);
                if !held {
                    bail!("{} ms after the logout the edge answered {}", millis(elapsed), answer.status);
                }
                return Ok(elapsed);
            }
            std::thread::sleep(POLL);
        }
    }

    fn step(
        &mut self,
        name: &str,
        status: u16,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        holds: impl Fn(&Answer) -> bool,
    ) -> Result<Answer> {
        let start = Instant::now();
        let answer = self.ask(method, path, headers)?;
        let ok = answer.status == status && holds(&answer);
        self.record(name, answer.status, start.elapsed(), ok);
        if !ok {
            let body: String = answer.body.chars().take(200).collect();
            bail!("{name}: {method} {path} gave {} (wanted {status}): {body}", answer.status);
        }
        Ok(answer)
    }

    fn record(&mut self, name: &str, status: u16, took: Duration, ok: bool) {
        say(format_args!("{} {name} ({status}, {} ms)", if ok { "✓" } else { "✗" }, millis(took)));
        self.steps.push(json!({ "step": name, "status": status, "ms": millis(took), "ok": ok }));
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
        let url = format!("{}{path}", self.base);
        let mut request = ureq::http::Request::builder().method(method).uri(&url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let sent = match method {
            "GET" => self.agent.run(request.body(())?),
            _ => self.agent.run(request.header("Content-Type", "application/json").body("")?),
        };
        let mut response = sent.with_context(|| format!("{method} {path}"))?;
        let body = response.body_mut().with_config().limit(MAX_BODY).lossy_utf8(true).read_to_string();
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: body.with_context(|| format!("{method} {path}"))?,
        })
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .max_redirects(0)
        .http_status_as_error(false)
        .proxy(None)
        .timeout_global(Some(Duration::from_secs(30)))
        .build();
    ureq::Agent::new_with_config(config)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
