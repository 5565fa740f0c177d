//! The whole product on loopback: origin, demo application, and the edge in front of both. For `xtask dev`, the smoke
//! run, the benchmarks and the tests.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::{Value, json};

use crate::cargo::{self, Profile};
use crate::child::Managed;
use crate::edge_build::{self, BuildOptions};
use crate::ports::Port;
use crate::workerd::{Hub, Service, Workerd, WorkerdOptions};

pub const REALM: &str = "alpha";
pub const COOKIE_NAME: &str = "iPlanetDirectoryPro";
pub const DEMO_USER: &str = "demo";
pub const DEMO_PASSWORD: &str = "Ch4ng3!t-soon";

const READY_LIMIT: Duration = Duration::from_secs(30);
const DRAIN_LIMIT: Duration = Duration::from_secs(30);

/// The origin's `denylist.profile`: how long an acknowledged logout may take to reach every edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum DenylistProfile {
    #[default]
    Default,
    Strict,
    Relaxed,
}

impl DenylistProfile {
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Strict => "strict",
            Self::Relaxed => "relaxed",
        }
    }

    /// The published bound T.
    pub fn bound(self) -> Duration {
        match self {
            Self::Default => Duration::from_secs(10),
            Self::Strict => Duration::from_secs(2),
            Self::Relaxed => Duration::from_secs(60),
        }
    }
}

/// The programs that make a stack.
#[derive(Clone, Debug)]
pub struct Artifacts {
    pub origin: PathBuf,
    pub demo_app: PathBuf,
    pub edge_dist: PathBuf,
}

impl Artifacts {
    pub const ORIGIN_ENV: &str = "COUNTERSIGN_ORIGIN_BIN";
    pub const DEMO_APP_ENV: &str = "COUNTERSIGN_DEMO_APP_BIN";
    pub const EDGE_ENV: &str = "COUNTERSIGN_EDGE_DIST";

    pub fn build(profile: Profile) -> Result<Self> {
        let bins = [("countersign-origin", "countersign"), ("countersign-tests", "demo-app")];
        let [origin, demo_app] = <[PathBuf; 2]>::try_from(cargo::build_bins(&bins, profile)?)
            .map_err(|_| anyhow!("cargo built other programs than asked for"))?;
        let edge_dist = edge_build::build(&BuildOptions::default())?.dist;
        Ok(Self { origin, demo_app, edge_dist })
    }

    /// What `xtask test` has built and names in the environment; a build when it is a bare `cargo test`.
    pub fn from_env_or_build() -> Result<Self> {
        let var = |name: &str| std::env::var_os(name).map(PathBuf::from);
        match (var(Self::ORIGIN_ENV), var(Self::DEMO_APP_ENV), var(Self::EDGE_ENV)) {
            (Some(origin), Some(demo_app), Some(edge_dist)) => Ok(Self { origin, demo_app, edge_dist }),
            _ => Self::build(Profile::Dev),
        }
    }

