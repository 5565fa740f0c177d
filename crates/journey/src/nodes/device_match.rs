use super::prelude::*;
use crate::host::{Device, DeviceKind};
use crate::scripting::{self, Access};

config! {
    /// How many members of the metadata may differ.
    acceptableVariance: i64 = 0;
    /// Days after which a saved device is not known any more.
    expiration: i64 = 30;
    /// Let the script decide instead.
    useScript: bool = false;
    /// The script.
    script: Option<String>;
}

pub(crate) const PROFILE: &str = "forgeRock.device.profile";
const OUTCOMES: &[&str] = &["true", "false", "unknownDevice"];
const DAY: u64 = 24 * 3600 * 1000;

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "DeviceMatchNode";
    const NAME: &'static str = "Device Match";
    const ABOUT: &'static str = "Compares what the device says of itself with what was saved of it before.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(OUTCOMES);
    // A script may look at anything.
    const INPUTS: &'static [Key] = &[Key::All];
    const OUTPUTS: &'static [Key] = &[Key::All];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        if config.useScript {
            let id = config.script.as_deref().unwrap_or_default();
            let missing = || NodeError::Config(format!("script {id:?} does not exist"));
            let script = step.library.script(id).ok_or_else(missing)?.clone();
            let outcomes: Vec<String> = OUTCOMES.iter().map(|outcome| (*outcome).to_owned()).collect();
            let access = Access { inputs: Vec::new(), outputs: Vec::new() };
            return scripting::decide(step, &script, &access, &outcomes, Map::new()).await;
        }
        let missing = || NodeError::State("there is no device profile".to_owned());
        let profile = step.state.get(PROFILE).and_then(Value::as_object).cloned().ok_or_else(missing)?;
        let Some(user) = step.user().await? else { return goto("unknownDevice") };
        let known = step.host.devices.list(&user.username, DeviceKind::Profile).await?;
        let now = step.now();
        let fresh = |device: &&Device| {
            let seen = device.profile.get("lastSelectedDate").and_then(Value::as_u64).unwrap_or(0);
            let days = u64::try_from(config.expiration).unwrap_or(0);
            now.saturating_sub(seen) <= days.saturating_mul(DAY)
        };
        let same =
            |device: &&Device| profile.get("identifier").is_some_and(|id| device.profile.get("identifier") == Some(id));
        let Some(device) = known.iter().filter(fresh).find(same) else { return goto("unknownDevice") };
        let differing = differences(device.profile.get("metadata"), profile.get("metadata"));
        decide(i64::try_from(differing).is_ok_and(|differing| differing <= config.acceptableVariance))
    }
}

/// How many values are in one and not, or otherwise, in the other.
fn differences(one: Option<&Value>, other: Option<&Value>) -> usize {
    match (one, other) {
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            let mut names: Vec<&String> = one.keys().chain(other.keys()).collect();
            names.sort_unstable();
            names.dedup();
            names.into_iter().map(|name| differences(one.get(name), other.get(name))).sum()
        }
        (one, other) => usize::from(one != other),
    }
}
