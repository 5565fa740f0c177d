use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::import::source;
use crate::journey::truth;
use crate::mail::EmailTemplate;
use crate::variables::Variables;
use crate::{Export, Journey};

/// What a realm has to run: journeys by name, and what they refer to.
#[derive(Clone, Default)]
pub struct Library {
    journeys: BTreeMap<String, Arc<Journey>>,
    scripts: BTreeMap<String, Arc<Script>>,
    templates: BTreeMap<String, EmailTemplate>,
    providers: BTreeMap<String, Map<String, Value>>,
    stubs: BTreeMap<String, String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Language {
    JavaScript,
    Groovy,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Script {
    pub id: String,
    pub name: String,
    pub language: Language,
    /// The bindings of evaluator version 2.0, instead of those of old.
    pub next_generation: bool,
    pub source: String,
}

impl Script {
    /// Reads a script of an export; `None` when its source is not there.
    pub fn read(id: &str, script: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| script.get(name).and_then(Value::as_str).unwrap_or_default();
        Some(Self {
            id: id.to_owned(),
            name: text("name").to_owned(),
            language: if text("language").eq_ignore_ascii_case("groovy") {
                Language::Groovy
            } else {
                Language::JavaScript
            },
            next_generation: text("evaluatorVersion").starts_with('2'),
            source: source(script.get("script")?)?,
        })
    }

    /// The script of a node made with the node designer, under its type.
    fn of_designed(definition: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| definition.get(name).and_then(Value::as_str).unwrap_or_default();
        Some(Self {
            id: format!("designer-{}", text("serviceName")),
            name: text("displayName").to_owned(),
            language: Language::JavaScript,
            next_generation: true,
            source: source(definition.get("script")?)?,
        })
    }
}

impl Library {
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in an export: later ones replace what has the same name. Values that the export has for its variables are
    /// used where `variables` has none.
    pub fn add(&mut self, export: &Export, variables: &Variables) {
        for (name, document) in &export.journeys {
            let mut variables = variables.clone();
            for (id, variable) in document.section("variable") {
                if let Some(value) = variable_value(variable) {
                    variables.add(id, value);
                }
            }
            for (id, script) in document.section("scripts") {
                if let Some(script) = Script::read(id, script) {
                    self.scripts.insert(id.to_owned(), Arc::new(script));
                }
            }
            for (_, definition) in document.section("nodeTypes") {
                if let Some(script) = Script::of_designed(definition) {
                    self.scripts.insert(script.id.clone(), Arc::new(script));
                }
            }
            for (id, template) in document.section("emailTemplates") {
                if let Some(template) = EmailTemplate::read(template) {
                    self.templates.insert(id.to_owned(), template);
                }
            }
            for (id, provider) in document.section("socialIdentityProviders") {
                // A variable without a value leaves its placeholder, which no identity provider will take.
                let provider = variables.resolve(provider, &mut std::collections::BTreeSet::new());
                self.providers.insert(id.to_owned(), provider);
            }
            if let Some(journey) = Journey::compile(name, document, &variables) {
                self.journeys.insert(name.clone(), Arc::new(journey));
            }
        }
    }

    pub fn insert(&mut self, journey: Journey) {
        self.journeys.insert(journey.name.clone(), Arc::new(journey));
    }

    pub fn insert_script(&mut self, script: Script) {
        self.scripts.insert(script.id.clone(), Arc::new(script));
    }

    pub fn insert_template(&mut self, name: &str, template: EmailTemplate) {
        self.templates.insert(name.to_owned(), template);
    }

    pub fn provider(&self, name: &str) -> Option<&Map<String, Value>> {
        self.providers.get(name)
    }

    /// Those that are enabled, by name.
    pub fn providers(&self) -> impl Iterator<Item = (&str, &Map<String, Value>)> {
        let enabled = |settings: &Map<String, Value>| settings.get("enabled").is_none_or(|it| truth(it) == Some(true));
        self.providers.iter().filter(move |(_, settings)| enabled(settings)).map(|(name, all)| (name.as_str(), all))
    }

    /// Has nodes of a type that is not known left by this outcome, as an administrator decides.
    pub fn stub(&mut self, type_id: &str, outcome: &str) {
        self.stubs.insert(type_id.to_owned(), outcome.to_owned());
    }

    pub fn stub_of(&self, type_id: &str) -> Option<&str> {
        self.stubs.get(type_id).map(String::as_str)
    }

    pub fn journeys(&self) -> impl Iterator<Item = &Arc<Journey>> {
        self.journeys.values()
    }

    pub fn journey(&self, name: &str) -> Option<&Arc<Journey>> {
        self.journeys.get(name)
    }

    pub fn scripts(&self) -> impl Iterator<Item = &Arc<Script>> {
        self.scripts.values()
    }

    pub fn script(&self, id: &str) -> Option<&Arc<Script>> {
        self.scripts.get(id)
    }

    pub fn template(&self, name: &str) -> Option<&EmailTemplate> {
        self.templates.get(name)
    }
}

/// frodo writes a variable's value in Base64.
fn variable_value(variable: &Map<String, Value>) -> Option<String> {
    use base64::Engine as _;
    if let Some(value) = variable.get("value").and_then(Value::as_str) {
        return Some(value.to_owned());
    }
    let packed = variable.get("valueBase64").and_then(Value::as_str)?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(packed).ok()?;
    String::from_utf8(bytes).ok()
}
