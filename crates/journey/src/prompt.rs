//! Callbacks for a person at a terminal: what to show, what to ask, how to take the answer.

use serde_json::{Value, json};

use crate::{Callback, CallbackError, CallbackType};

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answering {
    /// Nothing is asked: show the label.
    Nothing,
    Text,
    /// Not echoed.
    Secret,
    /// The index of one of these.
    OneOf(Vec<String>),
    YesNo,
    Number,
    /// Wait so many milliseconds, then send the step unchanged.
    Wait(u64),
    /// Made by a program, not typed: kept as it is unless an answer is given.
    Machine,
}

/// One line of a walk through a journey. A callback with several inputs gives several.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prompt {
    pub label: String,
    pub answering: Answering,
    /// Which input the answer belongs to.
    pub suffix: &'static str,
    pub default: String,
}

impl Callback {
    pub fn prompts(&self) -> Vec<Prompt> {
        let text = |name: &str| self.output(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let list = |name: &str| -> Vec<String> {
            let list = self.output(name).and_then(Value::as_array);
            list.into_iter().flatten().map(|item| item.as_str().unwrap_or_default().to_owned()).collect()
        };
        let default = match self.input("") {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        };
        let one = |label: String, answering| vec![Prompt { label, answering, suffix: "", default: default.clone() }];
        match self.kind() {
            CallbackType::NameCallback
            | CallbackType::TextInputCallback
            | CallbackType::StringAttributeInputCallback
            | CallbackType::ValidatedCreateUsernameCallback => one(text("prompt"), Answering::Text),
            CallbackType::PasswordCallback | CallbackType::ValidatedCreatePasswordCallback => {
                one(text("prompt"), Answering::Secret)
            }
            CallbackType::NumberAttributeInputCallback => one(text("prompt"), Answering::Number),
            CallbackType::BooleanAttributeInputCallback => one(text("prompt"), Answering::YesNo),
            CallbackType::ChoiceCallback => one(text("prompt"), Answering::OneOf(list("choices"))),
            CallbackType::ConfirmationCallback => one(text("prompt"), Answering::OneOf(list("options"))),
            CallbackType::TermsAndConditionsCallback => one(text("terms"), Answering::YesNo),
            CallbackType::ConsentMappingCallback => one(text("message"), Answering::YesNo),
            CallbackType::SelectIdPCallback => one("Identity provider".to_owned(), Answering::Text),
            CallbackType::KbaCreateCallback => {
                let questions = list("predefinedQuestions").join(" | ");
                let part = |label: String, suffix| Prompt {
                    label,
                    answering: Answering::Text,
                    suffix,
                    default: self.input(suffix).and_then(Value::as_str).unwrap_or_default().to_owned(),
                };
                let question = format!("{} ({questions})", text("prompt"));
                vec![part(question, "question"), part("Answer".to_owned(), "answer")]
            }
            CallbackType::TextOutputCallback | CallbackType::SuspendedTextOutputCallback => {
                let script = self.output("messageType").and_then(Value::as_str) == Some("4");
                one(if script { "(a script for browsers)".to_owned() } else { text("message") }, Answering::Nothing)
            }
            CallbackType::PollingWaitCallback => {
                one(text("message"), Answering::Wait(text("waitTime").parse().unwrap_or(0)))
            }
            CallbackType::RedirectCallback => one(format!("Go to {}", text("redirectUrl")), Answering::Nothing),
            CallbackType::MetadataCallback => {
                let data = self.output("data").map_or_else(String::new, Value::to_string);
                one(format!("(metadata: {data})"), Answering::Nothing)
            }
            // A link that an app takes.
            CallbackType::HiddenValueCallback if text("id") == "mfaDeviceRegistration" => {
                one(text("value"), Answering::Nothing)
            }
            _ => one(self.kind().name().to_owned(), Answering::Machine),
        }
    }

    /// Takes what was typed at a prompt.
    pub fn answer_text(&mut self, prompt: &Prompt, typed: &str) -> Result<(), CallbackError> {
        let value = match &prompt.answering {
            Answering::Nothing | Answering::Wait(_) => return Ok(()),
            Answering::YesNo => {
                let typed = typed.trim().to_lowercase();
                json!(matches!(typed.as_str(), "y" | "yes" | "true" | "1"))
            }
            Answering::OneOf(options) => {
                let typed = typed.trim();
                match options.iter().position(|option| option == typed) {
                    Some(index) => json!(index),
                    None => json!(typed),
                }
            }
            Answering::Text | Answering::Secret | Answering::Number | Answering::Machine => json!(typed),
        };
        self.answer(prompt.suffix, value)
    }
}
