use super::prelude::*;

config! {
    /// Write with the rights of the user instead of those of the realm.
    patchAsObject: bool = false;
    /// Collected attributes that are not written.
    ignoredFields: Vec<String>;
    /// The kind of object; the same as the journey's.
    identityResource: String = "managed/user";
    /// The attribute by which the user is found.
    identityAttribute: String = "userName";
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "PatchObjectNode";
    const NAME: &'static str = "Patch Object";
    const ABOUT: &'static str = "Writes what was collected into the profile of the user.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(&["PATCHED", "FAILURE"]);
    const INPUTS: &'static [Key] =
        &[Key::Named("username"), Key::Named(OBJECT_ATTRIBUTES), Key::Named("termsAccepted")];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        step.same_resource(&config.identityResource)?;
        if step.attribute(&config.identityAttribute).is_none() && step.username().is_none() {
            return goto("FAILURE");
        }
        let identity = step.require(&config.identityAttribute).await?;
        let mut changes = step.state.object(OBJECT_ATTRIBUTES);
        changes.retain(|key, value| {
            !config.ignoredFields.contains(key) && identity.attributes.get(key.as_str()) != Some(value)
        });
        if !changes.is_empty() {
            let resource = step.resource();
            let patched = step.host.identities.patch(resource, &identity, &changes, config.patchAsObject).await?;
            if let Err(why) = patched {
                step.effects.error_message = Some(why);
                return goto("FAILURE");
            }
        }
        step.record_terms(&identity).await?;
        goto("PATCHED")
    }
}
