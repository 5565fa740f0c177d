use super::prelude::*;
use crate::config::{ConfigError, Field, NodeConfig};
use crate::document::text_at;
use crate::scripting::{self, Access};

/// Where a journey puts the definition of a designed node into its configuration when it is compiled.
pub(crate) const DEFINITION: &str = "_definition";

/// The definition is itself the declaration of the settings, so nothing of it is declared here.
pub(crate) struct Config {
    /// The id of the script: that of the type.
    script: String,
    outcomes: Vec<String>,
    on_error: bool,
    access: Access,
    properties: Map<String, Value>,
}

const ON_ERROR: &str = "Error";

impl NodeConfig for Config {
    fn fields() -> Vec<Field> {
        Vec::new()
    }

    fn read(config: &Map<String, Value>) -> Result<Self, ConfigError> {
        let missing = ConfigError { field: "nodeTypes", why: "does not define this type" };
        let definition = config.get(DEFINITION).and_then(Value::as_object).ok_or(missing)?;
        let list = |name: &str| -> Vec<String> {
            let list = definition.get(name).and_then(Value::as_array);
            list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let mut properties = Map::new();
        for (name, property) in definition.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let default = property.get("defaultValue").cloned().unwrap_or_default();
            properties.insert(name.clone(), config.get(name).cloned().unwrap_or(default));
        }
        Ok(Self {
            script: format!("designer-{}", text_at(definition, &["serviceName"]).unwrap_or_default()),
            outcomes: list("outcomes"),
            on_error: definition.get("errorOutcome").and_then(Value::as_bool).unwrap_or(false),
            access: Access { inputs: list("inputs"), outputs: list("outputs") },
            properties,
        })
    }
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "designer";
    const NAME: &'static str = "Designed Node";
    const ABOUT: &'static str =
        "Any node made with the node designer, `designer-` and an id: its export has the script.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Of(|config| {
        let on_error = config.on_error.then(|| ON_ERROR.to_owned());
        config.outcomes.iter().cloned().chain(on_error).collect()
    });
    const CALLBACKS: &'static [CallbackType] = CallbackType::ALL;
    const INPUTS: &'static [Key] = &[Key::All];
    const OUTPUTS: &'static [Key] = &[Key::All];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let missing = || NodeError::Config(format!("script of {} does not exist", config.script));
        let script = step.library.script(&config.script).ok_or_else(missing)?;
        match scripting::decide(step, script, &config.access, &config.outcomes, config.properties).await {
            Err(NodeError::Script(_)) if config.on_error => goto(ON_ERROR),
            result => result,
        }
    }
}
