use sha2::{Digest as _, Sha256};

use crate::encoding;

/// Tells a reference from a token, which begins with `eyJ` and has dots; and tells people what it is that leaked.
const PREFIX: &[u8] = b"ref-";

/// What the browser has of a server-side session: 256 random bits, of which the store keeps a hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference([u8; 32]);

impl Reference {
    pub const fn new(random: [u8; 32]) -> Self {
        Self(random)
    }

    /// A cookie's value that has the form of a reference; whether there is such a session is for the store to say.
    pub fn read(value: &[u8]) -> Option<Self> {
        encoding::decode_array(value.strip_prefix(PREFIX)?).ok().map(Self)
    }

    /// The cookie's value.
    pub fn value(&self) -> String {
        let mut value = String::from_utf8_lossy(PREFIX).into_owned();
        value.push_str(&encoding::encode(&self.0));
        value
    }

    /// The secret itself, for the store, which hashes it.
    pub const fn secret(&self) -> &[u8; 32] {
        &self.0
    }

    /// Names the reference to whoever has it already.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"countersign reference\0");
        hash.update(self.0);
        hash.finalize().into()
    }
}

/// Whoever has it has the session.
impl std::fmt::Debug for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reference")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_and_no_other() {
        let reference = Reference::new([0xfb; 32]);
        let value = reference.value();
        assert_eq!(value.len(), 4 + 43);
        assert!(Reference::read(value.as_bytes()) == Some(reference));
        assert!(reference.digest() != Reference::new([0xfa; 32]).digest());
        let last_bits_set = format!("{}_", &value[..value.len() - 1]);
        for other in ["", "ref-", "REF-", &value[1..], &value[..46], &format!("{value}A"), &last_bits_set, "eyJ.eyJ.x"]
        {
            assert!(Reference::read(other.as_bytes()).is_none(), "{other}");
        }
        assert!(Reference::read(format!("{value}=").as_bytes()).is_none());
    }
}
