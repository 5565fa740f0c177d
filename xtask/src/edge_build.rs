//! From the edge crate to the modules that workerd loads: cargo, wasm-bindgen, esbuild, wasm-opt, one look by V8.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use wasm_bindgen_cli_support::Bindgen;

use crate::{cargo, hex_sha256, lock, npm, read, say, workspace_root, write};

pub const NAME: &str = "countersign_edge";
const STAMP: &str = ".stamp.json";

/// What rustc's wasm32 target may use; wasm-bindgen drops the section that would tell Binaryen's tools so.
const FEATURES: &[&str] = &[
    "--enable-bulk-memory",
    "--enable-bulk-memory-opt",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
    "--enable-simd",
];

const WASM_OPT: &[&str] = &["-O3", "--strip-debug", "--strip-producers", "--strip-target-features"];

#[derive(Clone, Debug)]
pub struct BuildOptions {
    /// Of the edge crate, beyond its defaults.
    pub features: Vec<String>,
    /// Absolute, or relative to the workspace. Every set of features needs a directory of its own.
    pub dist: PathBuf,
}

impl Default for BuildOptions {
    /// The worker that is deployed: `edge/dist`, as wrangler.toml names it.
    fn default() -> Self {
        Self { features: Vec::new(), dist: PathBuf::from("edge/dist") }
    }
}

impl BuildOptions {
    /// The worker for what tests do to one and users do not: faults on demand, and every format.
    pub fn for_tests() -> Result<Self> {
        Self::variant(&["all-formats", "fault-injection"])
    }

    /// A worker with extra features, beside the deployed one and never in its place.
    pub fn variant(features: &[&str]) -> Result<Self> {
        let dist = cargo::target_dir()?.join(format!("edge-{}", features.join("-")));
        Ok(Self { features: features.iter().map(|feature| (*feature).to_owned()).collect(), dist })
    }
}

#[derive(Clone, Debug)]
pub struct EdgeBuild {
    /// Holds `entry.mjs`, `hub.mjs`, `countersign_edge.js`, `countersign_edge_bg.wasm`, and
    /// `countersign_edge.names.wasm`: the module before wasm-opt, with its symbols, for inspection only.
    pub dist: PathBuf,
    pub wasm_bytes: u64,
    pub wasm_gzip_bytes: u64,
}

impl EdgeBuild {
    pub fn names_wasm(&self) -> PathBuf {
        self.dist.join(format!("{NAME}.names.wasm"))
    }
}

/// Makes `dist` current. When nothing has changed this costs cargo's own check and a few hashes.
pub fn build(options: &BuildOptions) -> Result<EdgeBuild> {
    let dist = workspace_root().join(&options.dist);
    let [entry, hub] = ["edge/entry.mjs", "edge/hub.mjs"].map(|name| workspace_root().join(name));
    // One at a time: cargo puts the module of every set of features under one name, so nobody may build between making
    // it and reading it.
    let _lock = lock(&workspace_root().join("edge"))?;
    let bytes = read(&cargo::build_edge(&options.features)?)?;
    let stamp = hex_sha256(&[
        &bytes,
        &read(&entry)?,
        &read(&hub)?,
        &read(&workspace_root().join("edge/package-lock.json"))?,
        [FEATURES, WASM_OPT].concat().join(" ").as_bytes(),
        include_bytes!("edge_build.rs"),
        wasm_bindgen_shared_version().as_bytes(),
    ]);
    if let Some(built) = current(&dist, &stamp) {
        return Ok(built);
    }
    say(format_args!("making {} (wasm-bindgen, esbuild, wasm-opt)", dist.display()));
    let modules = npm::ensure("edge")?;
    // Beside the result, so that the renames stay on one file system.
    let work = dist.with_extension("new");
    let _ = fs::remove_dir_all(&work);
    fs::create_dir_all(&work).with_context(|| format!("cannot create {}", work.display()))?;
    let glue = work.join("glue");
    bindgen(bytes, &glue)?;
    bundle(&modules, &glue.join(format!("{NAME}.js")), &work.join(format!("{NAME}.js")))?;
    let bound = work.join(format!("{NAME}_bg.wasm"));
    let names = work.join(format!("{NAME}.names.wasm"));
    fs::rename(glue.join(format!("{NAME}_bg.wasm")), &names).context("wasm-bindgen left no module")?;
    fs::remove_dir_all(&glue).context("cannot remove the unbundled glue")?;
    binaryen("wasm-opt", WASM_OPT, &names, &bound)?;
    let (wasm_bytes, wasm_gzip_bytes) = inspect(&bound)?;
    for module in [&entry, &hub] {
        let name = module.file_name().context("a module is no file")?;
        fs::copy(module, work.join(name)).with_context(|| format!("cannot copy {}", module.display()))?;
    }
    let stamp = json!({ "inputs": stamp, "wasm_bytes": wasm_bytes, "wasm_gzip_bytes": wasm_gzip_bytes });
    write(&work.join(STAMP), stamp.to_string())?;
    let _ = fs::remove_dir_all(&dist);
    fs::rename(&work, &dist).with_context(|| format!("cannot replace {}", dist.display()))?;
    Ok(EdgeBuild { dist, wasm_bytes, wasm_gzip_bytes })
}

