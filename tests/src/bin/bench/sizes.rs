//! Bytes of the session cookie and of the worker.

use anyhow::{Context as _, Result, ensure};
use countersign_core::cookie::{self, Attributes, SameSite};
use countersign_core::keys::SigningAlg;
use serde_json::json;
use xtask::edge_build::EdgeBuild;
use xtask::say;

use crate::report::{Goal, figure, rounded};
use crate::tokens::{self, COOKIE_NAME, Mint};

/// AM's own claims for the session with its default properties, in bytes, and the cookie's value (without name and
/// attributes) that its factory default makes of them: encrypted, then signed with HS256.
const AM_CLAIMS: usize = 1012;
const AM_VALUE: f64 = 2141.0;
const GOAL: f64 = 1000.0;

/// Sessions with both layers: the cookie's value, and the whole `Set-Cookie`.
pub(crate) fn cookies() -> Result<()> {
    let attributes = Attributes::host_only(true, Some(SameSite::Lax));
    let typical = tokens::typical_claims()?;
    ensure!(
        json_bytes(&tokens::am_claims(&typical))? == AM_CLAIMS,
        "the session is not the one that AM's figure is of"
    );
    for alg in [SigningAlg::Hs256, SigningAlg::EdDsa] {
        let sessions = [
            ("demo_user", tokens::demo_claims(), None),
            ("typical_properties", typical.clone(), Some(Goal::AtMost(GOAL))),
            ("wordy_properties", tokens::wordy_claims()?, None),
        ];
        for (name, claims, goal) in sessions {
            let token = Mint::new(alg)?.token(&claims)?;
            let whole = cookie::set(COOKIE_NAME, &token, &attributes)?;
            let mut detail = json!({
                "claims_bytes": json_bytes(&claims)?,
                "claims_bytes_spelled_out": json_bytes(&claims.spelled_out())?,
                "properties": claims.properties.iter().count(),
            });
            if goal.is_some() {
                detail["claims_bytes_of_am"] = AM_CLAIMS.into();
                detail["value_bytes_of_am"] = AM_VALUE.into();
                detail["beside_am"] = rounded(bytes(token.len())? / AM_VALUE).into();
            }
            let name = format!("cookie.{}.{name}", alg.name().to_lowercase());
            figure(&format!("{name}.value"), bytes(token.len())?, "bytes", goal, detail.clone());
            figure(&format!("{name}.set_cookie"), bytes(whole.len())?, "bytes", None, detail);
        }
    }
    Ok(())
}

fn json_bytes(value: &impl serde::Serialize) -> Result<usize> {
    Ok(serde_json::to_vec(value)?.len())
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
