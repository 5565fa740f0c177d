//! A step of any journey, as a form without scripts: what the template shows of each callback, and what a form sends
//! back for it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_journey::{Callback, CallbackType, JourneyState};
use serde_json::{Value, json};

use super::super::query::Query;
use super::reduced::{self, Piece};
use crate::journey::MAX_USERNAME;
use crate::passwords::MAX_PASSWORD;

/// For everything that is neither a name nor a password.
const MAX_TEXT: usize = 4096;
const USE_KEY: &str = "Use your security key or passkey";
/// The field beside a list of security questions.
const OWN_QUESTION: &str = "ownQuestion";
/// More options than these are a list to choose from.
const MAX_RADIOS: usize = 5;

/// One part of the form.
pub(super) enum Part {
    Text(Text),
    Check {
        id: String,
        label: String,
        checked: bool,
        required: bool,
    },
    /// What is to be agreed to, above its check box.
    Terms(Vec<Piece>),
    Choice {
        id: String,
        label: String,
        options: Vec<Choice>,
        radio: bool,
    },
    Note {
        kind: &'static str,
        pieces: Vec<Piece>,
    },
    Hidden {
        name: String,
        value: String,
    },
    /// The step ends by leaving for another site.
    Away {
        href: String,
    },
    /// What `webauthn.js` has the browser do, and the field for what comes of it.
    WebAuthn {
        options: String,
        answer: String,
    },
    App(App),
    Question(Question),
    /// Recovery codes, which are shown this once.
    Codes {
        device: String,
        /// One in each line.
        list: String,
    },
}

/// A security question: one of the realm's, or the user's own where that is allowed.
pub(super) struct Question {
    pub(super) id: String,
    pub(super) label: String,
    pub(super) questions: Vec<String>,
    pub(super) chosen: String,
    /// The field of the user's own, with what was typed.
    pub(super) own: Option<Text>,
}

/// What an app for one-time passwords is given: in three ways, for apps on another device, on this one, and for typing.
pub(super) struct App {
    pub(super) link: String,
    /// The QR code, as a `data:` URL; none for a link that is too long.
    pub(super) image: Option<String>,
    pub(super) secret: String,
}

pub(super) struct Text {
    pub(super) id: String,
    pub(super) label: String,
    pub(super) kind: &'static str,
    pub(super) autocomplete: &'static str,
    pub(super) value: String,
    /// In characters, where the limits count bytes.
    pub(super) max: usize,
    pub(super) required: bool,
    /// What the last answer failed.
    pub(super) failed: Vec<String>,
    pub(super) autofocus: bool,
}

pub(super) struct Choice {
    pub(super) value: usize,
    pub(super) label: String,
    pub(super) chosen: bool,
}

/// A button, and what it answers.
pub(super) struct Button {
    pub(super) name: Option<String>,
    pub(super) value: usize,
    pub(super) label: String,
    /// Pressing it does not need the fields.
    pub(super) novalidate: bool,
    pub(super) quiet: bool,
}

pub(super) struct View {
    pub(super) parts: Vec<Part>,
    pub(super) buttons: Vec<Button>,
    /// Asked again after so many seconds.
    pub(super) wait: Option<u64>,
    /// Needs a script that these pages do not run.
    pub(super) scripted: bool,
}

impl View {
    /// `typed` is what a form of the same shape sent; passwords are not shown again.
    pub(super) fn new(state: &JourneyState, typed: Option<&Query>, realm: &str) -> Self {
        let mut view = Self { parts: Vec::new(), buttons: Vec::new(), wait: None, scripted: false };
        for (position, callback) in state.callbacks().iter().enumerate() {
            view.add(&Asked { id: format!("IDToken{}", position + 1), callback, typed, realm });
        }
        view.focus();
        view.name_the_answer(state.callbacks());
        let credentials = state.callbacks().iter().any(|callback| callback.is(CallbackType::PasswordCallback));
        let away = view.parts.iter().any(|part| matches!(part, Part::Away { .. }));
        if view.buttons.is_empty() && !state.is_suspended() && !away {
            let label = match (view.web_authn(), credentials) {
                (Some(_), _) => USE_KEY,
                (None, true) => "Sign in",
                (None, false) => "Continue",
            };
            view.buttons.push(Button {
                name: None,
                value: 0,
                label: label.to_owned(),
                novalidate: view.wait.is_some(),
                quiet: false,
            });
        }
        view
    }

