use aes_gcm::aead::{Aead as _, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use countersign_core::encoding;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::StoreError;

/// The key under which the store seals every other secret. It lives outside of the database.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

const VERSION: u8 = 1;
const NONCE: usize = 12;
/// Separates what is sealed here from anything else the key might ever be used for.
const DOMAIN: &[u8] = b"countersign store v1";

/// The value does not open: wrong key, altered, or moved from where it was sealed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Unopened;

impl MasterKey {
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    /// A new key from the operating system's randomness.
    pub fn generate() -> Result<Self, StoreError> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut_slice()).map_err(|_| StoreError::NoEntropy)?;
        Ok(Self(bytes))
    }

    /// Reads the content of a key file: base64url without padding; white space around it is ignored.
    pub fn from_text(text: &str) -> Result<Self, StoreError> {
        let bytes = encoding::decode_array::<32>(text.trim().as_bytes()).map_err(|_| StoreError::BadMasterKey)?;
        Ok(Self(Zeroizing::new(bytes)))
    }

    /// What to write into a key file.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(encoding::encode(self.0.as_slice()))
    }

    /// What stands for a short secret in the database: without this key nobody can try values out.
    pub(crate) fn mac(&self, context: &[&str]) -> [u8; 32] {
        // The key itself is AES's, so the MAC gets one of its own.
        let derived = Zeroizing::new(hmac(self.0.as_slice(), b"countersign store v1 mac"));
        hmac(derived.as_slice(), &associated_data(context))
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new((&*self.0).into())
    }

    /// `version ‖ nonce ‖ AES-256-GCM(secret)`, bound to `context`: it opens only where the same context is given.
    ///
    /// The nonce is random: an installation seals a few keys a month, far from the 2³² of NIST SP 800-38D §8.3.
    pub(crate) fn seal(&self, context: &[&str], secret: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|_| StoreError::NoEntropy)?;
        let payload = Payload { msg: secret, aad: &associated_data(context) };
        let sealed = self
            .cipher()
            .encrypt(&Nonce::from(nonce), payload)
            .map_err(|_| StoreError::Internal { detail: "sealing failed".into() })?;
        Ok([&[VERSION], nonce.as_slice(), &sealed].concat())
    }

    pub(crate) fn open(&self, context: &[&str], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unopened> {
        let (&[version], rest) = sealed.split_first_chunk::<1>().ok_or(Unopened)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>().ok_or(Unopened)?;
        if version != VERSION {
            return Err(Unopened);
        }
        let payload = Payload { msg: sealed, aad: &associated_data(context) };
        self.cipher().decrypt(&Nonce::from(*nonce), payload).map(Zeroizing::new).map_err(|_| Unopened)
    }
}

fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    // A key of any length is one.
    match <Hmac<Sha256> as KeyInit>::new_from_slice(key) {
        Ok(mac) => mac.chain_update(text).finalize().into_bytes().into(),
        Err(_) => [0; 32],
    }
}

/// Every field with its length before it, so that no two contexts give the same bytes.
fn associated_data(context: &[&str]) -> Vec<u8> {
    let mut out = DOMAIN.to_vec();
    for field in context {
        out.extend_from_slice(&(field.len() as u64).to_be_bytes());
        out.extend_from_slice(field.as_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_and_is_checked() {
        let key = MasterKey::from_bytes(&[7; 32]);
        let again = MasterKey::from_text(&format!(" {}\n", key.to_text().as_str())).ok().unwrap();
        assert_eq!(*again.0, [7; 32]);
        for bad in ["", "AAAA", &"A".repeat(42), &"A".repeat(44), &format!("{}=", "A".repeat(43)), &"+".repeat(43)] {
            assert_eq!(MasterKey::from_text(bad).err(), Some(StoreError::BadMasterKey), "{bad}");
        }
        assert_ne!(*MasterKey::generate().ok().unwrap().0, *MasterKey::generate().ok().unwrap().0);
    }

    #[test]
    fn a_sealed_value_opens_only_in_its_context() {
        let key = MasterKey::from_bytes(&[7; 32]);
        let sealed = key.seal(&["ab", "c"], b"secret").unwrap();
        assert_eq!(key.open(&["ab", "c"], &sealed).unwrap().as_slice(), b"secret");
        for other in [&["a", "bc"][..], &["ab", "c", ""], &["abc"], &["c", "ab"]] {
            assert_eq!(key.open(other, &sealed).err(), Some(Unopened), "{other:?}");
        }
        assert!(MasterKey::from_bytes(&[8; 32]).open(&["ab", "c"], &sealed).is_err());
    }

    #[test]
    fn every_altered_or_missing_byte_is_refused() {
        let key = MasterKey::from_bytes(&[7; 32]);
        let sealed = key.seal(&["x"], b"secret").unwrap();
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(key.open(&["x"], &altered).is_err(), "byte {at}");
            assert!(key.open(&["x"], &sealed[..at]).is_err(), "cut at {at}");
        }
        assert_ne!(key.seal(&["x"], b"secret").unwrap(), sealed, "a nonce is never used twice");
    }
}