    /// For a child process that calls [`Artifacts::from_env_or_build`].
    pub fn env(&self) -> [(&'static str, &Path); 3] {
        [(Self::ORIGIN_ENV, &self.origin), (Self::DEMO_APP_ENV, &self.demo_app), (Self::EDGE_ENV, &self.edge_dist)]
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Ports {
    Free,
    /// The edge on this port, the origin and the demo application on the next two.
    From(u16),
}

impl Ports {
    /// Tells of a taken port before anything slow begins.
    pub fn check(self) -> Result<()> {
        self.claim().map(drop)
    }

    fn claim(self) -> Result<[Port; 3]> {
        let port = |offset: u16, what: &str| match self {
            Self::Free => Port::free(),
            Self::From(first) => {
                let number = first.checked_add(offset).context("--port is too high")?;
                Port::fixed(number, what, "--port N (it takes N, N+1 and N+2)")
            }
        };
        Ok([port(0, "edge")?, port(1, "origin")?, port(2, "demo application")?])
    }
}

#[derive(Clone, Debug)]
pub struct StackOptions {
    /// State, configuration and logs. Created when absent.
    pub dir: PathBuf,
    pub artifacts: Artifacts,
    pub ports: Ports,
    pub profile: DenylistProfile,
    /// Go on with the state that `dir` holds; otherwise such state is an error.
    pub reuse: bool,
    /// Merged over the edge's `SETTINGS`, member by member.
    pub settings: Value,
    /// More environment for every `countersign` command, such as `COUNTERSIGN__…` overrides.
    pub origin_env: Vec<(String, String)>,
    /// More workers in the edge's workerd.
    pub services: Vec<Service>,
    /// Whether there is a hub, and then how many isolates of the edge share it; none is for edges that poll themselves.
    pub hub_isolates: usize,
}

impl StackOptions {
    pub fn new(dir: impl Into<PathBuf>, artifacts: Artifacts) -> Self {
        Self {
            dir: dir.into(),
            artifacts,
            ports: Ports::Free,
            profile: DenylistProfile::Default,
            reuse: false,
            settings: json!({}),
            origin_env: Vec::new(),
            services: Vec::new(),
            hub_isolates: 0,
        }
    }
}

/// Everything ends when this is dropped, and also when the process that holds it ends without dropping it.
pub struct Stack {
    options: StackOptions,
    edge_port: Port,
    origin_port: Port,
    app_port: Port,
    second_port: Option<Port>,
    extra_ports: Vec<Port>,
    /// The door of the hub, and the sockets of the isolates beside the first.
    hub_ports: Vec<Port>,
    workerd: Option<Workerd>,
    extra_edges: Vec<Workerd>,
    app: Option<Managed>,
    origin: Option<Managed>,
    second: Option<Managed>,
}

impl Stack {
    /// Returns when every part answers.
    pub fn start(mut options: StackOptions) -> Result<Self> {
        options.dir = crate::absolute(&options.dir);
        let [edge_port, origin_port, app_port] = options.ports.claim()?;
        let logs = options.dir.join("log");
        fs::create_dir_all(&logs).with_context(|| format!("cannot create {}", logs.display()))?;
        let hub_ports = (0..options.hub_isolates).map(|_| Port::free()).collect::<Result<_>>()?;
        let mut stack = Self {
            options,
            edge_port,
            origin_port,
            app_port,
            second_port: None,
            extra_ports: Vec::new(),
            hub_ports,
            workerd: None,
            extra_edges: Vec::new(),
            app: None,
            origin: None,
            second: None,
        };
        let kept = stack.options.reuse && stack.config().exists();
        let mut app = stack.spawn_app()?;
        stack.prepare().and_then(|()| stack.start_origin()).map_err(|error| match kept {
            true => anyhow!("{error:#} (were the state of an earlier run the cause: cargo xtask dev --reset)"),
            false => error,
        })?;
        let probe = format!("{}/healthz", stack.app_url());
        app.wait_until(READY_LIMIT, || answers(&probe))?;
        stack.app = Some(app);
        stack.start_workerd()?;
        Ok(stack)
    }

    /// The state of a first run: a configuration with keys and a database, and one user.
    fn prepare(&self) -> Result<()> {
        let dir = &self.options.dir;
        let config = self.config();
        if config.exists() && !self.options.reuse {
            bail!("{} holds the state of an earlier run", dir.display());
        }
        if !config.exists() {
            let public_url = self.edge_url();
            let listen = self.origin_port.addr().to_string();
            let mut init = Command::new(&self.options.artifacts.origin);
            init.args(["init", "--realm", REALM, "--public-url", &public_url, "--listen", &listen, "--dir"]).arg(dir);
            init.envs(self.options.origin_env.iter().map(|(name, value)| (name, value)));
            run(&mut init, "", "countersign init")?;
        }
        // Written last, so that a first run that was cut short adds the user on the next one.
        let done = dir.join("demo-user.json");
        let user = json!({ "username": DEMO_USER, "password": DEMO_PASSWORD }).to_string();
        match std::fs::read_to_string(&done) {
            Ok(known) if known == user => return Ok(()),
            // It was another one in the version that made it.
            Ok(_) => {
                let mut passwd = self.countersign();
                passwd.args(["user", "passwd", "--realm", REALM, "--username", DEMO_USER, "--password-stdin"]);
                run(&mut passwd, &format!("{DEMO_PASSWORD}\n"), "countersign user passwd")?;
            }
            Err(_) => self.add_user(DEMO_USER, DEMO_PASSWORD, &["mail=demo@example.com", "cn=Demo User"])?,
        }
        crate::write(&done, user)?;
        Ok(())
    }

    pub fn dir(&self) -> &Path {
        &self.options.dir
    }

    /// The origin's configuration file.
    pub fn config(&self) -> PathBuf {
        self.options.dir.join("countersign.toml")
    }

    /// What a browser uses.
    pub fn edge_url(&self) -> String {
        format!("http://localhost:{}", self.edge_port.number())
    }

    /// The origin itself, past the edge.
    pub fn origin_url(&self) -> String {
        format!("http://{}", self.origin_port.addr())
    }

    /// The second origin, once it was started.
    pub fn second_origin_url(&self) -> Option<String> {
        self.second_port.as_ref().map(|port| format!("http://{}", port.addr()))
    }

    pub fn app_url(&self) -> String {
        format!("http://{}", self.app_port.addr())
    }

    /// A `countersign` command on this stack's state, with its environment.
    pub fn countersign(&self) -> Command {
        let mut command = Command::new(&self.options.artifacts.origin);
        command.arg("--config").arg(self.config());
        command.env("COUNTERSIGN__SERVER__LISTEN", self.origin_port.addr().to_string());
        command.env("COUNTERSIGN__SERVER__PUBLIC_URL", self.edge_url());
        command.env("COUNTERSIGN__DENYLIST__PROFILE", self.options.profile.name());
        command.envs(self.options.origin_env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// `attrs` as `name=value`.
    pub fn add_user(&self, username: &str, password: &str, attrs: &[&str]) -> Result<()> {
        let mut add = self.countersign();
        add.args(["user", "add", "--realm", REALM, "--username", username, "--password-stdin"]);
        for attr in attrs {
            add.args(["--attr", attr]);
        }
        run(&mut add, &format!("{password}\n"), "countersign user add").map(drop)
    }

    /// The edge's binding `BUNDLE`.
    pub fn bundle(&self) -> Result<String> {
        run(self.countersign().args(["edge", "bundle"]), "", "countersign edge bundle")
    }

    /// The edge's binding `SETTINGS`.
    pub fn settings(&self) -> Value {
        let mut settings = json!({
            "origin": self.origin_url(),
            "upstream": self.app_url(),
            "realm": format!("/{REALM}"),
            "cookie_name": COOKIE_NAME,
            "login_url": format!("/am/UI/Login?realm=/{REALM}"),
            "public_url": self.edge_url(),
            "server_timing": true,
            "routes": [
                { "path": "/public/*", "access": "public" },
                { "path": "/healthz", "access": "public" },
                { "path": "/admin/*", "access": "session", "min_auth_level": 10 },
            ],
        });
        merge(&mut settings, &self.options.settings);
        settings
    }

    fn spawn_app(&self) -> Result<Managed> {
        let mut command = Command::new(&self.options.artifacts.demo_app);
        command.args(["--listen", &self.app_port.addr().to_string(), "--audience", &self.app_url()]);
        let jwks_url = format!("{}/am/realms/root/realms/{REALM}/.well-known/jwks.json", self.origin_url());
        command.args(["--jwks-url", &jwks_url]);
        Managed::spawn("the demo application", &mut command, &self.log("demo-app"))
    }

    pub fn start_origin(&mut self) -> Result<()> {
        if self.origin.is_none() {
            self.origin = Some(self.spawn_origin(self.origin_port.addr(), "the origin", "origin")?);
        }
        Ok(())
    }

    /// SIGKILL: what a crash or a lost machine leaves.
    pub fn kill_origin(&mut self) {
        drop(self.origin.take());
    }

    /// SIGTERM: drains. Gives how it ended.
    pub fn terminate_origin(&mut self) -> Result<ExitStatus> {
        self.origin.take().context("the origin is not running")?.terminate(DRAIN_LIMIT)
    }

    /// Another origin on the same database; gives its URL.
    pub fn start_second_origin(&mut self) -> Result<String> {
        if self.second_port.is_none() {
            self.second_port = Some(Port::free()?);
        }
        let addr = self.second_port.as_ref().context("no port")?.addr();
        if self.second.is_none() {
            self.second = Some(self.spawn_origin(addr, "the second origin", "second-origin")?);
        }
        Ok(format!("http://{addr}"))
    }

    fn spawn_origin(&self, addr: SocketAddr, name: &str, log: &str) -> Result<Managed> {
        let mut command = self.countersign();
        command.arg("serve").env("COUNTERSIGN__SERVER__LISTEN", addr.to_string());
        let mut origin = Managed::spawn(name, &mut command, &self.log(log))?;
        let probe = format!("http://{addr}/health/ready");
        origin.wait_until(READY_LIMIT, || answers(&probe))?;
        Ok(origin)
    }

    pub fn start_workerd(&mut self) -> Result<()> {
        let bundle = self.bundle()?;
        self.start_workerd_with(bundle)
    }

    /// With a bundle that [`Stack::bundle`] gave at another time.
    pub fn start_workerd_with(&mut self, bundle: String) -> Result<()> {
        if self.workerd.is_none() {
            let options = WorkerdOptions {
                dir: self.options.dir.join("workerd"),
                dist: self.options.artifacts.edge_dist.clone(),
                listen: self.edge_port.addr(),
                settings: self.settings(),
                bundle,
                hub: match self.hub_ports.split_first() {
                    Some((door, isolates)) => {
                        Hub::Here { isolates: isolates.iter().map(Port::addr).collect(), door: door.addr() }
                    }
                    None => Hub::None,
                },
                services: self.options.services.clone(),
                log: self.log("workerd"),
            };
            self.workerd = Some(Workerd::start(&options)?);
        }
        Ok(())
    }

    /// Takes the edge's memory with it: its denylist, its lease, its caches.
    pub fn stop_workerd(&mut self) {
        drop(self.workerd.take());
    }

    /// The isolates that share the hub beside the first, which is at [`Stack::edge_url`].
    pub fn isolate_urls(&self) -> Vec<String> {
        self.hub_ports.iter().skip(1).map(|port| format!("http://localhost:{}", port.number())).collect()
    }

    /// Where other processes ask the hub, for the bearer of the feed credential.
    pub fn hub_door(&self) -> Option<SocketAddr> {
        self.hub_ports.first().map(Port::addr)
    }

    /// One more edge, in a process of its own, that asks this stack's hub. Gives its URL.
    pub fn start_edge_at_the_door(&mut self, settings: &Value) -> Result<String> {
        let door = self.hub_door().context("this stack has no hub")?;
        self.start_edge_at(door, settings)
    }

    /// The same at another door.
    pub fn start_edge_at(&mut self, door: SocketAddr, settings: &Value) -> Result<String> {
        self.start_another(None, settings, Hub::At(door))
    }

    /// One more edge with settings of its own (merged over the stack's) and, when `dist` is given, another build, such
    /// as [`BuildOptions::variant`]. Gives its URL. Lives as long as the stack.
    pub fn start_extra_edge(&mut self, dist: Option<&Path>, settings: &Value) -> Result<String> {
        self.start_another(dist, settings, Hub::None)
    }

    fn start_another(&mut self, dist: Option<&Path>, settings: &Value, hub: Hub) -> Result<String> {
        let port = Port::free()?;
        let name = format!("workerd-{}", self.extra_edges.len() + 2);
        let mut merged = self.settings();
        merge(&mut merged, settings);
        let options = WorkerdOptions {
            dir: self.options.dir.join(&name),
            dist: dist.unwrap_or(&self.options.artifacts.edge_dist).to_path_buf(),
            listen: port.addr(),
            settings: merged,
            bundle: self.bundle()?,
            hub,
            services: Vec::new(),
            log: self.log(&name),
        };
        self.extra_edges.push(Workerd::start(&options)?);
        let url = format!("http://localhost:{}", port.number());
        self.extra_ports.push(port);
        Ok(url)
    }

    pub fn origin(&mut self) -> Option<&mut Managed> {
        self.origin.as_mut()
    }

    pub fn second_origin(&mut self) -> Option<&mut Managed> {
        self.second.as_mut()
    }

    pub fn app(&mut self) -> Option<&mut Managed> {
        self.app.as_mut()
    }

    pub fn workerd(&mut self) -> Option<&mut Workerd> {
        self.workerd.as_mut()
    }

    /// One line about a part that ended without being told to.
    pub fn casualty(&mut self) -> Option<String> {
        let edges = self.workerd.iter_mut().chain(&mut self.extra_edges).map(Workerd::child);
        let mut all = self.origin.iter_mut().chain(&mut self.second).chain(&mut self.app).chain(edges);
        all.find_map(Managed::ended)
    }

    /// The edge first, then the origin with its drain, then the application: nobody talks to a closed door.
    pub fn stop(mut self) -> Result<()> {
        self.extra_edges.clear();
        self.stop_workerd();
        for origin in [self.second.take(), self.origin.take()].into_iter().flatten() {
            origin.terminate(DRAIN_LIMIT)?;
        }
        Ok(())
    }

    fn log(&self, name: &str) -> PathBuf {
        self.options.dir.join("log").join(format!("{name}.log"))
    }
}

/// Is there a 200 at this address?
fn answers(url: &str) -> bool {
    let config = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(1))).proxy(None).build();
    ureq::Agent::new_with_config(config).get(url).call().is_ok_and(|response| response.status() == 200)
}

fn merge(into: &mut Value, patch: &Value) {
    if let (Value::Object(into), Value::Object(patch)) = (into, patch) {
        into.extend(patch.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
}

/// A command that does one thing and ends; gives what it printed.
fn run(command: &mut Command, input: &str, name: &str) -> Result<String> {
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.with_context(|| format!("cannot run {name}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends without reading says why on stderr.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().with_context(|| format!("cannot wait for {name}"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("{name} failed ({}): {}", output.status, stderr.trim().lines().last().unwrap_or("it gave no reason"));
    }
    String::from_utf8(output.stdout).with_context(|| format!("{name} printed no UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_merged_by_member() {
        let mut settings = json!({ "a": 1, "b": { "c": 2 } });
        merge(&mut settings, &json!({ "b": [], "d": null }));
        assert_eq!(settings, json!({ "a": 1, "b": [], "d": null }));
    }

    #[test]
    fn a_failed_command_tells_its_reason() {
        let error = run(Command::new("sh").args(["-c", "echo no such realm >&2; exit 1"]), "", "it").unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with("it failed") && error.ends_with("no such realm"), "{error}");
        assert_eq!(run(&mut Command::new("cat"), "in\n", "cat").unwrap(), "in\n");
    }
}
