use super::prelude::*;

config! {
    /// Not used.
    popupEnabled: bool = true;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "DebugNode";
    const NAME: &'static str = "Debug";
    const ABOUT: &'static str = "Does nothing: what AM shows here, the whole state, is not for browsers.";
    type Config = Config;

    async fn process(_: Config, _: &mut Step<'_>) -> NodeResult {
        next()
    }
}
