//! Ed25519 (RFC 8032, RFC 8037).

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use curve25519_dalek::constants::ED25519_BASEPOINT_TABLE;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsBasepointTable};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{BasepointTable as _, IsIdentity as _};
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha512};

use crate::encoding::decode_array;
use crate::keys::KeyError;
use crate::token::TokenError;

/// A key gets its table of multiples with this verification: making one costs as much as some fifty of them save.
const WORTH_A_TABLE: u32 = 32;

/// Copies share the table.
#[derive(Clone)]
pub(crate) struct PublicKey(Arc<Known>);

struct Known {
    key: VerifyingKey,
    used: AtomicU32,
    /// Multiples of the negated key, 30 KB: with them a verification is additions alone and costs half.
    table: OnceLock<Box<EdwardsBasepointTable>>,
}

impl PublicKey {
    pub(crate) fn new(public: &[u8]) -> Result<Self, KeyError> {
        let bytes: &[u8; 32] = public.try_into().map_err(|_| KeyError::BadPublicKey)?;
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::BadPublicKey)?;
        // A small-order key verifies signatures that nobody made.
        if key.is_weak() {
            return Err(KeyError::BadPublicKey);
        }
        Ok(Self(Arc::new(Known { key, used: AtomicU32::new(0), table: OnceLock::new() })))
    }

    pub(crate) fn verify(&self, signing_input: &[u8], signature: &[u8]) -> Result<(), TokenError> {
        let bytes: [u8; 64] = decode_array(signature).map_err(|_| TokenError::Format)?;
        let signature = Signature::from_bytes(&bytes);
        let good = match self.0.table() {
            Some(table) => self.0.verify_by_table(table, signing_input, &signature),
            // Strict: no small-order R or A, no s ≥ L (RFC 8032 §5.1.7 with its malleability checks).
            None => self.0.key.verify_strict(signing_input, &signature).is_ok(),
        };
        if good { Ok(()) } else { Err(TokenError::Signature) }
    }
}

impl Known {
    fn table(&self) -> Option<&EdwardsBasepointTable> {
        if let Some(table) = self.table.get() {
            return Some(table);
        }
        if self.used.fetch_add(1, Ordering::Relaxed) < WORTH_A_TABLE {
            return None;
        }
        // It decompressed when the key was made.
        let point = CompressedEdwardsY(self.key.to_bytes()).decompress()?;
        Some(self.table.get_or_init(|| Box::new(EdwardsBasepointTable::create(&-point))))
    }

    /// What `verify_strict` says: `R` is the canonical encoding of `sB - kA`, which has no small order, and `s < L`. An
    /// `R` that equals an encoding just made need not be decompressed to know that it is one.
    fn verify_by_table(&self, table: &EdwardsBasepointTable, signing_input: &[u8], signature: &Signature) -> bool {
        let Some(s) = Option::<Scalar>::from(Scalar::from_canonical_bytes(*signature.s_bytes())) else { return false };
        let hash = Sha512::new()
            .chain_update(signature.r_bytes())
            .chain_update(self.key.as_bytes())
            .chain_update(signing_input);
        let k = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
        let r = table.mul_base(&k) + ED25519_BASEPOINT_TABLE.mul_base(&s);
        r.compress().as_bytes() == signature.r_bytes() && !r.mul_by_cofactor().is_identity()
    }
}

#[cfg(all(test, feature = "mint"))]
mod tests {
    use ed25519_dalek::{Signer as _, SigningKey};
    use proptest::prelude::*;

    use super::*;
    use crate::encoding::encode;

    fn with_table(key: &PublicKey) -> &EdwardsBasepointTable {
        key.0.used.store(WORTH_A_TABLE, Ordering::Relaxed);
        key.0.table().unwrap()
    }

    #[test]
    fn a_busy_key_gets_a_table_and_copies_share_it() {
        let signer = SigningKey::from_bytes(&[7; 32]);
        let key = PublicKey::new(signer.verifying_key().as_bytes()).unwrap();
        let (signature, copy) = (encode(&signer.sign(b"text").to_bytes()), key.clone());
        for number in 0..=WORTH_A_TABLE {
            assert!(key.0.table.get().is_none(), "{number}");
            assert_eq!(key.verify(b"text", signature.as_bytes()), Ok(()), "{number}");
        }
        assert!(copy.0.table.get().is_some());
        assert_eq!(copy.verify(b"text", signature.as_bytes()), Ok(()));
        assert_eq!(copy.verify(b"test", signature.as_bytes()), Err(TokenError::Signature));
    }

    /// The order of the base point, little-endian: added to `s` it makes the same signature again, were it let (RFC
    /// 8032 §5.1.7).
    const L: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];

    #[test]
    fn the_table_refuses_what_strictness_refuses() {
        let signer = SigningKey::from_bytes(&[7; 32]);
        let key = PublicKey::new(signer.verifying_key().as_bytes()).unwrap();
        let table = with_table(&key);
        let good = signer.sign(b"text").to_bytes();
        let mut more = good;
        let mut carry = 0_u16;
        for (byte, add) in more[32..].iter_mut().zip(L) {
            carry += u16::from(*byte) + u16::from(add);
            *byte = carry.to_le_bytes()[0];
            carry >>= 8;
        }
        // R of small order (the identity, in its canonical form and another), s = 0.
        let mut identity = [0; 64];
        identity[0] = 1;
        let mut odd = identity;
        (odd[0], odd[31]) = (0xee, 0x7f);
        odd[1..31].fill(0xff);
        for (name, bytes, expected) in
            [("good", good, true), ("s + L", more, false), ("identity", identity, false), ("not canonical", odd, false)]
        {
            let signature = Signature::from_bytes(&bytes);
            assert_eq!(key.0.key.verify_strict(b"text", &signature).is_ok(), expected, "{name}");
            assert_eq!(key.0.verify_by_table(table, b"text", &signature), expected, "{name}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn both_ways_agree(seed: [u8; 32], text: Vec<u8>, flip in prop::option::of((0..64_usize, 0..8_u8))) {
            let signer = SigningKey::from_bytes(&seed);
            let key = PublicKey::new(signer.verifying_key().as_bytes()).unwrap();
            let mut bytes = signer.sign(&text).to_bytes();
            if let Some((at, bit)) = flip {
                bytes[at] ^= 1_u8 << bit;
            }
            let signature = Signature::from_bytes(&bytes);
            let by_table = key.0.verify_by_table(with_table(&key), &text, &signature);
            prop_assert_eq!(by_table, flip.is_none());
            prop_assert_eq!(by_table, key.0.key.verify_strict(&text, &signature).is_ok());
        }
    }
}
