use countersign_core::gate::{Policy, RouteSettings};
use serde::Deserialize;

/// The worker's settings: the `SETTINGS` variable of `wrangler.toml`, as JSON. Unknown members are refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Where the origin is reached from here, e.g. `https://login.internal.example`.
    pub(crate) origin: String,
    /// Where the application is reached from here. Also the `aud` of the assertion.
    pub(crate) upstream: String,
    /// The realm whose sessions are taken, e.g. `/alpha`.
    pub(crate) realm: String,
    /// Name of the session cookie; the origin's `session.cookie_name`.
    pub(crate) cookie_name: String,
    /// Where a browser without a session is sent; `goto` is appended. A path on this host or an absolute URL.
    pub(crate) login_url: String,
    /// How this edge is reached from browsers, without a path. The application is told so in `X-Forwarded-Host` and
    /// `-Proto`, whatever `Host` a client sends.
    pub(crate) public_url: String,
    /// The header in which the platform states the client's address, passed on as `X-Forwarded-For`: `cf-connecting-ip`
    /// on Cloudflare, as `wrangler.toml` has it. None by default: elsewhere a client could write it itself.
    #[serde(default)]
    #[expect(dead_code, reason = "read by entry.mjs; here so that it is a known member")]
    pub(crate) client_ip_header: Option<String>,
    /// Whether answers carry `Server-Timing` (default false).
    #[serde(default)]
    #[expect(dead_code, reason = "read by entry.mjs; here so that it is a known member")]
    pub(crate) server_timing: bool,
    /// Whether `/.countersign/status` and `/.countersign/metrics` answer, to anybody (default false).
    #[serde(default)]
    pub(crate) status: bool,
    /// How many verified tokens are remembered (default 1,024; one at least).
    #[serde(default = "default_cache")]
    pub(crate) cache_entries: usize,
    /// What each path asks; what no route names asks for a session.
    #[serde(default)]
    pub(crate) routes: Vec<RouteSettings>,
}

/// About 3 MB with the largest of cookies, out of the 128 MB that an isolate has.
const fn default_cache() -> usize {
    1024
}

const MAX_CACHE: usize = 16 * 1024;

impl Settings {
    pub(crate) fn parse(json: &str) -> Result<Self, String> {
        let settings: Self = serde_json::from_str(json).map_err(|error| format!("SETTINGS: {error}"))?;
        for (name, url) in
            [("origin", &settings.origin), ("upstream", &settings.upstream), ("public_url", &settings.public_url)]
        {
            let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
            if !rest.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@', ' '])) {
                return Err(format!("SETTINGS: {name} must be http(s)://host[:port] without a path, not {url:?}"));
            }
        }
        if settings.cache_entries > MAX_CACHE {
            return Err(format!("SETTINGS: cache_entries must be at most {MAX_CACHE}"));
        }
        Ok(settings)
    }

    pub(crate) fn policy(&self) -> Result<Policy, String> {
        Policy::new(self.realm.clone(), self.cookie_name.clone(), &self.routes)
            .map_err(|error| format!("SETTINGS: {error}"))
    }
}
