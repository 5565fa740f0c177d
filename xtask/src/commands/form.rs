//! The form of a page, sent as a browser would send it.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};

pub(super) struct Form {
    pub(super) action: String,
    fields: Vec<(String, String)>,
}

impl Form {
    /// The first form of our own pages, which quote every attribute and escape what they show.
    pub(super) fn first(page: &str) -> Result<Self> {
        let (_, form) = page.split_once("<form ").context("the page has no form")?;
        let (form, _) = form.split_once("</form>").context("the page's form has no end")?;
        let action = attribute(form, "action").context("the page's form leads nowhere")?;
        let inputs = form.split("<input").skip(1);
        let fields =
            inputs.filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default())));
        Ok(Self { action, fields: fields.collect() })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(known, _)| known == name)
    }

    pub(super) fn fill(&mut self, name: &str, value: &str) -> Result<()> {
        let field = self.fields.iter_mut().find(|(known, _)| known == name);
        field.with_context(|| format!("the page's form has no field {name}"))?.1 = value.to_owned();
        Ok(())
    }

    /// `application/x-www-form-urlencoded`
    pub(super) fn body(&self) -> String {
        let pair = |(name, value): &(String, String)| format!("{}={}", encode(name), encode(value));
        self.fields.iter().map(pair).collect::<Vec<_>>().join("&")
    }
}

fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Of the tag that `html` begins within.
fn attribute(html: &str, name: &str) -> Option<String> {
    let (tag, _) = html.split_once('>')?;
    let tag = format!(" {tag}");
    let (_, value) = tag.split_once(&format!(" {name}=\""))?;
    let (value, _) = value.split_once('"')?;
    // The ampersand comes last, so that what was escaped twice stays escaped once.
    let characters = [("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&"), ("&amp;", "&")];
    Some(characters.iter().fold(value.to_owned(), |text, (escaped, character)| text.replace(escaped, character)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_filled_and_sent() {
        let mut form = Form::first(
            r#"<p>Hello</p><form method="post" action="/in?a=1&amp;b=2">
            <input type="hidden" name="goto" value="/x?a=&#34;1&#34;&#38;b=ä">
            <input id="who" name="who" required><button>Go</button></form><input name="other" value="1">"#,
        )
        .unwrap();
        assert_eq!(form.action, "/in?a=1&b=2");
        form.fill("who", "a b").unwrap();
        assert!(form.fill("other", "").is_err() && !form.has("other"));
        assert_eq!(form.body(), "goto=%2Fx%3Fa%3D%221%22%26b%3D%C3%A4&who=a%20b");
        assert!(Form::first("<p>no form</p>").is_err());
    }
}
