use super::prelude::*;

config! {
    /// The journey to run.
    tree: String;
    /// Leave by `error` when the journey ends with an exception, instead of ending with it.
    displayErrorOutcome: bool = false;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "InnerTreeEvaluatorNode";
    const NAME: &'static str = "Inner Tree Evaluator";
    const ABOUT: &'static str =
        "Runs another journey and leaves by its result. Shared state comes back, transient state does not.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Of(|config| {
        let error = config.displayErrorOutcome.then_some("error");
        DECISION.iter().copied().chain(error).map(str::to_owned).collect()
    });
    type Config = Config;

    async fn process(config: Config, _: &mut Step<'_>) -> NodeResult {
        Ok(Action::Enter { journey: config.tree, catch: config.displayErrorOutcome })
    }
}
