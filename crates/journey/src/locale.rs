use std::collections::BTreeMap;

/// A text per language tag, as in node configurations: `{"en": "..", "fr-fr": ".."}`.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Localised(pub BTreeMap<String, String>);

impl Localised {
    /// The text for the first language that has one: exactly, then by its base (`fr` for `fr-ca`, and `fr-fr` for
    /// `fr`). Without a match English, else the first there is.
    pub fn pick(&self, languages: &[String]) -> Option<&str> {
        let normal = |tag: &str| tag.replace('_', "-").to_lowercase();
        let base = |tag: &str| tag.split('-').next().unwrap_or_default().to_owned();
        let find = |test: &dyn Fn(&str) -> bool| {
            self.0.iter().find(|(tag, _)| test(&normal(tag))).map(|(_, text)| text.as_str())
        };
        for language in languages {
            let language = normal(language);
            let language_base = base(&language);
            let found = find(&|tag| tag == language)
                .or_else(|| find(&|tag| tag == language_base))
                .or_else(|| find(&|tag| base(tag) == language_base));
            if found.is_some() {
                return found;
            }
        }
        find(&|tag| tag == "en").or_else(|| self.0.values().next().map(String::as_str))
    }
}
