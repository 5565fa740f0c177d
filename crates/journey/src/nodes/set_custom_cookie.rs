use super::prelude::*;
use crate::host::ResponseCookie;

config! {
    /// The name.
    name: String;
    /// The value.
    value: String;
    /// Seconds; without it the cookie ends with the browser.
    maxAge: Option<i64>;
    /// The hosts that get it; without it the one that sets it.
    domain: Option<String>;
    /// The paths that get it.
    path: Option<String>;
    /// Only over https.
    useSecureCookie: bool = false;
    /// Not for scripts in pages.
    useHttpOnlyCookie: bool = false;
    /// Whether requests that other sites begin have it.
    sameSite: String = "LAX" => ["STRICT", "LAX", "NONE"];
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "SetCustomCookieNode";
    const NAME: &'static str = "Set Custom Cookie";
    const ABOUT: &'static str =
        "Sets a cookie with the next step that is shown, or with the success. It is not set where a login fails.";
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let cookie = ResponseCookie {
            name: config.name,
            value: config.value,
            max_age_seconds: config.maxAge,
            domain: config.domain.filter(|domain| !domain.is_empty()),
            path: config.path.filter(|path| !path.is_empty()),
            secure: config.useSecureCookie,
            http_only: config.useHttpOnlyCookie,
            same_site: config.sameSite,
        };
        step.host.cookies.set(&cookie).map_err(NodeError::Config)?;
        next()
    }
}
