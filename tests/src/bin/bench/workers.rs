//! All workers of the comparison, in one workerd: what one moment of the machine does to one, it does to all.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use countersign_core::keys::SigningAlg;
use serde_json::Value;
use xtask::ports::Port;
use xtask::workerd::{Service, Workerd, WorkerdOptions};
use xtask::wrangler::{Config, ModuleKind};
use xtask::{npm, say, workspace_root};

use crate::feed::Feed;
use crate::load::Connection;
use crate::tokens::{self, Format, Mint};

/// The workers for one signature algorithm.
pub(crate) struct Family {
    pub(crate) alg: SigningAlg,
    /// The deployed worker with its default cache.
    pub(crate) edge: SocketAddr,
    pub(crate) jose: SocketAddr,
    /// The deployed modules in a loop, with a cache of one place: another token each time is never a hit.
    pub(crate) repeat: SocketAddr,
}

/// For each pair of algorithms: a loop like [`Family::repeat`], and `jose` beside it.
pub(crate) struct Pair {
    pub(crate) format: Format,
    pub(crate) repeat: SocketAddr,
    pub(crate) jose: SocketAddr,
}

pub(crate) struct Workers {
    pub(crate) empty: SocketAddr,
    pub(crate) forward: SocketAddr,
    pub(crate) families: [Family; 2],
    pub(crate) pairs: Vec<Pair>,
    workerd: Workerd,
    _ports: Vec<Port>,
}

/// The default of the edge's settings.
pub(crate) const CACHE: usize = 1024;

impl Workers {
    pub(crate) fn start(dir: &Path, dist: &Path, feed: &Feed) -> Result<Self> {
        npm::ensure("tests")?;
        let mut site = Site { dist, behind: format!("http://{}", feed.addr), ports: Vec::new(), services: Vec::new() };
        let jose = bundle(dir)?;
        let source = |name: &str| vec![(ModuleKind::EsModule, workspace_root().join("tests/bench").join(name))];
        let empty = site.add("empty", source("empty.mjs"), BTreeMap::new(), BTreeMap::new())?;
        let upstream = BTreeMap::from([("UPSTREAM".to_owned(), site.behind.clone())]);
        let forward = site.add("forward", source("forward.mjs"), BTreeMap::new(), upstream)?;
        let mut families = Vec::new();
        for alg in [SigningAlg::Hs256, SigningAlg::EdDsa] {
            let name = alg.name().to_lowercase();
            families.push(Family {
                alg,
                edge: site.edge(&format!("edge-{name}"), None, alg, CACHE)?,
                jose: site.jose(&format!("jose-{name}"), &jose, alg)?,
                repeat: site.edge(&format!("loop-{name}"), Some("loop.mjs"), alg, 1)?,
            });
        }
        let Ok(families) = <[Family; 2]>::try_from(families) else { bail!("two algorithms make two families") };
        let mut pairs = Vec::new();
        for format in Format::all().into_iter().filter(|format| format.is_in_every_edge()) {
            let name = format.name();
            pairs.push(Pair {
                format,
                repeat: site.edge(&format!("pair-{name}"), Some("loop.mjs"), format, 1)?,
                jose: site.jose(&format!("jose-pair-{name}"), &jose, format)?,
            });
        }
        // The helper wants an edge of its own; one of ours would do, but it is not worth a second way to start one.
        let port = Port::free()?;
        let options = WorkerdOptions {
            dir: dir.join("workerd"),
            dist: dist.to_path_buf(),
            listen: port.addr(),
            settings: tokens::settings(&site.behind, &format!("http://{}", port.addr()), 0),
            bundle: tokens::bundle_binding(SigningAlg::EdDsa)?,
            hub: Default::default(),
            services: site.services,
            log: dir.join("workerd.log"),
        };
        site.ports.push(port);
        std::fs::create_dir_all(&options.dir).with_context(|| format!("cannot create {}", options.dir.display()))?;
        let workerd = Workerd::start(&options)?;
        let workers = Self { empty, forward, families, pairs, workerd, _ports: site.ports };
        workers.check()?;
        Ok(workers)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.workerd.pid()
    }

    /// One line about the runtime, when it ended by itself.
    pub(crate) fn casualty(&mut self) -> Option<String> {
        self.workerd.child().ended()
    }

