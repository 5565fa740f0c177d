use super::prelude::*;
use crate::callback::Validation;
use crate::host::{Property, PropertyKind};
use crate::state::at;

config! {
    /// Attributes, by path such as `preferences/updates`.
    attributesToCollect: Vec<String>;
    /// Whether all of them must be given.
    required: bool = false;
    /// Check them against the policies of the schema.
    validateInputs: bool = false;
    /// The attribute by which the user is found.
    identityAttribute: String = "userName";
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "AttributeCollectorNode";
    const NAME: &'static str = "Attribute Collector";
    const ABOUT: &'static str = "Asks for attributes of the profile.";
    const CALLBACKS: &'static [CallbackType] = &[
        CallbackType::StringAttributeInputCallback,
        CallbackType::NumberAttributeInputCallback,
        CallbackType::BooleanAttributeInputCallback,
    ];
    const INPUTS: &'static [Key] = &[Key::Named("username"), Key::Named("_id"), Key::Named(OBJECT_ATTRIBUTES)];
    const OUTPUTS: &'static [Key] = &[Key::Named(OBJECT_ATTRIBUTES)];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let mut properties = Vec::new();
        for path in &config.attributesToCollect {
            match step.schema().and_then(|schema| schema.property(path)) {
                Some(property) if !property.viewable || (config.validateInputs && !property.user_editable) => {}
                Some(property) => properties.push((path.as_str(), property.clone())),
                None if config.validateInputs => {
                    return Err(NodeError::Config(format!("attribute {path:?} is not in the schema")));
                }
                None => properties.push((path.as_str(), unknown(path))),
            }
        }
        if properties.is_empty() {
            return next();
        }
        let find = |path: &str| {
            let named = |callback: &&Callback| callback.output("name").and_then(Value::as_str) == Some(path);
            step.callbacks.iter().find(named)
        };
        let mut again = false;
        let mut collected = Vec::new();
        let mut callbacks = Vec::new();
        let existing = if step.callbacks.is_empty() { step.lookup(&config.identityAttribute).await? } else { None };
        for (path, property) in &properties {
            let answered = find(path);
            let value = match answered {
                Some(callback) => callback.input("").cloned().unwrap_or_default(),
                None => {
                    again = true;
                    let known = existing.as_ref().and_then(|identity| at(&identity.attributes, path).cloned());
                    known.filter(|value| property.takes(value)).unwrap_or_else(|| property.empty())
                }
            };
            let only = answered.is_some_and(|callback| callback.flag("validateOnly"));
            let missing = value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty());
            let validation = if config.validateInputs {
                let given = Some(&value).filter(|_| answered.is_some() && (config.required || !missing));
                step.validate(path, given, only).await?
            } else {
                Validation { validate_only: only, ..Validation::default() }
            };
            again |= only || !validation.failed.is_empty() || (config.required && missing);
            if !missing {
                collected.push((*path, value.clone()));
            }
            let kind = property.callback();
            callbacks.push(Callback::attribute(kind, path, &property.title, value, config.required, validation));
        }
        if again {
            return send(callbacks);
        }
        for (path, value) in collected {
            step.set_attribute(Where::Shared, path, value);
        }
        next()
    }
}

/// An attribute that the schema does not know is a text.
fn unknown(path: &str) -> Property {
    Property {
        title: path.to_owned(),
        kind: PropertyKind::Text,
        required: false,
        viewable: true,
        user_editable: true,
        policies: json!({}),
    }
}
