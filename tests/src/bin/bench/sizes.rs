//! Bytes of the session cookie and of the worker.

use anyhow::{Context as _, Result};
use countersign_core::cookie::{self, Attributes, SameSite};
use countersign_core::keys::SigningAlg;
use serde_json::json;
use xtask::edge_build::EdgeBuild;
use xtask::say;

use crate::report::{Goal, figure};
use crate::tokens::{self, COOKIE_NAME, Mint};

/// The cookie's value (without name and attributes) of AM's factory default, encrypted and then signed with HS256,
/// around claims of the same length as the typical ones here.
const AM_VALUE: f64 = 2141.0;

/// Sessions with both layers: the cookie's value, and the whole `Set-Cookie`.
pub(crate) fn cookies() -> Result<()> {
    let attributes = Attributes::host_only(true, Some(SameSite::Lax));
    for alg in [SigningAlg::Hs256, SigningAlg::EdDsa] {
        let sessions = [
            ("demo_user", tokens::demo_claims(), None),
            ("typical_properties", tokens::typical_claims(), Some(Goal::AtMost(AM_VALUE))),
        ];
        for (name, claims, goal) in sessions {
            let token = Mint::new(alg)?.token(&claims)?;
            let whole = cookie::set(COOKIE_NAME, &token, &attributes)?;
            let detail = json!({
                "claims_bytes": tokens::claims_bytes(&claims)?,
                "properties": claims.properties.iter().count(),
            });
            let name = format!("cookie.{}.{name}", alg.name().to_lowercase());
            figure(&format!("{name}.value"), bytes(token.len())?, "bytes", goal, detail.clone());
            figure(&format!("{name}.set_cookie"), bytes(whole.len())?, "bytes", None, detail);
        }
    }
    Ok(())
}

pub(crate) fn wasm(build: &EdgeBuild) -> Result<()> {
    let detail = || json!({});
    figure("wasm.bytes", bytes(build.wasm_bytes)?, "bytes", None, detail());
    figure("wasm.gzip_bytes", bytes(build.wasm_gzip_bytes)?, "bytes", None, detail());
    let dir = tempfile::tempdir()?;
    match xtask::wrangler_dry_run(dir.path()) {
        Ok(upload) => {
            let detail = json!({ "bytes": upload.bytes });
            // What the platform's free plan takes.
            let limit = Some(Goal::AtMost(3.0 * 1024.0 * 1024.0));
            figure("wasm.upload_gzip_bytes", bytes(upload.gzip_bytes)?, "bytes", limit, detail);
        }
        Err(error) => say(format_args!("no upload size: {error:#}")),
    }
    Ok(())
}

fn bytes(count: impl TryInto<u32>) -> Result<f64> {
    count.try_into().ok().map(f64::from).context("more than 4 GB")
}
