use std::collections::BTreeSet;

use super::prelude::*;
use crate::profile::normal_answer;

config! {
    /// What is shown above each question.
    message: Localised;
    /// Let the user ask questions of their own.
    allowUserDefinedQuestions: bool = true;
}

const TWICE: &str = "This question was chosen before. Select another one.";

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "KbaCreateNode";
    const NAME: &'static str = "KBA Definition";
    const ABOUT: &'static str = "Asks for security questions and their answers.";
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::KbaCreateCallback];
    const OUTPUTS: &'static [Key] = &[Key::Named(OBJECT_ATTRIBUTES)];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let kba = &step.host.realm.kba;
        let texts: Vec<String> = kba.questions.values().cloned().collect();
        let message = step.text(&config.message, "Select a security question");
        let answered: Vec<&Callback> =
            step.callbacks.iter().filter(|callback| callback.is(CallbackType::KbaCreateCallback)).collect();
        let part = |callback: &Callback, suffix: &str| {
            callback.input(suffix).and_then(Value::as_str).unwrap_or_default().trim().to_owned()
        };
        let (mut seen, mut twice) = (BTreeSet::new(), None);
        let mut entries = Vec::new();
        for callback in &answered {
            let (question, answer) = (part(callback, "question"), part(callback, "answer"));
            let id = kba.questions.iter().find(|(_, text)| **text == question).map(|(id, _)| id);
            let allowed = id.is_some() || config.allowUserDefinedQuestions;
            if question.is_empty() || answer.is_empty() || !allowed {
                break;
            }
            if !seen.insert(plain(&question)) {
                twice = Some(entries.len());
                break;
            }
            entries.push(match id {
                Some(id) => json!({"questionId": id, "answer": normal_answer(&answer)}),
                None => json!({"customQuestion": question, "answer": normal_answer(&answer)}),
            });
        }
        let count = kba.minimum_answers_to_define.max(1);
        if entries.len() < count {
            let ask = |position: usize| {
                let (question, answer) = answered
                    .get(position)
                    .map(|callback| (part(callback, "question"), part(callback, "answer")))
                    .unwrap_or_default();
                // The callback has no other place for it.
                let message = if twice == Some(position) { TWICE } else { &message };
                Callback::kba_create(message, &texts, config.allowUserDefinedQuestions, &question, &answer)
            };
            return send((0..count).map(ask).collect::<Vec<_>>());
        }
        step.set_attribute(Where::Transient, "kbaInfo", json!(entries));
        next()
    }
}

/// Questions differ when their letters do.
fn plain(question: &str) -> String {
    question.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
