use serde::{Deserialize, Serialize};

/// A key identifier: 1 to 64 characters of base64url. Never a path, never an index, never looked up but by equality.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Kid(String);

/// Not a [`Kid`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadKid;

impl std::fmt::Display for BadKid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a key identifier has 1 to 64 characters of A-Z a-z 0-9 - _")
    }
}

impl std::error::Error for BadKid {}

impl Kid {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Kid {
    type Error = BadKid;

    fn try_from(text: String) -> Result<Self, BadKid> {
        let fine = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if fine && (1..=64).contains(&text.len()) { Ok(Self(text)) } else { Err(BadKid) }
    }
}

impl From<Kid> for String {
    fn from(kid: Kid) -> Self {
        kid.0
    }
}

impl std::fmt::Display for Kid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
