use super::prelude::*;
use crate::host::Question;
use crate::profile::normal_answer;

config! {
    /// The attribute with questions and answers.
    kbaInfoAttribute: String = "kbaInfo";
    /// The attribute by which the user is found.
    identityAttribute: String = "userName";
}

/// Which questions were asked, by their place in the profile.
const ASKED: &str = "questions";
const ATTEMPTS: &str = "kbaAttempts";

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "KbaVerifyNode";
    const NAME: &'static str = "KBA Verification";
    const ABOUT: &'static str = "Asks for the answers to some of the user's security questions.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(DECISION);
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::PasswordCallback];
    const INPUTS: &'static [Key] = &[Key::Named("username"), Key::Named(OBJECT_ATTRIBUTES), Key::Own(ASKED)];
    const OUTPUTS: &'static [Key] = &[Key::Own(ASKED)];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let identity = step.require(&config.identityAttribute).await?;
        let identities = step.host.identities;
        let kba = &step.host.realm.kba;
        let questions = identities.questions(&identity, &config.kbaInfoAttribute).await?;
        if questions.is_empty() {
            return decide(false);
        }
        let key = step.own(ASKED);
        let answers = step.answers(CallbackType::PasswordCallback);
        if answers.is_empty() {
            // A shuffle that stops when there are enough.
            let mut order: Vec<usize> = (0..questions.len()).collect();
            let count = kba.minimum_answers_to_verify.clamp(1, order.len());
            for position in 0..count {
                let rest = u32::try_from(order.len() - position).unwrap_or(1);
                order.swap(position, position + step.below(rest) as usize);
            }
            order.truncate(count);
            let asked = order.iter().filter_map(|index| questions.get(*index)).map(|question| {
                Callback::password(match question {
                    Question::Predefined(id) => kba.questions.get(id).map_or(id.as_str(), String::as_str),
                    Question::Custom(text) => text,
                })
            });
            let callbacks: Vec<Callback> = asked.collect();
            step.state.put_shared(&key, json!(order));
            return send(callbacks);
        }
        let asked: Vec<usize> = match step.state.get(&key) {
            Some(Value::Array(list)) => list.iter().filter_map(|index| usize::try_from(index.as_u64()?).ok()).collect(),
            _ => Vec::new(),
        };
        let mut right = asked.len() == answers.len();
        for (index, answer) in asked.iter().zip(&answers) {
            let Some(question) = questions.get(*index) else { return decide(false) };
            // All are checked, so that time does not tell which was wrong.
            right &=
                identities.check_answer(&identity, &config.kbaInfoAttribute, question, &normal_answer(answer)).await?;
        }
        step.state.remove(&key);
        if right {
            identities.set_counter(&identity.username, ATTEMPTS, None).await?;
            return decide(true);
        }
        let attempts = identities.counter(&identity.username, ATTEMPTS).await?.unwrap_or(0) + 1;
        identities.set_counter(&identity.username, ATTEMPTS, Some(attempts)).await?;
        if kba.maximum_attempts > 0 && attempts > i64::from(kba.maximum_attempts) {
            return Err(NodeError::Refused("too many wrong answers".to_owned()));
        }
        decide(false)
    }
}
