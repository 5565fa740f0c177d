use super::prelude::*;
use crate::engine::{CookieOf, PersistentCookie};

config! {
    /// Hours without a visit after which the cookie is no longer taken.
    idleTimeout: i64 = 5;
    /// Hours after which it is no longer taken at all.
    maxLife: i64 = 5;
    /// Send it over TLS only.
    useSecureCookie: bool = true;
    /// Hide it from scripts.
    useHttpOnlyCookie: bool = true;
    /// Base64 of at least 256 bits; without it the realm's key is used.
    hmacSigningKey: Secret;
    /// The label of a secret to use instead.
    hmacSigningKeySecretLabelIdentifier: Option<String>;
    /// The cookie's name; the deciding node has the same.
    persistentCookieName: String = "session-jwt";
}

impl Config {
    pub(crate) fn cookie(&self) -> PersistentCookie {
        PersistentCookie {
            name: self.persistentCookieName.clone(),
            idle_hours: self.idleTimeout,
            max_hours: Some(self.maxLife),
            secure: self.useSecureCookie,
            http_only: self.useHttpOnlyCookie,
            enforce_client_ip: false,
            signing_key: self.hmacSigningKey.0.clone(),
        }
    }
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "SetPersistentCookieNode";
    const NAME: &'static str = "Set Persistent Cookie";
    const ABOUT: &'static str = "Remembers the user in a cookie if the journey succeeds.";
    type Config = Config;

    async fn process(_: Config, step: &mut Step<'_>) -> NodeResult {
        let cookie = CookieOf { journey: step.journey.name.clone(), node: step.node.id.clone(), renews: false };
        if !step.effects.cookies.contains(&cookie) {
            step.effects.cookies.push(cookie);
        }
        next()
    }
}
