use super::prelude::*;

config! {
    /// The kind of object.
    identityResource: String = "managed/user";
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "RequiredAttributesDecisionNode";
    const NAME: &'static str = "Required Attributes Present";
    const ABOUT: &'static str = "Whether everything was collected that the schema requires.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(DECISION);
    const INPUTS: &'static [Key] = &[Key::Named(OBJECT_ATTRIBUTES)];
    type Config = Config;

    async fn process(_: Config, step: &mut Step<'_>) -> NodeResult {
        let object = step.state.object(OBJECT_ATTRIBUTES);
        decide(!step.required_missing(&object))
    }
}
