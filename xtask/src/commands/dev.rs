use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::smoke;
use crate::cargo::{self, Profile};
use crate::stack::{
    Artifacts, COOKIE_NAME, DEMO_PASSWORD, DEMO_USER, DenylistProfile, Ports, REALM, Stack, StackOptions,
};
use crate::tools::ensure_wasm_target;
use crate::{npm, say};

#[derive(clap::Args)]
pub struct Args {
    /// The edge listens here, the origin and the demo application on the next two ports
    #[arg(long, default_value_t = 8787, conflicts_with = "smoke")]
    port: u16,
    /// How long a logout may take to reach the edge: 10 s, 2 s, 60 s
    #[arg(long, value_enum, default_value_t)]
    profile: DenylistProfile,
    /// State, configuration and logs [default: target/dev]
    #[arg(long, conflicts_with = "smoke")]
    dir: Option<PathBuf>,
    /// Forget the users, keys and sessions of earlier runs first
    #[arg(long, conflicts_with = "smoke")]
    reset: bool,
    /// Log in, pass the edge, log out and be refused, on free ports; prints one JSON object and ends
    #[arg(long)]
    smoke: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    if args.smoke {
        return smoke::run(args.profile);
    }
    let dir = match &args.dir {
        Some(dir) => crate::absolute(dir),
        None => cargo::target_dir()?.join("dev"),
    };
    if args.reset && dir.exists() {
        // A mistyped --dir must not cost somebody their files.
        let ours = dir.join("countersign.toml").exists() || dir.join("log").exists();
        if !ours && fs::read_dir(&dir).is_ok_and(|mut entries| entries.next().is_some()) {
            bail!("{} holds something else than the state of xtask dev; remove it yourself", dir.display());
        }
        fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    }
    let ports = Ports::From(args.port);
    ports.check()?;
    let artifacts = build()?;
    say("starting the origin, the demo application and the edge");
    let options = StackOptions {
        ports,
        profile: args.profile,
        reuse: true,
        hub_isolates: 1,
        ..StackOptions::new(&dir, artifacts)
    };
    let mut stack = Stack::start(options)?;

    // From here on a signal means an orderly stop; a second one does not wait for it.
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop)).context("cannot listen for signals")?;
        flag::register(signal, Arc::clone(&stop)).context("cannot listen for signals")?;
    }
    say("ready");
    println!("{}", welcome(&stack.edge_url(), args.profile));

    while !stop.load(Ordering::SeqCst) {
        if let Some(line) = stack.casualty() {
            // Ctrl-C reaches the children too, perhaps before us.
            std::thread::sleep(Duration::from_millis(200));
            if stop.load(Ordering::SeqCst) {
                break;
            }
            bail!(line);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    say("stopping");
    stack.stop()?;
    say("stopped");
    Ok(ExitCode::SUCCESS)
}

/// The npm packages come from the network while cargo compiles.
pub(super) fn build() -> Result<Artifacts> {
    // A missing tool is told before minutes of compiling.
    npm::node()?;
    ensure_wasm_target()?;
    say("building the origin, the demo application and the edge (the first time takes some minutes)");
    std::thread::scope(|scope| {
        let packages = scope.spawn(|| npm::ensure("edge"));
        let artifacts = Artifacts::build(Profile::Dev);
        // Its failure comes first: it is the cause of what the build then says.
        packages.join().map_err(|_| anyhow!("the installation of npm packages panicked"))??;
        artifacts
    })
}

fn welcome(url: &str, profile: DenylistProfile) -> String {
    let am = format!("{url}/am/json/realms/root/realms/{REALM}");
    format!(
        r#"
  open      {url}/
  user      {DEMO_USER}
  password  {DEMO_PASSWORD}

Try next
  1. Open {url}/ and log in: the edge lets you through to the demo application.
  2. Look at the page's Server-Timing header: the edge decided without a call to the origin.
  3. Copy the cookie, log out, and send the copy again: refused within {bound} s.

The same with curl
  TOKEN=$(curl -s -X POST -H 'Accept-API-Version: resource=2.0, protocol=1.0' \
    -H 'X-OpenAM-Username: {DEMO_USER}' -H 'X-OpenAM-Password: {DEMO_PASSWORD}' \
    {am}/authenticate | sed 's/.*"tokenId":"\([^"]*\)".*/\1/')
  curl -i -H "Cookie: {COOKIE_NAME}=$TOKEN" '{url}/?format=json'       # 200: what the application received
  curl -i -H "Cookie: {COOKIE_NAME}=$TOKEN" {url}/.countersign/check   # 204: the edge alone
  curl -s -X POST -H 'Accept-API-Version: resource=3.1, protocol=1.0' \
    -H "Cookie: {COOKIE_NAME}=$TOKEN" '{am}/sessions?_action=logout'
  curl -i -H "Cookie: {COOKIE_NAME}=$TOKEN" {url}/.countersign/check   # the same cookie: 401 within {bound} s
  curl -i -H "Cookie: {COOKIE_NAME}=$TOKEN" -H 'Accept: text/html' {url}/   # 302: a browser is led to the login

Ctrl-C stops everything."#,
        bound = profile.bound().as_secs(),
    )
}
