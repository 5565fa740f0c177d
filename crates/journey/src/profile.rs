//! The profile under construction (`objectAttributes`) and the identity that a journey is about.

use serde_json::{Map, Value, json};

use crate::callback::{CallbackType, Validation};
use crate::engine::Identified;
use crate::host::{Identity, Property, PropertyKind, Schema};
use crate::node::{Key, NodeError};
use crate::state::{OBJECT_ATTRIBUTES, at, put_at};
use crate::step::Step;

/// What a node needs that looks up the identity.
pub(crate) const IDENTITY: &[Key] = &[Key::Named("username"), Key::Named(OBJECT_ATTRIBUTES)];

/// The counter of logins that the realm keeps for each user.
pub(crate) const LOGIN_COUNT: &str = "loginCount";

/// Answers to security questions are kept and compared without regard to case and spacing.
pub(crate) fn normal_answer(answer: &str) -> String {
    answer.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

#[derive(Clone, Copy)]
pub(crate) enum Where {
    Shared,
    Transient,
}

impl Step<'_> {
    pub(crate) fn resource(&self) -> &str {
        self.journey.identity_resource()
    }

    pub(crate) fn schema(&self) -> Option<&Schema> {
        self.host.realm.schema(self.journey.identity_resource())
    }

    /// The value of an attribute from the context: what earlier nodes collected.
    pub(crate) fn attribute(&self, path: &str) -> Option<Value> {
        at(&self.state.object(OBJECT_ATTRIBUTES), path).cloned()
    }

    pub(crate) fn set_attribute(&mut self, store: Where, path: &str, value: Value) {
        let store = match store {
            Where::Shared => &mut self.state.shared,
            Where::Transient => &mut self.state.transient,
        };
        let slot = store.entry(OBJECT_ATTRIBUTES).or_insert_with(|| Value::Object(Map::new()));
        if !slot.is_object() {
            *slot = Value::Object(Map::new());
        }
        if let Value::Object(map) = slot {
            put_at(map, path, value);
        }
    }

    /// The identity lookup of AM's profile nodes: by the attribute's value from the context, else by `username`.
    pub(crate) async fn lookup(&self, identity_attribute: &str) -> Result<Option<Identity>, NodeError> {
        let value = self.attribute(identity_attribute).as_ref().and_then(Value::as_str).map(str::to_owned);
        let value = value.filter(|value| !value.is_empty());
        let resource = self.resource();
        let identities = self.host.identities;
        if let Some(value) = value {
            return Ok(identities.find(resource, identity_attribute, &value).await?);
        }
        match self.username() {
            None => Ok(None),
            Some(name) => Ok(identities.find(resource, identity_attribute, name).await?),
        }
    }

    pub(crate) async fn require(&self, identity_attribute: &str) -> Result<Identity, NodeError> {
        let found = self.lookup(identity_attribute).await?;
        found.ok_or_else(|| NodeError::State("no identity found".to_owned()))
    }

    pub(crate) async fn user(&self) -> Result<Option<Identity>, NodeError> {
        match self.username() {
            Some(name) => Ok(self.host.identities.find(self.resource(), "userName", name).await?),
            None => Ok(None),
        }
    }

    /// Who is to be checked: `username`, or the name that was collected as an attribute, which is where a journey puts
    /// it that takes it from a session.
    pub(crate) fn login_name(&self) -> Option<String> {
        let collected = || self.attribute("userName")?.as_str().map(str::to_owned);
        self.username().map(str::to_owned).or_else(collected)
    }

    pub(crate) fn identify(&mut self, identity: &Identity) {
        self.effects.identified = Some(Identified {
            username: identity.username.clone(),
            universal_id: identity.universal_id.clone(),
            stored: true,
        });
    }

    /// The policies of an attribute for a validating callback, with what the value fails.
    pub(crate) async fn validate(
        &self,
        attribute: &str,
        value: Option<&Value>,
        validate_only: bool,
    ) -> Result<Validation, NodeError> {
        let policies = self.schema().and_then(|schema| schema.property(attribute)).map(|property| &property.policies);
        let policies = policies.cloned().unwrap_or_else(|| json!({}));
        let failed = match value {
            None => Vec::new(),
            Some(value) => {
                let object = self.state.text("_id").map(str::to_owned);
                let identities = self.host.identities;
                identities.failed_policies(self.resource(), object.as_deref(), attribute, value).await?
            }
        };
        Ok(Validation { policies, failed: failed.iter().map(Value::to_string).collect(), validate_only })
    }

    pub(crate) fn prompt_for<'b>(&'b self, attribute: &str, default: &'b str) -> &'b str {
        let property = self.schema().and_then(|schema| schema.property(attribute));
        property.map(|property| property.title.as_str()).filter(|title| !title.is_empty()).unwrap_or(default)
    }

    /// The node works on the same kind of object as its journey, or it refuses.
    pub(crate) fn same_resource(&self, configured: &str) -> Result<(), NodeError> {
        if !self.journey.other_resource(configured) {
            return Ok(());
        }
        let why = format!("identityResource is {configured}, the journey's is {}", self.resource());
        Err(NodeError::Config(why))
    }

    /// Whether a property that the schema requires is not among these.
    pub(crate) fn required_missing(&self, object: &Map<String, Value>) -> bool {
        let properties = self.schema().into_iter().flat_map(|schema| &schema.properties);
        properties.filter(|(_, property)| property.required).any(|(path, _)| at(object, path).is_none())
    }

    /// Records terms that were accepted earlier in the journey.
    pub(crate) async fn record_terms(&self, identity: &Identity) -> Result<(), NodeError> {
        let Some(Value::Object(accepted)) = self.state.get("termsAccepted") else { return Ok(()) };
        let text = |name: &str| accepted.get(name).and_then(Value::as_str).unwrap_or_default();
        Ok(self.host.identities.accept_terms(identity, text("termsVersion"), text("acceptDate")).await?)
    }
}

impl Property {
    pub(crate) fn callback(&self) -> CallbackType {
        match self.kind {
            PropertyKind::Number => CallbackType::NumberAttributeInputCallback,
            PropertyKind::Boolean => CallbackType::BooleanAttributeInputCallback,
            PropertyKind::Text | PropertyKind::Other => CallbackType::StringAttributeInputCallback,
        }
    }

    /// Whether a value can stand in this property's callback.
    pub(crate) fn takes(&self, value: &Value) -> bool {
        match self.kind {
            PropertyKind::Number => value.is_number(),
            PropertyKind::Boolean => value.is_boolean(),
            PropertyKind::Text | PropertyKind::Other => value.is_string() || value.is_array(),
        }
    }

    /// The value of an attribute callback before anything is known.
    pub(crate) fn empty(&self) -> Value {
        match self.kind {
            PropertyKind::Number => Value::Null,
            PropertyKind::Boolean => json!(false),
            PropertyKind::Text | PropertyKind::Other => json!(""),
        }
    }
}
