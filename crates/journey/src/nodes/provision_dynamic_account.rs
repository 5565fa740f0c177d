use super::prelude::*;

config! {
    /// Not used.
    accountProviderClass: Option<String>;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "ProvisionDynamicAccountNode";
    const NAME: &'static str = "Provision Dynamic Account";
    const ABOUT: &'static str = "Creates an account from what was collected or came from an identity provider.";
    const INPUTS: &'static [Key] =
        &[Key::Named("username"), Key::Named("password"), Key::Named("userInfo"), Key::Named(OBJECT_ATTRIBUTES)];
    const OUTPUTS: &'static [Key] = &[Key::Named("username")];
    type Config = Config;

    async fn process(_: Config, step: &mut Step<'_>) -> NodeResult {
        let mut object = step.state.object(OBJECT_ATTRIBUTES);
        if let Some(Value::Object(from_provider)) = step.state.get("userInfo").and_then(|info| info.get("attributes")) {
            for (name, value) in from_provider {
                // A provider's attributes are lists of values.
                let value = match value.as_array().map(Vec::as_slice) {
                    Some([one]) => one.clone(),
                    _ => value.clone(),
                };
                object.entry(name.clone()).or_insert(value);
            }
        }
        if let Some(name) = step.username() {
            object.entry("userName").or_insert_with(|| json!(name));
        }
        if let Some(password) = step.state.text("password") {
            object.entry("password").or_insert_with(|| json!(password));
        }
        match step.host.identities.create(step.resource(), &object).await? {
            Ok(identity) => {
                step.state.put_shared("username", identity.username.as_str());
                step.identify(&identity);
                next()
            }
            Err(why) => Err(NodeError::Refused(why)),
        }
    }
}
