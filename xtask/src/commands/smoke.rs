//! The product's promise, as a browser meets it: log in, pass the edge without a call to the origin, log out, be
//! refused.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::dev;
use super::form::Form;
use crate::say;
use crate::stack::{COOKIE_NAME, DEMO_PASSWORD, DEMO_USER, DenylistProfile, Stack, StackOptions};

const POLL: Duration = Duration::from_millis(20);
/// After the published bound the run goes on for a while, to report by how much it was missed.
const GRACE: Duration = Duration::from_secs(5);
/// How long the refusal is looked at after it came.
const AFTERWARDS: Duration = Duration::from_secs(1);
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

/// What a browser sends: a form when there is a body, a navigation or a script's request otherwise.
#[derive(Clone, Copy)]
struct Ask<'a> {
    path: &'a str,
    accept: &'a str,
    cookie: Option<&'a str>,
    form: Option<&'a str>,
}

impl<'a> Ask<'a> {
    fn page(path: &'a str) -> Self {
        Self { path, accept: "text/html", cookie: None, form: None }
    }

    fn json(path: &'a str) -> Self {
        Self { accept: "application/json", ..Self::page(path) }
    }

    fn with(self, cookie: &'a str) -> Self {
        Self { cookie: Some(cookie), ..self }
    }

    fn posting(self, form: &'a str) -> Self {
        Self { form: Some(form), ..self }
    }
}

struct Answer {
    status: u16,
    headers: ureq::http::HeaderMap,
    body: String,
    base: String,
    came: Instant,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Value and attributes of the session cookie that is set.
    fn session(&self) -> Option<(&str, &str)> {
        let mut lines = self.headers.get_all("set-cookie").iter().filter_map(|line| line.to_str().ok());
        let set = lines.find_map(|line| line.strip_prefix(COOKIE_NAME)?.strip_prefix('='))?;
        Some(set.split_once(';').unwrap_or((set, "")))
    }

    /// Where a redirect leads to, on this site.
    fn leads_to(&self) -> Option<&str> {
        let to = self.header("location");
        let path = to.strip_prefix(&self.base).unwrap_or(to);
        (path.starts_with('/') && !path.starts_with("//")).then_some(path)
    }

    fn leads_to_login(&self) -> bool {
        self.leads_to().is_some_and(|to| to.split('?').next() == Some(LOGIN))
    }
}

const WANTED: &str = "/wanted?x=1";
const WANTED_JSON: &str = "/wanted?x=1&format=json";
const CHECK: &str = "/.countersign/check";
const LOGIN: &str = "/am/UI/Login";
const LOGOUT: &str = "/am/UI/Logout";