    /// Nothing is measured that does not work: good sessions pass, altered ones do not, and identities arrive.
    fn check(&self) -> Result<()> {
        let status =
            |addr, cookie: &str| -> Result<u16> { Ok(Connection::open(addr)?.exchange(&get(addr, CHECK, cookie))?.0) };
        ensure!(status(self.empty, "")? == 204, "the empty worker does not answer");
        for family in &self.families {
            let mut mint = Mint::new(family.alg)?;
            let claims = mint.claims_for(COOKIE)?;
            let good = tokens::cookie(&mint.token(&claims)?);
            let mut expired = claims.clone();
            expired.exp = expired.iat;
            let expired = tokens::cookie(&mint.token(&expired)?);
            for (name, addr) in [("edge", family.edge), ("jose", family.jose), ("loop", family.repeat)] {
                let name = format!("{name} ({})", family.alg.name());
                ensure!(status(addr, &good)? == 204, "{name} does not take a good session");
                ensure!(status(addr, &altered(&good))? == 401, "{name} takes an altered session");
                ensure!(status(addr, &expired)? == 401, "{name} takes an expired session");
                ensure!(status(addr, "a=b")? == 401, "{name} takes no session for one");
            }
            let mut connection = Connection::open(family.edge)?;
            let (status, body) = connection.exchange(&get(family.edge, APPLICATION, &good))?;
            ensure!((status, body) == (200, b"demo signed".as_slice()), "the edge forwards no identity");
        }
        let mut connection = Connection::open(self.forward)?;
        let (status, body) = connection.exchange(&get(self.forward, APPLICATION, "a=b"))?;
        ensure!((status, body) == (200, b"nobody unsigned".as_slice()), "the forwarding worker does not forward");
        say("all workers answer as they should");
        Ok(())
    }
}

/// Where a session is checked and nothing else is done.
pub(crate) const CHECK: &str = "/.countersign/check";
/// Where a request is passed on to the application.
pub(crate) const APPLICATION: &str = "/account";
/// Bytes of the `Cookie` header in comparisons.
pub(crate) const COOKIE: usize = 1200;

/// A request as browsers send it, without what does not matter here.
pub(crate) fn get(addr: SocketAddr, path: &str, cookie: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nAccept: */*\r\nCookie: {cookie}\r\n\r\n").into_bytes()
}

/// Another character in the middle of the token: in its ciphertext.
fn altered(cookie: &str) -> String {
    let at = cookie.len() / 2;
    let other = if cookie.as_bytes().get(at) == Some(&b'A') { "B" } else { "A" };
    format!("{}{other}{}", &cookie[..at], &cookie[at + 1..])
}

/// The workers beside the first, as they are added.
struct Site<'a> {
    dist: &'a Path,
    behind: String,
    ports: Vec<Port>,
    services: Vec<Service>,
}

impl Site<'_> {
    fn add(
        &mut self,
        name: &str,
        modules: Vec<(ModuleKind, PathBuf)>,
        json: BTreeMap<String, Value>,
        text: BTreeMap<String, String>,
    ) -> Result<SocketAddr> {
        let port = Port::free()?;
        let listen = port.addr();
        self.ports.push(port);
        self.services.push(Service { name: name.to_owned(), listen, modules, json, text });
        Ok(listen)
    }

    /// The worker around `jose`, with the keys of a format.
    fn jose(&mut self, name: &str, module: &Path, format: impl Into<Format>) -> Result<SocketAddr> {
        let text = tokens::jose_settings(format)?.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        self.add(name, vec![(ModuleKind::EsModule, module.to_owned())], BTreeMap::new(), text)
    }

    /// The edge's modules, with another main module around them when `main` names one.
    fn edge(&mut self, name: &str, main: Option<&str>, format: impl Into<Format>, cache: usize) -> Result<SocketAddr> {
        let mut modules: Vec<_> = main
            .map(|main| (ModuleKind::EsModule, workspace_root().join("tests/bench").join(main)))
            .into_iter()
            .collect();
        modules.extend(Config::load()?.all_modules()?.into_iter().map(|(name, kind)| (kind, self.dist.join(name))));
        let settings = tokens::settings(&self.behind, "http://localhost", cache);
        let json = BTreeMap::from([("SETTINGS".to_owned(), settings)]);
        let text = BTreeMap::from([("BUNDLE".to_owned(), tokens::bundle_binding(format)?)]);
        self.add(name, modules, json, text)
    }
}

/// `jose` and the worker around it as one module, as deployments have it.
fn bundle(dir: &Path) -> Result<PathBuf> {
    let out = dir.join("jose.mjs");
    let esbuild = npm::ensure("edge")?.join(".bin/esbuild");
    let mut command = Command::new(&esbuild);
    command.args(["tests/bench/jose.mjs", "--bundle", "--minify", "--format=esm", "--log-level=warning"]);
    command.arg(format!("--outfile={}", out.display())).current_dir(workspace_root());
    let status = command.status().with_context(|| format!("cannot run {}", esbuild.display()))?;
    ensure!(status.success(), "esbuild could not bundle tests/bench/jose.mjs");
    Ok(out)
}
