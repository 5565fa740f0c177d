use super::prelude::*;

config! {
    /// The kind of object; the same as the journey's.
    identityResource: String = "managed/user";
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "CreateObjectNode";
    const NAME: &'static str = "Create Object";
    const ABOUT: &'static str = "Creates the profile from what was collected.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(&["CREATED", "FAILURE"]);
    const INPUTS: &'static [Key] = &[Key::Named(OBJECT_ATTRIBUTES), Key::Named("termsAccepted")];
    const OUTPUTS: &'static [Key] = &[Key::Named("username")];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        step.same_resource(&config.identityResource)?;
        let object = step.state.object(OBJECT_ATTRIBUTES);
        if step.required_missing(&object) {
            return goto("FAILURE");
        }
        match step.host.identities.create(step.resource(), &object).await? {
            Err(why) => {
                step.effects.error_message = Some(why);
                goto("FAILURE")
            }
            Ok(identity) => {
                step.state.put_shared("username", identity.username.as_str());
                step.record_terms(&identity).await?;
                goto("CREATED")
            }
        }
    }
}
