use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Longest text that one input of a callback may carry; device profiles and WebAuthn answers are the long ones.
pub(crate) const MAX_INPUT: usize = 32 * 1024;

macro_rules! callback_types {
    ($($name:ident),* $(,)?) => {
        /// The types of the wire, by their names there.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        pub enum CallbackType { $($name),* }

        impl CallbackType {
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }

            pub fn of(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| kind.name() == name)
            }
        }
    };
}

callback_types! {
    BooleanAttributeInputCallback,
    ChoiceCallback,
    ConfirmationCallback,
    ConsentMappingCallback,
    DeviceBindingCallback,
    DeviceProfileCallback,
    DeviceSigningVerifierCallback,
    HiddenValueCallback,
    HttpCallback,
    IdPCallback,
    KbaCreateCallback,
    LanguageCallback,
    MetadataCallback,
    NameCallback,
    NumberAttributeInputCallback,
    PasswordCallback,
    PingOneProtectEvaluationCallback,
    PingOneProtectInitializeCallback,
    PollingWaitCallback,
    ReCaptchaCallback,
    ReCaptchaEnterpriseCallback,
    RedirectCallback,
    SelectIdPCallback,
    StringAttributeInputCallback,
    SuspendedTextOutputCallback,
    TermsAndConditionsCallback,
    TextInputCallback,
    TextOutputCallback,
    ValidatedCreatePasswordCallback,
    ValidatedCreateUsernameCallback,
    X509CertificateCallback,
}

/// What was wrong with the callbacks a client sent: always the client's fault. The texts are AM's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallbackError {
    Count,
    Type,
    /// An input is missing, of another JSON type, out of range or too long.
    Input,
}

impl std::fmt::Display for CallbackError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Count => "Incorrect number of callbacks found in JSON response",
            Self::Type => "Required callback not found in JSON response",
            Self::Input => "Callback input is missing or not valid",
        })
    }
}

impl std::error::Error for CallbackError {}

/// A question to the client and, once submitted, its answer. All types share one form on the wire: named outputs, and
/// inputs named `IDTokenN` plus a suffix, where N is the position in the step.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Callback {
    kind: CallbackType,
    output: Vec<(String, Value)>,
    /// Suffix and value; the plain input, if there is one, comes first and has the empty suffix.
    input: Vec<(String, Value)>,
}

/// What the attribute callbacks and the validated ones have in common.
#[derive(Clone, Default)]
pub struct Validation {
    /// The policy object of the schema, `{}` when nothing is validated.
    pub policies: Value,
    /// What the last answer failed: each a JSON text.
    pub failed: Vec<String>,
    pub validate_only: bool,
}