    fn add(&mut self, asked: &Asked<'_>) {
        let text = |name| asked.text(name);
        match asked.callback.kind() {
            CallbackType::ChoiceCallback => self.parts.push(asked.choice()),
            CallbackType::ConfirmationCallback => self.add_buttons(asked),
            CallbackType::KbaCreateCallback => self.parts.extend(asked.question()),
            CallbackType::BooleanAttributeInputCallback => {
                let checked = asked.shown("", 5) == "true";
                self.parts.push(asked.check(reduced::plain(text("prompt")), checked, false));
            }
            CallbackType::TermsAndConditionsCallback => {
                self.parts.push(Part::Terms(reduced::reduce(text("terms"), asked.realm)));
                self.parts.push(asked.check("I accept the terms and conditions".to_owned(), false, true));
            }
            CallbackType::ConsentMappingCallback => {
                let required = asked.flag("isRequired").unwrap_or(false);
                self.parts.push(asked.check(reduced::plain(text("message")), false, required));
            }
            CallbackType::TextOutputCallback | CallbackType::SuspendedTextOutputCallback => match text("messageType") {
                "4" => self.scripted = true,
                "1" | "2" => self.parts.push(asked.note("note-error")),
                _ => self.parts.push(asked.note("")),
            },
            CallbackType::PollingWaitCallback => {
                let milliseconds: u64 = text("waitTime").parse().unwrap_or(0);
                self.wait = Some(milliseconds.div_ceil(1000).clamp(1, 3600));
                self.parts.push(asked.note(""));
            }
            CallbackType::RedirectCallback => {
                let href = text("redirectUrl");
                // The engine lets apps through that the settings list; from a page, browsers open only the web.
                if reduced::is_web(href) || href.starts_with('/') && !href.starts_with("//") {
                    self.parts.push(Part::Away { href: href.to_owned() });
                }
            }
            CallbackType::HiddenValueCallback => {
                let is_for_app = ["otpauth://", "pushauth://"].iter().any(|scheme| text("value").starts_with(scheme));
                if text("id") == "mfaDeviceRegistration" && is_for_app {
                    self.parts.push(Part::App(App::new(text("value"))));
                }
                let value = plain_value(asked.callback.input(""));
                self.parts.push(Part::Hidden { name: asked.id.clone(), value });
            }
            CallbackType::MetadataCallback => match asked.callback.output("data") {
                Some(data) if data.get("_type") == Some(&json!("RecoveryCodes")) => {
                    let codes = data.get("codes").and_then(Value::as_array).into_iter().flatten();
                    let list = codes.filter_map(Value::as_str).collect::<Vec<_>>().join("\n");
                    let device = data.get("device").and_then(Value::as_str).unwrap_or_default().to_owned();
                    self.parts.push(Part::Codes { device, list });
                }
                Some(data) if data.get("_type") == Some(&json!("WebAuthn")) => {
                    self.parts.push(Part::WebAuthn { options: data.to_string(), answer: String::new() });
                }
                _ => self.scripted |= is_for_a_script(asked.callback),
            },
            // Device profiles, captchas and the like are answered by programs.
            _ => match asked.field() {
                Some(field) => self.parts.push(Part::Text(field)),
                None => self.scripted = true,
            },
        }
    }

    fn add_buttons(&mut self, asked: &Asked<'_>) {
        let default = asked.callback.output("defaultOption").and_then(Value::as_u64).unwrap_or(0);
        let pressed = asked.callback.index().and_then(|index| usize::try_from(index).ok());
        let options = asked.list("options");
        // Where pressing is optional, the form goes on without it.
        if pressed.is_none_or(|pressed| pressed >= options.len()) {
            let label = if self.web_authn().is_some() { USE_KEY } else { "Continue" }.to_owned();
            self.buttons.push(Button { name: None, value: 0, label, novalidate: false, quiet: false });
        }
        let optional = !self.buttons.is_empty();
        self.buttons.extend(options.into_iter().enumerate().map(|(value, label)| Button {
            name: Some(asked.id.clone()),
            value,
            label: reduced::plain(&label),
            novalidate: optional || u64::try_from(value) != Ok(default),
            quiet: optional || u64::try_from(value) != Ok(default),
        }));
    }

    pub(super) fn web_authn(&self) -> Option<&Part> {
        self.parts.iter().find(|part| matches!(part, Part::WebAuthn { .. }))
    }

    /// Which field takes what comes of WebAuthn.
    fn name_the_answer(&mut self, callbacks: &[Callback]) {
        let is = |callback: &Callback| {
            callback.is(CallbackType::HiddenValueCallback) && callback.output("id") == Some(&json!("webAuthnOutcome"))
        };
        let position = callbacks.iter().position(is);
        for part in &mut self.parts {
            if let (Part::WebAuthn { answer, .. }, Some(position)) = (part, position) {
                *answer = format!("IDToken{}", position + 1);
            }
        }
    }

