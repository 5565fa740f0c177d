//! Keyed fingerprints: the log and everything made from it carry no identifier.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Kind;

/// `trunc64(HMAC-SHA256(k_deny, kind ‖ len(realm) ‖ realm ‖ id))`.
///
/// Keyed, so that nobody outside can grind an identifier into (or out of) a listed fingerprint, and a disclosed log
/// tells how many sessions ended but not whose.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Fingerprint(pub u64);

/// The denylist key `k_deny`: it can tell whether a session is listed; it can mint nothing.
///
/// While one follows another there are two: entries are made under one, and looked for under both, because an entry is
/// never made anew. The other one is that of before, or the one to come.
#[derive(Clone)]
pub struct DenylistKey {
    key: Hmac<Sha256>,
    other: Option<Hmac<Sha256>>,
}

impl DenylistKey {
    pub fn new(secret: &[u8; 32]) -> Self {
        Self { key: mac(secret), other: None }
    }

    /// With another one under which there may be entries too.
    #[must_use]
    pub fn beside(self, other: &[u8; 32]) -> Self {
        Self { other: Some(mac(other)), ..self }
    }

    /// Fingerprint of a session family (`id` = the 16 bytes of `sid`), of a user (`id` = the UTF-8 of `sub`), of a
    /// realm (`id` is empty) or of a key (`id` = the UTF-8 of `kid`, with the empty realm).
    pub fn fingerprint(&self, kind: Kind, realm: &str, id: &[u8]) -> Fingerprint {
        fingerprint(self.key.clone(), kind, realm, id)
    }

    /// The same under the other key, where there is one.
    pub fn other_fingerprint(&self, kind: Kind, realm: &str, id: &[u8]) -> Option<Fingerprint> {
        self.other.as_ref().map(|key| fingerprint(key.clone(), kind, realm, id))
    }
}

#[allow(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104 §2)")]
fn mac(secret: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret).expect("any length")
}

fn fingerprint(mut mac: Hmac<Sha256>, kind: Kind, realm: &str, id: &[u8]) -> Fingerprint {
    mac.update(&[kind.code()]);
    mac.update(&(realm.len() as u64).to_be_bytes());
    mac.update(realm.as_bytes());
    mac.update(id);
    let [a, b, c, d, e, f, g, h, ..]: [u8; 32] = mac.finalize().into_bytes().into();
    Fingerprint(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever chooses a name cannot aim at a fingerprint, nor away from one, without the key; and what is told apart
    /// is told apart in it.
    #[test]
    fn r30_fingerprints_are_the_keys_and_of_one_thing_each() {
        let (key, other) = (DenylistKey::new(&[1; 32]), DenylistKey::new(&[2; 32]));
        let own = |kind, realm, id: &[u8]| key.fingerprint(kind, realm, id);
        assert_ne!(own(Kind::User, "/a", b"x"), other.fingerprint(Kind::User, "/a", b"x"));
        let all = [
            own(Kind::User, "/a", b"x"),
            own(Kind::Family, "/a", b"x"),
            own(Kind::User, "/ax", b""),
            own(Kind::User, "/", b"ax"),
            own(Kind::User, "/a", b"xx"),
            own(Kind::Realm, "/a", b"x"),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().map(|fingerprint| fingerprint.0).collect();
        assert_eq!(distinct.len(), all.len());
        // Near names are not near each other: about half of the bits differ.
        let far = (0..1000u32).map(|number| {
            let [a, b] = [number, number + 1].map(|number| own(Kind::Family, "/a", &number.to_be_bytes()).0);
            (a ^ b).count_ones()
        });
        assert!((30_000..34_000).contains(&far.sum::<u32>()));
    }
}
