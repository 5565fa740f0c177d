use serde_json::{Map, Value};

use crate::config::Setting as _;
use crate::locale::Localised;

/// A mail to be sent. `from` is empty where the deployment's sender is to be used.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    pub from: String,
    pub to: String,
    pub subject: String,
    pub body: String,
    pub html: bool,
}

/// A mail's texts with placeholders such as `{{object.givenName}}`, as exports have them under `emailTemplates`.
#[derive(Clone, Default)]
pub struct EmailTemplate {
    pub from: String,
    pub subject: Localised,
    pub message: Localised,
    pub html: bool,
    pub enabled: bool,
}

impl EmailTemplate {
    pub fn read(template: &Map<String, Value>) -> Option<Self> {
        let texts = |name: &str| template.get(name).and_then(Localised::read).unwrap_or_default();
        let text = |name: &str| template.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (message, html) = (texts("message"), texts("html"));
        let is_html = !html.0.is_empty() || text("mimeType") != "text/plain";
        // `message` is the rendered form of `html` in newer versions and the only one in older ones.
        let message = if message.0.is_empty() { html } else { message };
        let enabled = template.get("enabled").and_then(Value::as_bool).unwrap_or(true);
        (!message.0.is_empty()).then(|| Self {
            from: text("from"),
            subject: texts("subject"),
            message,
            html: is_html,
            enabled,
        })
    }

    /// The link alone, for journeys that came without their template.
    pub(crate) fn link() -> Self {
        let english = |text: &str| Localised([("en".to_owned(), text.to_owned())].into());
        Self {
            from: String::new(),
            subject: english("Your link"),
            message: english("Open this link to go on:\n\n{{object.resumeURI}}\n"),
            html: false,
            enabled: true,
        }
    }

    /// The mail for `object`, whose values take the place of `{{object.name}}`, escaped where the mail is HTML.
    pub fn render(&self, to: &str, object: &Map<String, Value>, languages: &[String]) -> Mail {
        let subject = fill(self.subject.pick(languages).unwrap_or_default(), object, false);
        let body = fill(self.message.pick(languages).unwrap_or_default(), object, self.html);
        // A line break in a subject would begin another header.
        let subject = subject.replace(['\r', '\n'], " ");
        Mail { from: self.from.clone(), to: to.to_owned(), subject, body, html: self.html }
    }
}

fn fill(text: &str, object: &Map<String, Value>, html: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let Some(length) = rest[start..].find("}}") else { break };
        out.push_str(&rest[..start]);
        let name = rest[start + 2..start + length].trim();
        let name = name.strip_prefix("object.").unwrap_or(name);
        let value = match crate::state::at(object, &name.replace('.', "/")) {
            Some(Value::String(text)) => text.clone(),
            None | Some(Value::Null) => String::new(),
            Some(other) => other.to_string(),
        };
        out.push_str(&if html { escape(&value) } else { value });
        rest = &rest[start + length + 2..];
    }
    out.push_str(rest);
    out
}

pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}
