use super::prelude::*;

config! {
    /// The name.
    cookieName: String = "My-Cookie";
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "CookiePresenceDecisionNode";
    const NAME: &'static str = "Cookie Presence Decision";
    const ABOUT: &'static str = "Whether the request has a cookie of this name.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(DECISION);
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        decide(step.request.cookies.contains_key(&config.cookieName))
    }
}
