//! The settings of a node, declared once: [`config!`] makes the typed struct, how it is read, and the fields for
//! schemas and documentation.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::Localised;

/// The JSON form of a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Boolean,
    Integer,
    Text,
    /// A text that must not be written into an export: keys and passwords.
    Secret,
    List,
    /// Texts by name.
    Map,
    /// Texts by language.
    Localised,
    /// The children of a page.
    Nodes,
}

/// One setting of a node type.
#[derive(Clone, PartialEq, Debug)]
pub struct Field {
    pub name: &'static str,
    pub about: String,
    pub kind: Kind,
    /// `None`: required.
    pub default: Option<Value>,
    /// The only values, if they are a fixed set.
    pub choices: &'static [&'static str],
}

/// A setting that cannot be used: the operator's fault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigError {
    pub field: &'static str,
    pub why: &'static str,
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "setting {}: {}", self.field, self.why)
    }
}

pub(crate) trait NodeConfig: Sized + Send {
    fn fields() -> Vec<Field>;
    fn read(config: &Map<String, Value>) -> Result<Self, ConfigError>;
}

/// A Rust type that a setting can have.
pub(crate) trait Setting: Sized {
    const KIND: Kind;
    const EXPECTED: &'static str;
    fn read(value: &Value) -> Option<Self>;
    fn show(&self) -> Value;
    /// What an absent setting without a declared default is; `None` makes it required.
    fn absent() -> Option<Self> {
        None
    }
}

impl Setting for bool {
    const KIND: Kind = Kind::Boolean;
    const EXPECTED: &'static str = "must be true or false";
    fn read(value: &Value) -> Option<Self> {
        value.as_bool().or_else(|| value.as_str()?.parse().ok())
    }
    fn show(&self) -> Value {
        json!(self)
    }
}

impl Setting for i64 {
    const KIND: Kind = Kind::Integer;
    const EXPECTED: &'static str = "must be a whole number";
    fn read(value: &Value) -> Option<Self> {
        value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
    }
    fn show(&self) -> Value {
        json!(self)
    }
}

impl Setting for String {
    const KIND: Kind = Kind::Text;
    const EXPECTED: &'static str = "must be a text";
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }
    fn show(&self) -> Value {
        json!(self)
    }
}

/// A key or password; no `Debug`.
#[derive(Clone, Default)]
pub(crate) struct Secret(pub(crate) Option<String>);

impl Setting for Secret {
    const KIND: Kind = Kind::Secret;
    const EXPECTED: &'static str = "must be a text";
    fn read(value: &Value) -> Option<Self> {
        String::read(value).map(|text| Self(Some(text).filter(|text| !text.is_empty())))
    }
    fn show(&self) -> Value {
        Value::Null
    }
    fn absent() -> Option<Self> {
        Some(Self::default())
    }
}

impl<T: Setting> Setting for Option<T> {
    const KIND: Kind = T::KIND;
    const EXPECTED: &'static str = T::EXPECTED;
    fn read(value: &Value) -> Option<Self> {
        if value.as_str() == Some("") { Some(None) } else { T::read(value).map(Some) }
    }
    fn show(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::show)
    }
    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl Setting for Vec<String> {
    const KIND: Kind = Kind::List;
    const EXPECTED: &'static str = "must be a list of texts";
    fn read(value: &Value) -> Option<Self> {
        value.as_array()?.iter().map(String::read).collect()
    }
    fn show(&self) -> Value {
        json!(self)
    }
    fn absent() -> Option<Self> {
        Some(Self::new())
    }
}

impl Setting for BTreeMap<String, String> {
    const KIND: Kind = Kind::Map;
    const EXPECTED: &'static str = "must be a map of texts";
    fn read(value: &Value) -> Option<Self> {
        value.as_object()?.iter().map(|(key, value)| Some((key.clone(), String::read(value)?))).collect()
    }
    fn show(&self) -> Value {
        json!(self)
    }
    fn absent() -> Option<Self> {
        Some(Self::new())
    }
}

impl Setting for Localised {
    const KIND: Kind = Kind::Localised;
    const EXPECTED: &'static str = "must be texts by language";
    fn read(value: &Value) -> Option<Self> {
        // Old versions have one plain text.
        match value {
            Value::String(text) if text.is_empty() => Some(Self::default()),
            Value::String(text) => Some(Self([("en".to_owned(), text.clone())].into())),
            value => BTreeMap::read(value).map(Self),
        }
    }
    fn show(&self) -> Value {
        json!(self.0)
    }
    fn absent() -> Option<Self> {
        Some(Self::default())
    }
}

/// The children of a page stay as they are: the journey reads them when it is compiled.
pub(crate) struct Nodes;

impl Setting for Nodes {
    const KIND: Kind = Kind::Nodes;
    const EXPECTED: &'static str = "must be a list of nodes";
    fn read(value: &Value) -> Option<Self> {
        value.is_array().then_some(Self)
    }
    fn show(&self) -> Value {
        json!([])
    }
}

pub(crate) fn read_field<T: Setting>(
    config: &Map<String, Value>,
    field: &'static str,
    default: Option<T>,
    choices: &'static [&'static str],
) -> Result<T, ConfigError> {
    let value = match config.get(field) {
        None | Some(Value::Null) => return default.ok_or(ConfigError { field, why: "is required" }),
        Some(value) => value,
    };
    if !choices.is_empty() && !value.as_str().is_some_and(|text| choices.contains(&text)) {
        return Err(ConfigError { field, why: "is not one of the values it may have" });
    }
    T::read(value).ok_or(ConfigError { field, why: T::EXPECTED })
}

pub(crate) fn field<T: Setting>(
    name: &'static str,
    about: &str,
    default: Option<T>,
    choices: &'static [&'static str],
) -> Field {
    Field { name, about: about.trim().to_owned(), kind: T::KIND, default: default.map(|value| value.show()), choices }
}

/// Declares `Config` with AM's names: ``/// about ↵ name: Type = default => ["ONE", "TWO"];``. Without a default a
/// setting is required, unless its type has an empty value.
macro_rules! config {
    ($($(#[doc = $about:literal])+ $name:ident : $type:ty $(= $default:expr)? $(=> [$($choice:literal),+])? ;)*) => {
        #[allow(non_snake_case, reason = "AM's names")]
        #[allow(dead_code, reason = "settings that a node has no use for are declared too: schemas show them")]
        pub(crate) struct Config { $(pub(super) $name: $type,)* }

        impl $crate::config::NodeConfig for Config {
            fn fields() -> Vec<$crate::config::Field> {
                vec![$($crate::config::field::<$type>(
                    stringify!($name),
                    concat!($($about),+),
                    $crate::config::config!(@default $type $(, $default)?),
                    &[$($($choice),+)?],
                )),*]
            }

            fn read(
                #[allow(unused_variables, reason = "some nodes have no settings")]
                config: &serde_json::Map<String, serde_json::Value>,
            ) -> Result<Self, $crate::config::ConfigError> {
                Ok(Self { $($name: $crate::config::read_field::<$type>(
                    config,
                    stringify!($name),
                    $crate::config::config!(@default $type $(, $default)?),
                    &[$($($choice),+)?],
                )?),* })
            }
        }
    };
    (@default $type:ty, $default:expr) => { Some(<$type>::from($default)) };
    (@default $type:ty) => { <$type as $crate::config::Setting>::absent() };
}
pub(crate) use config;