impl Validation {
    fn outputs(self) -> [(&'static str, Value); 3] {
        let policies = if self.policies.is_object() { self.policies } else { json!({}) };
        [("policies", policies), ("failedPolicies", json!(self.failed)), ("validateOnly", json!(self.validate_only))]
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MessageType {
    Information,
    Warning,
    Error,
}

/// The index that stands for "no button pressed" where pressing one is optional.
pub const NOT_PRESSED: i64 = 100;

impl Callback {
    pub fn new<'a>(
        kind: CallbackType,
        output: impl IntoIterator<Item = (&'a str, Value)>,
        input: impl IntoIterator<Item = (&'a str, Value)>,
    ) -> Self {
        let own = |(name, value): (&str, Value)| (name.to_owned(), value);
        Self { kind, output: output.into_iter().map(own).collect(), input: input.into_iter().map(own).collect() }
    }

    pub fn name(prompt: &str) -> Self {
        Self::new(CallbackType::NameCallback, [("prompt", json!(prompt))], [("", json!(""))])
    }

    pub fn password(prompt: &str) -> Self {
        Self::new(CallbackType::PasswordCallback, [("prompt", json!(prompt))], [("", json!(""))])
    }

    pub fn choice(prompt: &str, choices: &[String], default: usize) -> Self {
        let output = [("prompt", json!(prompt)), ("choices", json!(choices)), ("defaultChoice", json!(default))];
        Self::new(CallbackType::ChoiceCallback, output, [("", json!(default))])
    }

    /// Buttons. `selected` is what an untouched answer means: [`NOT_PRESSED`] where pressing is optional.
    pub fn confirmation(options: &[String], default: usize, selected: i64) -> Self {
        let output = [
            ("prompt", json!("")),
            ("messageType", json!(0)),
            ("options", json!(options)),
            ("optionType", json!(-1)),
            ("defaultOption", json!(default)),
        ];
        Self::new(CallbackType::ConfirmationCallback, output, [("", json!(selected))])
    }

    pub fn hidden(id: &str, value: &str) -> Self {
        let output = [("value", json!(value)), ("id", json!(id))];
        Self::new(CallbackType::HiddenValueCallback, output, [("", json!(id))])
    }

    pub fn text_output(message: &str, kind: MessageType) -> Self {
        let kind = match kind {
            MessageType::Information => "0",
            MessageType::Warning => "1",
            MessageType::Error => "2",
        };
        Self::new(CallbackType::TextOutputCallback, [("message", json!(message)), ("messageType", json!(kind))], [])
    }

    /// AM's ScriptTextOutputCallback: on the wire a text output of message type 4.
    pub fn script(script: &str) -> Self {
        let output = [("message", json!(script)), ("messageType", json!("4"))];
        Self::new(CallbackType::TextOutputCallback, output, [])
    }

    pub fn suspended(message: &str) -> Self {
        let output = [("message", json!(message)), ("messageType", json!("0"))];
        Self::new(CallbackType::SuspendedTextOutputCallback, output, [])
    }

    pub fn metadata(data: Map<String, Value>) -> Self {
        Self::new(CallbackType::MetadataCallback, [("data", Value::Object(data))], [])
    }

    pub fn polling_wait(milliseconds: u64, message: &str) -> Self {
        let output = [("waitTime", json!(milliseconds.to_string())), ("message", json!(message))];
        Self::new(CallbackType::PollingWaitCallback, output, [])
    }

    pub fn redirect(url: &str, tracking_cookie: bool) -> Self {
        let output =
            [("redirectUrl", json!(url)), ("redirectMethod", json!("GET")), ("trackingCookie", json!(tracking_cookie))];
        Self::new(CallbackType::RedirectCallback, output, [])
    }

    /// Identity providers to choose from, each with how its button looks.
    pub fn select_idp(providers: &[Value]) -> Self {
        let output = [("providers", json!(providers)), ("value", json!(""))];
        Self::new(CallbackType::SelectIdPCallback, output, [("", json!(""))])
    }

    /// A key in an app is to be bound (`username`, `authentication` and `attestation` are told then) or used.
    pub(crate) fn device_key(
        kind: CallbackType,
        user: &str,
        binding: Option<(&str, &str, bool)>,
        challenge: &str,
        texts: [&str; 3],
        seconds: i64,
    ) -> Self {
        let mut output = vec![("userId", json!(user))];
        let mut input = vec![("jws", json!(""))];
        if let Some((username, authentication, _)) = binding {
            output.extend([("username", json!(username)), ("authenticationType", json!(authentication))]);
            input.extend([("deviceName", json!("")), ("deviceId", json!(""))]);
        }
        let [title, subtitle, description] = texts;
        output.extend([
            ("challenge", json!(challenge)),
            ("title", json!(title)),
            ("subtitle", json!(subtitle)),
            ("description", json!(description)),
            ("timeout", json!(seconds)),
        ]);
        // After the challenge: apps read it with that.
        output.extend(binding.map(|(.., attestation)| ("attestation", json!(attestation))));
        input.push(("clientError", json!("")));
        Self::new(kind, output, input)
    }

    pub fn validated_username(prompt: &str, value: &str, validation: Validation) -> Self {
        let validate_only = validation.validate_only;
        let output = validation.outputs().into_iter().chain([("prompt", json!(prompt))]);
        let input = [("", json!(value)), ("validateOnly", json!(validate_only))];
        Self::new(CallbackType::ValidatedCreateUsernameCallback, output, input)
    }

    pub fn validated_password(prompt: &str, validation: Validation) -> Self {
        let validate_only = validation.validate_only;
        let output =
            [("echoOn", json!(false))].into_iter().chain(validation.outputs()).chain([("prompt", json!(prompt))]);
        let input = [("", json!("")), ("validateOnly", json!(validate_only))];
        Self::new(CallbackType::ValidatedCreatePasswordCallback, output, input)
    }

    /// The three attribute callbacks: `kind` says which, `value` is what the profile holds now.
    pub fn attribute(
        kind: CallbackType,
        name: &str,
        prompt: &str,
        value: Value,
        required: bool,
        validation: Validation,
    ) -> Self {
        let validate_only = validation.validate_only;
        let output = [("name", json!(name)), ("prompt", json!(prompt)), ("required", json!(required))]
            .into_iter()
            .chain(validation.outputs())
            .chain([("value", value.clone())]);
        Self::new(kind, output, [("", value), ("validateOnly", json!(validate_only))])
    }

    pub fn kba_create(prompt: &str, questions: &[String], user_defined: bool, question: &str, answer: &str) -> Self {
        let output = [
            ("prompt", json!(prompt)),
            ("predefinedQuestions", json!(questions)),
            ("allowUserDefinedQuestions", json!(user_defined)),
        ];
        let input = [("question", json!(question)), ("answer", json!(answer))];
        Self::new(CallbackType::KbaCreateCallback, output, input)
    }

    pub fn terms(version: &str, terms: &str, create_date: &str) -> Self {
        let output = [("version", json!(version)), ("terms", json!(terms)), ("createDate", json!(create_date))];
        Self::new(CallbackType::TermsAndConditionsCallback, output, [("", json!(false))])
    }

    pub const fn kind(&self) -> CallbackType {
        self.kind
    }

    pub fn is(&self, kind: CallbackType) -> bool {
        self.kind == kind
    }

    pub fn output(&self, name: &str) -> Option<&Value> {
        self.output.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Shows a value in the plain input.
    pub(crate) fn prefill(&mut self, text: &str) {
        if let Some((_, slot)) = self.input.first_mut() {
            *slot = json!(text);
        }
    }

    /// The answer under this suffix; `""` is the plain one.
    pub fn input(&self, suffix: &str) -> Option<&Value> {
        self.input.iter().find(|(known, _)| known == suffix).map(|(_, value)| value)
    }

    pub fn inputs(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.input.iter().map(|(suffix, value)| (suffix.as_str(), value))
    }

    /// The plain answer as text; empty where there is none.
    pub fn text(&self) -> &str {
        self.input("").and_then(Value::as_str).unwrap_or_default()
    }

    pub fn index(&self) -> Option<i64> {
        self.input("").and_then(Value::as_i64)
    }

    pub fn flag(&self, suffix: &str) -> bool {
        self.input(suffix).and_then(Value::as_bool).unwrap_or(false)
    }

    /// Puts in an answer as a client would; the value must be of the type that was asked for.
    pub fn answer(&mut self, suffix: &str, value: Value) -> Result<(), CallbackError> {
        let kind = self.kind;
        let options = self.options();
        let slot = self.input.iter_mut().find(|(known, _)| known == suffix).ok_or(CallbackError::Input)?;
        let value = coerce(kind, &slot.1, value).ok_or(CallbackError::Input)?;
        if let (Some(count), Some(index)) = (options, value.as_i64()) {
            let untouched = value == slot.1;
            let within = usize::try_from(index).is_ok_and(|index| index < count);
            if !within && !untouched {
                return Err(CallbackError::Input);
            }
        }
        slot.1 = value;
        Ok(())
    }

    /// How many options there are to choose from, where the answer is an index.
    fn options(&self) -> Option<usize> {
        let name = match self.kind {
            CallbackType::ChoiceCallback => "choices",
            CallbackType::ConfirmationCallback => "options",
            _ => return None,
        };
        Some(self.output(name).and_then(Value::as_array).map_or(0, Vec::len))
    }

    /// The wire form at the 0-based `position` of a step; `with_id` adds the `_id` that pages have.
    pub fn to_wire(&self, position: usize, with_id: bool) -> Value {
        let pairs = |list: &[(String, Value)], prefix: &str| -> Value {
            list.iter().map(|(name, value)| json!({"name": format!("{prefix}{name}"), "value": value})).collect()
        };
        let mut wire = Map::new();
        wire.insert("type".to_owned(), json!(self.kind.name()));
        wire.insert("output".to_owned(), pairs(&self.output, ""));
        if !self.input.is_empty() {
            wire.insert("input".to_owned(), pairs(&self.input, &format!("IDToken{}", position + 1)));
        }
        if with_id {
            wire.insert("_id".to_owned(), json!(position));
        }
        Value::Object(wire)
    }
}

/// Takes the answers of a client's `callbacks` array into what was asked. Outputs, ids and unknown members that the
/// client sends back are ignored: only what it was asked for is read.
pub(crate) fn submit(asked: &[Callback], submitted: &[Value]) -> Result<Vec<Callback>, CallbackError> {
    if asked.len() != submitted.len() {
        return Err(CallbackError::Count);
    }
    let mut answered = asked.to_vec();
    for (position, (callback, wire)) in answered.iter_mut().zip(submitted).enumerate() {
        if wire.get("type").and_then(Value::as_str) != Some(callback.kind.name()) {
            return Err(CallbackError::Type);
        }
        if callback.input.is_empty() {
            continue;
        }
        let inputs = wire.get("input").and_then(Value::as_array).ok_or(CallbackError::Input)?;
        if let [(suffix, _)] = callback.input.as_slice() {
            // Where there is one input, clients may call it what they like, as with AM.
            let [one] = inputs.as_slice() else { return Err(CallbackError::Input) };
            let (suffix, value) = (suffix.clone(), one.get("value").ok_or(CallbackError::Input)?);
            callback.answer(&suffix, value.clone())?;
            continue;
        }
        let prefix = format!("IDToken{}", position + 1);
        let suffixes: Vec<String> = callback.input.iter().map(|(suffix, _)| suffix.clone()).collect();
        for suffix in suffixes {
            let named = |input: &&Value| {
                let name = input.get("name").and_then(Value::as_str).and_then(|name| name.strip_prefix(&prefix));
                name == Some(suffix.as_str())
            };
            // An input that is not sent keeps what was shown: older clients leave out `validateOnly`.
            if let Some(value) = inputs.iter().find(named).and_then(|input| input.get("value")) {
                callback.answer(&suffix, value.clone())?;
            } else if suffix.is_empty() {
                return Err(CallbackError::Input);
            }
        }
    }
    Ok(answered)
}

/// The value in the type that was asked for. Integers and booleans also come as text from forms.
fn coerce(kind: CallbackType, asked: &Value, value: Value) -> Option<Value> {
    if let Value::String(text) = &value
        && text.len() > MAX_INPUT
    {
        return None;
    }
    match (kind, asked, value) {
        (CallbackType::NumberAttributeInputCallback, Value::Null | Value::Number(_), value) => match value {
            Value::Null | Value::Number(_) => Some(value),
            Value::String(text) if text.trim().is_empty() => Some(Value::Null),
            Value::String(text) => serde_json::from_str::<serde_json::Number>(text.trim()).ok().map(Value::Number),
            _ => None,
        },
        (_, Value::Number(_), Value::String(text)) => text.trim().parse::<i64>().ok().map(Value::from),
        (_, Value::Number(_), value) => value.as_i64().map(Value::from),
        (_, Value::Bool(_), Value::String(text)) => text.trim().parse::<bool>().ok().map(Value::from),
        (_, Value::Bool(_), value @ Value::Bool(_)) => Some(value),
        (_, Value::String(_) | Value::Null, value @ Value::String(_)) => Some(value),
        (_, Value::String(_) | Value::Null, Value::Null) => Some(json!("")),
        // Lists and the like: attributes with several values.
        (_, Value::Array(_), value @ (Value::Array(_) | Value::String(_))) => Some(value),
        _ => None,
    }
}
