use super::prelude::*;

config! {
    /// All must be agreed to.
    allRequired: bool = false;
    /// What is said above them.
    message: Localised;
}

const CONSENTED: &str = "consentedMappings";

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "ConsentNode";
    const NAME: &'static str = "Consent Collector";
    const ABOUT: &'static str = "Asks the user to what places the profile may be copied, if the realm has any.";
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::ConsentMappingCallback];
    const INPUTS: &'static [Key] = &[Key::Named(OBJECT_ATTRIBUTES)];
    const OUTPUTS: &'static [Key] = &[Key::Named(OBJECT_ATTRIBUTES)];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let mappings = &step.host.realm.consents;
        if mappings.is_empty() {
            return next();
        }
        let answers: Vec<bool> = step
            .callbacks
            .iter()
            .filter(|callback| callback.is(CallbackType::ConsentMappingCallback))
            .map(|callback| callback.flag(""))
            .collect();
        let complete = answers.len() == mappings.len() && (!config.allRequired || !answers.contains(&false));
        if !complete {
            let message = step.text(&config.message, "You consent to your data being shared with external services.");
            let callbacks: Vec<Callback> = mappings
                .iter()
                .map(|mapping| {
                    let output = [
                        ("name", json!(mapping.name)),
                        ("displayName", json!(mapping.display_name)),
                        ("icon", json!(mapping.icon)),
                        ("accessLevel", json!(mapping.access_level)),
                        ("titles", json!(mapping.titles)),
                        ("isRequired", json!(config.allRequired)),
                        ("message", json!(message)),
                    ];
                    Callback::new(CallbackType::ConsentMappingCallback, output, [("", json!(false))])
                })
                .collect();
            return send(callbacks);
        }
        let date = step.date();
        let agreed = mappings.iter().zip(&answers).filter(|(_, agreed)| **agreed);
        let agreed: Vec<Value> =
            agreed.map(|(mapping, _)| json!({"mapping": mapping.name, "consentDate": date})).collect();
        step.set_attribute(Where::Shared, CONSENTED, Value::Array(agreed));
        next()
    }
}
