//! Cloudflare's runtime on loopback, with the modules and the compatibility date of wrangler.toml.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::child::Managed;
use crate::wrangler::{Config, ModuleKind};
use crate::{capnp, npm};

/// The named entrypoint of the edge by which other processes reach its hub.
const DOOR: &str = "door";

const START_LIMIT: Duration = Duration::from_secs(20);

/// A worker of its own in the same process: benchmarks compare the edge with what else could stand there.
#[derive(Clone, Debug)]
pub struct Service {
    pub name: String,
    pub listen: SocketAddr,
    /// The main module first; each is known by its file's name.
    pub modules: Vec<(ModuleKind, PathBuf)>,
    pub json: BTreeMap<String, Value>,
    pub text: BTreeMap<String, String>,
}

/// What the edge's binding for its hub is.
#[derive(Clone, Debug, Default)]
pub enum Hub {
    /// There is none: it polls the origin.
    #[default]
    None,
    /// A Durable Object of this process, which keeps its storage over restarts. More isolates of the same edge, on
    /// sockets of their own, share it, and so do other processes that come to the door.
    Here { isolates: Vec<SocketAddr>, door: SocketAddr },
    /// Another process's door.
    At(SocketAddr),
}

#[derive(Clone, Debug)]
pub struct WorkerdOptions {
    /// Becomes the runtime's own: configuration and copies of the modules, so that a rebuild does not touch what runs.
    pub dir: PathBuf,
    /// The edge's modules.
    pub dist: PathBuf,
    pub listen: SocketAddr,
    /// The binding `SETTINGS`.
    pub settings: Value,
    /// The binding `BUNDLE`: keys, so the file that holds it is for the owner alone.
    pub bundle: String,
    pub hub: Hub,
    pub services: Vec<Service>,
    pub log: PathBuf,
}

pub struct Workerd {
    child: Managed,
    listen: SocketAddr,
}

impl Workerd {
    /// Returns when every socket answers.
    pub fn start(options: &WorkerdOptions) -> Result<Self> {
        let program = program(&npm::ensure("edge")?)?;
        let config = Config::load()?;
        let edge = Service {
            name: "edge".to_owned(),
            listen: options.listen,
            modules: config.all_modules()?.into_iter().map(|(name, kind)| (kind, options.dist.join(name))).collect(),
            json: BTreeMap::from([("SETTINGS".to_owned(), options.settings.clone())]),
            text: BTreeMap::from([("BUNDLE".to_owned(), options.bundle.clone())]),
        };
        let mut isolates = Vec::new();
        if let Hub::Here { isolates: sockets, .. } = &options.hub {
            for (number, &listen) in (2..).zip(sockets) {
                isolates.push(Service { name: format!("edge-{number}"), listen, ..edge.clone() });
            }
        }
        let services: Vec<&Service> = std::iter::once(&edge).chain(&isolates).chain(&options.services).collect();
        let mut workers = Vec::new();
        for service in &services {
            workers.push(lay_out(&options.dir, service, &config)?);
        }
        let mut sockets: Vec<SocketAddr> = services.iter().map(|service| service.listen).collect();
        match &options.hub {
            Hub::None => {}
            Hub::Here { door, .. } => {
                let storage = options.dir.join("edge-storage");
                fs::create_dir_all(&storage).with_context(|| format!("cannot create {}", storage.display()))?;
                for (number, worker) in workers.iter_mut().take(1 + isolates.len()).enumerate() {
                    let of = (number > 0).then(|| edge.name.clone());
                    worker.objects.extend(config.objects.iter().map(|(binding, class)| capnp::Object {
                        binding: binding.clone(),
                        class: class.clone(),
                        of: of.clone(),
                    }));
                    if number == 0 {
                        worker.entrypoints.push((DOOR, *door));
                        sockets.push(*door);
                    }
                }
            }
            Hub::At(door) => {
                let names = config.objects.iter().map(|(binding, _)| (format!("{binding}_DOOR"), *door));
                workers.iter_mut().take(1).for_each(|worker| worker.externals.extend(names.clone()));
            }
        }
        let file = options.dir.join("workerd.capnp");
        crate::write(&file, capnp::config(&workers))?;
        let mut command = Command::new(program);
        command.arg("serve").arg(&file).current_dir(&options.dir);
        let mut child = Managed::spawn("workerd", &mut command, &options.log)?;
        child.wait_until(START_LIMIT, || sockets.iter().all(|socket| TcpStream::connect(socket).is_ok()))?;
        Ok(Self { child, listen: options.listen })
    }

    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    pub fn child(&mut self) -> &mut Managed {
        &mut self.child
    }
}

/// The native program inside the npm package: its JavaScript wrapper would be a second process to start and to end.
pub fn program(modules: &Path) -> Result<PathBuf> {
    let os = std::env::consts::OS.replace("macos", "darwin");
    let arch = if std::env::consts::ARCH == "x86_64" { "64" } else { "arm64" };
    let path = modules.join(format!("@cloudflare/workerd-{os}-{arch}/bin/workerd"));
    if !path.is_file() {
        bail!("npm installed no workerd for {os}/{arch}; run: rm -r edge/node_modules, then the command again");
    }
    Ok(path)
}

/// Puts a worker's files into a directory of its own, and names them relative to the configuration.
fn lay_out<'a>(dir: &Path, service: &'a Service, config: &'a Config) -> Result<capnp::Worker<'a>> {
    let own = dir.join(&service.name);
    let _ = fs::remove_dir_all(&own);
    fs::create_dir_all(&own).with_context(|| format!("cannot create {}", own.display()))?;
    let mut modules = Vec::new();
    for (kind, source) in &service.modules {
        let name = source.file_name().and_then(|name| name.to_str()).context("a module is no file")?;
        fs::copy(source, own.join(name)).with_context(|| format!("cannot copy {}", source.display()))?;
        modules.push((name.to_owned(), kind.field(), format!("{}/{name}", service.name)));
    }
    let json = service.json.iter().map(|(name, value)| (name, "json", value.to_string()));
    let text = service.text.iter().map(|(name, value)| (name, "text", value.clone()));
    let mut bindings = Vec::new();
    for (name, field, body) in json.chain(text) {
        let file = format!("binding-{name}");
        write_private(&own.join(&file), body.as_bytes())?;
        bindings.push((name.clone(), field, format!("{}/{file}", service.name)));
    }
    Ok(capnp::Worker {
        name: &service.name,
        listen: service.listen,
        compatibility_date: &config.compatibility_date,
        compatibility_flags: &config.compatibility_flags,
        modules,
        bindings,
        objects: Vec::new(),
        externals: Vec::new(),
        entrypoints: Vec::new(),
    })
}

fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.with_context(|| format!("cannot create {}", path.display()))?;
    file.write_all(bytes).with_context(|| format!("cannot write {}", path.display()))
}