    /// The first field that is wrong, else the first that is empty.
    fn focus(&mut self) {
        let texts = self.parts.iter_mut().filter_map(|part| match part {
            Part::Text(text) => Some(text),
            _ => None,
        });
        let mut texts: Vec<&mut Text> = texts.collect();
        let wrong = texts.iter().position(|text| !text.failed.is_empty());
        let place = wrong.or_else(|| texts.iter().position(|text| text.value.is_empty()));
        if let Some(text) = place.and_then(|place| texts.get_mut(place)) {
            text.autofocus = true;
        }
    }
}

/// One callback of the step, with what was typed for it.
struct Asked<'a> {
    /// The name of its plain input.
    id: String,
    callback: &'a Callback,
    typed: Option<&'a Query>,
    realm: &'a str,
}

impl<'a> Asked<'a> {
    fn text(&self, name: &str) -> &'a str {
        self.callback.output(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn flag(&self, name: &str) -> Option<bool> {
        self.callback.output(name).and_then(Value::as_bool)
    }

    fn list(&self, name: &str) -> Vec<String> {
        let list = self.callback.output(name).and_then(Value::as_array);
        list.into_iter().flatten().map(|item| item.as_str().unwrap_or_default().to_owned()).collect()
    }

    /// What an input has: as it was typed, else as the callback has it.
    fn shown(&self, suffix: &str, max: usize) -> String {
        let typed = self.typed.and_then(|typed| typed.first(&format!("{}{suffix}", self.id)));
        let typed = typed.filter(|text| text.len() <= max);
        typed.map_or_else(|| plain_value(self.callback.input(suffix)), str::to_owned)
    }

    fn plain(&self, kind: &'static str, autocomplete: &'static str, max: usize) -> Text {
        Text {
            id: self.id.clone(),
            label: reduced::plain(self.text("prompt")),
            kind,
            autocomplete,
            value: self.shown("", max),
            max,
            required: true,
            failed: failed(self.callback),
            autofocus: false,
        }
    }

    /// The field of a callback that is answered by typing.
    fn field(&self) -> Option<Text> {
        let secret = |autocomplete| Text { value: String::new(), ..self.plain("password", autocomplete, MAX_PASSWORD) };
        let prompt = self.text("prompt");
        let required = self.flag("required").unwrap_or(false);
        Some(match self.callback.kind() {
            CallbackType::NameCallback => self.plain("text", autocomplete(prompt, "username"), MAX_USERNAME),
            CallbackType::PasswordCallback => secret(autocomplete(prompt, "current-password")),
            CallbackType::TextInputCallback => Text { required: false, ..self.plain("text", "off", MAX_TEXT) },
            CallbackType::ValidatedCreateUsernameCallback => self.plain("text", "username", MAX_USERNAME),
            CallbackType::ValidatedCreatePasswordCallback => secret("new-password"),
            CallbackType::StringAttributeInputCallback => {
                let (kind, autocomplete) = match self.text("name") {
                    "mail" => ("email", "email"),
                    "givenName" => ("text", "given-name"),
                    "sn" => ("text", "family-name"),
                    "telephoneNumber" => ("tel", "tel"),
                    _ => ("text", "off"),
                };
                Text { required, ..self.plain(kind, autocomplete, MAX_TEXT) }
            }
            CallbackType::NumberAttributeInputCallback => Text { required, ..self.plain("number", "off", MAX_TEXT) },
            _ => return None,
        })
    }

    fn check(&self, label: String, checked: bool, required: bool) -> Part {
        Part::Check { id: self.id.clone(), label, checked, required }
    }

    fn note(&self, kind: &'static str) -> Part {
        Part::Note { kind, pieces: reduced::reduce(self.text("message"), self.realm) }
    }

    fn choice(&self) -> Part {
        let chosen = self.callback.index().and_then(|index| usize::try_from(index).ok());
        let label = |(value, label): (usize, String)| Choice { value, label, chosen: chosen == Some(value) };
        let options: Vec<Choice> = self.list("choices").into_iter().enumerate().map(label).collect();
        let radio = options.len() <= MAX_RADIOS;
        Part::Choice { id: self.id.clone(), label: reduced::plain(self.text("prompt")), options, radio }
    }

    /// A security question and its answer.
    fn question(&self) -> [Part; 2] {
        let field = |suffix: &str, label: &str, value: String| Text {
            id: format!("{}{suffix}", self.id),
            label: label.to_owned(),
            value,
            ..self.plain("text", "off", MAX_TEXT)
        };
        let (questions, label) = (self.list("predefinedQuestions"), reduced::plain(self.text("prompt")));
        let (chosen, typed) = (self.shown("question", MAX_TEXT), self.shown(OWN_QUESTION, MAX_TEXT));
        let question = if questions.is_empty() {
            Part::Text(field("question", &label, chosen))
        } else {
            // REST and a step that comes back have one value for both.
            let typed = if typed.is_empty() && !questions.contains(&chosen) { chosen.clone() } else { typed };
            let own = self.flag("allowUserDefinedQuestions").unwrap_or(true).then(|| {
                let label = "Your own question, in place of one above";
                Text { required: false, ..field(OWN_QUESTION, label, typed) }
            });
            Part::Question(Question { id: format!("{}question", self.id), label, questions, chosen, own })
        };
        [question, Part::Text(field("answer", "Answer", self.shown("answer", MAX_TEXT)))]
    }
}

impl App {
    fn new(link: &str) -> Self {
        let query = link.split_once('?').map_or("", |(_, query)| query);
        let secret = query.split('&').find_map(|pair| pair.strip_prefix("secret=")).unwrap_or_default();
        // Groups of four are easier to type.
        let letters: Vec<char> = secret.chars().filter(char::is_ascii_alphanumeric).collect();
        let secret = letters.chunks(4).map(|four| four.iter().collect::<String>()).collect::<Vec<_>>().join(" ");
        let image = countersign_journey::qr::svg(link);
        let image = image.map(|svg| format!("data:image/svg+xml;base64,{}", STANDARD.encode(svg)));
        Self { link: link.to_owned(), image, secret }
    }
}

/// What browsers offer to fill in: a prompt for a code is no name and no password, though it asks like one.
fn autocomplete(prompt: &str, usual: &'static str) -> &'static str {
    let prompt = prompt.to_lowercase();
    if prompt.contains("verification code") || prompt.contains("one time password") {
        "one-time-code"
    } else if prompt.contains("recovery code") {
        "off"
    } else {
        usual
    }
}

/// Metadata that asks a script to do something; other metadata is for whoever draws the page.
fn is_for_a_script(callback: &Callback) -> bool {
    callback.output("data").is_some_and(|data| data.get("_action").is_some())
}

fn plain_value(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

/// The policies that the last answer failed, in words.
fn failed(callback: &Callback) -> Vec<String> {
    let failed = callback.output("failedPolicies").and_then(Value::as_array);
    failed.into_iter().flatten().filter_map(Value::as_str).map(policy).collect()
}

fn policy(text: &str) -> String {
    let policy: Value = serde_json::from_str(text).unwrap_or_default();
    let number = |name: &str| policy.pointer(&format!("/params/{name}")).map(Value::to_string).unwrap_or_default();
    match policy.get("policyRequirement").and_then(Value::as_str).unwrap_or_default() {
        "REQUIRED" | "MATCH_REGEXP" if policy.get("params").is_none() => "This is needed.".to_owned(),
        "REQUIRED" | "NOT_EMPTY" => "This is needed.".to_owned(),
        "MIN_LENGTH" => format!("At least {} characters are needed.", number("minLength")),
        "MAX_LENGTH" => format!("At most {} characters are possible.", number("maxLength")),
        "UNIQUE" | "VALID_USERNAME" => "This is already taken.".to_owned(),
        "VALID_EMAIL_ADDRESS_FORMAT" => "This is not an e-mail address.".to_owned(),
        "AT_LEAST_X_CAPITAL_LETTERS" => format!("At least {} capital letters are needed.", number("numCaps")),
        "AT_LEAST_X_NUMBERS" => format!("At least {} digits are needed.", number("numNums")),
        "CANNOT_CONTAIN_CHARACTERS" => {
            "This has a space, a slash, or another character that is not possible.".to_owned()
        }
        "CANNOT_CONTAIN_OTHERS" => "This must not contain what the other fields have.".to_owned(),
        "IS_NEW" => "This was used before.".to_owned(),
        "" => "This is not possible.".to_owned(),
        other => format!("This is not possible ({}).", other.to_lowercase().replace('_', " ")),
    }
}

/// What the form says to each callback, in the form of REST.
pub(super) fn answers(asked: &[Callback], form: &Query) -> Vec<Value> {
    let of = |(position, callback): (usize, &Callback)| {
        let inputs: Vec<Value> = callback
            .inputs()
            .map(|(suffix, current)| {
                let name = format!("IDToken{}{suffix}", position + 1);
                let own = || form.filled(&format!("IDToken{}{OWN_QUESTION}", position + 1));
                let value = match (form.first(&name), current) {
                    // None of the realm's was chosen.
                    (Some(""), _) if callback.is(CallbackType::KbaCreateCallback) && suffix == "question" => {
                        json!(own().unwrap_or_default())
                    }
                    // A check box that is not ticked is not sent.
                    (sent, Value::Bool(_)) => json!(sent == Some("true")),
                    (Some(sent), _) => json!(sent),
                    (None, current) => current.clone(),
                };
                json!({"name": name, "value": value})
            })
            .collect();
        json!({"type": callback.kind().name(), "input": inputs})
    };
    asked.iter().enumerate().map(of).collect()
}
