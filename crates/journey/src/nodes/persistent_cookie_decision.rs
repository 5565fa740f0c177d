use super::prelude::*;
use crate::engine::{CookieOf, PersistentCookie};

config! {
    /// Hours without a visit after which the renewed cookie is no longer taken.
    idleTimeout: i64 = 5;
    /// Take it only from the address it was given to.
    enforceClientIp: bool = false;
    /// Send it over TLS only.
    useSecureCookie: bool = true;
    /// Hide it from scripts.
    useHttpOnlyCookie: bool = true;
    /// Base64 of at least 256 bits; without it the realm's key is used.
    hmacSigningKey: Secret;
    /// The label of a secret to use instead.
    hmacSigningKeySecretLabelIdentifier: Option<String>;
    /// The cookie's name; the setting node has the same.
    persistentCookieName: String = "session-jwt";
}

impl Config {
    pub(crate) fn cookie(&self) -> PersistentCookie {
        PersistentCookie {
            name: self.persistentCookieName.clone(),
            idle_hours: self.idleTimeout,
            max_hours: None,
            secure: self.useSecureCookie,
            http_only: self.useHttpOnlyCookie,
            enforce_client_ip: self.enforceClientIp,
            signing_key: self.hmacSigningKey.0.clone(),
        }
    }
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "PersistentCookieDecisionNode";
    const NAME: &'static str = "Persistent Cookie Decision";
    const ABOUT: &'static str = "Whether a persistent cookie says who the user is; if so it is renewed at the end.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(DECISION);
    const OUTPUTS: &'static [Key] = &[Key::Named("username")];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let Some(value) = step.request.cookies.get(&config.persistentCookieName) else { return decide(false) };
        let Some(identity) = step.host.cookies.open(value, &config.cookie(), step.request).await? else {
            return decide(false);
        };
        step.state.put_shared("username", identity.username.as_str());
        step.identify(&identity);
        let cookie = CookieOf { journey: step.journey.name.clone(), node: step.node.id.clone(), renews: true };
        if !step.effects.cookies.contains(&cookie) {
            step.effects.cookies.push(cookie);
        }
        decide(true)
    }
}
