use super::prelude::*;

config! {
    /// The theme's id.
    theme: Option<String>;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "ThemeNode";
    const NAME: &'static str = "Theme";
    const ABOUT: &'static str = "Chooses the theme of a page; nothing happens on the server.";
    type Config = Config;

    async fn process(_: Config, _: &mut Step<'_>) -> NodeResult {
        next()
    }
}
