//! Query strings and form bodies: `application/x-www-form-urlencoded`, unknown members ignored.

/// Most members that are looked at.
const MAX_MEMBERS: usize = 64;

pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(text: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(text).take(MAX_MEMBERS).map(|(k, v)| (k.into(), v.into())).collect())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The first of the name.
    pub(super) fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first of the name, unless it is empty.
    pub(super) fn filled(&self, name: &str) -> Option<&str> {
        self.first(name).filter(|value| !value.is_empty())
    }

    /// The one of the name: of two, nobody can tell which is meant.
    pub(super) fn only(&self, name: &str) -> Option<&str> {
        let mut all = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        all.next().filter(|_| all.next().is_none())
    }

    pub(super) fn is_true(&self, name: &str) -> bool {
        self.first(name) == Some("true")
    }
}
