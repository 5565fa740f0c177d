use super::prelude::*;

config! {
    /// The attributes.
    keys: Vec<String>;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "ProfileAttributeToStateNode";
    const NAME: &'static str = "Profile Attribute to State";
    const ABOUT: &'static str = "Takes attributes of the user's profile into shared state.";
    const INPUTS: &'static [Key] = &[Key::Named("username")];
    const OUTPUTS: &'static [Key] = &[Key::Setting("keys")];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        if let Some(user) = step.user().await? {
            for key in &config.keys {
                if let Some(value) = user.attributes.get(key) {
                    step.state.put_shared(key, value.clone());
                }
            }
        }
        next()
    }
}