/// A build that is already there, for a caller that was told where.
pub fn existing(dist: &Path) -> Result<EdgeBuild> {
    let dist = workspace_root().join(dist);
    let stamp: Value = serde_json::from_slice(&read(&dist.join(STAMP))?).context("the edge build's stamp is broken")?;
    let number = |key: &str| stamp[key].as_u64().with_context(|| format!("the edge build's stamp has no {key}"));
    Ok(EdgeBuild { wasm_bytes: number("wasm_bytes")?, wasm_gzip_bytes: number("wasm_gzip_bytes")?, dist })
}

fn current(dist: &Path, inputs: &str) -> Option<EdgeBuild> {
    let stamp: Value = serde_json::from_slice(&fs::read(dist.join(STAMP)).ok()?).ok()?;
    let own = ["entry.mjs", "hub.mjs"].map(str::to_owned);
    let files = [format!("{NAME}.js"), format!("{NAME}_bg.wasm"), format!("{NAME}.names.wasm")];
    if stamp["inputs"] != inputs || !own.iter().chain(&files).all(|file| dist.join(file).is_file()) {
        return None;
    }
    existing(dist).ok()
}

/// The glue's version is pinned in the workspace; a change of it must remake the modules.
fn wasm_bindgen_shared_version() -> &'static str {
    include_str!("../../Cargo.toml").lines().find(|line| line.starts_with("wasm-bindgen = ")).unwrap_or_default()
}

fn bindgen(bytes: Vec<u8>, out: &Path) -> Result<()> {
    let mut bindgen = Bindgen::new();
    bindgen.input_bytes(NAME, bytes).web(true)?.typescript(false).omit_default_module_path(true);
    // A trap leaves the instance unusable; the entry module then starts a new one through this function.
    bindgen.reset_state_function(true);
    bindgen.generate(out).map_err(|error| error.context("wasm-bindgen failed on the edge"))
}

/// One module out of the glue and the snippets that crates bring: their paths carry hashes, which no list of modules
/// could name. What is left to import is the runtime's; anything else is an error here rather than at the first
/// request.
fn bundle(modules: &Path, glue: &Path, to: &Path) -> Result<()> {
    let os = std::env::consts::OS.replace("macos", "darwin");
    let arch = if std::env::consts::ARCH == "x86_64" { "x64" } else { "arm64" };
    // The package's own `bin` is JavaScript or native, by whether npm ran its install script.
    let mut command = Command::new(modules.join(format!("@esbuild/{os}-{arch}/bin/esbuild")));
    command.arg(glue).arg(format!("--outfile={}", to.display()));
    command.args(["--bundle", "--format=esm", "--target=es2024", "--external:cloudflare:*", "--log-level=error"]);
    let output = command.stdin(Stdio::null()).output().context("cannot run esbuild")?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let reason = stderr.lines().find(|line| line.contains("ERROR")).unwrap_or("no reason given").trim();
        bail!("the edge's JavaScript cannot stand alone in workerd: {reason}");
    }
    Ok(())
}

/// One of Binaryen's tools, on a module with the features that the worker has.
pub fn binaryen(tool: &str, options: &[&str], from: &Path, to: &Path) -> Result<()> {
    let program = npm::ensure("edge")?.join("binaryen/bin").join(tool);
    let mut command = npm::node()?;
    command.arg(program).args(FEATURES).args(options).arg(from).arg("-o").arg(to);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {tool}"))?;
    if !output.status.success() {
        bail!("{tool} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// The module compiles in V8 and imports from nothing but its own glue and the runtime. Gives its size, plain and
/// compressed.
fn inspect(wasm: &Path) -> Result<(u64, u64)> {
    let mut command = npm::node()?;
    command.args(["--input-type=module", "--eval", include_str!("inspect_wasm.mjs"), "--"]).arg(wasm);
    let output = command.stdin(Stdio::null()).output().context("cannot run node")?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let reason = stderr.lines().find(|line| line.contains("Error")).unwrap_or("no reason given");
        bail!("the edge's module does not compile in V8: {reason}");
    }
    let found: Value = serde_json::from_slice(&output.stdout).context("the look at the module gave no JSON")?;
    let glue = format!("./{NAME}_bg.js");
    for import in found["imports"].as_array().into_iter().flatten() {
        let module = import["module"].as_str().unwrap_or_default();
        if module != glue && !module.starts_with("cloudflare:") {
            bail!("the edge imports {} from {}, which workerd does not give", import["name"], import["module"]);
        }
    }
    let number = |key: &str| found[key].as_u64().with_context(|| format!("the look at the module gave no {key}"));
    Ok((number("bytes")?, number("gzip")?))
}
