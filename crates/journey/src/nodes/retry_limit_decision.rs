use super::prelude::*;

config! {
    /// How often the user may try again.
    retryLimit: i64 = 3;
    /// Count at the user, so that a new journey does not begin anew.
    incrementUserAttributeOnFailure: bool = true;
}

const COUNT: &str = "retryCount";

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "RetryLimitDecisionNode";
    const NAME: &'static str = "Retry Limit Decision";
    const ABOUT: &'static str =
        "Lets a user try again a number of times: 3 means three more tries after the first failure.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(&["Retry", "Reject"]);
    const INPUTS: &'static [Key] = &[Key::Named("username"), Key::Own(COUNT)];
    const OUTPUTS: &'static [Key] = &[Key::Own(COUNT)];
    const COMPLETES: bool = true;
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let counter = counter(step);
        let user = step.user().await?.filter(|_| config.incrementUserAttributeOnFailure);
        let in_state = step.own_number(COUNT).unwrap_or(0);
        let count = match &user {
            // A try with another name counts as well.
            Some(user) => step.host.identities.counter(&user.username, &counter).await?.unwrap_or(0).max(in_state),
            None => in_state,
        };
        let key = step.own(COUNT);
        if count < config.retryLimit {
            step.state.put_shared(&key, count + 1);
            if let Some(user) = &user {
                step.host.identities.set_counter(&user.username, &counter, Some(count + 1)).await?;
            }
            return goto("Retry");
        }
        if let Some(user) = &user {
            step.host.identities.set_counter(&user.username, &counter, None).await?;
        }
        step.state.remove(&key);
        goto("Reject")
    }

    async fn completed(config: Config, step: &mut Step<'_>, success: bool) -> Result<(), NodeError> {
        if !success {
            return Ok(());
        }
        let key = step.own(COUNT);
        step.state.remove(&key);
        if config.incrementUserAttributeOnFailure
            && let Some(user) = step.user().await?
        {
            step.host.identities.set_counter(&user.username, &counter(step), None).await?;
        }
        Ok(())
    }
}

fn counter(step: &Step<'_>) -> String {
    format!("retryLimitNodeCount.{}", step.node.id)
}
