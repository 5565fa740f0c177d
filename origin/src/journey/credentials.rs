use countersign_journey::{Callback, CallbackType};
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// User name and password that came along with a request, to fill steps that ask for nothing else.
pub(crate) struct Credentials {
    pub(crate) username: String,
    pub(crate) password: Zeroizing<String>,
}

impl Credentials {
    /// The answers to a step, if these answer all of it.
    pub(super) fn fill(&self, asked: &[Callback]) -> Option<Vec<Value>> {
        let mut inputs = 0;
        let filled = asked.iter().map(|callback| {
            let value = match callback.kind() {
                CallbackType::NameCallback => self.username.as_str(),
                CallbackType::PasswordCallback => self.password.as_str(),
                // It says something and asks for nothing.
                kind => return (callback.inputs().next().is_none()).then(|| json!({"type": kind.name()})),
            };
            inputs += 1;
            Some(json!({"type": callback.kind().name(), "input": [{"value": value}]}))
        });
        let filled = filled.collect::<Option<Vec<Value>>>()?;
        (inputs > 0).then_some(filled)
    }
}
