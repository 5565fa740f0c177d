use super::prelude::*;
use crate::social::{SELECTED, linked};

config! {
    /// Offer the user's own password as well.
    includeLocalAuthentication: bool = true;
    /// Offer only what the user has logged in with before.
    offerOnlyExisting: bool = false;
    /// The attribute whose presence says that there is a password.
    passwordAttribute: String = "password";
    /// The attribute by which the user is found.
    identityAttribute: String = "mail";
    /// The providers to offer; none named means all.
    filteredProviders: Vec<String>;
}

pub(crate) const LOCAL: &str = "localAuthentication";
const SOCIAL: &str = "socialAuthentication";

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "SelectIdPNode";
    const NAME: &'static str = "Select Identity Provider";
    const ABOUT: &'static str =
        "Has the user choose an identity provider. On a page, as its last node, it may make the others unnecessary.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Of(|config| {
        let ids = [(true, SOCIAL), (config.includeLocalAuthentication, LOCAL)];
        ids.into_iter().filter(|(there, _)| *there).map(|(_, id)| id.to_owned()).collect()
    });
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::SelectIdPCallback];
    const INPUTS: &'static [Key] = IDENTITY;
    const OUTPUTS: &'static [Key] = &[Key::Named(SELECTED)];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let named = &config.filteredProviders;
        let offered = |name: &str| named.is_empty() || named.iter().any(|known| known == name);
        let mut choices: Vec<(&str, Value)> = step
            .library
            .providers()
            .filter(|(name, _)| offered(name))
            .map(|(name, settings)| (name, settings.get("uiConfig").cloned().unwrap_or_else(|| json!({}))))
            .collect();
        let mut local = config.includeLocalAuthentication;
        if config.offerOnlyExisting
            && let Some(identity) = step.lookup(&config.identityAttribute).await?
        {
            choices.retain(|(name, _)| linked(&identity, name));
            local = local && step.host.identities.has(step.resource(), &identity, &config.passwordAttribute).await?;
        }
        let chosen = match (choices.as_slice(), local) {
            ([], false) => return Err(NodeError::Config("there is no identity provider to choose".to_owned())),
            ([(only, _)], false) => Some((*only).to_owned()),
            ([], true) => Some(LOCAL.to_owned()),
            _ => {
                let answer = step.answer(CallbackType::SelectIdPCallback);
                let known =
                    |answer: &&str| choices.iter().any(|(name, _)| name == answer) || (local && *answer == LOCAL);
                answer.filter(known).map(str::to_owned)
            }
        };
        if let Some(chosen) = chosen {
            let outcome = if chosen == LOCAL { LOCAL } else { SOCIAL };
            step.state.put_shared(SELECTED, chosen);
            return goto(outcome);
        }
        let mut shown: Vec<Value> =
            choices.iter().map(|(name, look)| json!({"provider": name, "uiConfig": look})).collect();
        if local {
            shown.push(json!({"provider": LOCAL}));
        }
        send([Callback::select_idp(&shown)])
    }
}
