//! `wrangler.toml` is the one place that names the worker's modules and its compatibility date; the local runtime and
//! the upload both read it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use toml::Table;

use crate::{npm, workspace_root};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Relative to the workspace.
    pub main: PathBuf,
    pub compatibility_date: String,
    pub compatibility_flags: Vec<String>,
    /// Beside `main`, which is a module too and not repeated here.
    pub modules: Vec<(String, ModuleKind)>,
    /// Durable Objects: binding and class. All have SQLite storage.
    pub objects: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModuleKind {
    EsModule,
    Wasm,
}

impl ModuleKind {
    /// Its field in workerd's configuration.
    pub fn field(self) -> &'static str {
        match self {
            Self::EsModule => "esModule",
            Self::Wasm => "wasm",
        }
    }
}

impl Config {
    pub fn load() -> Result<Self> {
        let path = workspace_root().join("wrangler.toml");
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).context("wrangler.toml")
    }

    pub fn parse(text: &str) -> Result<Self> {
        let table: Table = text.parse()?;
        let string = |key: &str| table.get(key).and_then(|value| value.as_str()).with_context(|| format!("no {key}"));
        let flags = table.get("compatibility_flags").and_then(|value| value.as_array());
        let flags = flags.into_iter().flatten().filter_map(|flag| flag.as_str().map(str::to_owned)).collect();
        let mut modules = Vec::new();
        for rule in table.get("rules").and_then(|value| value.as_array()).into_iter().flatten() {
            let kind = match rule.get("type").and_then(|kind| kind.as_str()) {
                Some("ESModule") => ModuleKind::EsModule,
                Some("CompiledWasm") => ModuleKind::Wasm,
                other => bail!("a rule has the type {other:?}; known: ESModule, CompiledWasm"),
            };
            for glob in rule.get("globs").and_then(|globs| globs.as_array()).into_iter().flatten() {
                let name = glob.as_str().context("a glob is no string")?;
                if name.contains(['*', '?', '[', '{', '/']) {
                    bail!("the rule {name:?} is a pattern; name each module by its file name");
                }
                modules.push((name.to_owned(), kind));
            }
        }
        let mut objects = Vec::new();
        let bindings = table.get("durable_objects").and_then(|objects| objects.get("bindings"));
        for binding in bindings.and_then(|list| list.as_array()).into_iter().flatten() {
            let string = |key: &str| binding.get(key).and_then(|value| value.as_str()).map(str::to_owned);
            objects.push(string("name").zip(string("class_name")).context("a Durable Object without name or class")?);
        }
        Ok(Self {
            main: PathBuf::from(string("main")?),
            compatibility_date: string("compatibility_date")?.to_owned(),
            compatibility_flags: flags,
            modules,
            objects,
        })
    }

    /// Every module, the main one first, by the file name it is imported under.
    pub fn all_modules(&self) -> Result<Vec<(String, ModuleKind)>> {
        let main = self.main.file_name().and_then(|name| name.to_str()).context("wrangler.toml: main is no file")?;
        let mut modules = vec![(main.to_owned(), ModuleKind::EsModule)];
        modules.extend(self.modules.iter().cloned());
        Ok(modules)
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Upload {
    pub bytes: u64,
    pub gzip_bytes: u64,
}

/// `wrangler deploy --dry-run`: everything up to the upload, without an account or a network. Runs the build that
/// wrangler.toml names, and leaves in `outdir` what would be uploaded.
pub fn wrangler_dry_run(outdir: &Path) -> Result<Upload> {
    let modules = npm::ensure("edge")?;
    let mut wrangler = npm::node()?;
    wrangler.arg(modules.join("wrangler/bin/wrangler.js")).args(["deploy", "--dry-run", "--outdir"]).arg(outdir);
    wrangler.args(["--config", "wrangler.toml"]).current_dir(workspace_root()).stdin(Stdio::null());
    wrangler.envs([("WRANGLER_SEND_METRICS", "false"), ("CI", "true"), ("NO_COLOR", "1")]);
    // Its logs otherwise land in the home directory, which a build must not need.
    wrangler.env("WRANGLER_LOG_PATH", crate::cargo::target_dir()?.join("wrangler-logs"));
    let output = wrangler.output().context("cannot run wrangler")?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("wrangler refused: {}{}", stdout.trim(), String::from_utf8_lossy(&output.stderr).trim());
    }
    upload(&stdout).with_context(|| format!("wrangler names no upload size: {}", stdout.trim()))
}

/// From `Total Upload: 123.45 KiB / gzip: 45.67 KiB`.
fn upload(text: &str) -> Option<Upload> {
    let line = text.lines().find_map(|line| line.split_once("Total Upload:"))?.1;
    let (total, gzip) = line.split_once("/ gzip:")?;
    Some(Upload { bytes: size(total)?, gzip_bytes: size(gzip)? })
}

fn size(text: &str) -> Option<u64> {
    let (number, unit) = text.trim().split_once(' ')?;
    let factor = match unit {
        "KiB" => 1024,
        "MiB" => 1024 * 1024,
        _ => return None,
    };
    // Hundredths as an integer: the text has two decimals.
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let part = format!("{part:0<2}");
    let hundredths = whole.parse::<u64>().ok()?.checked_mul(100)?.checked_add(part.get(..2)?.parse().ok()?)?;
    Some(hundredths.checked_mul(factor)? / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_file_is_understood() {
        let config = Config::load().unwrap();
        assert_eq!(config.main, Path::new("edge/dist/entry.mjs"));
        let modules = config.all_modules().unwrap();
        assert_eq!(modules[0], ("entry.mjs".to_owned(), ModuleKind::EsModule));
        assert!(modules.contains(&("countersign_edge_bg.wasm".to_owned(), ModuleKind::Wasm)));
        assert_eq!(config.objects, [("HUB".to_owned(), "DenylistHub".to_owned())]);
    }

    #[test]
    fn flags_are_read_and_patterns_refused() {
        let base = "main = \"a/b.mjs\"\ncompatibility_date = \"2026-04-01\"\n";
        let config = Config::parse(&format!("{base}compatibility_flags = [\"x\"]")).unwrap();
        assert_eq!(config.compatibility_flags, ["x"]);
        let error = Config::parse(&format!("{base}[[rules]]\ntype = \"ESModule\"\nglobs = [\"*.js\"]")).unwrap_err();
        assert!(error.to_string().contains("*.js"), "{error}");
        assert!(Config::parse("main = \"a\"").is_err());
    }

    #[test]
    fn upload_sizes() {
        let upload = upload("x\nTotal Upload: 1.50 MiB / gzip: 45.25 KiB\n").unwrap();
        assert_eq!((upload.bytes, upload.gzip_bytes), (1_572_864, 46_336));
        assert_eq!(size("12 KiB"), Some(12_288));
        assert_eq!(size("12 furlongs"), None);
    }
}
