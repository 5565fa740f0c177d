use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Session properties: text by name, each name once, in the order they were put in.
///
/// All the text stands in one string, because every cold verification at the edge builds one of these: two dozen
/// properties in a map of strings cost four dozen allocations, more than their decryption.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Properties {
    text: String,
    /// Where each name and its value end in `text`.
    ends: Vec<(usize, usize)>,
}

impl Properties {
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find_map(|(known, value)| (known == name).then_some(value))
    }

    pub fn remove(&mut self, name: &str) -> Option<String> {
        let value = self.get(name)?.to_owned();
        *self = self.iter().filter(|(known, _)| *known != name).collect();
        Some(value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(_, end)| *end));
        starts
            .zip(&self.ends)
            .filter_map(|(start, (name, value))| Some((self.text.get(start..*name)?, self.text.get(*name..*value)?)))
    }

    fn close(&mut self, name_end: usize) {
        self.ends.push((name_end, self.text.len()));
    }

    /// With room for so many bytes and properties, by estimate.
    pub(super) fn with_room(bytes: usize, count: usize) -> Self {
        Self { text: String::with_capacity(bytes), ends: Vec::with_capacity(count) }
    }

    /// Adds a property whose value `write` appends. The caller knows that the name is new.
    pub(super) fn append<E>(&mut self, name: &str, write: impl FnOnce(&mut String) -> Result<(), E>) -> Result<(), E> {
        self.text.push_str(name);
        let name_end = self.text.len();
        write(&mut self.text)?;
        self.close(name_end);
        Ok(())
    }
}

/// The first of two values for one name stays.
impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for Properties {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(items: I) -> Self {
        let mut properties = Self::default();
        for (name, value) in items {
            if properties.get(name.as_ref()).is_none() {
                properties.text.push_str(name.as_ref());
                let name_end = properties.text.len();
                properties.text.push_str(value.as_ref());
                properties.close(name_end);
            }
        }
        properties
    }
}

impl Serialize for Properties {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.iter())
    }
}

/// A map would silently take the last of two members with one name (RFC 8259 §4 leaves it open); this refuses them.
impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Unique;
        impl<'de> Visitor<'de> for Unique {
            type Value = Properties;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Properties, A::Error> {
                let mut properties = Properties::default();
                loop {
                    let start = properties.text.len();
                    if map.next_key_seed(Append(&mut properties.text))?.is_none() {
                        return Ok(properties);
                    }
                    let name_end = properties.text.len();
                    let name = properties.text.get(start..);
                    if properties.iter().any(|(known, _)| Some(known) == name) {
                        return Err(A::Error::custom("duplicate property"));
                    }
                    map.next_value_seed(Append(&mut properties.text))?;
                    properties.close(name_end);
                }
            }
        }
        from.deserialize_map(Unique)
    }
}

/// Reads a string onto the end of another.
pub(super) struct Append<'a>(pub(super) &'a mut String);

impl<'de> DeserializeSeed<'de> for Append<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Append<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn j11_a_name_stands_once() {
        let read = serde_json::from_str::<Properties>;
        for wrong in [
            r#"{"a":"1","a":"2"}"#,
            r#"{"a":"1","b":"","a":"1"}"#,
            r#"{"a":1}"#,
            r#"{"a":null}"#,
            r#"["a"]"#,
            r#"{"":"","":""}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        let two = read(r#"{"a":"1","\u0062":"x\ny"}"#).unwrap();
        assert_eq!((two.get("a"), two.get("b"), two.get("")), (Some("1"), Some("x\ny"), None));
    }

    proptest! {
        #[test]
        fn it_is_a_map(pairs in prop::collection::vec(("[a-c]{0,2}", ".{0,5}"), 0..12), gone in "[a-c]{0,2}") {
            let mut map = BTreeMap::new();
            for (name, value) in &pairs {
                map.entry(name.clone()).or_insert_with(|| value.clone());
            }
            let mut properties: Properties = pairs.into_iter().collect();
            prop_assert_eq!(properties.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect::<BTreeMap<_, _>>(), map.clone());
            let json = serde_json::to_string(&properties).unwrap();
            prop_assert_eq!(serde_json::from_str::<BTreeMap<String, String>>(&json).unwrap(), map.clone());
            prop_assert_eq!(&serde_json::from_str::<Properties>(&json).unwrap(), &properties);
            prop_assert_eq!(properties.remove(&gone), map.remove(&gone));
            prop_assert_eq!(properties.iter().count(), map.len());
        }
    }
}
