use super::prelude::*;
use crate::engine::Identified;

config! {}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "AgentDataStoreDecisionNode";
    const NAME: &'static str = "Agent Data Store Decision";
    const ABOUT: &'static str = "Checks the collected name and password of an agent.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(DECISION);
    const INPUTS: &'static [Key] = &[Key::Named("realm"), Key::Named("username"), Key::Named("password")];
    type Config = Config;

    async fn process(_: Config, step: &mut Step<'_>) -> NodeResult {
        let Some(password) = step.state.text("password") else {
            return Err(NodeError::State("no password was collected".to_owned()));
        };
        let Some(name) = step.username() else { return decide(false) };
        match step.host.identities.check_agent_password(name, password).await? {
            Some(agent) => {
                let (username, universal_id) = (agent.username, agent.universal_id);
                step.effects.identified = Some(Identified { username, universal_id, stored: false });
                decide(true)
            }
            None => decide(false),
        }
    }
}