impl Smoke<'_> {
    /// Gives the time from the acknowledged logout to the first refusal.
    fn walk(&mut self, bound: Duration) -> Result<Duration> {
        let cookie = self.log_in()?;

        let wanted = Ask::json(WANTED_JSON).with(&cookie);
        self.step("application knows the user, and gets no cookie", 200, wanted, |answer| {
            let seen = serde_json::from_str::<Value>(&answer.body).unwrap_or_default();
            let cookie = seen["headers"].as_object().is_none_or(|headers| headers.contains_key("cookie"));
            seen["user"] == DEMO_USER && seen["assertion"]["verified"] == true && seen["path"] == "/wanted" && !cookie
        })?;
        // The edge has its denylist by now, so nothing but its own decision stands before the page.
        let page = self.step("page without a call to the origin", 200, Ask::page(WANTED).with(&cookie), |answer| {
            answer.header("server-timing").contains("origin;desc=\"0 calls\"")
        })?;
        self.step("check holds", 204, Ask::json(CHECK).with(&cookie), |_| true)?;

        let form = Form::first(&page.body)?;
        if !form.action.starts_with(LOGOUT) {
            bail!("the page's form leads to {}", form.action);
        }
        let logout = Ask::page(&form.action).with(&cookie);
        let answer =
            self.step("logout by the page's form clears the cookie", 303, logout.posting(&form.body()), |answer| {
                answer.session().is_some_and(|(value, attributes)| value.is_empty() && attributes.contains("Max-Age=0"))
            })?;

        let refusal = self.wait_for_refusal(&cookie, answer.came, bound)?;
        self.stays_refused(&cookie)?;
        self.step("application is out of its reach", 401, wanted, |_| true)?;
        self.step("page with the ended session leads to the login", 302, Ask::page(WANTED).with(&cookie), |answer| {
            answer.leads_to_login()
        })?;
        Ok(refusal)
    }

    /// From the wanted page to the login and back; gives the cookie.
    fn log_in(&mut self) -> Result<String> {
        let answer = self.step("page without a cookie leads to the login", 302, Ask::page(WANTED), |answer| {
            answer.leads_to_login() && answer.header("location").contains("goto=")
        })?;
        let login = answer.leads_to().context("the page leads nowhere")?;
        let answer = self.step("login page shows a form", 200, Ask::page(login), |answer| {
            Form::first(&answer.body).is_ok_and(|form| {
                form.action.starts_with(LOGIN) && ["authId", "goto"].iter().all(|name| form.has(name))
            })
        })?;
        let mut form = Form::first(&answer.body)?;
        form.fill("IDToken1", DEMO_USER)?;
        form.fill("IDToken2", DEMO_PASSWORD)?;
        let login = Ask::page(&form.action);
        let answer = self.step("login leads back and sets the cookie", 303, login.posting(&form.body()), |answer| {
            let set = answer
                .session()
                .is_some_and(|(value, attributes)| !value.is_empty() && attributes.contains("HttpOnly"));
            set && answer.leads_to() == Some(WANTED)
        })?;
        let (value, _) = answer.session().context("the login set no cookie")?;
        Ok(format!("{COOKIE_NAME}={value}"))
    }

    fn wait_for_refusal(&mut self, cookie: &str, acknowledged: Instant, bound: Duration) -> Result<Duration> {
        loop {
            let answer = self.ask(Ask::json(CHECK).with(cookie))?;
            let elapsed = answer.came - acknowledged;
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

    /// A refusal that comes and goes is none.
    fn stays_refused(&mut self, cookie: &str) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < AFTERWARDS {
            let answer = self.ask(Ask::json(CHECK).with(cookie))?;
            if answer.status != 401 {
                self.record("copied cookie stays refused", answer.status, start.elapsed(), false);
                bail!("after the refusal the edge answered {} to the same cookie", answer.status);
            }
            std::thread::sleep(POLL);
        }
        self.record("copied cookie stays refused", 401, start.elapsed(), true);
        Ok(())
    }

    fn step(&mut self, name: &str, status: u16, ask: Ask<'_>, holds: impl Fn(&Answer) -> bool) -> Result<Answer> {
        let start = Instant::now();
        let answer = self.ask(ask)?;
        let ok = answer.status == status && holds(&answer);
        self.record(name, answer.status, answer.came - start, ok);
        if !ok {
            let location = answer.header("location");
            let body: String = answer.body.chars().take(200).collect();
            bail!("{name}: {} gave {} (wanted {status}) {location} {body}", ask.path, answer.status);
        }
        Ok(answer)
    }

    fn record(&mut self, name: &str, status: u16, took: Duration, ok: bool) {
        say(format_args!("{} {name} ({status}, {} ms)", if ok { "✓" } else { "✗" }, millis(took)));
        self.steps.push(json!({ "step": name, "status": status, "ms": millis(took), "ok": ok }));
    }

    fn ask(&self, ask: Ask<'_>) -> Result<Answer> {
        let mut request =
            ureq::http::Request::builder().uri(format!("{}{}", self.base, ask.path)).header("Accept", ask.accept);
        let mode = if ask.accept == "text/html" { "navigate" } else { "cors" };
        request = request.header("Sec-Fetch-Mode", mode).header("Sec-Fetch-Site", "same-origin");
        if let Some(cookie) = ask.cookie {
            request = request.header("Cookie", cookie);
        }
        let sent = match ask.form {
            None => self.agent.run(request.method("GET").body(())?),
            Some(body) => {
                let request = request.method("POST").header("Origin", &self.base);
                self.agent.run(request.header("Content-Type", "application/x-www-form-urlencoded").body(body)?)
            }
        };
        let mut response = sent.with_context(|| ask.path.to_owned())?;
        let body = response.body_mut().with_config().limit(MAX_BODY).lossy_utf8(true).read_to_string();
        let body = body.with_context(|| ask.path.to_owned())?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer { status, headers, body, base: self.base.clone(), came: Instant::now() })
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
